"""HTTP over a unix socket, as plain as it gets: for the agent's API and Docker's in tests."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

LIMIT = 120.0  # seconds without a byte before a test counts as hanging


class UnixHttp(http.client.HTTPConnection):
    """A connection to a unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=LIMIT)
        self._path = path

    def connect(self) -> None:
        """Dial; raises OSError."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        try:
            self.sock.connect(str(self._path))
        except BaseException:
            self.sock.close()
            raise


def request(
    path: Path, method: str, url: str, body: Any = None, query: dict[str, Any] | None = None
) -> tuple[int, Any]:
    """The status and the JSON of an answer; None where it has no body."""
    with _answer(path, method, url, body, query) as response:
        data = response.read()
        return response.status, json.loads(data) if data.strip() else None


@contextmanager
def lines(
    path: Path, url: str, query: dict[str, Any] | None = None
) -> Iterator[Iterator[dict[str, Any]]]:
    """The objects of an NDJSON stream, as they come; leaving the block hangs up."""
    with _answer(path, "GET", url, None, query) as response:
        assert response.status == 200, response.read()
        yield (json.loads(line) for line in iter(response.readline, b"") if line.strip())


@contextmanager
def _answer(
    path: Path, method: str, url: str, body: Any, query: dict[str, Any] | None
) -> Iterator[http.client.HTTPResponse]:
    connection = UnixHttp(path)
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"} if data is not None else {}
    try:
        connection.request(method, url + (f"?{urlencode(query)}" if query else ""), data, headers)
        yield connection.getresponse()
    finally:
        # Another thread may be reading: a close alone would wait for it.
        if connection.sock is not None:
            with suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)
        connection.close()
