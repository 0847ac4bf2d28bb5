"""HTTP/1.1 connections with keep-alive, plain or over TLS.

For bench.loadgen.engine; imports nothing of cove. A request goes out once. When the server
had already closed an idle connection before the first byte was written, another one is
taken; whatever happens after that byte is this request's result.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bench.loadgen.exchange import ClosedByPeer, Connection, Exchange, name_of, verdict
from bench.loadgen.pool import Pool

if TYPE_CHECKING:
    from bench.loadgen.exchange import Ended
    from bench.loadgen.plan import Plan

MAX_HEAD = 64 * 1024


class BadAnswer(Exception):
    """The bytes received are no HTTP/1.1 response."""


class Answer:
    """A response being received."""

    def __init__(self) -> None:
        """Begin with nothing received."""
        self.buffer = bytearray()
        self.body = bytearray()
        self.status = 0  # 0: the head has not arrived yet
        self.version = ""
        self.length: int | None = None
        self.chunked = False
        self.keep_alive = True

    def complete(self) -> bool:
        """Take what has arrived; return True once the response is whole. Raise BadAnswer."""
        while not self.status:
            end = self.buffer.find(b"\r\n\r\n")
            if end < 0:
                if len(self.buffer) > MAX_HEAD:
                    raise BadAnswer("endless head")
                return False
            self._read_head(bytes(self.buffer[:end]))
            del self.buffer[: end + 4]
        if self.chunked:
            return self._take_chunks()
        room = None if self.length is None else self.length - len(self.body)
        self.body += self.buffer[:room]
        del self.buffer[:room]
        return len(self.body) == self.length

    def complete_at_end(self) -> bool:
        """Return True when the end of the stream is this response's proper end."""
        return bool(self.status) and self.length is None and not self.chunked

    def _read_head(self, head: bytes) -> None:
        first, *lines = head.split(b"\r\n")
        if not first.startswith((b"HTTP/1.1 ", b"HTTP/1.0 ")) or not first[9:12].isdigit():
            raise BadAnswer("status line")
        status = int(first[9:12])
        if status < 200:  # an interim response such as 100 Continue
            return
        self.keep_alive = first[7:8] == b"1"
        for line in lines:
            name, _, value = line.partition(b":")
            self._read_header(name.lower(), value.strip())
        self.status = status
        if status in (204, 304):
            self.length, self.chunked = 0, False

    def _read_header(self, name: bytes, value: bytes) -> None:
        if name == b"content-length":
            if not value.isdigit():
                raise BadAnswer("content-length")
            self.length = int(value)
        elif name == b"transfer-encoding":
            self.chunked = value.lower() == b"chunked"
        elif name == b"connection" and value.lower() == b"close":
            self.keep_alive = False
        elif name == b"x-version":
            self.version = value.decode("latin-1")

    def _take_chunks(self) -> bool:
        while (line_end := self.buffer.find(b"\r\n")) >= 0:
            try:
                size = int(self.buffer[:line_end].partition(b";")[0], 16)
            except ValueError:
                raise BadAnswer("chunk size") from None
            end = line_end + 2 + size
            if len(self.buffer) < end + 2:
                return False
            self.body += self.buffer[line_end + 2 : end]
            if self.buffer[end : end + 2] != b"\r\n":
                raise BadAnswer("chunk end")
            del self.buffer[: end + 2]
            if size == 0:
                return True
        return False


class Http1Connection(Connection):
    """One connection, carrying one exchange at a time."""

    def __init__(self, pool: Http1Pool) -> None:
        """Belong to a pool; asyncio supplies the transport later."""
        self._pool = pool
        self._exchange: Exchange | None = None
        self._answer = Answer()
        self._transport: asyncio.Transport
        self._closed_by_peer: ClosedByPeer

    def usable(self) -> bool:
        """Return True when a request may be written."""
        return not self._transport.is_closing() and not self._closed_by_peer()

    def send(self, exchange: Exchange) -> None:
        """Write a request; its result is final from here on."""
        self._exchange = exchange
        exchange.connection = self
        self._answer = Answer()
        self._transport.write(exchange.template.wire)

    def abandon(self, exchange: Exchange) -> None:
        """Give up the connection with the answer nobody waits for."""
        if self._exchange is exchange:
            self._exchange = None
        self._transport.abort()

    def close(self) -> None:
        """Close without a result."""
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Join the pool."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._closed_by_peer = ClosedByPeer(transport)
        self._pool.joined(self)

    def data_received(self, data: bytes) -> None:
        """Take a part of the answer."""
        if self._exchange is None:  # nothing was asked: the stream cannot be trusted any more
            self._transport.abort()
            return
        self._answer.buffer += data
        try:
            whole = self._answer.complete()
        except BadAnswer:
            self._end("protocol")
            return
        self._exchange.version = self._answer.version
        if whole:
            self._end_whole()

    def eof_received(self) -> bool:
        """End the exchange: no more of its answer will come."""
        if self._exchange and self._answer.complete_at_end():
            self._end_whole()
        elif self._exchange:
            self._end("eof")
        return False

    def connection_lost(self, error: Exception | None) -> None:
        """Leave the pool."""
        if self._exchange:
            self._end(name_of(error))
        self._pool.lost(self)

    def _end_whole(self) -> None:
        assert self._exchange
        answer = self._answer
        reason = verdict(self._exchange.template, answer.status, answer.body)
        sent = self._transport.get_write_buffer_size() == 0
        framed = answer.length is not None or answer.chunked
        self._end(reason, reusable=answer.keep_alive and framed and sent and not answer.buffer)

    def _end(self, reason: str, *, reusable: bool = False) -> None:
        exchange, self._exchange = self._exchange, None
        assert exchange
        if not reusable:
            self._transport.abort()
        self._pool.ended(exchange, reason)
        if reusable:
            self._pool.release(self)


class Http1Pool(Pool[Http1Connection]):
    """A request takes the idle connection used last, or opens one, or waits."""

    def __init__(self, plan: Plan, ended: Ended) -> None:
        """Connect to nothing yet. Raise OSError for a bad CA file."""
        super().__init__(plan, ended)
        self._idle: list[Http1Connection] = []

    def submit(self, exchange: Exchange) -> None:
        """Send now, or once a connection is free."""
        while self._idle:
            connection = self._idle.pop()
            if connection.usable():
                connection.send(exchange)
                return
            connection.close()
        if self._places > 0:
            self._open(exchange)
        else:
            self._wait(exchange)

    def release(self, connection: Http1Connection) -> None:
        """Take back a connection whose exchange has ended well."""
        if not connection.usable():
            connection.close()
            return
        exchange = self._next_waiting()
        if exchange:
            connection.send(exchange)
        else:
            self._idle.append(connection)

    def lost(self, connection: Http1Connection) -> None:
        """Forget a closed connection."""
        if connection in self._idle:
            self._idle.remove(connection)
        super().lost(connection)

    def advance(self) -> None:
        """Open connections for what waits; nothing is idle while something waits."""
        while self._places > 0 and (exchange := self._next_waiting()):
            self._open(exchange)

    def _new(self) -> Http1Connection:
        return Http1Connection(self)

    def _connected(self, connection: Http1Connection, exchange: Exchange) -> None:
        if exchange.ended:
            self.release(connection)
        else:
            connection.send(exchange)
