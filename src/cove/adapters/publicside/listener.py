"""`ChallengeListener`: the two loopback ports that the proxy leads challenges to.

Imported inside `cove.adapters.publicside` and by the agent. It answers nothing but the tokens it
was given; everybody on this machine may ask, as everybody on the internet may.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import ssl
from contextlib import suppress
from pathlib import Path
from socket import socket
from typing import Final

from cove.model.certificates import Challenge

ALPN: Final = "acme-tls/1"  # RFC 8737, 6.2
PREFIX: Final = "/.well-known/acme-challenge/"  # RFC 8555, 8.3
_REQUEST: Final = re.compile(rb"(?:GET|HEAD) (\S{1,2048}) HTTP/1\.[01]\r\n")
_PATIENCE: Final = 10.0  # seconds for a whole request
_MOST_HEADERS: Final = 100
_PARALLEL: Final = 64  # connections; the proxy retries none of these


class ChallengeListener:
    """Answers tokens over HTTP, and TLS handshakes that offer `acme-tls/1`.

    `fallback` is a certificate and key that is shown where no challenge is presented: seeing it
    through a public name proves that the name leads here. The sockets, for HTTP and for TLS, listen
    already; they are closed with it.
    """

    def __init__(self, sockets: tuple[socket, socket], fallback: tuple[Path, Path]) -> None:
        self._sockets = sockets
        self._fallback = fallback
        self.fingerprint = ""  # SHA-256 of the fallback, in hex, once it listens
        self._tokens: dict[str, tuple[str, str]] = {}  # token -> (domain, content)
        self._contexts: dict[str, ssl.SSLContext] = {}  # by domain
        self._servers: list[asyncio.Server] = []
        self._slots = asyncio.Semaphore(_PARALLEL)

    async def start(self) -> None:
        """Answers from now on, also whoever has connected before."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self._fallback)
        der = ssl.PEM_cert_to_DER_cert(self._fallback[0].read_text(encoding="ascii"))
        self.fingerprint = hashlib.sha256(der).hexdigest()
        context.set_alpn_protocols([ALPN])
        context.sni_callback = self._choose
        plain, encrypted = self._sockets
        self._servers = [
            await asyncio.start_server(self._answer, sock=plain),
            await asyncio.start_server(_hang_up, sock=encrypted, ssl=context),
        ]

    async def close(self) -> None:
        """Stops listening."""
        for server in self._servers:
            server.close()
        self._servers = []
        for held in self._sockets:
            held.close()

    def put(self, token: str, domain: str, content: str) -> None:
        """Answers a token with a content, from now on."""
        self._tokens[token] = (domain, content)

    def present(self, challenge: Challenge) -> None:
        """Answers a challenge, from now on."""
        if challenge.kind == "http":
            self.put(challenge.token, challenge.domain, challenge.content)
        else:
            self._contexts[challenge.domain] = _context(challenge)

    def withdraw(self, domain: str) -> None:
        """Forgets everything presented for a domain."""
        self._tokens = {t: found for t, found in self._tokens.items() if found[0] != domain}
        self._contexts.pop(domain, None)

    def _choose(self, channel: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        context = self._contexts.get((name or "").lower())
        if context is not None:
            channel.context = context

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with self._slots:
            with suppress(OSError, TimeoutError, ValueError, asyncio.IncompleteReadError):
                async with asyncio.timeout(_PATIENCE):
                    writer.write(self._response(await _path(reader)))
                    await writer.drain()
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    def _response(self, path: str) -> bytes:
        found = self._tokens.get(path.partition("?")[0].removeprefix(PREFIX))
        status, content = ("200 OK", found[1]) if found else ("404 Not Found", "no such token\n")
        body = content.encode()
        head = (
            f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n"
            "Cache-Control: no-store\r\nServer: cove\r\nConnection: close\r\n\r\n"
        )
        return head.encode() + body


async def _path(reader: asyncio.StreamReader) -> str:
    match = _REQUEST.fullmatch(await reader.readline())
    for _ in range(_MOST_HEADERS):
        if await reader.readline() in (b"\r\n", b"\n", b""):
            break
    return match[1].decode("ascii", "replace") if match else ""


async def _hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """The handshake has said everything."""
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


def _context(challenge: Challenge) -> ssl.SSLContext:
    """The certificate from memory: OpenSSL reads files only, and this one need not touch a disk."""
    descriptor = os.memfd_create("challenge", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, (challenge.chain + challenge.key).encode())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
    context.set_alpn_protocols([ALPN])
    return context
