"""HTTP/2 connections over TLS, with the `h2` package for the protocol.

For bench.loadgen.engine; imports nothing of cove. A request goes out once. No stream is
opened on a connection after its GOAWAY; streams the GOAWAY covers are waited for, and those
it excludes were already sent, so they count as failed.
"""

from __future__ import annotations

import asyncio
import struct
from typing import TYPE_CHECKING

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings

from bench.loadgen.exchange import ClosedByPeer, Connection, Exchange, name_of, verdict
from bench.loadgen.pool import Pool

if TYPE_CHECKING:
    import ssl

FRAME_HEAD = struct.Struct(">BHBBI")  # RFC 9113, section 4.1: length, type, flags, stream
GOAWAY = 0x7
RECEIVE_WINDOW = 1024 * 1024
STREAMS_BEFORE_SETTINGS = 1  # the server's limit is not known yet


def split_frames(buffer: bytearray) -> tuple[bytes, list[int]]:
    """Take the whole frames off a buffer: all but GOAWAY, and the last stream of each GOAWAY.

    GOAWAY is kept from `h2`, which takes it for the connection's end and then refuses the
    frames of the streams that it lets finish.
    """
    frames, last_streams, start = bytearray(), list[int](), 0
    while len(buffer) - start >= FRAME_HEAD.size:
        high, low, kind, _, _ = FRAME_HEAD.unpack_from(buffer, start)
        end = start + FRAME_HEAD.size + (high << 16 | low)
        if len(buffer) < end:
            break
        if kind == GOAWAY:
            (last,) = struct.unpack_from(">I", buffer, start + FRAME_HEAD.size)
            last_streams.append(last & 0x7FFFFFFF)
        else:
            frames += buffer[start:end]
        start = end
    del buffer[:start]
    return bytes(frames), last_streams


class Stream:
    """One exchange on a connection."""

    __slots__ = ("body", "exchange", "sent", "status")

    def __init__(self, exchange: Exchange) -> None:
        """Begin with nothing of the request's body sent."""
        self.exchange = exchange
        self.sent = 0
        self.status = 0
        self.body = bytearray()


