"""Small servers that misbehave on command, for the load generator's tests."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import hashlib
import ipaddress
import json
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import h2.config
import h2.connection
import h2.events
import h2.settings
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HOST = "hello.localhost"


def make_certificate(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """Return a self-signed certificate's file and a server's TLS settings for it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = dt.datetime.now(dt.UTC)
    names = [x509.DNSName(HOST), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - dt.timedelta(hours=1))
    builder = builder.not_valid_after(now + dt.timedelta(hours=1))
    builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    certificate = builder.sign(key, hashes.SHA256())
    file, key_file = folder / "certificate.pem", folder / "key.pem"
    file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, key_file)
    return file, context


def echo(body: bytes) -> bytes:
    """Return what /echo answers to a body."""
    digest = hashlib.sha256(body).hexdigest()
    return json.dumps({"length": len(body), "sha256": digest}).encode()


def answer(body: bytes, status: int = 200, *, length: int | None = None) -> bytes:
    """Return an HTTP/1.1 response, whose Content-Length may lie."""
    said = len(body) if length is None else length
    head = f"HTTP/1.1 {status} Whatever\r\nContent-Length: {said}\r\nX-Version: 7\r\n\r\n"
    return head.encode() + body


def reset(writer: asyncio.StreamWriter) -> None:
    """Close a connection with a RST."""
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """Read an HTTP/1.1 request; return its body."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    _, _, length = head.partition(b"content-length: ")
    return await reader.readexactly(int(length.split(b"\r\n")[0] or 0))


Behaviour = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def http1_server(
    behaviour: Behaviour, tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """Serve HTTP/1.1; `behaviour` gets each request's body and writes what it likes."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            try:
                while not writer.is_closing():
                    await behaviour(await read_request(reader), writer)
            finally:
                writer.close()
                await writer.wait_closed()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Http2Peer(asyncio.Protocol):
    """A server's side of one HTTP/2 connection, with small windows; echoes every body."""

    window = 4096  # bytes a client may send before it must wait for a WINDOW_UPDATE
    most_streams = 100

    def __init__(self) -> None:
        self.transport: asyncio.Transport
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        self.bodies: dict[int, bytearray] = {}
        self.lost = asyncio.Event()

    def connection_lost(self, error: Exception | None) -> None:
        self.lost.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.h2.initiate_connection()
        codes = h2.settings.SettingCodes
        self.h2.update_settings(
            {
                codes.INITIAL_WINDOW_SIZE: self.window,
                codes.MAX_CONCURRENT_STREAMS: self.most_streams,
            }
        )
        self.flush()

    def data_received(self, data: bytes) -> None:
        for event in self.h2.receive_data(data):
            match event:
                case h2.events.RequestReceived():
                    self.bodies[event.stream_id] = bytearray()
                case h2.events.DataReceived():
                    self.bodies[event.stream_id] += event.data
                    self.open_windows(event)
                case h2.events.StreamEnded():
                    self.requested(event.stream_id)
        self.flush()

    def open_windows(self, event: h2.events.DataReceived) -> None:
        """Give back at once what was used.

        h2 would wait for more, which never comes when the window shrank in the meantime.
        """
        if size := event.flow_controlled_length:
            self.h2.increment_flow_control_window(size)
            if not event.stream_ended:
                self.h2.increment_flow_control_window(size, event.stream_id)

    def requested(self, stream: int) -> None:
        """Answer a whole request; subclasses misbehave here."""
        self.respond(stream)

    def respond(self, stream: int) -> None:
        """Answer correctly."""
        self.h2.send_headers(stream, [(":status", "200"), ("x-version", "7")])
        self.h2.send_data(stream, echo(bytes(self.bodies.pop(stream))), end_stream=True)

    def go_away(self, last_stream: int) -> None:
        """Write what `h2` wants to send and a GOAWAY, which would end `h2`'s connection."""
        payload = struct.pack(">II", last_stream, 0)
        frame = struct.pack(">BHBBI", 0, len(payload), 7, 0, 0) + payload
        self.transport.write(self.h2.data_to_send() + frame)

    def flush(self) -> None:
        """Write what `h2` wants to send."""
        self.transport.write(self.h2.data_to_send())


@contextlib.asynccontextmanager
async def http2_server(peer: type[Http2Peer], tls: ssl.SSLContext) -> AsyncIterator[int]:
    """Serve HTTP/2 over TLS."""
    peers: list[Http2Peer] = []

    def accept() -> Http2Peer:
        peers.append(peer())
        return peers[-1]

    tls.set_alpn_protocols(["h2"])
    server = await asyncio.get_running_loop().create_server(accept, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for one in peers:
            one.transport.abort()
            await one.lost.wait()
