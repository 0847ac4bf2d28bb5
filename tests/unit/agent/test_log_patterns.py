"""Records with a text, counted as they come and once as they were written."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable

import pytest

from cove.agent import log_patterns
from cove.agent.log_patterns import LogPatterns
from cove.errors import CoveError, PlatformError
from cove.model.alerts import RuleChange
from cove.model.expressions import refused
from cove.model.logs import LogQuery, Record, Source
from cove.observation.alerts.rules import Rules
from cove.observation.logs.feed import Feed
from cove.observation.logs.live import Live
from cove.observation.logs.matching import matcher


async def eventually(look: Callable[[], object]) -> None:
    """Waits for something to become true."""
    async with asyncio.timeout(10):
        while not look():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.01)


class Watched:
    """Logs as they are watched, and what is read of them."""

    def __init__(self) -> None:
        self.feed = Feed()
        self.written: list[Record] = []
        self.queries: list[LogQuery] = []
        self.failures: list[CoveError] = []  # of looks at the past
        self.caught_up = True
        self.source = LogPatterns(self.watch, lambda: ["blog", "shop"], lambda _: self.caught_up)
        self.rules: dict[str, RuleChange] = {}
        self.now = time.time()

    async def watch(self, query: LogQuery) -> AsyncGenerator[Record | int | None, None]:
        self.queries.append(query)
        live = Live(self.feed, query, hurry=False)
        try:
            if query.limit >= 0:
                if self.failures:
                    raise self.failures.pop()
                for record in filter(matcher(query), list(self.written)):
                    yield record
                yield None
            while True:
                records, lost = await live.take(0.02)
                for record in records:
                    yield record
                if lost:
                    yield lost
                if not records and not lost:
                    yield None
        finally:
            live.close()

    def say(self, text: str, app: str = "shop", ago: float = 0.0) -> None:
        at = int((self.now - ago) * 1e9)
        record = Record(at, Source(app=app, service="web"), text)
        self.written.append(record)
        self.feed.hear(record)

    def look(self, later: float = 0.0) -> dict[str, tuple[float, bool]]:
        """The count of each app, and whether it is not known yet."""
        rules = Rules({("log-pattern", app): change for app, change in self.rules.items()})
        found = self.source.read(rules, time.time() + later)
        return {r.app: (r.value, r.hold) for r in found}

    async def until(self, expected: dict[str, tuple[float, bool]], later: float = 0.0) -> None:
        await eventually(lambda: self.look(later) == expected)

    async def end(self) -> None:
        self.rules.clear()
        self.look()
        await eventually(lambda: not self.feed.listeners)


async def test_without_a_text_nobody_listens() -> None:
    """Lines cost nothing then."""
    watched = Watched()
    assert watched.look() == {}
    await asyncio.sleep(0)
    assert not watched.feed.listeners
    watched.rules["shop"] = RuleChange(pattern="refused")
    await watched.until({"shop": (0, False)})
    assert len(watched.feed.listeners) == 1
    assert not watched.feed.hurried
    watched.rules["shop"] = RuleChange(pattern="")
    assert watched.look() == {}
    await watched.end()


async def test_lines_of_the_app_are_counted_within_the_window() -> None:
    """Those of others are not, nor those that are old."""
    watched = Watched()
    watched.rules["shop"] = RuleChange(pattern="refused", window=600)
    assert watched.look() == {"shop": (0, True)}
    await watched.until({"shop": (0, False)})
    watched.say("payment refused")
    watched.say("payment taken")
    watched.say("payment refused", app="blog")
    watched.say("payment refused", ago=3600)
    await watched.until({"shop": (1, False)})
    assert watched.look(700) == {"shop": (0, False)}
    await watched.end()


@pytest.mark.parametrize("pattern", ["refused", "/payment .*REFUSED/i"])
async def test_what_was_written_before_is_counted_once(pattern: str) -> None:
    """As when the agent of before died: nothing is forgotten, and nothing counted twice."""
    watched = Watched()
    watched.say("payment refused", ago=300)
    watched.say("payment refused", ago=3600)
    watched.rules["shop"] = RuleChange(pattern=pattern, window=600)
    await watched.until({"shop": (1, False)})
    watched.say("payment 2 refused")
    await watched.until({"shop": (2, False)})
    await watched.end()


async def test_what_is_older_than_any_window_is_dropped() -> None:
    """Also of apps that nobody asks about: over months it would add up."""
    watched = Watched()
    watched.rules[""] = RuleChange(pattern="x", window=7 * 86_400)
    for days in range(6, 0, -1):
        watched.say("x", app="other", ago=days * 86_400)
    await watched.until({"blog": (0, False), "shop": (0, False)})
    watched.say("x", app="_proxy")
    counts = watched.source._patterns[""]._counts
    await eventually(lambda: len(counts["other"]) == 6)
    watched.look(3.5 * 86_400)
    assert len(counts["other"]) == 3
    assert set(counts) == {"other"}
    watched.look(30 * 86_400)
    assert not counts
    await watched.end()


async def test_a_container_that_cannot_be_read_keeps_no_alert_up_for_good(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is waited for, but not for ever."""
    watched = Watched()
    watched.caught_up = False
    watched.rules["shop"] = RuleChange(pattern="refused", window=600)
    await eventually(lambda: watched.look() and watched.feed.listeners)
    assert watched.look() == {"shop": (0, True)}
    monkeypatch.setattr(log_patterns, "_PATIENCE", 0.0)
    await watched.until({"shop": (0, False)})
    await watched.end()