class Http2Connection(Connection):
    """One connection with many streams."""

    def __init__(self, pool: Http2Pool) -> None:
        """Belong to a pool; asyncio supplies the transport later."""
        self._pool = pool
        self._received = bytearray()
        self._settled = False
        self.leaving = False  # GOAWAY came: no new streams
        self.streams: dict[int, Stream] = {}
        self._transport: asyncio.Transport
        self._closed_by_peer: ClosedByPeer
        config = h2.config.H2Configuration(
            header_encoding=None, validate_outbound_headers=False, normalize_outbound_headers=False
        )
        self._h2 = h2.connection.H2Connection(config)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the preface and settings, and join the pool."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._closed_by_peer = ClosedByPeer(transport)
        codes = h2.settings.SettingCodes
        wishes = {codes.ENABLE_PUSH: 0, codes.INITIAL_WINDOW_SIZE: RECEIVE_WINDOW}
        self._h2.local_settings = h2.settings.Settings(client=True, initial_values=wishes)
        self._h2.initiate_connection()
        self._h2.increment_flow_control_window(RECEIVE_WINDOW)
        self._flush()
        self._pool.joined(self)

    @property
    def speaks_h2(self) -> bool:
        """Whether the server agreed to HTTP/2."""
        tls: ssl.SSLObject | None = self._transport.get_extra_info("ssl_object")
        return tls is not None and tls.selected_alpn_protocol() == "h2"

    def has_room(self) -> bool:
        """Return True when one more request may be written."""
        if self.leaving or self._transport.is_closing() or self._closed_by_peer():
            return False
        limit = self._h2.remote_settings.max_concurrent_streams
        return len(self.streams) < (limit if self._settled else STREAMS_BEFORE_SETTINGS)

    def send(self, exchange: Exchange) -> None:
        """Open a stream; its result is final from here on."""
        number = self._h2.get_next_available_stream_id()
        exchange.connection = self
        self.streams[number] = Stream(exchange)
        template = exchange.template
        self._h2.send_headers(number, template.headers, end_stream=not template.body)
        self._send_body(number)
        self._flush()

    def abandon(self, exchange: Exchange) -> None:
        """Cancel the stream of an exchange that has ended."""
        for number, stream in list(self.streams.items()):
            if stream.exchange is exchange:
                self._h2.reset_stream(number, h2.errors.ErrorCodes.CANCEL)
                self._flush()
                self._finish(number, "timeout")

    def close(self) -> None:
        """Close without a result."""
        self._transport.abort()

    def _close_once(self) -> None:
        """Close once: Python 3.11.2's TLS transport does not survive a second close."""
        if not self._transport.is_closing():
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        """Take frames."""
        self._received += data
        frames, last_streams = split_frames(self._received)
        self.leaving = self.leaving or bool(last_streams)  # before an answer makes room
        try:
            for event in self._h2.receive_data(frames):
                self._take(event)
        except h2.exceptions.ProtocolError:
            self._fail_all("protocol")
            self._transport.abort()
            return
        if last_streams:
            self._leave(last_streams[-1])
        self._flush()

    def eof_received(self) -> bool:
        """End every exchange: no more of the answers will come."""
        self._fail_all("eof")
        return False

    def connection_lost(self, error: Exception | None) -> None:
        """Leave the pool."""
        self._fail_all(name_of(error))
        self._pool.lost(self)

    def _take(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.DataReceived():
                self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                if event.stream_id in self.streams:
                    self.streams[event.stream_id].body += event.data
            case h2.events.ResponseReceived():
                self._read_head(event)
            case h2.events.StreamEnded():
                self._end_whole(event.stream_id)
            case h2.events.StreamReset():
                self._finish(event.stream_id, "stream reset")
            case h2.events.WindowUpdated():
                self._send_bodies()
            case h2.events.RemoteSettingsChanged():
                self._settled = True
                self._send_bodies()
                self._pool.advance()

    def _read_head(self, event: h2.events.ResponseReceived) -> None:
        stream = self.streams.get(event.stream_id)
        if stream is None:
            return
        for name, value in event.headers:
            if name == b":status":
                stream.status = int(value)
            elif name == b"x-version":
                stream.exchange.version = value.decode("latin-1")

    def _send_bodies(self) -> None:
        for number in list(self.streams):
            self._send_body(number)

    def _send_body(self, number: int) -> None:
        """Send as much of a request's body as the flow control windows allow."""
        stream = self.streams[number]
        body = stream.exchange.template.body
        while stream.sent < len(body):
            window = self._h2.local_flow_control_window(number)
            room = min(window, self._h2.max_outbound_frame_size)
            if room <= 0:
                return
            part = body[stream.sent : stream.sent + room]
            stream.sent += len(part)
            self._h2.send_data(number, part, end_stream=stream.sent == len(body))

    def _end_whole(self, number: int) -> None:
        stream = self.streams.get(number)
        if stream is None:
            return
        template = stream.exchange.template
        if stream.sent < len(template.body):  # answered early: the rest is of no use
            self._h2.reset_stream(number, h2.errors.ErrorCodes.NO_ERROR)
        self._finish(number, verdict(template, stream.status, stream.body))

    def _finish(self, number: int, reason: str) -> None:
        stream = self.streams.pop(number, None)
        if stream is None:
            return
        self._pool.ended(stream.exchange, reason)
        if self.leaving and not self.streams:
            self._flush()
            self._close_once()
        self._pool.advance()

    def _leave(self, last_stream: int) -> None:
        for number in [number for number in self.streams if number > last_stream]:
            self._finish(number, "goaway")
        if not self.streams:
            self._close_once()

    def _fail_all(self, reason: str) -> None:
        self.leaving = True
        for number in list(self.streams):
            self._finish(number, reason)

    def _flush(self) -> None:
        data = self._h2.data_to_send()
        if data and not self._transport.is_closing():
            self._transport.write(data)


class Http2Pool(Pool[Http2Connection]):
    """A request takes the least busy connection; each has as many streams as the server allows."""

    def submit(self, exchange: Exchange) -> None:
        """Send on an unused connection, or open one, or share one, or wait."""
        free = [connection for connection in self.connections if connection.has_room()]
        connection = min(free, key=lambda one: len(one.streams), default=None)
        if connection and not (connection.streams and self._places > 0):
            connection.send(exchange)
        elif self._places > 0:
            self._open(exchange)
        else:
            self._wait(exchange)

    def advance(self) -> None:
        """Send what waits, as far as there is room."""
        while self._waiting:
            free = next((one for one in self.connections if one.has_room()), None)
            exchange = self._next_waiting() if free or self._places > 0 else None
            if exchange is None:
                return
            if free:
                free.send(exchange)
            else:
                self._open(exchange)

    def _new(self) -> Http2Connection:
        return Http2Connection(self)

    def _connected(self, connection: Http2Connection, exchange: Exchange) -> None:
        if not connection.speaks_h2:
            self.ended(exchange, "protocol")
            connection.close()
        elif not exchange.ended and connection.has_room():
            connection.send(exchange)
        elif not exchange.ended:  # another took the only stream while this one's turn came
            self._waiting.appendleft(exchange)
        self.advance()
