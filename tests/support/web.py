"""Requests through the proxy as a browser makes them, with the address given explicitly.

The system's resolver does not know `*.localhost`; the name goes into SNI and the Host header.
"""

from __future__ import annotations

import http.client
import socket
import ssl
from dataclasses import dataclass, field
from pathlib import Path

ADDRESS = "127.0.0.1"
LIMIT = 30.0  # seconds; a guard against hangs


@dataclass(frozen=True)
class Answer:
    """What came back; header names in lower case."""

    status: int
    text: str
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def version(self) -> str:
        """The X-Version that the example app puts into every response."""
        return self.headers.get("x-version", "")


@dataclass(frozen=True)
class Web:
    """A proxy's two ports, and the authority whose certificates it is believed with."""

    http_port: int
    https_port: int
    root: Path

    def get(self, host: str, path: str = "/", method: str = "GET", body: bytes = b"") -> Answer:
        """Over HTTPS, verified against the root. Raises OSError and ssl.SSLError."""
        with self._tls(host, self.context()) as channel:
            return _exchange(channel, f"{host}:{self.https_port}", path, method, body)

    def plain(self, host: str, path: str = "/") -> Answer:
        """Over plain HTTP, redirects not followed. Raises OSError."""
        with socket.create_connection((ADDRESS, self.http_port), LIMIT) as channel:
            return _exchange(channel, f"{host}:{self.http_port}", path, "GET", b"")

    def protocol(self, host: str, *offers: str) -> str | None:
        """The protocol negotiated by ALPN."""
        context = self.context()
        context.set_alpn_protocols(list(offers))
        with self._tls(host, context) as channel:
            return channel.selected_alpn_protocol()

    def certificate(self, host: str) -> dict[str, object]:
        """The verified certificate that the proxy shows for a name."""
        with self._tls(host, self.context()) as channel:
            return dict(channel.getpeercert() or {})

    def context(self) -> ssl.SSLContext:
        """TLS settings that trust this instance's root alone."""
        return ssl.create_default_context(cafile=self.root)

    def _tls(self, host: str, context: ssl.SSLContext) -> ssl.SSLSocket:
        channel = socket.create_connection((ADDRESS, self.https_port), LIMIT)
        try:
            return context.wrap_socket(channel, server_hostname=host)
        except BaseException:
            channel.close()
            raise


def _exchange(
    channel: socket.socket, authority: str, path: str, method: str, body: bytes
) -> Answer:
    connection = http.client.HTTPConnection(authority)
    connection.sock = channel
    connection.request(method, path, body or None, {"Host": authority})
    response = connection.getresponse()
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, response.read().decode("utf-8", "replace"), headers)
