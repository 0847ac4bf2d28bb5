from __future__ import annotations

import asyncio
import json
import socket
import ssl
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from bench.load import Load, Mix, Plan, Report
from bench.loadgen.plan import Requests

from support.loadgen_servers import (
    HOST,
    Behaviour,
    Http2Peer,
    answer,
    echo,
    http1_server,
    http2_server,
    make_certificate,
    reset,
)

ROOT = Path(__file__).parents[2]
GET_ONLY = Mix(get=1, sleep=0, echo=0)
ECHO_ONLY = Mix(get=0, sleep=0, echo=1)


async def until(true: Callable[[], bool]) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(30):
        while not true():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.005)


def plan(port: int, mix: Mix = GET_ONLY, **changed) -> Plan:
    """Return a quick plan for a server in this process."""
    return Plan(host=HOST, port=port, mix=mix, **({"rate": 200.0} | changed))


async def load_some(what: Plan, requests: int = 20) -> Report:
    """Load until so many requests were sent, and let them end."""
    async with Load(what) as load:
        await until(lambda: load.report.sent >= requests)
    assert load.report.pending == 0
    return load.report


async def load_server(behaviour: Behaviour, mix: Mix = GET_ONLY, **changed) -> Report:
    """Load a server that behaves like this."""
    async with http1_server(behaviour) as port:
        return await load_some(plan(port, mix, **changed))


async def answer_well(body: bytes, writer: asyncio.StreamWriter) -> None:
    """Answer as every request expects."""
    writer.write(answer(echo(body)))


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, ssl.SSLContext]:
    """A certificate's file and a server's TLS settings."""
    return make_certificate(tmp_path)


async def test_right_answers_are_all_ok():
    """Whole, correct answers count as ok, with their version and latency."""
    report = await load_server(answer_well, ECHO_ONLY)
    assert (report.failed, report.ok) == (0, report.sent)
    assert report.versions == Counter({"7": report.sent})
    assert 0 < report.percentile(0.5) <= report.percentile(1.0)


async def test_an_answer_in_pieces_is_whole():
    """An answer that arrives byte by byte is one right answer, its body taken to the end."""

    async def drip(body: bytes, writer: asyncio.StreamWriter) -> None:
        for byte in answer(echo(body)):
            writer.write(bytes([byte]))
            await asyncio.sleep(0)

    report = await load_server(drip, ECHO_ONLY)
    assert (report.failed, report.ok) == (0, report.sent)


async def test_a_chunked_answer_after_an_interim_one_is_whole():
    """Interim responses are skipped, and chunks put together."""

    async def chunks(body: bytes, writer: asyncio.StreamWriter) -> None:
        text = echo(body)
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
        writer.write(b"Transfer-Encoding: chunked\r\n\r\n")
        for part in (text[:10], text[10:], b""):
            writer.write(b"%x\r\n%b\r\n" % (len(part), part))
            await asyncio.sleep(0)

    report = await load_server(chunks, ECHO_ONLY)
    assert (report.failed, report.ok) == (0, report.sent)
    assert report.connections_opened < report.sent


async def server_with_502(body: bytes, writer: asyncio.StreamWriter) -> None:
    """Answer as a proxy without a server."""
    writer.write(answer(b"Bad Gateway", 502))


async def server_with_reset(body: bytes, writer: asyncio.StreamWriter) -> None:
    """Reset the connection."""
    reset(writer)


async def server_with_eof(body: bytes, writer: asyncio.StreamWriter) -> None:
    """Close in the middle of the answer."""
    writer.write(answer(b"half", length=8))
    writer.close()


async def server_with_silent_eof(body: bytes, writer: asyncio.StreamWriter) -> None:
    """Close before the answer."""
    writer.close()


async def server_with_wrong_body(body: bytes, writer: asyncio.StreamWriter) -> None:
    """Return the digest of another body."""
    writer.write(answer(echo(body + b"!")))


async def server_with_empty(body: bytes, writer: asyncio.StreamWriter) -> None:
    """Return no body."""
    writer.write(answer(b""))


async def server_with_nonsense(body: bytes, writer: asyncio.StreamWriter) -> None:
    """Speak another protocol."""
    writer.write(b"SSH-2.0-whatever\r\n\r\n")


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (server_with_502, "502"),
        (server_with_reset, "reset"),
        (server_with_eof, "eof"),
        (server_with_silent_eof, "eof"),
        (server_with_wrong_body, "wrong body"),
        (server_with_empty, "wrong body"),
        (server_with_nonsense, "protocol"),
    ],
)
async def test_each_failure_is_counted_by_its_reason(behaviour: Behaviour, reason: str):
    """No request is sent again: every bad end is one failure with its reason."""
    seen = 0

    async def counted(body: bytes, writer: asyncio.StreamWriter) -> None:
        nonlocal seen
        seen += 1
        await behaviour(body, writer)

    report = await load_server(counted, ECHO_ONLY)
    assert report.reasons == Counter({reason: report.sent})
    assert seen == report.sent
    assert report.ok == 0
    assert report.failures[0].at == report.first_failure
    assert report.last_failure is not None


