from __future__ import annotations

import pytest

from cove.adapters.sqlite import SqliteStore
from cove.adapters.sqlite.rollouts import KEPT_ROLLOUTS
from cove.errors import EXIT_LOCKED, Locked, NotFound
from cove.model.events import Rollout
from cove.ports import Step

from support.store import Backwards, Clock, begin, opened


@pytest.fixture
def clock():
    """The store's clock."""
    return Clock(1_000.0)


@pytest.fixture
def store(clock):
    """A store in memory."""
    opened_store = SqliteStore(":memory:", Backwards(), now=clock)
    yield opened_store
    opened_store.close()


def test_rollout_begins_and_ends(store, clock):
    """A rollout is recorded when it begins and once more when it ends."""
    begun = store.open_rollout("shop", "deploy", "ann@laptop")
    assert begun == Rollout(id=1, app="shop", kind="deploy", by="ann@laptop", started_at=1_000.0)
    assert store.rollout(1) == begun
    clock.at = 1_060.0
    ended = store.close_rollout(begun, "done")
    assert (ended.outcome, ended.ended_at, ended.started_at) == ("done", 1_060.0, 1_000.0)
    assert store.rollout(1) == ended


def test_first_outcome_stays(store, clock):
    """Ending a rollout again changes neither outcome nor time."""
    begun = store.open_rollout("shop", "deploy", "ann")
    ended = store.close_rollout(begun, "kept")
    clock.at += 60
    assert store.close_rollout(begun, "live") == ended


def test_second_rollout_is_locked_out(store, clock):
    """A second rollout of the app is refused, naming the first and the way to watch it."""
    for _ in range(16):
        store.close_rollout(store.open_rollout("shop", "deploy", "ann"), "done")
    store.open_rollout("shop", "deploy", "ann@laptop")
    clock.at += 12
    with pytest.raises(Locked) as caught:
        store.open_rollout("shop", "restart", "bob")
    error = caught.value
    assert error.message == "shop is being deployed by ann@laptop since 12 s (rollout 17)"
    assert error.hint == "watch it: cove attach shop"
    assert error.exit_code == EXIT_LOCKED
    assert len(store.rollouts("shop")) == 17


@pytest.mark.parametrize(
    ("kind", "by", "seconds", "message"),
    [
        ("rollback", "ann", 59.9, "shop is being rolled back by ann since 59 s (rollout 1)"),
        ("restart", "ann", 60, "shop is being restarted by ann since 1 min (rollout 1)"),
        ("stop", "ann", 7_300, "shop is being stopped by ann since 2 h (rollout 1)"),
        ("start", "", 0, "shop is being started since 0 s (rollout 1)"),
        ("remove", "", -5, "shop is being removed since 0 s (rollout 1)"),
    ],
)
def test_lock_says_what_goes_on(store, clock, kind, by, seconds, message):
    """The refusal says what is being done and for how long, even with a clock set back."""
    store.open_rollout("shop", kind, by)
    clock.at += seconds
    with pytest.raises(Locked) as caught:
        store.open_rollout("shop", "deploy", "bob")
    assert caught.value.message == message


def test_lock_concerns_one_app(store):
    """Two apps are rolled out at once; an ended rollout gives its lock back."""
    first = store.open_rollout("shop", "deploy", "ann")
    store.open_rollout("blog", "deploy", "ann")
    store.close_rollout(first, "failed")
    assert store.open_rollout("shop", "deploy", "ann").id == 3


def test_lock_survives_a_restart(tmp_path):
    """An interrupted rollout holds its lock until recovery ends it."""
    with opened(tmp_path / "cove.db") as store:
        begin(store)
    with opened(tmp_path / "cove.db") as store:
        with pytest.raises(Locked):
            store.open_rollout("shop", "deploy", "bob")
        store.close_rollout(store.interrupted()[0].rollout, "kept")
        store.open_rollout("shop", "deploy", "bob")


