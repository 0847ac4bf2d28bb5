"""What the agent and the child that searches say to each other.

Imported within the package only. Each request and each answer is its length in four bytes, then
itself; the last answer to a request that went well is `Over`.
"""

from __future__ import annotations

from typing import IO, Any, Final

import msgspec
from msgspec import Struct

from cove.adapters.logstore.chunk import decoded, encoded
from cove.model.logs import LogCount, LogQuery, Record, Source

_SIZE: Final = 4  # bytes


class Failed(Struct, frozen=True, tag=True, array_like=True):
    """The search ended early."""

    code: str  # `pattern`: the expression is at fault; else a code of PlatformError
    reason: str


class Over(Struct, frozen=True, tag=True, array_like=True):
    """Everything has been said; the next request may come."""


class _Hit(Struct, frozen=True, tag=True, array_like=True):
    at: int
    source: Source
    text: bytes
    level: int
    context: int


class _Count(Struct, frozen=True, tag=True, array_like=True):
    count: LogCount


Answer = Record | LogCount | Failed
_Written = _Hit | _Count | Failed | Over
_DECODER: Final = msgspec.msgpack.Decoder(_Hit | _Count | Failed | Over)


class Request(Struct, frozen=True):
    """One search. A text that is no UTF-8 is told byte by byte, as chunks hold it."""

    path: str
    query_: LogQuery
    text: bytes
    ceiling: int
    hits: tuple[_Hit, ...]
    counting: bool
    seconds: int  # of the processor's time

    @property
    def query(self) -> LogQuery:
        """With its text."""
        return msgspec.structs.replace(self.query_, text=decoded(self.text))

    @property
    def unsealed(self) -> list[Record]:
        """Records that are not in the file."""
        return [_record(hit) for hit in self.hits]


def request(
    path: str,
    query: LogQuery,
    ceiling: int,
    unsealed: Any,
    *,
    counting: bool,
    seconds: int,
) -> bytes:
    """A request as the child reads it."""
    return msgspec.msgpack.encode(
        Request(
            path=path,
            query_=msgspec.structs.replace(query, text=""),
            text=encoded(query.text),
            ceiling=ceiling,
            hits=tuple(_hit(record) for record in unsealed),
            counting=counting,
            seconds=seconds,
        )
    )


def send(to: IO[bytes], frame: bytes) -> None:
    """A request or an answer, at once. Raises BrokenPipeError when nobody listens any more."""
    to.write(len(frame).to_bytes(_SIZE, "little") + frame)
    to.flush()


def received(from_: IO[bytes]) -> bytes | None:
    """The next one; None when there is none. Raises EOFError amid one."""
    head = from_.read(_SIZE)
    if not head:
        return None
    size = int.from_bytes(head, "little")
    frame = from_.read(size)
    if len(frame) < size:
        raise EOFError
    return frame


def write(to: IO[bytes], answer: Answer | Over) -> None:
    """Says one thing, at once. Raises BrokenPipeError when nobody listens any more."""
    said: _Written
    match answer:
        case Record():
            said = _hit(answer)
        case LogCount():
            said = _Count(answer)
        case _:
            said = answer
    send(to, msgspec.msgpack.encode(said))


def read(from_: IO[bytes]) -> Answer | Over | None:
    """The next thing said; None when nobody says any more. Raises EOFError amid one."""
    frame = received(from_)
    if frame is None:
        return None
    said: _Written = _DECODER.decode(frame)
    match said:
        case _Hit():
            return _record(said)
        case _Count(count):
            return count
        case _:
            return said


def _hit(record: Record) -> _Hit:
    text = encoded(record.text)
    return _Hit(record.at, record.source, text, record.level, record.context)


def _record(hit: _Hit) -> Record:
    return Record(hit.at, hit.source, decoded(hit.text), hit.level, hit.context)
