"""A store to test with, and what to put into it. Any test may import it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cove.adapters.sqlite import SqliteStore
from cove.model.app import App, EnvValue, Route, Service
from cove.model.events import Rollout
from cove.model.release import Image, Release
from cove.ports import AppRecord

IMAGE = Image(
    reference="registry.test/shop:1",
    run="registry.test/shop@sha256:" + "a" * 64,
    id="sha256:" + "b" * 64,
    ports=(8000,),
)


class Backwards:
    """A cipher without a key: what it seals cannot be found in a file by its text."""

    def seal(self, plain: bytes) -> bytes:
        return plain[::-1]

    def open(self, sealed: bytes) -> bytes:
        return sealed[::-1]


class Clock:
    """A clock that a test sets."""

    def __init__(self, at: float = 1_000.0) -> None:
        self.at = at

    def __call__(self) -> float:
        return self.at


@contextmanager
def opened(path: Path | str = ":memory:", pool: str = "10.201.0.0/16") -> Iterator[SqliteStore]:
    """A store that is closed again."""
    store = SqliteStore(path, Backwards(), pool)
    try:
        yield store
    finally:
        store.close()


def spec(
    app: str = "shop",
    domains: Iterable[str] = ("shop.example.com",),
    *,
    replicas: int = 1,
    secret: str = "",
) -> App:
    """An app of one routed service; with a `secret` its environment holds TOKEN."""
    environment = {"LOG_LEVEL": EnvValue("info")}
    if secret:
        environment["TOKEN"] = EnvValue(secret, sensitive=True)
    web = Service(name="web", image=IMAGE.reference, environment=environment, replicas=replicas)
    routes = tuple(Route(domain=domain, service="web", port=8000) for domain in domains)
    return App(name=app, services=(web,), routes=routes)


def recorded(store: SqliteStore, app: str = "shop") -> AppRecord:
    """An app that must be known."""
    record = store.app(app)
    assert record is not None
    return record


def stored(store: SqliteStore, number: int, app: str = "shop") -> Release:
    """A release that must be known."""
    release = store.release(app, number)
    assert release is not None
    return release


def begin(store: SqliteStore, app: str = "shop") -> Rollout:
    """A rollout under way of an app that has its subnet."""
    store.reserve_subnet(app, "cove.yml", ())
    return store.open_rollout(app, "deploy", "ann@laptop")


def create(
    store: SqliteStore, rollout: Rollout, what: App | None = None, *, hold: bool = False
) -> tuple[Release, dict[str, str]]:
    """A pending release of a rollout."""
    what = what or spec(rollout.app)
    return store.create_release(
        rollout, spec=what, images={"web": IMAGE}, why="a test", source="cove.yml", hold=hold
    )


def deploy(store: SqliteStore, what: App | None = None) -> Release:
    """A live release, its rollout over; nothing is freed."""
    what = what or spec()
    rollout = begin(store, what.name)
    release, _ = create(store, rollout, what)
    store.confirm(what.name, release.number)
    store.close_rollout(rollout, "live")
    return release


def reject(store: SqliteStore, what: App | None = None, error: str = "it exited") -> Release:
    """A failed release, its rollout over."""
    what = what or spec()
    rollout = begin(store, what.name)
    release, _ = create(store, rollout, what)
    store.fail_release(what.name, release.number, error)
    store.close_rollout(rollout, "kept")
    return release
