from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from cove.adapters.sqlite import SqliteStore
from cove.errors import Refused

from support.store import Backwards, begin, create, deploy, opened, spec

STATICS = [f"10.201.0.{i}" for i in range(2, 32)]


def test_an_address_rests_as_long_as_possible():
    """An address that was freed is used again only after every other one."""
    with opened() as store:
        seen = []
        for _ in range(31):
            address = deploy(store).placements[0].address
            seen.append(address)
            store.free_addresses("shop", [address])
        assert seen == [*STATICS, STATICS[0]]


def test_too_many_replicas_are_refused():
    """A release that needs more addresses than are free is refused whole, saying how many."""
    with opened() as store:
        deploy(store, spec(replicas=20))
        rollout = begin(store)
        with pytest.raises(Refused, match="shop needs 11 addresses and has 10 free") as caught:
            create(store, rollout, spec(replicas=10), hold=True)
        assert caught.value.specific_code == "addresses-exhausted"
        assert caught.value.hint
        assert store.release("shop", 2) is None
        release, _ = create(store, rollout, spec(replicas=10))
        assert [p.address for p in release.placements] == STATICS[20:]


def test_apps_do_not_share_addresses():
    """Two apps count on their own, each in its own range."""
    with opened() as store:
        deploy(store)
        blog = deploy(store, spec("blog", ["blog.example.com"]))
        assert blog.placements[0].address == "10.201.0.66"
        store.free_addresses("blog", ["10.201.0.2"])  # not one of its own
        assert deploy(store).placements[0].address == "10.201.0.3"


class Addresses(RuleBasedStateMachine):
    """One app's addresses against a model: who uses what, and a queue of the free ones."""

    def __init__(self) -> None:
        super().__init__()
        self.store = SqliteStore(":memory:", Backwards())
        self.rollout = begin(self.store)
        self.used: dict[str, int] = {}
        self.free = list(STATICS)
        self.pending: set[int] = set()

    def vacate(self, addresses: list[str]) -> None:
        """Moves addresses to the end of the queue, once each."""
        for address in addresses:
            if self.used.pop(address, None) is not None:
                self.free.append(address)

    @rule(replicas=st.integers(1, 12), hold=st.booleans())
    def make(self, replicas: int, hold: bool) -> None:
        """A new release gets the head of the queue, or nothing when the queue is too short."""
        needed = replicas + hold
        expected, rest = self.free[:needed], self.free[needed:]
        if len(expected) < needed:
            with pytest.raises(Refused, match=f"needs {needed} .* has {len(expected)} free"):
                create(self.store, self.rollout, spec(replicas=replicas), hold=hold)
            return
        release, held = create(self.store, self.rollout, spec(replicas=replicas), hold=hold)
        given = [p.address for p in release.placements] + list(held.values())
        assert not self.used.keys() & set(given)
        assert given == expected
        self.free = rest
        self.used |= dict.fromkeys(given, release.number)
        self.pending.add(release.number)

    @rule(addresses=st.lists(st.sampled_from(STATICS), max_size=10))
    def give_back(self, addresses: list[str]) -> None:
        """Any addresses are given back, in use or not, named twice or not."""
        self.store.free_addresses("shop", addresses)
        self.vacate(addresses)

    @rule(addresses=st.lists(st.sampled_from(STATICS), max_size=10))
    def keep(self, addresses: list[str]) -> None:
        """All but some addresses are given back, in use or not, in numerical order."""
        self.store.keep_addresses("shop", addresses)
        self.vacate([a for a in STATICS if a not in addresses])

    @precondition(lambda self: self.pending)
    @rule(data=st.data())
    def fail(self, data: st.DataObject) -> None:
        """A pending release fails and gives its addresses back."""
        number = data.draw(st.sampled_from(sorted(self.pending)))
        self.pending.discard(number)
        self.store.fail_release("shop", number, "it exited")
        self.vacate([a for a in STATICS if self.used.get(a) == number])

    @precondition(lambda self: self.pending)
    @rule(data=st.data())
    def confirm(self, data: st.DataObject) -> None:
        """A pending release becomes live, which moves no address."""
        number = data.draw(st.sampled_from(sorted(self.pending)))
        self.pending.discard(number)
        self.store.confirm("shop", number)

    @invariant()
    def users_agree(self) -> None:
        """The store and the model agree on who uses what."""
        query = "SELECT address, release FROM addresses WHERE release IS NOT NULL"
        assert {r["address"]: r["release"] for r in self.store._db.rows(query)} == self.used

    def teardown(self) -> None:
        self.store.close()


Addresses.TestCase.settings = settings(max_examples=40, stateful_step_count=40)
TestAddresses = Addresses.TestCase
