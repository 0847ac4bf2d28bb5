"""`CovePublicSide`: the port `PublicSide`: challenges, the gate before them, the look afterwards.

Imported inside `cove.adapters.publicside`. The gate asks as an authority would, with a nonce of
our own, so that a name which leads elsewhere costs no failed validation.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from cove.adapters.publicside.listener import ALPN, PREFIX, ChallengeListener
from cove.adapters.publicside.resolving import Unresolved, addresses, is_own, own_addresses
from cove.model.certificates import AcmeSettings, Challenge
from cove.model.names import example_of

_LIMIT: Final = 10.0  # seconds for one fetch; authorities wait about as long
_POLL: Final = 0.1
_LED_WITHIN: Final = 5.0  # seconds; the proxy takes a file within a tenth of one
_LARGEST: Final = 8192  # bytes of an answer that are read
_MOST_REDIRECTS: Final = 5
_MOST_HEADERS: Final = 100
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_OK: Final = 200
_HTTP, _HTTPS = 80, 443


class _Elsewhere(Exception):
    """The nonce did not come back; says what came instead."""


@dataclass(frozen=True)
class _Place:
    address: str
    port: int
    encrypted: bool
    target: str


class CovePublicSide:
    """Over a listener; `https` is where this machine's own proxy shows certificates."""

    def __init__(self, listener: ChallengeListener, https: tuple[str, int]) -> None:
        self._listener = listener
        self._https = https

    async def present(self, challenge: Challenge) -> None:
        """Answers a challenge; returns once this machine's own proxy leads to it."""
        self._listener.present(challenge)
        if challenge.kind == "tls":
            await self._led(challenge.domain)

    async def _led(self, domain: str) -> None:
        """Waits until this machine's own proxy leads such handshakes here, within reason."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_LED_WITHIN):
                while True:
                    with suppress(OSError):
                        if (await _handshake(*self._https, domain, (ALPN,)))[1] == ALPN:
                            return
                    await asyncio.sleep(_POLL)

    def withdraw(self, domain: str) -> None:
        """Forgets everything presented for a domain."""
        self._listener.withdraw(domain)

    async def reaches(self, domain: str, settings: AcmeSettings) -> str:
        """Fetches a nonce through the public name; why it did not come, or empty."""
        try:
            found = await addresses(domain, settings.dns_server)
        except Unresolved as reason:
            return str(reason)
        if settings.challenge == "tls":
            await self._led(domain)
        for address in _asked(found):
            problem = await self._problem(domain, address, settings)
            if problem:
                return problem + _whose(found)
        return ""

    async def _problem(self, domain: str, address: str, settings: AcmeSettings) -> str:
        by_tls = settings.challenge == "tls"
        try:
            async with asyncio.timeout(_LIMIT):
                await (self._shake if by_tls else self._fetch)(domain, address, settings)
        except _Elsewhere as reason:
            return str(reason)
        except TimeoutError:
            port = settings.tls_port if by_tls else settings.http_port
            return f"no answer from {address} port {port} within {_LIMIT:g} s"
        return ""

    async def served(self, domain: str) -> str:
        """The fingerprint of the certificate that the proxy shows for a name; empty: none."""
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(_LIMIT):
                return (await _handshake(*self._https, domain, ("http/1.1",)))[0]
        return ""

    async def _fetch(self, domain: str, address: str, settings: AcmeSettings) -> None:
        token, content = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        self._listener.put(token, f"gate {domain}", content)
        place = _Place(address, settings.http_port, encrypted=False, target=f"{PREFIX}{token}")
        try:
            for _turn in range(_MOST_REDIRECTS):
                status, headers, body = await _get(domain, place)
                if status == _OK and body == content:
                    return
                if status not in _REDIRECTS:
                    raise _Elsewhere(_described(address, status, headers))
                place = _followed(domain, place, headers.get("location", ""), settings)
            raise _Elsewhere("it redirects too often")
        finally:
            self._listener.withdraw(f"gate {domain}")

    async def _shake(self, domain: str, address: str, settings: AcmeSettings) -> None:
        port = settings.tls_port
        try:
            found, protocol = await _handshake(address, port, domain, (ALPN,))
        except ssl.SSLError as error:
            reason = (error.reason or "").replace("_", " ").lower()
            raise _Elsewhere(f"{address} port {port} is not this server: {reason}") from error
        except OSError as error:
            raise _Elsewhere(_refused(address, port, error)) from error
        if protocol != ALPN or found != self._listener.fingerprint:
            raise _Elsewhere(f"something else ends TLS at {address} port {port}")


def _asked(found: tuple[str, ...]) -> list[str]:
    """One address of each family: authorities prefer IPv6, where an old record is soon forgotten.

    A machine that has no way into IPv6 cannot ask there, and leaves that to the authority.
    """
    families = {":" in address: address for address in reversed(found)}
    if len(families) == 1 or any(":" in own for own in own_addresses()):
        return [families[six] for six in sorted(families)]
    return [families[False]]


async def _handshake(
    address: str, port: int, domain: str, offers: tuple[str, ...]
) -> tuple[str, str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(list(offers))
    _, writer = await asyncio.open_connection(
        address, port, ssl=context, server_hostname=example_of(domain)
    )
    try:
        channel = writer.get_extra_info("ssl_object")
        der = channel.getpeercert(binary_form=True) or b""
        return hashlib.sha256(der).hexdigest(), str(channel.selected_alpn_protocol() or "")
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def _get(domain: str, place: _Place) -> tuple[int, Mapping[str, str], str]:
    context = None
    if place.encrypted:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False  # as authorities do: the certificate is what is asked for
        context.verify_mode = ssl.CERT_NONE
    name = domain if place.encrypted else None
    usual = _HTTPS if place.encrypted else _HTTP
    host = domain if place.port == usual else f"{domain}:{place.port}"
    try:
        reader, writer = await asyncio.open_connection(
            place.address, place.port, ssl=context, server_hostname=name
        )
    except OSError as error:
        raise _Elsewhere(_refused(place.address, place.port, error)) from error
    try:
        writer.write(
            f"GET {place.target} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: cove\r\n"
            "Accept: */*\r\nConnection: close\r\n\r\n".encode()
        )
        return await _read(reader)
    except (OSError, ValueError, asyncio.IncompleteReadError) as error:
        raise _Elsewhere(f"{place.address} port {place.port} does not answer HTTP") from error
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def _read(reader: asyncio.StreamReader) -> tuple[int, Mapping[str, str], str]:
    """Status, headers and the body's beginning. Raises ValueError for what is not HTTP."""
    version, status = (await reader.readline()).split(maxsplit=2)[:2]
    if not version.startswith(b"HTTP/1."):
        raise ValueError
    headers = {}
    for _ in range(_MOST_HEADERS):
        line = (await reader.readline()).decode("latin-1").strip()
        if not line:
            break
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    length = int(headers.get("content-length", _LARGEST))
    body = b""
    while len(body) < min(length, _LARGEST) and (chunk := await reader.read(_LARGEST)):
        body += chunk
    text = body.decode("latin-1")
    if headers.get("transfer-encoding", "").lower() == "chunked":
        text = "".join(text.split("\r\n")[1:2])  # the nonce is one short chunk
    return int(status), headers, text


