"""Certificates and the authorities they come from. Imported inside `cove.agent.api`."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web
from msgspec import Struct
from msgspec.structs import asdict, replace

from cove.agent import status
from cove.agent.api.answers import answer
from cove.agent.api.endpoint import endpoint, read_body
from cove.agent.platform import Parts
from cove.errors import InvalidFile
from cove.model.certificates import (
    AcmeSettings,
    ChallengeKind,
    DnsProvider,
    DnsSettings,
    split_server,
)
from cove.model.views import AcmeView, AuthorityView, CertView
from cove.rollout import recovery

_EMAIL: Final = re.compile(r"[^\s@\x00-\x1f]{1,64}@[^\s@\x00-\x1f]{1,255}")
_HIGHEST_PORT: Final = 65535


class AcmeChange(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be different of the public authority; None: as it is. `reset` comes first."""

    reset: bool = False
    directory: str | None = None
    email: str | None = None
    challenge: ChallengeKind | None = None
    eab_kid: str | None = None
    eab_hmac: str | None = None
    roots: str | None = None
    gate: bool | None = None
    http_port: int | None = None
    tls_port: int | None = None
    dns_server: str | None = None


class DnsChange(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The provider that writes records for wildcards; without one nobody does."""

    provider: DnsProvider | None = None
    server: str = ""
    key_name: str = ""
    algorithm: str = "hmac-sha256"
    secret: str = ""


class RenewRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A name to try now."""

    domain: str


class CertEndpoints:
    """Everything under /v1/certs."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    @endpoint("GET", "/v1/certs", {"certs": list[CertView], "ca": AuthorityView})
    async def certs(self, _: web.Request) -> web.StreamResponse:
        """Certificates, and cove's own authority."""
        authority = self._parts.authority
        view = AuthorityView(
            pem=authority.root_pem(), path=str(authority.root_path), trusted=authority.trusted()
        )
        return answer({"certs": status.cert_views(self._parts), "ca": view})

    @endpoint("GET", "/v1/certs/acme", {"acme": AcmeView})
    async def acme(self, _: web.Request) -> web.StreamResponse:
        """The public authority, without its secrets."""
        return answer({"acme": _view(self._parts.certification.settings)})

    @endpoint("POST", "/v1/certs/acme", {"acme": AcmeView}, body=AcmeChange)
    async def change_acme(self, request: web.Request) -> web.StreamResponse:
        """Choose the public authority and how it is spoken to."""
        change = await read_body(request, AcmeChange)
        before = self._parts.certification.settings
        given = {k: v for k, v in asdict(change).items() if v is not None and k != "reset"}
        base = AcmeSettings(dns=before.dns) if change.reset else before
        return await self._changed(replace(base, **given))

    @endpoint("POST", "/v1/certs/dns", {"acme": AcmeView}, body=DnsChange)
    async def change_dns(self, request: web.Request) -> web.StreamResponse:
        """Choose who writes the DNS records that wildcards need."""
        change = await read_body(request, DnsChange)
        dns = None
        if change.provider is not None:
            dns = DnsSettings(
                provider=change.provider,
                server=change.server,
                key_name=change.key_name,
                algorithm=change.algorithm,
                secret=change.secret,
            )
        return await self._changed(replace(self._parts.certification.settings, dns=dns))

    @endpoint("POST", "/v1/certs/renew", {"domain": str}, body=RenewRequest)
    async def renew(self, request: web.Request) -> web.StreamResponse:
        """Try a public name now, whatever its back-off."""
        domain = (await read_body(request, RenewRequest)).domain
        self._parts.certification.renew(domain)
        return answer({"domain": domain}, 202)

    async def _changed(self, settings: AcmeSettings) -> web.StreamResponse:
        _check(settings)
        parts = self._parts
        before = parts.certification.settings
        parts.certification.change(settings)
        parts.rollouts.proxy = parts.proxy_settings()
        if settings.challenge != before.challenge:
            for record in parts.store.apps():
                await recovery.restore(record.name, parts.rollouts)
            await parts.status_pages.reroute()
        return answer({"acme": _view(settings)})


def _view(settings: AcmeSettings) -> AcmeView:
    dns = settings.dns
    return AcmeView(
        directory=settings.directory,
        email=settings.email,
        challenge=settings.challenge,
        eab_kid=settings.eab_kid,
        own_roots=bool(settings.roots),
        gate=settings.gate,
        http_port=settings.http_port,
        tls_port=settings.tls_port,
        dns_server=settings.dns_server,
        dns_provider=dns.provider if dns else "",
        dns_provider_server=dns.server if dns else "",
    )


def _check(settings: AcmeSettings) -> None:
    """Raises InvalidFile (`acme-settings`); nothing has been changed then."""
    findings = (
        (not _is_url(settings.directory), "the directory must be an https:// URL"),
        (
            bool(settings.email) and not _EMAIL.fullmatch(settings.email),
            f"{settings.email!r} is not an e-mail address",
        ),
        (
            bool(settings.eab_kid) != bool(settings.eab_hmac),
            "an external account takes both its identifier and its key",
        ),
        (
            bool(settings.roots) and "BEGIN CERTIFICATE" not in settings.roots,
            "the authority's root is not a certificate in PEM form",
        ),
        (
            not all(0 < p <= _HIGHEST_PORT for p in (settings.http_port, settings.tls_port)),
            f"a port is a number from 1 to {_HIGHEST_PORT}",
        ),
        (not _is_server(settings.dns_server), "the DNS server must be an address or address:port"),
        *_dns_findings(settings.dns),
    )
    for wrong, text in findings:
        if wrong:
            raise InvalidFile(text, code="acme-settings", hint="cove certs acme --help")


def _dns_findings(dns: DnsSettings | None) -> tuple[tuple[bool, str], ...]:
    if dns is None:
        return ()
    by_update = dns.provider == "rfc2136"
    # A gateway on this machine may do without TLS; a token may not travel so.
    open_way = bool(dns.server) and not dns.server.startswith(("https://", "http://127."))
    return (
        (not dns.secret, "the DNS provider needs its token or key"),
        (by_update and not (dns.server and dns.key_name), "rfc2136 needs a server and a key name"),
        (not by_update and open_way, "the address of DigitalOcean's API must begin with https://"),
    )


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme == "https" and bool(parts.hostname) and text.isascii()
    except ValueError:
        return False


def _is_server(text: str) -> bool:
    try:
        return not text or bool(split_server(text)[0])
    except ValueError:
        return False
