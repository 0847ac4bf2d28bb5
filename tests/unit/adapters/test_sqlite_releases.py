from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace

from cove.adapters.sqlite import SqliteStore
from cove.adapters.sqlite.migrations import _SEALED_SPECS, MIGRATIONS
from cove.errors import NotFound, PlatformError, Refused
from cove.model.app import (
    App,
    EnvValue,
    Health,
    Mount,
    PublishedPort,
    RolloutPolicy,
    Route,
    Service,
)
from cove.model.release import Placement

from support.store import (
    IMAGE,
    Backwards,
    Clock,
    begin,
    create,
    deploy,
    opened,
    recorded,
    reject,
    spec,
    stored,
)

RICH = App(
    name="shop",
    services=(
        Service(
            name="web",
            image="registry.test/shop:1",
            environment={"TOKEN": EnvValue("s3cret", sensitive=True), "MODE": EnvValue("live")},
            mounts=(Mount(kind="volume", target="/data", source="data", read_only=True),),
            ports=(PublishedPort(published=2222, target=22),),
            options={"labels": {"a": "b"}, "cap_drop": ["ALL"], "mem_limit": 1, "init": True},
            stop_grace=2.5,
            replicas=2,
            health=Health(path="/healthz", status=((200, 204), (301, 301))),
            rollout=RolloutPolicy(order="start-first", drain=1.5),
        ),
        Service(name="worker", image="registry.test/worker:1", pull_policy="missing"),
    ),
    routes=(
        Route(
            domain="shop.example.com",
            service="web",
            port=80,
            redirect_from=("www.shop.example.com",),
        ),
        Route(domain="shop.example.com", path="/api", service="web", port=81, tls="off"),
    ),
)


@pytest.fixture
def store():
    """A store in memory."""
    with opened() as opened_store:
        yield opened_store


def owned(store: SqliteStore, *claims: str) -> set[str]:
    """Which of the claims anybody holds."""
    return set(store.claimed_by_others("nobody", claims))


def test_release_reads_as_it_was_made(store):
    """A release comes back exactly as it was made, secrets included."""
    made, hold = create(store, begin(store), RICH)
    assert hold == {}
    assert made.spec == RICH
    assert store.release("shop", 1) == made
    assert store.releases("shop") == (made,)


def test_release_records_its_circumstances():
    """Who, why, from where and when are recorded, and the rollout names the release."""
    store = SqliteStore(":memory:", Backwards(), now=Clock(7.0))
    rollout = begin(store)
    release, _ = create(store, rollout)
    assert (release.by, release.why, release.source) == ("ann@laptop", "a test", "cove.yml")
    assert (release.created_at, release.status, release.images) == (7.0, "pending", {"web": IMAGE})
    assert store.rollouts()[0].release == 1
    store.close()


def test_every_replica_of_a_released_service_is_placed(store):
    """Each has a name and an address outside Docker's dynamic half; companions need none."""
    release, _ = create(store, begin(store), RICH)
    assert release.placements == (
        Placement(service="web", replica=1, name="web-r1-1", address="10.201.0.2"),
        Placement(service="web", replica=2, name="web-r1-2", address="10.201.0.3"),
    )


def test_hold_names_one_address_per_routed_service(store):
    """With a hold each routed service has one more address, in use from then on."""
    _, hold = create(store, begin(store), RICH, hold=True)
    assert hold == {"web": "10.201.0.4"}
    store.close_rollout(store.rollouts()[0], "kept")
    later, _ = create(store, begin(store))
    assert later.placements[0].address == "10.201.0.5"


def test_numbers_are_never_used_twice(store):
    """Failed releases count: each number names one release."""
    numbers = [deploy(store).number, reject(store).number, deploy(store).number]
    assert numbers == [1, 2, 3]
    assert [release.number for release in store.releases("shop")] == [3, 2, 1]
    assert [release.status for release in store.releases("shop")] == [
        "live",
        "failed",
        "superseded",
    ]


def test_unknown_release_is_none(store):
    """A release that was never made is None."""
    assert store.release("shop", 1) is None
    assert store.releases("shop") == ()


def test_secrets_lie_sealed(tmp_path):
    """No secret's text is in any file of the store; the rest of the file is readable."""
    with opened(tmp_path / "cove.db") as store:
        deploy(store, RICH)
        store._db.rows("PRAGMA wal_checkpoint(FULL)")
        bytes_on_disk = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"shop.example.com" in bytes_on_disk
    assert b"s3cret" not in bytes_on_disk


