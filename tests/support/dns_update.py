"""A names server that takes signed updates (RFC 2136), and DigitalOcean's API in small.

Both write into Pebble's names server, so that Pebble itself sees what was written.
"""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.query
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.tsigkeyring

from support.pebble import Pebble

KEY_NAME, KEY = "cove-key.", "c2VjcmV0LWtleS1mb3ItdGVzdHMtb25seS0wMDAwMDA="
TOKEN = "digitalocean-token-for-tests"


@contextmanager
def update_server(pebble: Pebble, zone: str) -> Iterator[str]:
    """A server that keeps one zone; its address:port."""
    keyring = dns.tsigkeyring.from_text({KEY_NAME: KEY})
    origin = dns.name.from_text(zone)

    class Connection(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            size = int.from_bytes(self.rfile.read(2), "big")
            wire = self.rfile.read(size)
            try:
                message = dns.message.from_wire(wire, keyring=keyring)
            except dns.exception.DNSException:
                query = dns.message.from_wire(wire, ignore_trailing=True, continue_on_error=True)
                self._send(query, dns.rcode.NOTAUTH)
                return
            if message.opcode() == dns.opcode.UPDATE:
                self._send(message, _updated(message, pebble))
            else:
                self._send(message, dns.rcode.NOERROR, soa=message.question[0].name == origin)

        def _send(
            self, query: dns.message.Message, code: dns.rcode.Rcode, *, soa: bool = False
        ) -> None:
            answer = dns.message.make_response(query)
            answer.set_rcode(code)
            if soa:
                text = "ns.example. root.example. 1 60 60 60 60"
                answer.answer.append(dns.rrset.from_text(origin, 60, "IN", "SOA", text))
            wire = answer.to_wire()
            self.wfile.write(len(wire).to_bytes(2, "big") + wire)

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Connection)
    with _serving(server):
        yield f"127.0.0.1:{server.server_address[1]}"


def _updated(message: dns.message.Message, pebble: Pebble) -> dns.rcode.Rcode:
    if not message.had_tsig:
        return dns.rcode.REFUSED
    for rrset in message.sections[2]:
        name = rrset.name.to_text(omit_final_dot=True)
        assert rrset.rdtype == dns.rdatatype.TXT
        if rrset.deleting is not None:
            pebble.clear_txt(name)
        else:
            for data in rrset:
                pebble.set_txt(name, b"".join(data.strings).decode())
    return dns.rcode.NOERROR


@contextmanager
def digitalocean(pebble: Pebble, zone: str) -> Iterator[str]:
    """DigitalOcean's API for one domain's records; its address."""
    records: dict[int, str] = {}

    class Api(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(200 if self.path == f"/v2/domains/{zone}" else 404, {})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            name = f"{body['name']}.{zone}"
            assert body["type"] == "TXT"
            records[len(records) + 1] = name
            pebble.set_txt(name, body["data"])
            self._answer(201, {"domain_record": {"id": len(records)}})

        def do_DELETE(self) -> None:
            pebble.clear_txt(records.pop(int(self.path.rpartition("/")[2])))
            self._answer(204, None)

        def _answer(self, status: int, body: Any) -> None:
            if self.headers["Authorization"] != f"Bearer {TOKEN}":
                status, body = 401, {}
            data = b"" if body is None else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    with _serving(server):
        yield f"http://127.0.0.1:{server.server_address[1]}"


@contextmanager
def _serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
