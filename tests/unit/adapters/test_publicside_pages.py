"""The loopback port of pages: what it reads of a request, and what it answers."""

from __future__ import annotations

import asyncio

import pytest

from cove.adapters.publicside.pages import PageListener, Request, _Unfit, parse, response
from cove.errors import PlatformError
from cove.model.statuspage import Content

HOST = b"Host: status.example.com\r\n"
CONTENT = Content(
    media="text/html", body=b"a page", packed=b"packed", etag='W/"1"', headers=("X-A: b",)
)


def head(first: bytes = b"GET / HTTP/1.1", *lines: bytes) -> bytes:
    """A request's head."""
    return b"\r\n".join((first, HOST.strip(), *lines, b"", b""))


def asked(**given: object) -> Request:
    """A request as it was understood."""
    usual = {"method": "GET", "path": "/", "domain": "d", "unchanged": "", "packs": False}
    return Request(**(usual | given))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "host",
    [
        b"status.example.com",
        b"STATUS.example.com",
        b"status.example.com:8443",
        b"status.example.com.",
        b"status.example.com.:443",
        b"  status.example.com\t",
    ],
)
def test_a_host_is_one_domain_however_it_is_written(host):
    """In any case, with a port, with the root's dot."""
    found = parse(b"GET /x?y=1 HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")
    assert (found.domain, found.path, found.method) == ("status.example.com", "/x", "GET")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "400"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400"),
        (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "400"),
        (b"GET / HTTP/1.1\r\nHost: [::1]\r\n\r\n", "400"),
        (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", "400"),
        (b"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", "400"),
        (b"GET http://a/ HTTP/1.1\r\n" + HOST + b"\r\n", "400"),
        (b"GET / HTTP/2.0\r\n" + HOST + b"\r\n", "400"),
        (b"get / HTTP/1.1\r\n" + HOST + b"\r\n", "400"),
        (b"GET /\xff HTTP/1.1\r\n" + HOST + b"\r\n", "400"),
        (b"GET /" + b"x" * 3000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", "400"),
        (b"\x16\x03\x01\r\n\r\n", "400"),
        (head(b"POST / HTTP/1.1"), "405"),
        (head(b"GET / HTTP/1.1", b"Content-Length: 1"), "413"),
        (head(b"GET / HTTP/1.1", b"Content-Length: x"), "413"),
        (head(b"GET / HTTP/1.1", b"Transfer-Encoding: chunked"), "413"),
    ],
)
def test_what_is_not_a_plain_question_is_refused(request_, status):
    """No body is read, nothing is guessed."""
    with pytest.raises(_Unfit, match=f"^{status} "):
        parse(request_)


@pytest.mark.parametrize(
    ("accepted", "packs"),
    [
        (b"gzip", True),
        (b"br, gzip;q=0.5", True),
        (b"GZIP", True),
        (b"gzip;q=0", False),
        (b"gzip; q=0.000", False),
        (b"identity", False),
        (b"xgzip", False),
        (b"", False),
    ],
)
def test_only_who_can_read_it_gets_it_compressed(accepted, packs):
    """As the header says."""
    assert parse(head(b"GET / HTTP/1.1", b"Accept-Encoding: " + accepted)).packs is packs


def test_an_answer_carries_its_headers_and_its_length():
    """The head alone for HEAD, nothing for what the client has."""
    whole = response(asked(), CONTENT)
    assert whole.startswith(b"HTTP/1.1 200 OK\r\n")
    assert whole.endswith(b"\r\n\r\na page")
    assert b"Content-Length: 6\r\nX-A: b\r\n" in whole
    assert b"Content-Encoding: gzip" in response(asked(packs=True), CONTENT)
    assert response(asked(method="HEAD"), CONTENT) == whole.removesuffix(b"a page")
    for tags in ('W/"1"', 'W/"0", W/"1"', "*"):
        assert response(asked(unchanged=tags), CONTENT).startswith(b"HTTP/1.1 304 ")
    assert response(asked(unchanged='W/"2"'), CONTENT) == whole


async def answered(data: bytes, answer) -> bytes:
    """What a connection is told."""
    reader = asyncio.StreamReader(limit=32 << 10)
    reader.feed_data(data)
    reader.feed_eof()
    return await PageListener(1, answer)._response(reader)


async def test_each_end_has_its_status():
    """And none says more than that."""

    async def none(_domain: str, _path: str) -> Content | None:
        return None

    async def fails(_domain: str, _path: str) -> Content | None:
        raise PlatformError("state.db is at 10.0.0.1", code="state")

    assert (await answered(head(), none)).startswith(b"HTTP/1.1 404 ")
    failed = await answered(head(), fails)
    assert failed.startswith(b"HTTP/1.1 503 ")
    assert b"10.0.0.1" not in failed
    large = head(b"GET / HTTP/1.1", b"Cookie: " + b"x" * (33 << 10))
    assert (await answered(large, none)).startswith(b"HTTP/1.1 431 ")
    assert b"Allow: GET, HEAD" in await answered(head(b"PUT / HTTP/1.1"), none)
    with pytest.raises(asyncio.IncompleteReadError):
        await answered(b"GET / HTTP/1.1\r\n", none)
