"""What comes is held against an expression beside what serves, and none is told twice."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable

import pytest

from cove.errors import Refused
from cove.model.logs import LogQuery, Record, Source
from cove.observation.logs import feed as feeds
from cove.observation.logs import live as lives
from cove.observation.logs.feed import Feed
from cove.observation.logs.live import Live

HEAVY = "[ab]*a[ab]{400}z"  # each byte of such a text takes all its steps
TEXT = "".join(random.Random(1).choices("ab", k=100_000))  # noqa: S311 - dice
SOURCE = Source(app="shop", service="web")


def record(n: int, text: str) -> Record:
    """A line of the time `n`."""
    return Record(n, SOURCE, text)


async def test_a_slow_expression_holds_nobody_up() -> None:
    """Others are told meanwhile, and its own hits come when they are found."""
    feed = Feed()
    heavy = Live(feed, LogQuery(text=HEAVY, regex=True))
    light = Live(feed, LogQuery(text="ready", regex=True))
    plain = Live(feed, LogQuery(text="ready"))
    finding = asyncio.ensure_future(heavy.take(60))
    for n in range(3):
        feed.hear(record(n, TEXT + ("z" if n == 1 else "")))
    feed.hear(record(3, "ready"))
    assert [r.at for r in (await plain.take(60))[0]] == [3]
    assert [r.at for r in (await light.take(60))[0]] == [3]
    assert not finding.done()
    assert [r.at for r in (await finding)[0]] == [1]
    for one in (heavy, light, plain):
        one.close()
    assert not feed.listeners


async def test_closing_leaves_what_was_not_looked_at() -> None:
    """No more than the line under way is finished."""
    feed, before = Feed(), threading.active_count()
    heavy = Live(feed, LogQuery(text=HEAVY, regex=True))
    for n in range(40):
        feed.hear(record(n, TEXT))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(heavy.take(60), 0.1)
    heavy.close()
    async with asyncio.timeout(30):
        while threading.active_count() > before:  # noqa: ASYNC110 - a thread tells nobody
            await asyncio.sleep(0.01)


class Held:
    """An expression that finds every line, when it may."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, fails: bool = False) -> None:
        self.go_on = threading.Event()
        self._fails = fails
        monkeypatch.setattr(lives, "saying", self._saying)

    def _saying(self, query: LogQuery) -> Callable[[str], bool]:
        assert query.regex
        return self._says

    def _says(self, text: str) -> bool:
        assert self.go_on.wait(30)
        if self._fails:
            raise ArithmeticError(text)
        return True


async def test_what_comes_too_fast_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory has its bound, and each line is told or among the number."""
    monkeypatch.setattr(feeds, "MOST_RECORDS", 10)
    held, feed = Held(monkeypatch), Feed()
    live = Live(feed, LogQuery(text="x", regex=True))
    for n in range(30):
        feed.hear(record(n, "x"))
        await asyncio.sleep(0)
    held.go_on.set()
    found, lost = list[Record](), 0
    while len(found) + lost < 30:
        records, more = await live.take(30)
        assert records or more
        found += records
        lost += more
    assert [r.at for r in found] == list(range(len(found)))
    assert lost >= 10
    live.close()


async def test_what_is_heard_is_known_until_the_past_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before, while and after it is looked at; each of two that are alike."""
    held, feed = Held(monkeypatch), Feed()
    live = Live(feed, LogQuery(text="x", regex=True))
    known, other = record(1, "x"), record(2, "x")
    feed.hear(known)
    feed.hear(known)
    assert live.heard(known)
    await asyncio.sleep(0.05)
    assert live.heard(known)
    held.go_on.set()
    assert await live.take(30) == ([known, known], 0)
    assert live.heard(known)
    assert not live.heard(other)
    live.past_is_told()
    assert not live.heard(known)
    feed.hear(known)
    assert await live.take(30) == ([known], 0)
    live.close()


async def test_what_does_not_match_may_be_told_of_the_past() -> None:
    """It is not kept in mind for ever."""
    feed = Feed()
    live = Live(feed, LogQuery(text="x", regex=True))
    feed.hear(record(1, "y"))
    feed.hear(record(2, "x"))
    await live.take(30)
    assert not live.heard(record(1, "y"))
    assert live.heard(record(2, "x"))
    live.close()


async def test_what_goes_wrong_beside_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug is no silence."""
    held, feed = Held(monkeypatch, fails=True), Feed()
    live = Live(feed, LogQuery(text="x", regex=True))
    feed.hear(record(1, "x"))
    held.go_on.set()
    with pytest.raises(ArithmeticError):
        await live.take(30)
    live.close()


def test_what_is_refused_leaves_nobody_listening() -> None:
    """Nothing is to be closed then."""
    feed = Feed()
    with pytest.raises(Refused):
        Live(feed, LogQuery(text="(", regex=True))
    assert not feed.listeners
