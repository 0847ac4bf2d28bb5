"""Certificates that an app brings along. Imported inside `cove.certification`."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from msgspec import Struct

from cove.errors import InvalidFile
from cove.model.app import App, OwnCertificate
from cove.model.certificates import CertFacts
from cove.ports import CertificateFiles

_log = logging.getLogger(__name__)


class _Given(Struct, frozen=True):
    domain: str
    names: tuple[str, ...]
    certificate: OwnCertificate


async def check(spec: App, files: CertificateFiles) -> tuple[str, ...]:
    """What is odd about them. Raises InvalidFile (`certificate`) for one that cannot serve."""
    remarks: list[str] = []
    for given in _given(spec):
        _, odd = await files.inspect(
            given.domain, given.certificate.chain, given.certificate.key.value, given.names
        )
        remarks += odd
    return tuple(dict.fromkeys(remarks))


async def brought(spec: App, files: CertificateFiles) -> tuple[CertFacts, ...]:
    """What they are; one that cannot serve any more is left out."""
    found = []
    for given in _given(spec):
        try:
            pair, _ = await files.inspect(
                given.domain, given.certificate.chain, given.certificate.key.value, given.names
            )
        except InvalidFile:
            continue
        found.append(pair.facts)
    return tuple(found)


async def place(spec: App, files: CertificateFiles) -> None:
    """Puts them where the proxy reads them; one that has ended since stays as it lies there."""
    for given in _given(spec):
        try:
            pair, _ = await files.inspect(
                given.domain, given.certificate.chain, given.certificate.key.value, given.names
            )
        except InvalidFile as error:
            _log.warning("%s: %s", spec.name, error.message)
            continue
        if files.facts("own", given.domain) != pair.facts:
            files.save("own", pair)


def _given(spec: App) -> Iterator[_Given]:
    for route in spec.routes:
        if route.certificate is None:
            continue
        for domain in (route.domain, *route.redirect_from):
            yield _Given(domain, (domain,), route.certificate)
