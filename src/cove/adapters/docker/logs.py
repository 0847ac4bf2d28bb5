"""A container's output as lines. Imported inside `cove.adapters.docker` only."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator
from typing import Any, Literal

from cove.adapters.docker.client import DockerClient, EngineError
from cove.adapters.docker.facts import timestamp
from cove.ports import ContainerFacts, LogLine

Stream = Literal["stdout", "stderr"]
_HEADER = struct.Struct(">BxxxI")  # stream, payload size: the Engine API's attach format
_LONGEST_TIME = 40  # characters of an RFC 3339 time with nanoseconds and a zone
_STREAMS: dict[int, Stream] = {0: "stdout", 1: "stdout", 2: "stderr"}
_GONE = 404
# An app may write for ever without a line's end; from here on the rest counts as another line, so
# that no reader's memory grows with it.
LONGEST_LINE = 256 * 1024  # bytes


async def read(
    client: DockerClient, facts: ContainerFacts, *, since: float, tail: int, follow: bool
) -> AsyncIterator[LogLine]:
    """Lines in the order Docker has them; ends with the container when following."""
    query: dict[str, Any] = {
        "stdout": True,
        "stderr": True,
        "timestamps": True,
        "follow": follow,
        "since": f"{since:.9f}" if since else None,
        "tail": str(tail) if tail >= 0 else "all",
    }
    joiner = _Joiner(facts)
    try:
        tty = bool((await client.get(f"/containers/{facts.id}/json"))["Config"].get("Tty"))
        async with client.stream("GET", f"/containers/{facts.id}/logs", **query) as response:
            buffer = b""
            async for chunk in response.content.iter_any():
                pieces, buffer = (_lines if tty else _frames)(buffer + chunk)
                for stream, payload in pieces:
                    for line in joiner.feed(stream, payload):
                        yield line
            if tty and buffer:  # a line that was begun, and nothing but the end came after it
                yield joiner.feed("stdout", buffer + b"\n")[0]
    except EngineError as error:
        if error.status != _GONE:
            raise error.translated() from error
    for line in joiner.rest():
        yield line


def _frames(data: bytes) -> tuple[list[tuple[Stream, bytes]], bytes]:
    pieces = []
    offset = 0
    while len(data) - offset >= _HEADER.size:
        stream, size = _HEADER.unpack_from(data, offset)
        end = offset + _HEADER.size + size
        if end > len(data):
            break
        pieces.append((_STREAMS.get(stream, "stdout"), data[offset + _HEADER.size : end]))
        offset = end
    return pieces, data[offset:]


def _lines(data: bytes) -> tuple[list[tuple[Stream, bytes]], bytes]:
    """A terminal's output has no frames, and one stream."""
    whole, newline, rest = data.rpartition(b"\n")
    lines: list[tuple[Stream, bytes]] = [
        ("stdout", line + b"\n") for line in whole.split(b"\n") if newline
    ]
    if len(rest) > LONGEST_LINE:
        at = rest.partition(b" ")[0][:_LONGEST_TIME]
        return [*lines, ("stdout", rest + b"\n")], at + b" "
    return lines, rest


class _Joiner:
    """Docker cuts a line every 16 KB; the pieces share a time and only the last has a newline."""

    def __init__(self, facts: ContainerFacts) -> None:
        self._facts = facts
        self._open: dict[Stream, tuple[str, list[bytes]]] = {}
        self._size: dict[Stream, int] = {}

    def feed(self, stream: Stream, payload: bytes) -> list[LogLine]:
        at, _, text = payload.partition(b" ")
        begun, pieces = self._open.pop(stream, (at.decode("ascii", "replace"), []))
        pieces.append(text)
        size = self._size.pop(stream, 0) + len(text)
        if not text.endswith(b"\n") and size < LONGEST_LINE:
            self._open[stream], self._size[stream] = (begun, pieces), size
            return []
        return [self._line(stream, begun, b"".join(pieces))]

    def rest(self) -> list[LogLine]:
        left = [self._line(s, at, b"".join(pieces)) for s, (at, pieces) in self._open.items()]
        self._open.clear()
        return left

    def _line(self, stream: Stream, at: str, text: bytes) -> LogLine:
        try:
            seconds = timestamp(at)
        except ValueError:
            seconds = 0.0
        return LogLine(
            at=seconds,
            service=self._facts.service,
            release=self._facts.release,
            stream=stream,
            text=text.decode("utf-8", "replace").rstrip("\r\n"),
        )
