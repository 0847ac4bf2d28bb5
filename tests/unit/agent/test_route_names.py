"""The names of routes' series, by the record."""

from __future__ import annotations

from typing import Any, cast

from msgspec.structs import replace

from cove.adapters.sqlite import SqliteStore
from cove.agent.route_names import RouteNames
from cove.errors import PlatformError
from cove.model.release import Release
from cove.ports.metrics import RouteCounts

from support.releases import app, release, route

ONE = RouteCounts("shop", "web", "80", 1, (), 1)


class Book:
    """Releases of one app."""

    def __init__(self) -> None:
        self.reads = 0
        self.away = False
        self.forgotten = 0
        self.domains = ("a.test", "b.test")

    def release(self, _: str, number: int) -> Release | None:
        self.reads += 1
        if self.away:
            raise PlatformError("the disk is full", code="state")
        first, second = self.domains
        routes = [route(domain=first), route(domain=second, path="/api")]
        routes = routes if number == 1 else routes[::-1]
        return release(number, app(routes=tuple(routes))) if number < 3 else None


def names(book: Any) -> RouteNames:
    """Those of a book."""
    return RouteNames(cast("SqliteStore", book))


def test_a_route_is_called_by_what_leads_there() -> None:
    """Wherever it stands in the file of a release; each release is read once."""
    book = Book()
    named = names(book)
    for _ in range(3):
        assert named(ONE) == "80 b.test/api"
        assert named(replace(ONE, release=2)) == "80 a.test/"
        assert named(replace(ONE, route=0, held=True)) == "80 a.test/"
    assert book.reads == 2


def test_what_is_not_counted_apart_is_called_by_its_port() -> None:
    """And what is recorded no more."""
    named = names(Book())
    assert named(replace(ONE, route=None)) == "80"
    assert named(replace(ONE, release=0, route=None)) == "80"
    assert named(replace(ONE, release=3)) == "80"
    assert named(replace(ONE, route=2)) == "80"


def test_a_record_that_is_away_is_asked_again() -> None:
    """What is counted meanwhile goes by the port."""
    book = Book()
    named, book.away = names(book), True
    assert named(ONE) == "80"
    book.away = False
    assert named(ONE) == "80 b.test/api"


def test_an_app_that_is_made_anew_has_its_own_routes() -> None:
    """Its releases count from 1 again."""
    book = Book()
    named = names(book)
    assert named(ONE) == "80 b.test/api"
    book.domains, book.forgotten = ("a.test", "c.test"), 1
    assert named(ONE) == "80 c.test/api"