async def test_what_was_left_out_ends_no_alert(monkeypatch: pytest.MonkeyPatch) -> None:
    """There may have been more: for a window nothing is said to be well."""
    monkeypatch.setattr("cove.observation.logs.feed.MOST_RECORDS", 10)
    watched = Watched()
    watched.rules["shop"] = RuleChange(pattern="refused", window=600, threshold=50)
    await watched.until({"shop": (0, False)})
    for _ in range(15):
        watched.say("refused")
    await watched.until({"shop": (10, True)})
    await asyncio.sleep(0.1)  # a quiet moment changes nothing
    assert watched.look() == {"shop": (10, True)}
    assert watched.look(700) == {"shop": (0, False)}
    await watched.end()


async def test_nothing_ends_while_what_was_missed_is_still_read() -> None:
    """Behind a crash lines come late: until they have, too few are counted."""
    watched = Watched()
    watched.caught_up = False
    watched.rules["shop"] = RuleChange(pattern="refused", window=600, threshold=3)
    for n in range(3):
        await watched.until({"shop": (n, True)})
        watched.say("refused", ago=30)
    await watched.until({"shop": (3, False)})
    watched.rules["shop"] = RuleChange(pattern="refused", window=600, threshold=4)
    assert watched.look() == {"shop": (3, True)}
    watched.caught_up = True
    assert watched.look() == {"shop": (3, False)}
    await watched.end()


async def test_a_rule_that_is_off_looks_for_nothing() -> None:
    """As one without a text."""
    watched = Watched()
    watched.rules["shop"] = RuleChange(pattern="refused")
    await watched.until({"shop": (0, False)})
    watched.rules["shop"] = RuleChange(pattern="refused", enabled=False)
    watched.look()
    await eventually(lambda: not watched.feed.listeners)
    await watched.end()


async def test_what_is_to_come_does_not_count() -> None:
    """Lines from before the clock was set back have a time that is to come."""
    watched = Watched()
    watched.rules["shop"] = RuleChange(pattern="refused", window=600)
    watched.say("refused", ago=-1800)
    await watched.until({"shop": (0, False)})
    watched.say("refused")
    await watched.until({"shop": (1, False)})
    await watched.end()


async def test_lines_of_coves_own_take_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many requests the proxy logs, the apps' lines are looked at."""
    monkeypatch.setattr("cove.observation.logs.feed.MOST_RECORDS", 10)
    watched = Watched()
    watched.rules[""] = RuleChange(pattern="/refused/")
    await watched.until({"blog": (0, False), "shop": (0, False)})
    for _ in range(50):
        watched.say("refused", app="_proxy")
    watched.say("refused")
    await watched.until({"blog": (0, False), "shop": (1, False)})
    await watched.end()


