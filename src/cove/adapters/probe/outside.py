"""`ProxyProbe`: the port `RouteProbe`, a route seen as a visitor sees it.

Imported inside `cove.adapters.probe`. It dials this machine's own proxy with the route's name in
SNI and Host, so that it needs no DNS and sees local and public certificates alike. A certificate
must hold for the name and for today; who signed it is not asked, since an authority of the
owner's own is none that this machine knows.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
import time
from collections.abc import AsyncIterator
from typing import Final

from cove.adapters.probe.der import Shown, read
from cove.adapters.probe.http import MAX_LINE, Streams, get, linger
from cove.model.names import covers, example_of
from cove.model.uptime import Outside, Target

LIMIT: Final = 10.0  # seconds for everything
_HTTP, _HTTPS = 80, 443
_DAY: Final = 86400.0

Place = tuple[str, int]


class _Wrong(Exception):
    """The certificate does not fit; says why."""


class ProxyProbe:
    """Looks through a proxy that listens at two places of this machine."""

    def __init__(self, http: Place, https: Place) -> None:
        self._http = http
        self._https = https
        # One context for all: making one costs more than a handshake.
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.check_hostname = False
        self._context.verify_mode = ssl.CERT_NONE
        self._context.set_alpn_protocols(["http/1.1"])
        self._known: dict[bytes, Shown] = {}

    async def look(self, target: Target) -> Outside:
        """What comes back within ten seconds. Never raises."""
        began = time.monotonic()
        shown: list[Shown] = []
        try:
            async with asyncio.timeout(LIMIT), self._dial(target) as streams:
                if target.encrypted:
                    shown.append(self._certificate(streams[1]))
                    _check(shown[0], example_of(target.domain))
                status = await get(streams, target.path, self._host(target), "uptime")
                took = time.monotonic() - began
                await linger(streams[0])
                return Outside(status=status, seconds=took, expires=_end(shown))
        except TimeoutError:
            problem, layer = f"no answer within {LIMIT:g} s", "http"
        except _Wrong as error:
            problem, layer = str(error), "tls"
        except ssl.SSLError as error:
            reason = (error.reason or "it failed").replace("_", " ").lower()
            problem, layer = f"TLS: {reason}", "tls"
        except (OSError, ValueError, EOFError) as error:
            problem, layer = _explained(error, self._place(target))
        seconds = time.monotonic() - began
        kind: dict[str, str] = {"layer": layer}
        return Outside(problem=problem, seconds=seconds, expires=_end(shown), **kind)  # type: ignore[arg-type]

    @contextlib.asynccontextmanager
    async def _dial(self, target: Target) -> AsyncIterator[Streams]:
        context = self._context if target.encrypted else None
        name = example_of(target.domain) if target.encrypted else None
        reader, writer = await asyncio.open_connection(
            *self._place(target), ssl=context, server_hostname=name, limit=MAX_LINE
        )
        try:
            yield reader, writer
        finally:
            writer.transport.abort()

    def _place(self, target: Target) -> Place:
        return self._https if target.encrypted else self._http

    def _host(self, target: Target) -> str:
        port, usual = self._place(target)[1], _HTTPS if target.encrypted else _HTTP
        name = example_of(target.domain)
        return name if port == usual else f"{name}:{port}"

    def _certificate(self, writer: asyncio.StreamWriter) -> Shown:
        der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True) or b""
        shown = self._known.get(der)
        if shown is None:
            if len(self._known) > _MOST_KNOWN:
                self._known.clear()
            try:
                shown = self._known[der] = read(der)
            except ValueError:
                raise _Wrong("the certificate shown cannot be read") from None
        return shown


_MOST_KNOWN: Final = 256


def _end(shown: list[Shown]) -> float:
    return shown[0].not_after if shown else 0.0


def _check(shown: Shown, name: str) -> None:
    now = time.time()
    if not any(covers(pattern, name) for pattern in shown.names):
        whose = ", ".join(shown.names[:3]) or "no name"
        raise _Wrong(f"the certificate shown is for {whose}")
    if shown.not_after <= now:
        raise _Wrong(f"the certificate shown ended {(now - shown.not_after) / _DAY:.1f} days ago")
    if shown.not_before > now:
        raise _Wrong("the certificate shown is not valid yet")


def _explained(error: Exception, place: Place) -> tuple[str, str]:
    where = f"the proxy's port {place[1]}"
    if isinstance(error, ConnectionRefusedError):
        return f"nothing listens at {where}", "connection"
    if isinstance(error, EOFError | ConnectionError):
        return f"{where} closed the connection before an answer", "http"
    if isinstance(error, OSError):
        return f"{where}: {os.strerror(error.errno or 0)}", "connection"
    return str(error) or "the answer was not HTTP", "http"
