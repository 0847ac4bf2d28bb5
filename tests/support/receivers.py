"""Real receivers of messages on loopback: an HTTP server and an SMTP server."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Taken:
    """One request as it arrived."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        """Its document."""
        return dict(json.loads(self.body))


@dataclass
class HttpReceiver:
    """Takes every POST; answers `status`, or closes without an answer while it is 0."""

    port: int = 0
    status: int = 200
    taken: list[Taken] = field(default_factory=list)
    refused: list[Taken] = field(default_factory=list)

    def url(self, path: str = "/hook") -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}{path}"

    def items(self) -> list[tuple[str, str, str]]:
        """(status, rule, app) of every alert of every webhook message, in order."""
        return [
            (item["status"], item["rule"], item["app"])
            for one in self.taken
            for item in one.json["alerts"]
        ]

    def ids(self) -> list[str]:
        """The identities of all messages taken."""
        return [one.json["id"] for one in self.taken]


@contextmanager
def http_receiver(port: int = 0) -> Iterator[HttpReceiver]:
    """A receiver, until the block ends."""
    receiver = HttpReceiver()

    class Endpoint(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            one = Taken(self.path, headers, body)
            (receiver.taken if receiver.status == 200 else receiver.refused).append(one)
            if not receiver.status:
                return
            self.send_response(receiver.status)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Endpoint)
    receiver.port = server.server_address[1]
    with _serving(server):
        yield receiver


@dataclass
class SmtpReceiver:
    """Takes mail for everybody, in the plain protocol of RFC 5321."""

    port: int = 0
    mails: list[Message] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)


class _Session(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        self.say("220 receiver")
        while line := self.rfile.readline().decode().strip():
            verb = line[:4].upper()
            if verb == "RCPT":
                self.server.receiver.recipients.append(line.partition("<")[2].partition(">")[0])
            elif verb == "DATA":
                self.say("354 go on")
                self.take()
            elif verb == "QUIT":
                self.say("221 bye")
                return
            self.say("250 ok")

    def take(self) -> None:
        data = b""
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            data += line[1:] if line.startswith(b"..") else line
        self.server.receiver.mails.append(message_from_bytes(data))

    def say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, receiver: SmtpReceiver) -> None:
        self.receiver = receiver
        super().__init__(("127.0.0.1", 0), _Session)
        receiver.port = self.server_address[1]


@contextmanager
def smtp_receiver() -> Iterator[SmtpReceiver]:
    """A receiver, until the block ends."""
    receiver = SmtpReceiver()
    with _serving(_Server(receiver)):
        yield receiver


@contextmanager
def _serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