def test_a_spec_with_hidden_values_lies_sealed_as_a_whole(tmp_path):
    """What a variable put into a command or a label is in no file of the store."""
    options = {"command": ["serve", "--token=hidden-t0ken"], "labels": {"l": "hidden-t0ken"}}
    service = Service(name="web", image="registry.test/shop:1", options=options)
    hiding = App(name="shop", services=(service,), hidden=("hidden-t0ken",))
    with opened(tmp_path / "cove.db") as store:
        deploy(store, hiding)
        store._db.rows("PRAGMA wal_checkpoint(FULL)")
        bytes_on_disk = b"".join(path.read_bytes() for path in tmp_path.iterdir())
        assert stored(store, 1).spec == hiding
    assert b"hidden-t0ken" not in bytes_on_disk


def as_an_older_version_left_it(path: Path) -> None:
    """The records of a store before specs were sealed."""
    with opened(path) as store:
        deploy(store, RICH)
    with closing(sqlite3.connect(path)) as raw:
        for later in MIGRATIONS[SEALING + 1 :]:
            for kind, name in reversed(re.findall(r"CREATE (TABLE|TRIGGER) (\w+)", later)):
                raw.execute(f"DROP {kind} IF EXISTS {name}")
        raw.execute("ALTER TABLE releases DROP COLUMN unsealed")
        raw.execute(f"PRAGMA user_version = {SEALING}")
        raw.commit()
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")


SEALING = MIGRATIONS.index(_SEALED_SPECS)


def test_what_an_older_version_wrote_is_sealed(tmp_path):
    """Nothing of it is left in the clear in any file, and it reads as before."""
    path = tmp_path / "cove.db"
    as_an_older_version_left_it(path)
    assert b"registry.test/worker:1" in path.read_bytes()
    with opened(path) as store:
        on_disk = b"".join(file.read_bytes() for file in tmp_path.iterdir())
        assert b"registry.test/worker:1" not in on_disk
        assert stored(store, 1).spec == RICH
    with opened(path) as store:
        assert stored(store, 1).spec == RICH


def test_without_its_key_an_older_record_waits(tmp_path, caplog):
    """The store opens all the same, says so, and seals once the key is back."""

    class Lost(Backwards):
        def open(self, sealed: bytes) -> bytes:
            raise PlatformError("no key", code="secret-key")

    path = tmp_path / "cove.db"
    as_an_older_version_left_it(path)
    SqliteStore(path, Lost()).close()
    assert "not encrypted yet: no key" in caplog.text
    assert b"registry.test/worker:1" in path.read_bytes()
    with opened(path) as store:
        assert stored(store, 1).spec == RICH
    assert b"registry.test/worker:1" not in path.read_bytes()


def test_cipher_is_left_alone_without_secrets():
    """An app without secrets never needs the key."""
    store = SqliteStore(":memory:", None)  # type: ignore[arg-type]
    made = deploy(store)
    assert stored(store, 1).spec == made.spec
    store.close()


def test_empty_secret_stays_a_secret(store):
    """A sensitive value that is empty comes back sensitive and empty."""
    web = replace(spec().services[0], environment={"TOKEN": EnvValue("", sensitive=True)})
    what = replace(spec(), services=(web,))
    deploy(store, what)
    assert stored(store, 1).spec == what


def test_unreadable_record_is_said_without_its_content(store):
    """A record that cannot be read is named by its release, and its content is not shown."""
    deploy(store, RICH)
    with store._db.write() as db:
        db.execute("UPDATE releases SET secrets = ?", (b'"s3cret"'[::-1],))
    with pytest.raises(PlatformError, match="release 1 of shop cannot be read") as caught:
        store.release("shop", 1)
    assert caught.value.specific_code == "state"
    assert "s3cret" not in str(caught.value.as_dict())


def test_route_of_another_app_is_refused(store):
    """A route another app holds is refused, naming the holder, and nothing stays behind."""
    deploy(store, spec("blog", ["shop.example.com"]))
    rollout = begin(store)
    with pytest.raises(Refused) as caught:
        create(store, rollout)
    assert caught.value.specific_code == "route-taken"
    assert caught.value.message == "shop.example.com/ belongs to the app blog"
    assert "cove remove blog" in caught.value.hint
    assert caught.value.problems == ()
    assert store.releases("shop") == ()
    assert store.rollout(rollout.id).release == 0
    free, _ = create(store, rollout, spec(domains=["free.example.com"]))
    assert (free.number, free.placements[0].address) == (1, f"{subnet_base(store)}.66")


def subnet_base(store: SqliteStore) -> str:
    """The first three numbers of the shop's addresses."""
    return recorded(store).subnet.rpartition(".")[0]