async def test_what_was_left_out_is_told_in_sum(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Seldom, and all of it."""
    monkeypatch.setattr("cove.observation.logs.feed.MOST_RECORDS", 10)
    watched = Watched()
    watched.rules["shop"] = RuleChange(pattern="refused", window=600)
    await watched.until({"shop": (0, False)})
    for _ in range(15):
        watched.say("refused")
    await watched.until({"shop": (10, False)})
    assert "5 lines came too fast" in caplog.text
    for _ in range(12):
        watched.say("refused")
    await watched.until({"shop": (20, False)})
    monkeypatch.setattr(log_patterns, "_RARELY", 0.0)
    for _ in range(13):
        watched.say("refused")
    await watched.until({"shop": (30, False)})
    assert caplog.text.count("came too fast") == 2
    assert "5 lines came too fast to be held against 'refused'" in caplog.text.split("\n")[-2]
    await watched.end()


async def test_a_text_for_all_apps_is_looked_for_in_those_that_have_no_own() -> None:
    """An app may have none; cove's own lines are left out."""
    watched = Watched()
    watched.rules[""] = RuleChange(pattern="panic")
    await watched.until({"blog": (0, False), "shop": (0, False)})
    for app in ("shop", "blog", "_agent"):
        watched.say("panic!", app=app)
    await watched.until({"blog": (1, False), "shop": (1, False)})
    watched.rules["blog"] = RuleChange(pattern="")
    assert watched.look() == {"shop": (1, False)}
    await watched.end()


async def test_another_text_and_a_longer_window_begin_anew() -> None:
    """A shorter one needs no look at the past."""
    watched = Watched()
    watched.rules["shop"] = RuleChange(pattern="refused", window=600)
    watched.say("refused", ago=900)
    await watched.until({"shop": (0, False)})
    watched.rules["shop"] = RuleChange(pattern="refused", window=1200)
    assert watched.look() == {"shop": (0, True)}
    await watched.until({"shop": (1, False)})
    watched.rules["shop"] = RuleChange(pattern="refused", window=300)
    assert watched.look() == {"shop": (0, False)}
    assert len(watched.queries) == 2
    watched.rules["shop"] = RuleChange(pattern="denied", window=300)
    assert watched.look() == {"shop": (0, True)}
    await watched.end()


async def test_a_clock_that_is_set_back_begins_anew() -> None:
    """What comes then is older than the window that was looked at."""
    watched = Watched()
    watched.rules["shop"] = RuleChange(pattern="refused", window=600)
    await watched.until({"shop": (0, False)})
    watched.look(-0.5)
    assert len(watched.queries) == 1
    assert watched.look(-3600) == {"shop": (0, True)}
    await eventually(lambda: len(watched.queries) == 2)
    watched.look(10 * 86_400)  # ahead, and back to what is right
    assert len(watched.queries) == 2
    watched.look()
    await eventually(lambda: len(watched.queries) == 3)
    await watched.end()


async def test_logs_that_are_away_are_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until then nothing begins and nothing ends."""
    monkeypatch.setattr(log_patterns, "_AGAIN", 0.1)
    watched = Watched()
    watched.failures.append(PlatformError("the log store cannot be read", code="logs-away"))
    watched.say("refused")
    watched.rules["shop"] = RuleChange(pattern="refused", window=600)
    watched.look()
    await asyncio.sleep(0.05)
    assert watched.look(1000) == {"shop": (0, True)}
    await watched.until({"shop": (1, False)})
    await watched.end()


async def test_a_past_that_takes_too_long_is_left_out() -> None:
    """What comes is counted; a window later it is known that all is well."""
    watched = Watched()
    watched.failures.append(refused("it takes more than 30 s of the processor's time"))
    watched.say("refused", ago=60)
    watched.rules["shop"] = RuleChange(pattern="/refused/", window=600)
    watched.look()
    await eventually(lambda: len(watched.queries) == 2 and watched.feed.listeners)
    assert watched.look() == {"shop": (0, True)}
    watched.now = time.time()
    watched.say("refused", ago=-1)
    await watched.until({"shop": (1, False)})
    assert watched.look(1300) == {"shop": (0, False)}
    await watched.end()


async def test_a_text_of_another_version_is_told_and_finds_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A rule that was kept when more was understood ends nothing."""
    watched = Watched()
    watched.rules["shop"] = RuleChange(pattern="/(?=refused)/", window=600)
    watched.look()
    await asyncio.sleep(0.05)
    watched.say("payment refused")
    assert watched.look() == {"shop": (0, True)}
    assert watched.look(700) == {"shop": (0, False)}
    assert caplog.text.count("finds nothing any more") == 1
    assert not watched.queries
    await watched.end()
