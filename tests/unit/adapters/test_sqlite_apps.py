from __future__ import annotations

from ipaddress import ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cove.adapters.sqlite import SqliteStore
from cove.errors import NotFound, Refused
from cove.ports import AppRecord

from support.store import Backwards, Clock, begin, create, deploy, opened, spec


@pytest.fixture
def store():
    """A store in memory."""
    with opened() as opened_store:
        yield opened_store


def test_first_app_gets_the_first_subnet():
    """A new app is recorded with the first /26 of the pool and the time."""
    store = SqliteStore(":memory:", Backwards(), "10.9.0.0/24", now=Clock(5.0))
    record = AppRecord(
        name="shop",
        source="cove.yml",
        subnet="10.9.0.0/26",
        stopped=False,
        created_at=5.0,
        live=0,
    )
    assert store.reserve_subnet("shop", "cove.yml", ()) == record
    assert store.app("shop") == record
    assert store.apps() == (record,)
    store.close()


def test_known_app_keeps_its_subnet_and_source(store):
    """Reserving again changes nothing, even when its own subnet is among the taken ones."""
    record = store.reserve_subnet("shop", "first.yml", ())
    assert store.reserve_subnet("shop", "second.yml", [record.subnet]) == record


def test_unknown_app_is_none(store):
    """An app that was never recorded is None."""
    assert store.app("shop") is None
    assert store.apps() == ()


def test_apps_are_listed_by_name(store):
    """The list is in the order of names, whatever came first."""
    for name in ("shop", "blog"):
        store.reserve_subnet(name, "", ())
    assert [app.name for app in store.apps()] == ["blog", "shop"]


def test_ranges_of_networks_that_are_not_kept_are_free(store):
    """The next network of any app may have them; the default one's stays, whatever is named."""
    record = store.reserve_subnet("shop", "", ())
    store.reserve_subnet("blog", "", ())
    first = store.reserve_networks("shop", ["default", "back", "_back"], ())
    store.keep_networks("shop", ["_back"])
    store.keep_networks("unknown", [])
    blog = store.reserve_networks("blog", ["back"], ())
    assert blog["back"] == first["back"]
    again = store.reserve_networks("shop", ["back", "_back"], ())
    assert (again["default"], again["_back"]) == (record.subnet, first["_back"])
    assert again["back"] not in first.values()


def test_taken_ranges_are_avoided(store):
    """A range Docker holds is skipped, larger, smaller or given by an address inside it."""
    taken = ["10.201.0.0/25", "10.201.0.129/30", "10.201.0.200/26", "fd00::/8", "192.168.0.0/16"]
    assert store.reserve_subnet("shop", "", taken).subnet == "10.201.1.0/26"


networks = st.builds(
    lambda offset, prefix: f"10.9.{offset // 256}.{offset % 256}/{prefix}",
    st.integers(0, 1023),
    st.integers(24, 32),
)


@settings(max_examples=50)
@given(st.lists(st.lists(networks, max_size=3), max_size=20))
def test_subnets_never_overlap(rounds):
    """However many apps come and whatever Docker holds, no two ranges overlap."""
    with opened(pool="10.9.0.0/22") as store:
        for number, taken in enumerate(rounds):
            before = [ip_network(app.subnet) for app in store.apps()]
            held = [ip_network(text, strict=False) for text in taken]
            try:
                record = store.reserve_subnet(f"app-{number}", "", taken)
            except Refused:
                room = ip_network("10.9.0.0/22").subnets(new_prefix=26)
                assert all(any(s.overlaps(o) for o in [*before, *held]) for s in room)
            else:
                subnet = ip_network(record.subnet)
                assert not any(subnet.overlaps(other) for other in [*before, *held])


def test_exhausted_pool_is_refused():
    """When the pool is used up, the app is refused and not recorded."""
    with opened(pool="10.9.0.0/25") as store:
        store.reserve_subnet("shop", "", ())
        store.reserve_subnet("blog", "", ())
        with pytest.raises(Refused, match=r"10\.9\.0\.0/25 is taken") as caught:
            store.reserve_subnet("wiki", "", ())
        assert caught.value.specific_code == "subnets-exhausted"
        assert store.app("wiki") is None


def test_range_around_the_whole_pool_is_refused(store):
    """A taken range larger than the pool leaves nothing of it."""
    with pytest.raises(Refused):
        store.reserve_subnet("shop", "", ["10.0.0.0/8"])


def test_source_and_stopped_are_set(store):
    """Source and rest are recorded, and nothing else changes."""
    before = store.reserve_subnet("shop", "first.yml", ())
    store.set_source("shop", "second.yml")
    store.set_stopped("shop", stopped=True)
    record = store.app("shop")
    assert (record.source, record.stopped) == ("second.yml", True)
    assert record.subnet == before.subnet
    store.set_stopped("shop", stopped=False)
    assert not store.app("shop").stopped


def test_setting_what_is_not_there_is_said(store):
    """An app that is not recorded cannot be changed."""
    with pytest.raises(NotFound, match="no app shop"):
        store.set_stopped("shop", stopped=True)
    with pytest.raises(NotFound, match="no app shop"):
        store.set_source("shop", "cove.yml")


def test_forgotten_app_leaves_only_history(store):
    """A forgotten app has no record, release, claim or address; its rollouts stay."""
    deploy(store, spec(secret="s3cret"))
    deploy(store)
    store.forget_app("shop")
    assert store.app("shop") is None
    assert store.releases("shop") == ()
    assert store.claimed_by_others("blog", ["shop.example.com/"]) == {}
    assert store._db.rows("SELECT * FROM addresses") == []
    assert [rollout.release for rollout in store.rollouts("shop")] == [2, 1]


def test_forgetting_concerns_one_app(store):
    """Another app keeps everything, and forgetting twice is fine."""
    deploy(store, spec("blog", ["blog.example.com"]))
    deploy(store)
    store.forget_app("shop")
    store.forget_app("shop")
    assert store.app("blog").live == 1
    assert store.claimed_by_others("shop", ["blog.example.com/"]) == {"blog.example.com/": "blog"}
    following = deploy(store, spec("blog", ["blog.example.com"]))
    assert (following.number, following.placements[0].address) == (2, "10.201.0.3")


def test_forgotten_name_starts_anew(store):
    """A new app of an old name counts its releases from 1 and has every address."""
    first = deploy(store)
    store.forget_app("shop")
    release, _ = create(store, begin(store))
    assert release.number == 1
    assert release.placements == first.placements