def _followed(domain: str, place: _Place, location: str, settings: AcmeSettings) -> _Place:
    """A redirect within the name, as authorities follow it."""
    parts = urlsplit(location)
    if parts.hostname not in (None, domain):
        raise _Elsewhere(f"it redirects to {_printable(location)}")
    encrypted = parts.scheme == "https" if parts.scheme else place.encrypted
    try:
        port = parts.port
    except ValueError:
        raise _Elsewhere(f"it redirects to {_printable(location)}") from None
    if port is None:
        port = (
            (settings.tls_port if encrypted else settings.http_port) if parts.scheme else place.port
        )
    allowed = {_HTTP, _HTTPS, settings.http_port, settings.tls_port}
    if (
        port not in allowed
        or not parts.path.startswith("/")
        or not (location.isascii() and location.isprintable())
    ):
        raise _Elsewhere(f"it redirects to {_printable(location)}")
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    if any(c.isspace() for c in target):
        raise _Elsewhere(f"it redirects to {_printable(location)}")
    return _Place(place.address, port, encrypted=encrypted, target=target)


def _described(address: str, status: int, headers: Mapping[str, str]) -> str:
    server = _printable(headers.get("server", ""))
    who = f" ({server})" if server else ""
    return f"something else answers at {address}: status {status}{who}"


def _refused(address: str, port: int, error: OSError) -> str:
    if isinstance(error, ConnectionRefusedError):
        return f"nothing listens at {address} port {port}"
    return f"{address} port {port} cannot be reached: {error.strerror or type(error).__name__}"


def _whose(found: tuple[str, ...]) -> str:
    """The explanation from the DNS."""
    listed = ", ".join(found)
    if all(is_own(address) for address in found):
        return ""
    own = ", ".join(own_addresses()) or "unknown"
    return f"; the DNS says {listed}, this machine has {own}"


def _printable(text: str) -> str:
    return "".join(c for c in text if c.isprintable())[:80]
