"""Containers' output as it is collected: one connection each, and little work for a line.

Imported by the agent. An HTTP client costs three times as much as reading the socket; with
HTTP/1.0 the Engine sends what it has without chunks around it.
"""

from __future__ import annotations

import asyncio
import json
import re
import struct
from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode

from cove.adapters.docker.client import DockerClient, EngineError
from cove.errors import NotFound, PlatformError
from cove.model.logs import Stream
from cove.ports.logs import LogContainer, LogEntry
from cove.render.naming import LABEL_APP, LABEL_INSTANCE, LABEL_RELEASE, LABEL_SERVICE, Naming

_HEADER: Final = struct.Struct(">BxxxI")  # stream, payload size: the Engine API's attach format
_HEADER_SIZE: Final = _HEADER.size
_TIME: Final = 30  # characters: 2030-01-31T12:00:00.123456789Z, RFC 3339 with nanoseconds
_SECOND: Final = 19  # of them up to the whole second
_NANO: Final = 1_000_000_000
_PIECE: Final = 16 * 1024  # bytes; Docker cuts longer lines in such pieces
_CONNECT: Final = 10.0  # seconds
_ANSWER: Final = 60.0
_STDERR: Final = 2  # as Docker numbers streams
_NEWLINE: Final = 10
_MOMENT: Final = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)")
_MOST: Final = 256 * 1024  # bytes that are taken at once
_LONGEST: Final = 1 << 20  # bytes of a terminal's line; Docker's own pieces are far shorter
_SERVICE: Final = "com.docker.compose.service"
_GONE: Final = 404
_OK: Final = 200


