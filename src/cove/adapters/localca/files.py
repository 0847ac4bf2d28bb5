"""What lies where: the authority's folder, the proxy's certificates, and how they are replaced.

Shared by the agent's side and the child that issues, so nothing heavy is imported here. Beside
each certificate `NAME.crt` (the leaf, then its issuer) and key `NAME.key` lies `NAME.json`, its
facts: reading those needs no X.509 library.
"""

from __future__ import annotations

import hashlib
import re
import ssl
from binascii import Error as Base64Error
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from cove.model import certificates as certificates_model
from cove.model.names import domain_of, file_stem

DEFAULT: Final = "_default"  # no domain starts with an underscore
SUFFIXES: Final = (".crt", ".key", ".json")
DAY: Final = 86400.0
RENEW_BEFORE: Final = 30 * DAY

_PEM: Final = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


class CertFacts(certificates_model.CertFacts, frozen=True, kw_only=True):
    """A certificate of the local authority."""

    authority: str  # the issuing root's fingerprint; its own for a self-signed one


class Request(Struct, frozen=True, kw_only=True):
    """What the child is to do. `now` is in seconds since the epoch."""

    directory: str
    certs_dir: str
    host: str  # names the authority, when one must be made
    domains: tuple[str, ...]
    default: bool
    now: float


class Answer(Struct, frozen=True, kw_only=True):
    """What the child did, or why it could not."""

    issued: tuple[str, ...] = ()
    error: str = ""


def certificates(pem: str) -> list[str]:
    """The PEM blocks of a bundle, in order."""
    return _PEM.findall(pem)


def fingerprint(pem: str) -> str:
    """The SHA-256 of the first certificate of a bundle, in hex; empty when there is none."""
    blocks = certificates(pem)
    try:
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(blocks[0])).hexdigest() if blocks else ""
    except (ValueError, Base64Error):
        return ""


def read(path: Path) -> str:
    """The file's text; empty when it cannot be read."""
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


def facts(certs_dir: Path, name: str) -> CertFacts | None:
    """What is known of a certificate; None unless all its files are there and belong together."""
    name = file_stem(name)
    if not read(certs_dir / f"{name}.key"):
        return None
    try:
        found = msgspec.json.decode(read(certs_dir / f"{name}.json"), type=CertFacts)
    except msgspec.DecodeError:
        return None
    return found if found.fingerprint == fingerprint(read(certs_dir / f"{name}.crt")) else None


def is_current(found: CertFacts | None, authority: str, now: float) -> bool:
    """Whether a certificate needs no renewal: of this authority, with enough time left."""
    return (
        found is not None
        and found.authority == authority
        and found.not_before <= now
        and found.not_after - now > RENEW_BEFORE
    )


def names(certs_dir: Path) -> list[str]:
    """The domains that have any file here, sorted."""
    found = (p.name for p in certs_dir.iterdir()) if certs_dir.is_dir() else iter(())
    stems = {name.removesuffix(s) for name in found for s in SUFFIXES if name.endswith(s)}
    return sorted(map(domain_of, (s for s in stems if s != DEFAULT and not s.startswith("."))))
