"""An agent's API without an agent: scripted answers over a real unix socket."""

from __future__ import annotations

import json
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

Body = dict[str, Any]
Answer = tuple[int, Body]

ROLLOUT: Body = {
    "id": 7,
    "app": "shop",
    "kind": "deploy",
    "by": "ann@desk",
    "started_at": 1000.0,
    "ended_at": 0.0,
    "release": 12,
    "outcome": None,
}
VERSION: Body = {
    "version": "0.1.0",
    "api": "v1",
    "pid": 1,
    "instance": "cove",
    "data_dir": "/var/lib/cove",
    "http_port": 80,
    "https_port": 443,
    "bind": "",
    "pool": "10.201.0.0/16",
    "docker": "27.0.1",
    "proxy": {"version": "3.7.1", "state": "ready", "problem": ""},
    "uptime": 5.0,
}


class Hang(Exception):
    """A step of an event script: the connection breaks off here."""


Step = Body | threading.Event | Callable[[], None] | type[Hang]


class FakeAgent:
    """Answers by (method, path); records what was asked."""

    def __init__(self) -> None:
        self.answers: dict[tuple[str, str], Answer | Callable[[Body], Answer]] = {
            ("GET", "/v1/version"): (200, VERSION),
            ("GET", "/v1/rollouts"): (200, {"rollouts": []}),
            ("GET", "/v1/apps"): (200, {"apps": []}),
            ("POST", "/v1/rollouts"): (202, {"rollout": ROLLOUT}),
            ("POST", "/v1/rollouts/7/cancel"): (202, {"rollout": ROLLOUT}),
        }
        self.streams: dict[str, list[list[Step]]] = {}
        self.asked: list[tuple[str, str, Body]] = []
        self.heard = threading.Condition()

    def script(self, *connections: list[Step]) -> None:
        """What each connection to rollout 7's events yields, one after the other."""
        self.streams["/v1/rollouts/7/events"] = list(connections)

    def bodies(self, method: str, path: str) -> list[Body]:
        """The bodies (or queries) of the requests of that kind."""
        return [body for m, p, body in self.asked if (m, p) == (method, path)]

    def wait_for(self, method: str, path: str) -> Callable[[], None]:
        """A step that goes on once that request has come."""

        def wait() -> None:
            with self.heard:
                assert self.heard.wait_for(lambda: self.bodies(method, path), timeout=20)

        return wait

    def record(self, method: str, path: str, body: Body) -> None:
        """Remembers a request."""
        with self.heard:
            self.asked.append((method, path, body))
            self.heard.notify_all()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        agent = self.server.agent
        agent.record("GET", parts.path, dict(parse_qsl(parts.query)))
        if parts.path in agent.streams:
            self._stream(agent.streams[parts.path])
        else:
            self._answer("GET", parts.path, {})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.agent.record("POST", self.path, body)
        self._answer("POST", self.path, body)

    def _answer(self, method: str, path: str, body: Body) -> None:
        missing = {"error": {"code": "not-found", "message": f"no {path}", "exit_code": 2}}
        answer = self.server.agent.answers.get((method, path), (404, missing))
        status, payload = answer(body) if callable(answer) else answer
        text = json.dumps(payload).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def _stream(self, connections: list[list[Step]]) -> None:
        steps = connections.pop(0) if len(connections) > 1 else connections[0]
        self.send_response(200)
        self.send_header("Content-Type", "application/x-ndjson")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.close_connection = True
        for step in steps:
            if step is Hang:
                return
            if isinstance(step, threading.Event):
                step.wait(20)
            elif isinstance(step, dict):
                self._chunk(json.dumps(step).encode() + b"\n")
            else:
                step()
        self._chunk(b"")

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def address_string(self) -> str:
        return "unix"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (its own name)
        """Nothing: a test's output is the command's."""


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, path: str, agent: FakeAgent) -> None:
        self.agent = agent
        super().__init__(path, _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no failure of the fake."""


@contextmanager
def serving(agent: FakeAgent, data_dir: Path) -> Iterator[FakeAgent]:
    """The agent on `agent.sock` in the data directory."""
    path = data_dir / "agent.sock"
    server = _Server(str(path), agent)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield agent
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        path.unlink(missing_ok=True)


def event(seq: int, kind: str, index: int = -1, text: str = "", **data: Any) -> Body:
    """One line of an event stream."""
    return {
        "seq": seq, "at": time.time(), "kind": kind, "index": index, "text": text, "data": data
    }  # fmt: skip


def planned(*titles: str) -> Body:
    """The `plan` event with these operations."""
    operations = [{"title": title, "cause": f"the cause of {title}"} for title in titles]
    return event(1, "plan", operations=operations)


def finished(seq: int, outcome: str = "live", exit_code: int = 0, **data: Any) -> Body:
    """The last event."""
    known: Body = {
        "outcome": outcome,
        "exit_code": exit_code,
        "urls": ["https://shop.example"],
        "release": 12,
        "serving": 12 if outcome == "live" else 11,
        "seconds": 5.9,
        "error": None,
    }
    return event(seq, "finished", **{**known, **data})