class DockerLogs:
    """Fulfils `cove.ports.logs.LogEngine`."""

    def __init__(self, client: DockerClient, naming: Naming) -> None:
        self._client = client
        self._naming = naming

    async def containers(self) -> tuple[LogContainer, ...]:
        """Every container with this instance's label, in one question."""
        filters = {"label": [self._label]}
        try:
            listed = await self._client.get("/containers/json", all=True, filters=filters)
        except EngineError as error:
            raise error.translated() from error
        return tuple(
            _container(entry["Id"], entry.get("Labels"), running=_runs(entry["State"]))
            for entry in listed
        )

    async def look(self, container_id: str) -> LogContainer | None:
        """One container."""
        document = await self._inspect(container_id)
        if document is None:
            return None
        state = document["State"]["Status"]
        return _container(document["Id"], document["Config"].get("Labels"), running=_runs(state))

    async def starts(self, since: int) -> AsyncGenerator[LogContainer, None]:
        """As Docker's events tell them; it remembers its last 256."""
        filters = {"type": ["container"], "event": ["start"], "label": [self._label]}
        moment = f"{since // _NANO}.{since % _NANO:09d}"
        try:
            async with self._client.stream(
                "GET", "/events", filters=filters, since=moment
            ) as response:
                async for line in response.content:
                    actor = json.loads(line)["Actor"]
                    yield _container(actor["ID"], actor["Attributes"], running=True)
        except EngineError as error:
            raise error.translated() from error

    async def open(
        self, container_id: str, *, since: int = 0, tail: int = -1, follow: bool = False
    ) -> DockerLog:
        """The container's output, from the socket itself."""
        document = await self._inspect(container_id)
        if document is None:
            raise NotFound(f"there is no container {container_id[:12]}")
        query = {"stdout": 1, "stderr": 1, "timestamps": 1, "follow": int(follow)}
        query |= {"tail": tail} if tail >= 0 else {}
        asked = urlencode(query) + (f"&since={since // _NANO}.{since % _NANO:09d}" if since else "")
        log = DockerLog(tty=bool(document["Config"].get("Tty")))
        try:
            path = await self._client.path(f"/containers/{container_id}/logs?{asked}")
            await log.connect(self._client.socket, path)
        except OSError as error:
            log.close()
            raise self._client.down(error) from error
        except BaseException:
            log.close()
            raise
        return log

    async def _inspect(self, container_id: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = await self._client.get(f"/containers/{container_id}/json")
        except EngineError as error:
            if error.status == _GONE:
                return None
            raise error.translated() from error
        return found

    @property
    def _label(self) -> str:
        return f"{LABEL_INSTANCE}={self._naming.prefix}"


def _container(
    container_id: str, labels: Mapping[str, str] | None, *, running: bool
) -> LogContainer:
    labels = labels or {}
    name = labels.get(_SERVICE, "")
    release = labels.get(LABEL_RELEASE, "")
    return LogContainer(
        id=container_id,
        app=labels.get(LABEL_APP, ""),
        service=labels.get(LABEL_SERVICE, "") or name,
        release=int(release) if release.isdecimal() else 0,
        name=name,
        running=running,
    )


def _runs(state: str) -> bool:
    return state in ("running", "paused", "restarting")


class DockerLog(asyncio.Protocol):
    """One answer of the Engine, read as fast as it is wanted and no faster.

    After each chunk the socket rests until the next `read`: Docker sends every line by itself,
    and to be woken for each would cost more than to look at it.
    """

    def __init__(self, *, tty: bool) -> None:
        self._parts: Frames | Terminal = Terminal() if tty else Frames()
        self._head: bytes | None = b""  # of the answer; None: it is over
        self._rest = b""  # of what came, not taken apart yet
        self._ended = False
        self._waiter: asyncio.Future[bool] | None = None
        self._transport: asyncio.Transport | None = None

    async def connect(self, socket: str, path: str) -> None:
        """Asks. Raises NotFound, PlatformError where Docker refuses, and OSError."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(_CONNECT):
            await loop.create_unix_connection(lambda: self, socket)
        assert self._transport is not None  # noqa: S101 - `connection_made` was called
        self._transport.write(f"GET {path} HTTP/1.0\r\nHost: docker\r\n\r\n".encode())
        while self._head is not None and b"\r\n\r\n" not in self._head:
            if self._ended:
                raise ConnectionResetError("the Engine's answer broke off")
            if not await self._wait(_ANSWER):
                raise TimeoutError("the Engine does not answer")
        head, _, self._rest = (self._head or b"").partition(b"\r\n\r\n")
        self._head = None
        status = int(head.split(b" ", 2)[1])
        if status != _OK:
            await self._refused(status)

    async def read(self, timeout: float) -> Sequence[LogEntry] | None:
        """What has come; see `LogConnection`."""
        while True:
            if self._rest:
                entries, self._rest = self._parts.entries(self._rest)
                if entries:
                    return entries
            if self._ended:
                rest, self._rest = self._rest, b""
                return self._parts.last(rest)
            if not await self._wait(timeout):
                return None

    def close(self) -> None:
        """Hangs up."""
        if self._transport is not None:
            self._transport.abort()

    # --- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """There is a connection."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - of a stream
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Something came: enough until the next `read`."""
        if self._head is not None:
            self._head += data
        else:
            self._rest += data
            if self._transport is not None:
                self._transport.pause_reading()
        self._wake()

    def connection_lost(self, _: Exception | None) -> None:
        """The end, whatever it means: who reads looks at the container next."""
        self._ended = True
        self._wake()

    def _wake(self, came: bool = True) -> None:  # noqa: FBT001, FBT002 - a timer passes it by place
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(came)

    async def _wait(self, timeout: float) -> bool:
        """Whether something came in time."""
        if self._transport is not None and not self._ended:
            self._transport.resume_reading()
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        timer = loop.call_later(timeout, self._wake, False)  # noqa: FBT003 - as `_wake`
        try:
            return await self._waiter
        finally:
            self._waiter = None
            timer.cancel()

    async def _refused(self, status: int) -> None:
        while not self._ended and len(self._rest) < _MOST and await self._wait(_CONNECT):
            pass
        try:
            message = str(json.loads(self._rest)["message"])
        except (ValueError, KeyError, TypeError):
            message = f"status {status}"
        if status == _GONE:
            raise NotFound(message)
        raise PlatformError(f"Docker refused to show a log: {message}", code="docker")


class Frames:
    """Takes frames apart. It remembers the last second it read: most lines share it."""

    def __init__(self) -> None:
        self._second = b""
        self._base = 0
        self._at = 0

    def entries(self, data: bytes) -> tuple[list[LogEntry], bytes]:
        """The whole frames at the beginning, and what is left over."""
        found: list[LogEntry] = []
        add, unpack, size = found.append, _HEADER.unpack_from, len(data)
        second, base, at, offset = self._second, self._base, self._at, 0
        while size - offset >= _HEADER_SIZE:
            stream, length = unpack(data, offset)
            begin = offset + _HEADER_SIZE
            end = begin + length
            if end > size:
                break
            text = begin + _TIME + 1
            if data[begin : begin + _SECOND] != second:
                second = data[begin : begin + _SECOND]
                base = _whole(second)
            if base and text <= end and data[text - 2 : text] == b"Z ":
                at = base + int(data[begin + _SECOND + 1 : text - 2])
            else:
                at, text = _odd(data, begin, end, at)
            whole = data[end - 1] == _NEWLINE
            line = data[text : end - 1] if whole else data[text:end]
            kind: Stream = "stderr" if stream == _STDERR else "stdout"
            add((kind, at, line.decode("utf-8", "replace").removesuffix("\r"), whole))
            offset = end
        self._second, self._base, self._at = second, base, at
        return found, data[offset:]

    def last(self, _: bytes) -> list[LogEntry]:
        """A frame that broke off will be read again."""
        return []


class Terminal:
    """A terminal's output has no frames and one stream; a long line's pieces stand in a row."""

    def __init__(self) -> None:
        self._at = 0

    def entries(self, data: bytes) -> tuple[list[LogEntry], bytes]:
        """The whole lines at the beginning, and what is left over."""
        lines, newline, rest = data.rpartition(b"\n")
        found = [e for line in lines.split(b"\n") for e in self._line(line)] if newline else []
        if len(rest) > _LONGEST:
            return found + self._line(rest, whole=False), b""
        return found, rest

    def last(self, data: bytes) -> list[LogEntry]:
        """A line that was begun, and nothing but the end came after it."""
        return self._line(data) if data else []

    def _line(self, line: bytes, *, whole: bool = True) -> list[LogEntry]:
        self._at, text = _odd(line, 0, len(line), self._at)
        stamp = line[:text]
        # Each piece begins with the time of its line.
        pieces = line[text:].split(stamp) if text and len(line) > _PIECE else [line[text:]]
        decoded = [piece.decode("utf-8", "replace") for piece in pieces]
        decoded[-1] = decoded[-1].removesuffix("\r")
        last = len(pieces) - 1
        return [("stdout", self._at, one, whole and n == last) for n, one in enumerate(decoded)]


def _whole(second: bytes) -> int:
    """Nanoseconds of `2030-01-31T12:00:00`; 0 for what is no time."""
    try:
        return int(datetime.fromisoformat(f"{second.decode('ascii')}+00:00").timestamp()) * _NANO
    except ValueError:
        return 0


def _odd(data: bytes, begin: int, end: int, before: int) -> tuple[int, int]:
    """The time of an entry however it is written, and where its text begins.

    What has no time is the rest of a line, and has the time of what came before.
    """
    space = data.find(b" ", begin, min(end, begin + 2 * _TIME))
    found = _MOMENT.fullmatch(data[begin : max(space, begin)])
    if found is None:
        return before, begin
    second, fraction, zone = (part.decode("ascii") for part in found.groups(b""))
    moment = datetime.fromisoformat(second + zone.replace("Z", "+00:00"))
    return int(moment.timestamp()) * _NANO + int(fraction.ljust(9, "0")), space + 1
