"""A thin HTTP client of the agent's API over its unix socket. The commands import it.

It knows no endpoint's meaning: paths go in, JSON objects come out. Every failure is a CoveError:
Unreachable where nothing answers (`connection-lost` where an answer broke off), RemoteError where
the agent said no.
"""

from __future__ import annotations

import http
import http.client
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from cove.cli.options import Settings
from cove.errors import InvalidFile, RemoteError, Unreachable

SOCKET_NAME = "agent.sock"
ANSWER_SECONDS = 60.0  # a plan asks registries for digests, which can be slow
GLANCE_SECONDS = 0.5
STARTING_SECONDS = 15.0  # an agent that recovers from a crash answers when it is done
STARTING = "starting"  # the API's code for that
SILENCE_SECONDS = 30.0  # a stream is kept alive every 10 s; three missed ones mean it is dead
_CHUNK = 65536  # bytes read at once
_RETRY = 0.2  # seconds
_LONGEST_PATH = 100  # sockaddr_un.sun_path has 108 bytes on Linux (unix(7))


class UnixConnection(http.client.HTTPConnection):
    """HTTP/1.1 over a unix socket."""

    def __init__(self, path: Path, timeout: float | None) -> None:
        super().__init__("cove", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Opens the socket; raises OSError."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        try:
            self._dial(self.sock)
        except BaseException:
            self.sock.close()
            raise

    def _dial(self, sock: socket.socket) -> None:
        if len(os.fsencode(self._path)) <= _LONGEST_PATH:
            return sock.connect(str(self._path))
        folder = os.open(self._path.parent, os.O_PATH | os.O_DIRECTORY)
        try:
            return sock.connect(f"/proc/self/fd/{folder}/{self._path.name}")
        finally:
            os.close(folder)


class Client:
    """Requests to one agent. A connection is made for each: they are cheap on a unix socket."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.socket_path = settings.data_dir / SOCKET_NAME

    def get(self, path: str, **query: object) -> dict[str, Any]:
        """GET; parameters that are None are left out."""
        return self._request("GET", _with_query(path, query), None, ANSWER_SECONDS)

    def post(
        self, path: str, body: dict[str, Any], *, timeout: float = ANSWER_SECONDS
    ) -> dict[str, Any]:
        """POST a JSON object; `timeout` is in seconds."""
        return self._request("POST", path, body, timeout)

    def alive(self) -> dict[str, Any] | None:
        """The agent's /v1/version; None where none answers. Raises where it may not be asked."""
        try:
            return self._request("GET", "/v1/version", None, 5.0)
        except Unreachable as error:
            if error.specific_code == "not-permitted":
                raise
            return None

    def glance(self, path: str) -> dict[str, Any]:
        """GET for what can do without: empty where no answer comes at once."""
        connection = UnixConnection(self.socket_path, GLANCE_SECONDS)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return _object(response.read()) if response.status == http.HTTPStatus.OK else {}
        except (OSError, http.client.HTTPException, ValueError):
            return {}
        finally:
            connection.close()

    def stream(
        self, path: str, *, silence: float | None = SILENCE_SECONDS, **query: object
    ) -> Iterator[dict[str, Any]]:
        """The objects of an NDJSON stream, until it ends; `silence` is the longest pause, in s.

        Raises RemoteError also where the last of them says why there is no more.
        """
        with self._answer("GET", _with_query(path, query), None, silence) as response:
            for line in _lines(response):
                if line.strip():
                    yield _item(line)

    def _request(
        self, method: str, path: str, body: dict[str, Any] | None, timeout: float
    ) -> dict[str, Any]:
        with self._answer(method, path, body, timeout) as response:
            return _object(response.read())

    @contextmanager
    def _answer(
        self, method: str, path: str, body: dict[str, Any] | None, timeout: float | None
    ) -> Iterator[http.client.HTTPResponse]:
        connection = UnixConnection(self.socket_path, timeout)
        began = time.monotonic()
        try:
            with self._translating():
                while isinstance(answer := _send(connection, method, path, body), RemoteError):
                    if time.monotonic() - began > STARTING_SECONDS:
                        raise self._starting(answer)
                    time.sleep(_RETRY)
                yield answer
        finally:
            connection.close()

    @contextmanager
    def _translating(self) -> Iterator[None]:
        try:
            yield
        except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
            raise self._absent() from None
        except PermissionError:
            raise self._forbidden() from None
        except TimeoutError:
            raise Unreachable(
                "the agent did not answer in time", code="timeout", hint=self._command("doctor")
            ) from None
        except (OSError, http.client.HTTPException, json.JSONDecodeError) as error:
            raise Unreachable(
                f"the connection to the agent was lost: {str(error) or type(error).__name__}",
                code="connection-lost",
                hint=self._command("doctor"),
            ) from error

    def _starting(self, reason: RemoteError) -> Unreachable:
        """What it waits for is the agent's to say: Docker, the proxy, or only its own recovery."""
        return Unreachable(
            f"the agent is not ready yet: {reason.message}",
            code=STARTING,
            hint=f"try again in a moment, or see: {self._command('doctor')}",
        )

    def _absent(self) -> Unreachable:
        return Unreachable(
            f"no agent is running here (nothing answers on {self.socket_path})",
            hint=f"start it: {self._command('up -d')}",
        )

    def _forbidden(self) -> Unreachable:
        return Unreachable(
            f"you may not talk to the agent on {self.socket_path}",
            code="not-permitted",
            hint="only root may: put sudo in front of the command",
        )

    def _command(self, words: str) -> str:
        return self._settings.command(words)


def _with_query(path: str, query: dict[str, object]) -> str:
    known = {name: value for name, value in query.items() if value is not None}
    with _of_text():
        return f"{path}?{urlencode(known)}" if known else path


@contextmanager
def _of_text() -> Iterator[None]:
    """What was asked for must be text: a byte of an argument that is none is a lone surrogate."""
    try:
        yield
    except UnicodeEncodeError:
        raise InvalidFile(
            "what was asked for holds bytes that are not UTF-8", code="usage"
        ) from None


def _send(
    connection: http.client.HTTPConnection, method: str, path: str, body: dict[str, Any] | None
) -> http.client.HTTPResponse | RemoteError:
    """The response; the agent's reason where it is still starting and has not taken the request."""
    with _of_text():
        payload = None if body is None else json.dumps(body, ensure_ascii=False).encode()
    headers = {"Content-Type": "application/json"} if payload is not None else {}
    connection.request(method, path, body=payload, headers=headers)
    response = connection.getresponse()
    if response.status >= http.HTTPStatus.BAD_REQUEST:
        refusal = _refusal(response.status, response.read())
        connection.close()  # the next request opens it anew
        if refusal.specific_code == STARTING:
            return refusal
        raise refusal
    return response


def _lines(response: http.client.HTTPResponse) -> Iterator[bytes]:
    # `readline` would take a stream that broke off for one that ended; `read1` raises
    rest = b""
    while data := response.read1(_CHUNK):
        *lines, rest = (rest + data).split(b"\n")
        yield from lines
    if rest:
        yield rest


def _item(line: bytes) -> dict[str, Any]:
    found = _object(line)
    if found.keys() == {"error"}:
        raise RemoteError(found["error"])
    return found


def _refusal(status: int, body: bytes) -> RemoteError:
    """The agent's error; an answer without one still says its status."""
    fallback = {
        "message": f"the agent answered with status {status}",
        "hint": "is it the same version as this command? cove version",
    }
    try:
        found = _object(body).get("error")
    except json.JSONDecodeError:
        found = None
    return RemoteError(found if isinstance(found, dict) else fallback)


def _object(text: bytes) -> dict[str, Any]:
    value = json.loads(text)
    if not isinstance(value, dict):
        raise json.JSONDecodeError("not an object", text.decode("utf-8", "replace")[:80], 0)
    return value