async def test_only_the_failing_requests_fail():
    """A single bad answer among good ones is exactly one failure."""
    seen = 0

    async def one_bad(body: bytes, writer: asyncio.StreamWriter) -> None:
        nonlocal seen
        seen += 1
        writer.write(answer(echo(body), 503 if seen == 5 else 200))

    report = await load_server(one_bad)
    assert report.reasons == Counter({"503": 1})
    assert report.ok == report.sent - 1
    assert report.first_failure == report.last_failure


async def test_a_connection_closed_while_idle_is_no_failure():
    """The server may close between requests: another connection is taken."""

    async def close_after(body: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(echo(body)))
        writer.close()

    report = await load_server(close_after)
    assert (report.failed, report.ok) == (0, report.sent)
    assert report.connections_opened == report.sent


async def test_a_close_is_seen_even_before_the_event_loop_reports_it():
    """No request is written on a connection whose end has arrived in the meantime."""
    writers = []

    async def keep(body: bytes, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await answer_well(body, writer)

    async with http1_server(keep) as port:
        load = Load(plan(port, rate=0.001))
        await load.start()
        await until(lambda: load.report.ok == 1)
        writers[0].get_extra_info("socket").shutdown(socket.SHUT_WR)
        load._arrive(asyncio.get_running_loop().time())
        report = await load.stop()
    assert (report.failed, report.ok) == (0, 2)
    assert report.connections_opened == 2


async def test_connection_close_is_honoured():
    """After `Connection: close` the connection gets no other request."""

    async def announce(body: bytes, writer: asyncio.StreamWriter) -> None:
        head, _, rest = answer(echo(body)).partition(b"\r\n\r\n")
        writer.write(head + b"\r\nConnection: close\r\n\r\n" + rest)

    report = await load_server(announce)
    assert report.failed == 0
    assert report.connections_opened == report.sent


async def test_nobody_listening_is_refused():
    """A refused connection is the failure of the request it was opened for."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        report = await load_some(plan(reserved.getsockname()[1]))
    assert report.reasons == Counter({"refused": report.sent})


async def test_silence_is_a_timeout():
    """A request without an answer fails when its time is over."""

    async def silent(body: bytes, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(3600)

    report = await load_server(silent, timeout=0.3)
    assert report.reasons == Counter({"timeout": report.sent})


async def test_a_slow_server_does_not_slow_the_arrivals():
    """Requests become due by the clock; those without a connection wait, and none is lost."""
    release = asyncio.Event()

    async def slow(body: bytes, writer: asyncio.StreamWriter) -> None:
        await release.wait()
        writer.write(answer(echo(body)))

    async with http1_server(slow) as port:
        load = Load(plan(port, connections=2))
        await load.start()
        await until(lambda: load.report.sent >= 30)
        assert load.report.ok == 0
        stopping = asyncio.create_task(load.stop())
        await asyncio.sleep(0)
        release.set()
        report = await stopping
    assert (report.failed, report.ok) == (0, report.sent)
    assert report.connections_opened == 2


async def test_a_full_queue_is_a_failure():
    """A request that finds neither a connection nor a place to wait fails."""

    async def silent(body: bytes, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(3600)

    report = await load_server(silent, connections=1, queue=3, timeout=1)
    assert report.reasons["timeout"] >= 4
    assert report.reasons["no connection"] >= 1
    assert report.failed == report.sent


async def test_tls_is_verified(certificate: tuple[Path, ssl.SSLContext]):
    """HTTP/1.1 over TLS works with the right authority, and fails as "tls" without it."""
    ca_file, tls = certificate
    async with http1_server(answer_well, tls) as port:
        trusted = await load_some(plan(port, ECHO_ONLY, protocol="h1s", ca_file=ca_file))
        untrusted = await load_some(plan(port, ECHO_ONLY, protocol="h1s"), 3)
    assert (trusted.failed, trusted.ok) == (0, trusted.sent)
    assert untrusted.reasons == Counter({"tls": untrusted.sent})


async def load_http2(
    peer: type[Http2Peer], certificate: tuple[Path, ssl.SSLContext], **changed
) -> Report:
    """Load an HTTP/2 server that behaves like this."""
    ca_file, tls = certificate
    async with http2_server(peer, tls) as port:
        return await load_some(plan(port, ECHO_ONLY, protocol="h2", ca_file=ca_file, **changed))


async def test_http2_bodies_respect_flow_control(certificate: tuple[Path, ssl.SSLContext]):
    """Bodies larger than the server's window arrive whole, over a few connections."""
    report = await load_http2(Http2Peer, certificate, connections=2)
    assert (report.failed, report.ok) == (0, report.sent)
    assert report.versions == Counter({"7": report.sent})
    assert report.connections_opened <= 2


async def test_http2_a_goaway_that_lets_streams_finish_is_no_failure(
    certificate: tuple[Path, ssl.SSLContext],
):
    """Streams a GOAWAY covers are waited for; new ones go to another connection."""

    class LeavesFirst(Http2Peer):
        def requested(self, stream: int) -> None:
            self.go_away(2**31 - 1)
            asyncio.get_running_loop().call_soon(self.finish, stream)

        def finish(self, stream: int) -> None:
            self.respond(stream)
            self.flush()

    report = await load_http2(LeavesFirst, certificate)
    assert (report.failed, report.ok) == (0, report.sent)
    assert report.connections_opened > 4


async def test_http2_a_goaway_is_heeded_before_the_next_request(
    certificate: tuple[Path, ssl.SSLContext],
):
    """A GOAWAY that arrives with an answer keeps the waiting requests off that connection."""

    class OneEach(Http2Peer):
        most_streams = 1

        def requested(self, stream: int) -> None:
            asyncio.get_running_loop().call_later(0.02, self.finish, stream)

        def finish(self, stream: int) -> None:
            self.respond(stream)
            self.go_away(stream)

    report = await load_http2(OneEach, certificate, connections=1)
    assert (report.failed, report.ok) == (0, report.sent)
    assert report.connections_opened == report.sent


async def test_http2_a_goaway_that_excludes_a_sent_stream_fails_it(
    certificate: tuple[Path, ssl.SSLContext],
):
    """A request that was on its way when the server refused it counts as failed."""

    class Refuses(Http2Peer):
        def requested(self, stream: int) -> None:
            self.go_away(0)

    report = await load_http2(Refuses, certificate)
    assert report.reasons == Counter({"goaway": report.sent})


async def test_http2_a_reset_stream_is_a_failure(certificate: tuple[Path, ssl.SSLContext]):
    """RST_STREAM fails its request alone; the connection goes on."""

    class Resets(Http2Peer):
        def requested(self, stream: int) -> None:
            if stream == 1:
                self.h2.reset_stream(stream)
            else:
                self.respond(stream)

    report = await load_http2(Resets, certificate, connections=1)
    assert report.reasons == Counter({"stream reset": 1})
    assert report.connections_opened == 1


async def test_http2_a_lost_connection_fails_its_streams(
    certificate: tuple[Path, ssl.SSLContext],
):
    """Requests under way on a connection that closes without a word are failures."""

    class Leaves(Http2Peer):
        def requested(self, stream: int) -> None:
            self.transport.abort()

    report = await load_http2(Leaves, certificate)
    assert report.failed == report.sent
    assert set(report.reasons) <= {"eof", "reset"}


@pytest.mark.parametrize("address", ["192.0.2.1", "0.0.0.0", "2001:db8::1", "10.0.0.1"])
def test_other_machines_are_refused(address: str):
    """No plan can aim at anything but this machine."""
    with pytest.raises(ValueError, match="not on this machine"):
        Plan(host="example.com", port=80, address=address)


def test_the_sequence_is_reproducible():
    """The same seed gives the same requests, another one others."""
    draws = []
    for seed in (1, 1, 2):
        requests = Requests(Plan(host=HOST, port=80, seed=seed))
        draws.append([requests.draw().wire for _ in range(50)])
    assert draws[0] == draws[1] != draws[2]


async def test_the_sample_app_answers_the_whole_mix():
    """examples/hello/app.py answers every kind of request, and ends well on SIGTERM."""
    app = await asyncio.create_subprocess_exec(
        *(sys.executable, str(ROOT / "examples/hello/app.py")),
        env={"PORT": "0", "VERSION": "7"},
        stderr=asyncio.subprocess.PIPE,
    )
    assert app.stderr
    try:
        port = int((await app.stderr.readline()).split(b":")[-1])
        load = Load(plan(port, Mix(get=0.5, sleep=0.1, echo=0.4)))
        await load.start()
        await until(lambda: load.report.sent >= 100)
        report = await load.stop()
    finally:
        app.terminate()
    assert (report.failed, report.ok) == (0, report.sent)
    assert report.versions == Counter({"7": report.sent})
    assert await app.wait() == 0


async def test_the_command_line_reports_as_json():
    """The command prints the report as JSON; a failed request makes the exit status 1."""
    async with http1_server(server_with_502) as port:
        arguments = ["--host", HOST, "--port", str(port), "--seconds", "0.1", "--json"]
        command = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bench.load", *arguments),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await command.communicate()
    report = json.loads(out)
    assert command.returncode == 1
    assert report["reasons"] == {"502": report["sent"]}
