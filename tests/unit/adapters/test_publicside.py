from __future__ import annotations

import asyncio
from pathlib import Path
from unittest.mock import Mock

import pytest

from cove.adapters.publicside import listener as listening
from cove.adapters.publicside import side
from cove.adapters.publicside.listener import ChallengeListener
from cove.model.certificates import AcmeSettings, Challenge, split_server

SHOP = "shop.example.com"
PLACE = side._Place("192.0.2.1", 80, encrypted=False, target="/x")


def fed(data: bytes) -> asyncio.StreamReader:
    """A connection on which this came, and then its end."""
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    return reader


def listener() -> ChallengeListener:
    """One that does not listen."""
    return ChallengeListener((Mock(), Mock()), (Path("none.crt"), Path("none.key")))


def test_only_tokens_that_are_presented_are_answered():
    """Until they are withdrawn; nothing else is there."""
    here = listener()
    path = f"{listening.PREFIX}token"
    assert here._response(path).startswith(b"HTTP/1.1 404 ")
    here.present(Challenge(kind="http", domain=SHOP, token="token", content="token.print"))
    answer = here._response(f"{path}?x=1")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"\r\n\r\ntoken.print")
    assert here._response("/").startswith(b"HTTP/1.1 404 ")
    here.withdraw("other.example.com")
    assert here._response(path).startswith(b"HTTP/1.1 200 ")
    here.withdraw(SHOP)
    assert here._response(path).startswith(b"HTTP/1.1 404 ")


@pytest.mark.parametrize(
    ("request_line", "path"),
    [
        (b"GET /a HTTP/1.1\r\n", "/a"),
        (b"HEAD /a HTTP/1.0\r\n", "/a"),
        (b"POST /a HTTP/1.1\r\n", ""),
        (b"GET /a b HTTP/1.1\r\n", ""),
        (b"\x16\x03\x01\x00", ""),
        (b"", ""),
    ],
)
async def test_what_is_no_request_has_no_path(request_line, path):
    """And so gets the answer for a token that nobody knows."""
    assert await listening._path(fed(request_line + b"Host: x\r\n\r\n")) == path


async def test_an_answer_is_read_up_to_its_length():
    """With its status and headers; a chunked one too, as far as a nonce goes."""
    status, headers, body = await side._read(
        fed(b"HTTP/1.1 200 OK\r\nServer: a\r\nContent-Length: 5\r\n\r\nnoncemore")
    )
    assert (status, headers["server"], body[:5]) == (200, "a", "nonce")
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nnonce\r\n0\r\n\r\n"
    assert (await side._read(fed(chunked)))[2] == "nonce"
    endless = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 100_000
    assert len((await side._read(fed(endless)))[2]) < 20_000
    for rubbish in (b"", b"SSH-2.0-OpenSSH\r\n", b"\r\n\r\n", b"HTTP/1.1 x\r\n\r\n"):
        with pytest.raises(ValueError):  # noqa: PT011 - whichever part gives up
            await side._read(fed(rubbish))


@pytest.mark.parametrize(
    ("location", "port", "encrypted"),
    [
        (f"https://{SHOP}/x?y=1", 443, True),
        (f"http://{SHOP}:8080/x", 8080, False),
        ("/x", 80, False),
        (f"//{SHOP}/x", 80, False),
    ],
)
def test_redirects_within_the_name_are_followed(location, port, encrypted):
    """As authorities follow them, to the same address."""
    place = side._followed(SHOP, PLACE, location, AcmeSettings(tls_port=443, http_port=8080))
    expected = 8080 if location.startswith("//") and not encrypted else port
    assert (place.address, place.encrypted) == ("192.0.2.1", encrypted)
    assert place.port in {port, expected}
    assert place.target.startswith("/x")


@pytest.mark.parametrize(
    "location",
    [
        "https://other.example.com/x",
        f"https://{SHOP}:22/x",
        "http://127.0.0.1/x",
        f"http://{SHOP}:99999/x",
        f"https://{SHOP}/x y",
        f"https://{SHOP}/\r\nX: y",
        "",
    ],
)
def test_other_redirects_are_told_and_not_followed(location):
    """No answer makes the agent ask somewhere else."""
    with pytest.raises(side._Elsewhere, match="it redirects to"):
        side._followed(SHOP, PLACE, location, AcmeSettings())


def test_one_address_of_each_family_is_asked(monkeypatch):
    """IPv6 only where this machine has a way into it, or the name has nothing else."""
    both = ("192.0.2.1", "192.0.2.2", "2001:db8::1")
    monkeypatch.setattr(side, "own_addresses", lambda: ("192.0.2.9",))
    assert side._asked(both) == ["192.0.2.1"]
    assert side._asked(both[2:]) == ["2001:db8::1"]
    monkeypatch.setattr(side, "own_addresses", lambda: ("192.0.2.9", "2001:db8::9"))
    assert side._asked(both) == ["192.0.2.1", "2001:db8::1"]


def test_the_explanation_says_whose_the_address_is(monkeypatch):
    """Nothing is added where all addresses are this machine's."""
    monkeypatch.setattr(side, "own_addresses", lambda: ("192.0.2.9",))
    monkeypatch.setattr(side, "is_own", lambda address: address == "192.0.2.9")
    assert side._whose(("192.0.2.9",)) == ""
    assert side._whose(("192.0.2.1",)) == "; the DNS says 192.0.2.1, this machine has 192.0.2.9"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.0.2.1", ("192.0.2.1", 53)),
        ("192.0.2.1:5353", ("192.0.2.1", 5353)),
        ("2001:db8::1", ("2001:db8::1", 53)),
        ("[2001:db8::1]:5353", ("2001:db8::1", 5353)),
    ],
)
def test_a_server_may_have_a_port(text, expected):
    """In both families."""
    assert split_server(text) == expected
