"""Which of the requests that the proxy logged are kept."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest
from msgspec.structs import replace

from cove.agent.access_log import AccessLogChoices, Records
from cove.errors import PlatformError
from cove.model.access import AccessLog, ServerAccessLog, app_of, effective, failed_or_slow
from cove.model.release import Release
from cove.ports import AppRecord

from support.releases import app, release


def line(app: str = "shop", status: int = 200, seconds: float = 0.01, path: str = "/") -> str:
    """As the proxy writes it: its fields in alphabetical order."""
    fields: dict[str, Any] = {
        "ClientHost": "192.0.2.1",
        "DownstreamContentSize": 3,
        "DownstreamStatus": status,
        "Duration": int(seconds * 1e9),
        "RequestPath": path,
    }
    fields |= {"RouterName": f"{app}_0@file"} if app else {}
    return json.dumps(fields, separators=(",", ":"))


class Book:
    """Apps by name, each with what its live release asks for."""

    def __init__(self, **wanted: AccessLog | None) -> None:
        self.wanted = wanted
        self.live = 1
        self.made = 1.0
        self.reads = 0
        self.away = False

    def app(self, name: str) -> AppRecord | None:
        if self.away:
            raise PlatformError("the disk is full", code="state")
        made = AppRecord(
            name=name,
            source="",
            subnet="10.0.0.0/26",
            stopped=False,
            created_at=self.made,
            live=self.live,
        )
        return made if name in self.wanted else None

    def release(self, app_name: str, number: int) -> Release | None:
        self.reads += 1
        return release(number, replace(app(), access_log=self.wanted[app_name]))


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def choices(book: Book, server: ServerAccessLog = "apps", clock: Any = None) -> AccessLogChoices:
    """Where apps choose, unless said otherwise."""
    return AccessLogChoices(cast("Records", book), server, clock or Clock())


@pytest.mark.parametrize(
    ("wanted", "server", "logged"),
    [
        (None, "off", "off"),
        (None, "errors", "errors"),
        (None, "apps", "errors"),
        (None, "full", "full"),
        ("full", "off", "off"),
        ("full", "errors", "errors"),
        ("full", "apps", "full"),
        ("full", "full", "full"),
        ("errors", "off", "off"),
        ("errors", "apps", "errors"),
        ("errors", "full", "errors"),
        ("off", "errors", "off"),
        ("off", "apps", "off"),
        ("off", "full", "off"),
    ],
)
def test_an_app_gets_what_it_wants_within_what_the_server_has(
    wanted: AccessLog | None, server: ServerAccessLog, logged: AccessLog
) -> None:
    """No file makes the proxy log more than the server's owner has it log."""
    assert effective(wanted, server) == logged


def test_each_app_has_the_lines_it_asked_for() -> None:
    """The proxy writes all of them; those of others are dropped."""
    sifted = choices(Book(shop="full", blog=None, quiet="off"))
    assert sifted.keeps(line("shop"))
    assert not sifted.keeps(line("blog"))
    assert sifted.keeps(line("blog", status=404))
    assert sifted.keeps(line("blog", seconds=1.5))
    assert not sifted.keeps(line("quiet", status=502))


def test_requests_of_no_app_are_as_the_server_has_it() -> None:
    """No route led to one, or the route's app is gone."""
    for owner in ("", "gone"):
        assert not choices(Book()).keeps(line(owner))
        assert choices(Book()).keeps(line(owner, status=404))
        assert choices(Book(), "full").keeps(line(owner))


def test_a_new_release_chooses_anew() -> None:
    """Within a second of becoming live; a release is read once."""
    book, clock = Book(shop=None), Clock()
    sifted = choices(book, clock=clock)
    for _ in range(3):
        clock.now += 2
        assert not sifted.keeps(line("shop"))
    assert book.reads == 1
    book.live, book.wanted["shop"] = 2, "full"
    clock.now += 2
    assert sifted.keeps(line("shop"))
    assert book.reads == 2


def test_the_last_choice_holds_while_the_record_is_away() -> None:
    """A full disk neither drops what is wanted nor keeps what is not."""
    book, clock = Book(shop="full"), Clock()
    sifted = choices(book, clock=clock)
    assert sifted.keeps(line("shop"))
    book.away = True
    clock.now += 2
    assert sifted.keeps(line("shop"))
    assert not sifted.keeps(line("blog"))


def test_a_path_cannot_pass_for_a_field() -> None:
    """Whatever a client asks for, a quotation mark of it has a backslash before it."""
    bad = line("shop", path='/"RouterName":"blog_0@file","DownstreamStatus":502,"Duration":9,')
    assert app_of(bad) == "shop"
    assert not failed_or_slow(bad)
    assert app_of(line("", path='/"RouterName":"blog_')) == ""


def test_what_cannot_be_read_is_kept() -> None:
    """Nothing is lost for a form that another version of the proxy may have."""
    assert failed_or_slow("{}")


def test_an_app_that_is_made_anew_has_what_it_asks_for_now() -> None:
    """Its releases count from 1 again."""
    book, clock = Book(shop="full"), Clock()
    sifted = choices(book, clock=clock)
    assert sifted.keeps(line("shop"))
    book.wanted["shop"], book.made = "errors", 2.0
    clock.now += 2
    assert not sifted.keeps(line("shop"))


def test_what_an_earlier_proxy_wrote_is_sifted_as_well() -> None:
    """Where the server's owner has taken back that every request is logged."""
    servers: tuple[ServerAccessLog, ...] = ("errors", "off")
    for server in servers:
        assert not choices(Book(shop=None), server).keeps(line("shop"))
    assert choices(Book(shop=None), "errors").keeps(line("shop", status=500))
