from __future__ import annotations

from pathlib import Path

import pytest

from cove.adapters.sqlite import SqliteStore, happenings
from cove.model.happenings import LONGEST

from support.store import Backwards, Clock, opened


def texts(store: SqliteStore, **query: str | float) -> list[str]:
    """What happened, in order."""
    return [one.text for one in store.happenings(**query)]  # type: ignore[arg-type]


def test_happenings_come_in_order_after_a_number() -> None:
    """Who knows the last number gets exactly the rest, in pieces if wanted."""
    with opened() as store:
        for n in range(5):
            store.add_happening("notice", f"n{n}")
        first = store.happenings(limit=2)
        assert [one.text for one in first] == ["n0", "n1"]
        assert texts(store, after=first[-1].seq) == ["n2", "n3", "n4"]
        assert texts(store, after=store.happenings()[-1].seq) == []


def test_numbers_go_on_after_a_restart_and_a_loss(tmp_path: Path) -> None:
    """A number is never given twice, even when its happening was dropped."""
    path = tmp_path / "state.db"
    with opened(path) as store:
        store.add_happening("notice", "one")
        store.add_happening("notice", "two")
        last = store.happenings()[-1].seq
        with store._db.write() as db:
            db.execute("DELETE FROM happenings")
    with opened(path) as store:
        store.add_happening("notice", "three")
        assert [(one.seq, one.text) for one in store.happenings(after=last)] == [
            (last + 1, "three")
        ]


def test_the_newest_by_app_and_time() -> None:
    """The last few, or those since a time, in order; of one app or of all."""
    clock = Clock()
    store = SqliteStore(":memory:", Backwards(), now=clock)
    for n, app in enumerate(("shop", "", "blog", "shop")):
        clock.at = 100.0 + n
        store.add_happening("notice", f"n{n}", app)
    assert [one.text for one in store.last_happenings(2)] == ["n2", "n3"]
    assert [one.text for one in store.last_happenings(9, app="shop")] == ["n0", "n3"]
    assert [one.text for one in store.last_happenings(9, since=102.0)] == ["n2", "n3"]
    store.close()


def test_only_so_many_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest go, at every append."""
    monkeypatch.setattr(happenings, "KEPT_HAPPENINGS", 3)
    with opened() as store:
        for n in range(10):
            store.add_happening("notice", f"n{n}")
        assert texts(store) == ["n7", "n8", "n9"]


def test_old_ones_go() -> None:
    """Half a year is kept, however few they are."""
    clock = Clock()
    store = SqliteStore(":memory:", Backwards(), now=clock)
    store.add_happening("notice", "old")
    clock.at += 200 * 86_400
    for n in range(happenings._AGE_EVERY):
        store.add_happening("notice", f"n{n}")
    assert texts(store, limit=1) == ["n0"]
    store.close()


def test_a_long_text_is_cut() -> None:
    """One happening cannot fill the disk either."""
    with opened() as store:
        store.add_happening("notice", "x" * 100_000)
        assert len(texts(store)[0]) == LONGEST


def test_listeners_are_called_until_they_leave() -> None:
    """After the write, so that whoever is called finds what was written."""
    with opened() as store:
        heard: list[list[str]] = []
        end = store.listen(lambda: heard.append(texts(store)))
        store.add_happening("notice", "one")
        rollout = store.open_rollout("shop", "deploy", "ann")
        store.add_event(rollout.id, "notice", -1, "look", {})
        end()
        store.add_happening("notice", "two")
        assert [len(found) for found in heard] == [1, 2, 3]


def test_a_rollout_is_told_in_words() -> None:
    """Its begin, its operations by their titles, its failures, its end; nothing twice."""
    operations = {"operations": [{"title": "start release 2"}, {"title": "wait"}]}
    with opened() as store:
        rollout = store.open_rollout("shop", "deploy", "ann")
        store.add_event(rollout.id, "plan", -1, "", operations)
        store.add_event(rollout.id, "started", 0, "", {})
        store.add_event(rollout.id, "done", 0, "", {"seconds": 1.25})
        store.add_event(rollout.id, "failed", 1, "it exited", {})
        store.add_event(rollout.id, "undone", 0, "", {})
        error = {"message": "it exited\nwith more"}
        end = {"outcome": "kept", "release": 2, "serving": 1, "error": error}
        store.add_event(rollout.id, "finished", -1, "kept", end)
        assert [(one.kind, one.text) for one in store.happenings()] == [
            ("rollout", "a deploy began, by ann"),
            ("step", "start release 2 (1.2 s)"),
            ("failure", "wait: it exited"),
            ("step", "undone: start release 2"),
            ("failure", "the deploy failed: it exited; release 1 still serves"),
        ]
        assert {(one.app, one.rollout) for one in store.happenings()} == {("shop", rollout.id)}
        assert store.happenings()[-1].data == {"outcome": "kept", "release": 2}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"outcome": "live", "release": 2}, "release 2 is live"),
        ({"outcome": "done"}, "it is done"),
        ({"outcome": "cancelled"}, "the deploy was cancelled, and what was begun undone"),
        (
            {"outcome": "failed", "serving": 0, "error": {"message": "no"}},
            "the deploy failed: no; nothing serves",
        ),
    ],
)
def test_each_outcome_has_its_words(data: dict[str, object], said: str) -> None:
    """How a rollout ended can be read without knowing the codes."""
    with opened() as store:
        rollout = store.open_rollout("shop", "deploy", "")
        store.add_event(rollout.id, "finished", -1, "", data)
        assert texts(store) == ["a deploy began", said]


def test_the_newest_with_a_mark_is_found() -> None:
    """Where observing left off is part of what was recorded."""
    with opened() as store:
        assert store.last_with("nano") is None
        store.add_happening("container", "died", "shop", {"nano": 5})
        store.add_happening("notice", "nothing", "shop", {"nanometre": 7})
        found = store.last_with("nano")
        assert found
        assert found.data == {"nano": 5}