def test_every_taken_route_is_listed(store):
    """With several taken routes the error lists all of them."""
    deploy(store, spec("blog", ["a.example.com"]))
    deploy(store, spec("wiki", ["b.example.com"]))
    with pytest.raises(Refused) as caught:
        create(store, begin(store), spec(domains=["a.example.com", "b.example.com"]))
    assert caught.value.problems == (
        "a.example.com/ belongs to the app blog",
        "b.example.com/ belongs to the app wiki",
    )


def test_pending_release_holds_its_routes(store):
    """A route is held from the moment its release exists, redirects included."""
    create(store, begin(store), RICH)
    claims = ["shop.example.com/", "shop.example.com/api", "www.shop.example.com/"]
    assert store.claimed_by_others("blog", [*claims, "free.example.com/"]) == dict.fromkeys(
        claims, "shop"
    )
    assert store.claimed_by_others("shop", claims) == {}


def test_other_path_of_a_taken_domain_is_free(store):
    """Another app may take another path of the same domain."""
    deploy(store)
    routes = (Route(domain="shop.example.com", path="/blog", service="web", port=1),)
    assert deploy(store, replace(spec("blog"), routes=routes)).number == 1


def test_route_claimed_twice_in_one_app_is_one_claim(store):
    """A domain that is a route and a redirect of the same app is no conflict."""
    routes = (
        Route(domain="a.test", service="web", redirect_from=("b.test",)),
        Route(domain="b.test", service="web"),
    )
    assert deploy(store, replace(spec(), routes=routes)).number == 1


def test_confirmed_release_takes_over(store):
    """Confirming makes the release live, its predecessor superseded and the app not stopped."""
    deploy(store)
    store.set_stopped("shop", stopped=True)
    rollout = begin(store)
    release, _ = create(store, rollout)
    assert store.app("shop").live == 1
    for _ in range(2):  # repeating it is fine
        store.confirm("shop", release.number)
        assert (store.app("shop").live, store.app("shop").stopped) == (2, False)
        assert [r.status for r in store.releases("shop")] == ["live", "superseded"]


def test_confirming_frees_routes_given_up(store):
    """A route the new release no longer has is free once it is live, and not before."""
    deploy(store, spec(domains=["old.example.com"]))
    release, _ = create(store, begin(store), spec(domains=["new.example.com"]))
    both = ("old.example.com/", "new.example.com/")
    assert owned(store, *both) == set(both)
    store.confirm("shop", release.number)
    assert owned(store, *both) == {"new.example.com/"}


def test_only_a_pending_release_becomes_live(store):
    """A failed, superseded or unknown release cannot be confirmed; the live one stays."""
    reject(store)
    deploy(store)
    deploy(store)
    for number, status in ((1, "failed"), (2, "superseded"), (9, "unknown")):
        with pytest.raises(PlatformError, match=f"it is {status}"):
            store.confirm("shop", number)
    assert store.app("shop").live == 3


def test_failed_release_gives_everything_back(store):
    """A failed release keeps its error, loses routes and addresses, and the live one serves on."""
    deploy(store, spec(domains=["old.example.com"]))
    what = spec(domains=["old.example.com", "new.example.com"])
    failed, hold = create(store, begin(store), what, hold=True)
    for error in ("it exited with 1", "said again"):
        store.fail_release("shop", failed.number, error)
    record = store.release("shop", failed.number)
    assert (record.status, record.error) == ("failed", "it exited with 1")
    assert owned(store, "old.example.com/", "new.example.com/") == {"old.example.com/"}
    in_use = store._db.rows("SELECT address FROM addresses WHERE release IS NOT NULL")
    assert {row["address"] for row in in_use} == {"10.201.0.2"}
    assert hold["web"] == "10.201.0.4"
    assert store.app("shop").live == 1


@pytest.mark.parametrize("superseded", [True, False])
def test_release_that_served_cannot_fail(store, superseded):
    """A live or superseded release is left as it is."""
    deploy(store)
    if superseded:
        deploy(store)
    before = store.releases("shop")
    store.fail_release("shop", 1, "too late")
    store.fail_release("shop", 9, "never was")
    assert store.releases("shop") == before
    assert owned(store, "shop.example.com/")


def test_release_needs_a_recorded_app(store):
    """Without a subnet there is nothing to place a release in."""
    rollout = store.open_rollout("shop", "deploy", "ann")
    with pytest.raises(NotFound, match="no app shop"):
        create(store, rollout)


def test_ended_rollout_makes_no_release(store):
    """A rollout that has its outcome can make no release."""
    rollout = begin(store)
    store.close_rollout(rollout, "cancelled")
    with pytest.raises(PlatformError, match="has ended"):
        create(store, rollout)
    assert store.releases("shop") == ()
    assert owned(store, "shop.example.com/") == set()
