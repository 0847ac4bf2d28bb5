from __future__ import annotations

from pathlib import Path

from cove.adapters.sqlite import SqliteStore

from support.store import Backwards, Clock, opened


def held(store: SqliteStore, app: str = "shop") -> list[str]:
    """The app's powers."""
    return [grant.power for grant in store.grants(app)]


def test_a_grant_is_listed_with_who_and_when() -> None:
    """What was given is known with its giver and its time, before the app exists."""
    store = SqliteStore(":memory:", Backwards(), now=Clock(1_234.0))
    store.grant("shop", "host-bind=/srv/data", "ann@desk")
    (grant,) = store.grants("shop")
    assert (grant.app, grant.power, grant.by, grant.at) == (
        "shop",
        "host-bind=/srv/data",
        "ann@desk",
        1_234.0,
    )
    store.close()


def test_grants_are_listed_by_name() -> None:
    """The order does not depend on when they were given."""
    with opened() as store:
        for power in ("privileged", "devices=/dev/kvm", "host-bind=/srv"):
            store.grant("shop", power, "ann")
        assert held(store) == ["devices=/dev/kvm", "host-bind=/srv", "privileged"]


def test_a_power_given_twice_keeps_its_first_giver() -> None:
    """Who gave it, and when, is what is on record."""
    with opened() as store:
        store.grant("shop", "privileged", "ann")
        store.grant("shop", "privileged", "bob")
        assert [(grant.power, grant.by) for grant in store.grants("shop")] == [
            ("privileged", "ann")
        ]


def test_a_grant_is_for_one_app() -> None:
    """Another app has nothing of it, whatever its name begins with."""
    with opened() as store:
        store.grant("shop", "privileged", "ann")
        assert held(store, "shop-two") == []
        assert not store.revoke("shop-two", "privileged")
        assert held(store) == ["privileged"]


def test_a_revoked_power_is_gone() -> None:
    """Only that one goes; taking it a second time says that there was none."""
    with opened() as store:
        store.grant("shop", "privileged", "ann")
        store.grant("shop", "host-bind=/srv", "ann")
        assert store.revoke("shop", "privileged")
        assert not store.revoke("shop", "privileged")
        assert held(store) == ["host-bind=/srv"]


def test_grants_outlive_the_process_and_the_app(tmp_path: Path) -> None:
    """They belong to the name: an app that is removed and comes back has them still."""
    path = tmp_path / "state.db"
    with opened(path) as store:
        store.reserve_subnet("shop", "desk:shop.yml", ())
        store.grant("shop", "privileged", "ann")
        store.forget_app("shop")
    with opened(path) as store:
        assert store.app("shop") is None
        assert held(store) == ["privileged"]
