"""Status pages in the store, and the apps' routes beside them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from cove.adapters.sqlite import SqliteStore
from cove.errors import Refused
from cove.model.statuspage import ShownApp, StatusPage
from cove.rollout.prepare import check_claims

from support.store import begin, create, deploy, opened, reject, spec

PAGE = StatusPage(domain="status.example.com", apps=(ShownApp(app="shop", label="Web"),))


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    """A store that forgets."""
    with opened() as store:
        yield store


def test_a_page_is_kept_as_it_was_set(store):
    """By its domain, until it is removed."""
    other = StatusPage(domain="a.example.com", every=True, title="A", domains=True)
    for page in (PAGE, other):
        store.put_status_page(page)
    assert store.status_pages() == (other, PAGE)
    changed = replace(PAGE, title="B")
    store.put_status_page(changed)
    assert store.status_pages() == (other, changed)
    assert store.remove_status_page("a.example.com")
    assert not store.remove_status_page("a.example.com")
    assert store.status_pages() == (changed,)


def test_a_page_is_refused_where_an_app_is(store):
    """On any path, and as long as a release holds it."""
    app = spec("shop", [PAGE.domain])
    app = replace(app, routes=(replace(app.routes[0], path="/deep/down"),))
    deploy(store, app)
    with pytest.raises(
        Refused, match=r"status\.example\.com/deep/down belongs to the app shop"
    ) as no:
        store.put_status_page(PAGE)
    assert no.value.specific_code == "route-taken"
    deploy(store, spec("shop", ["other.example.com"]))
    store.put_status_page(PAGE)


def test_an_app_is_refused_where_a_page_is(store):
    """Before anything is touched, and again where its routes are claimed."""
    store.put_status_page(PAGE)
    app = spec("shop", [PAGE.domain])
    for wanted in (
        app,
        replace(app, routes=(replace(app.routes[0], path="/x"),)),
        replace(
            app,
            routes=(replace(app.routes[0], domain="a.test", redirect_from=(PAGE.domain,)),),
        ),
    ):
        with pytest.raises(Refused, match=f"{PAGE.domain} belongs to the status page"):
            check_claims(wanted, store)
        rollout = begin(store)
        with pytest.raises(Refused, match=f"{PAGE.domain} belongs to the status page") as no:
            create(store, rollout, wanted)
        assert no.value.specific_code == "route-taken"
        assert store.releases("shop") == ()
        store.close_rollout(rollout, "failed")
    reject(store, spec("shop", ["free.example.com"]))
    store.remove_status_page(PAGE.domain)
    deploy(store, app)


def test_names_around_a_page_are_free(store):
    """Below it, above it, and what only begins or ends alike; a wildcard gives way to a name."""
    store.put_status_page(PAGE)
    around = ["x.status.example.com", "example.com", "astatus.example.com", "*.example.com"]
    deploy(store, spec("shop", around))


def test_the_database_itself_holds_them_apart(store):
    """Whatever a bug would try."""
    deploy(store)
    with (
        pytest.raises(sqlite3.IntegrityError, match="a status page claims"),
        store._db._connection as db,
    ):
        db.execute("INSERT INTO status_pages VALUES ('shop.example.com', '{}')")
    store.put_status_page(PAGE)
    with (
        pytest.raises(sqlite3.IntegrityError, match="an app claims"),
        store._db._connection as db,
    ):
        db.execute("INSERT INTO claims VALUES ('status.example.com/x', 'shop', 1)")


def test_a_record_that_cannot_be_read_is_left_out(store):
    """The others are there; and its domain stays taken."""
    store.put_status_page(PAGE)
    with store._db.write() as db:
        db.execute("INSERT INTO status_pages VALUES ('b.example.com', '{')")
    assert store.status_pages() == (PAGE,)
    with pytest.raises(Refused):
        store.check_no_page(["b.example.com/"])