def test_journal_tells_recovery_everything(store):
    """Rollouts under way are found oldest first, with plan and the last word on each step."""
    older = store.open_rollout("shop", "deploy", "ann")
    over = store.open_rollout("wiki", "deploy", "ann")
    newer = store.open_rollout("blog", "stop", "ann")
    store.save_plan(older, b"{\x00plan}")
    for step in (Step(1, "started"), Step(0, "started"), Step(1, "done"), Step(0, "undone")):
        store.save_step(older, step)
    store.save_step(over, Step(0, "done"))
    store.close_rollout(over, "live")
    first, second = store.interrupted()
    assert (first.rollout, first.plan) == (older, b"{\x00plan}")
    assert first.steps == (Step(0, "undone"), Step(1, "done"))
    assert (second.rollout, second.plan, second.steps) == (newer, b"", ())
    assert store.steps(older.id) == first.steps
    assert store.steps(over.id) == (Step(0, "done"),)


def test_nothing_under_way_is_nothing_interrupted(store):
    """With every rollout ended recovery finds nothing."""
    store.close_rollout(store.open_rollout("shop", "deploy", "ann"), "live")
    assert store.interrupted() == ()


def test_rollouts_are_listed_newest_first(store):
    """The list is newest first, of one app or of all, and no longer than asked."""
    for app in ("shop", "blog", "shop", "shop"):
        store.close_rollout(store.open_rollout(app, "restart", "ann"), "live")
    assert [r.id for r in store.rollouts()] == [4, 3, 2, 1]
    assert [r.id for r in store.rollouts("shop")] == [4, 3, 1]
    assert [r.id for r in store.rollouts("shop", limit=2)] == [4, 3]
    assert store.rollouts("wiki") == ()


def test_unknown_rollout(store):
    """A rollout that never was is None, and cannot be written to."""
    ghost = Rollout(id=9, app="shop", kind="deploy")
    assert store.rollout(9) is None
    with pytest.raises(NotFound):
        store.close_rollout(ghost, "done")
    with pytest.raises(NotFound):
        store.save_plan(ghost, b"{}")


def test_events_count_within_their_rollout(store, clock):
    """Each rollout's events count from 1 and can be read from any point on."""
    shop = store.open_rollout("shop", "deploy", "ann")
    blog = store.open_rollout("blog", "deploy", "ann")
    plan = {"operations": [{"title": "pull", "cause": ""}]}
    first = store.add_event(shop.id, "plan", -1, "", plan)
    clock.at = 1_001.5
    second = store.add_event(shop.id, "started", 0, "pull", {})
    other = store.add_event(blog.id, "notice", -1, "hm", {})
    assert [first.seq, second.seq, other.seq] == [1, 2, 1]
    assert (second.at, second.kind, second.index, second.text) == (1_001.5, "started", 0, "pull")
    assert store.events(shop.id) == (first, second)
    assert store.events(shop.id, after=1) == (second,)
    assert store.events(shop.id, after=2) == ()
    assert store.events(blog.id) == (other,)


def test_old_history_is_dropped(store):
    """An app keeps its newest rollouts with their events; other apps' are not counted."""
    blog = store.open_rollout("blog", "deploy", "ann")
    store.close_rollout(blog, "live")
    first = store.open_rollout("shop", "deploy", "ann")
    store.add_event(first.id, "notice", -1, "hm", {})
    store.save_step(first, Step(0, "done"))
    store.close_rollout(first, "live")
    for _ in range(KEPT_ROLLOUTS - 1):
        store.close_rollout(store.open_rollout("shop", "restart", "ann"), "live")
    assert store.events(first.id)
    newest = store.open_rollout("shop", "restart", "ann")
    kept = [rollout.id for rollout in store.rollouts("shop", limit=1_000)]
    assert kept == list(range(newest.id, newest.id - KEPT_ROLLOUTS, -1))
    assert store.rollout(first.id) is None
    assert store.events(first.id) == ()
    assert store.steps(first.id) == ()
    assert store.rollout(blog.id) is not None
