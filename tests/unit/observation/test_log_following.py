"""Following and watching: the past and what comes, each line once, to slow readers too."""

from __future__ import annotations

import asyncio
import random
import re
import threading
from collections import Counter
from contextlib import suppress
from itertools import pairwise

import pytest

from cove.errors import Refused
from cove.model.logs import LogQuery, Record
from cove.observation.logs import feed
from cove.observation.logs.collector import OWN
from cove.observation.logs.reading import Reading, windows

from support.log_agent import MILLI, START, Agent, Writer, hurry, until
from support.log_engine import SECOND


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing waits for more lines longer than it must."""
    hurry(monkeypatch)


@pytest.mark.parametrize("text", ["", r"<\d+>"])
@pytest.mark.parametrize("limit", [0, 5, -1])
async def test_following_tells_each_line_once_wherever_the_seam_is(limit: int, text: str) -> None:
    """History and what comes, while lines are written and sealed all the time."""
    agent = Agent()
    agent.engine.run("c1")
    async with agent.running() as reading:
        buffer = agent.collector.buffers.of(("shop", "web"))
        for n in range(50):
            await agent.engine.write("c1", START + n * 100 * MILLI, f"<{n}>")
        await until(lambda: len(buffer.open) >= 49)

        async def write() -> None:
            for n in range(50, 200):
                await agent.engine.write("c1", START + n * 100 * MILLI, f"<{n}>")
                if n % 7 == 0:
                    await agent.collector.seal(buffer)
                await asyncio.sleep(0)

        writing = asyncio.create_task(write())
        found: list[int] = []
        query = LogQuery(app="shop", limit=limit, text=text, regex=bool(text))
        async for item in reading.follow(query):
            if item is None:  # where the past ends
                continue
            assert isinstance(item, Record)
            found.append(int(item.text.strip("<>")))
            if found[-1] == 199:
                break
        await writing
    assert found == list(range(found[0], 200))
    assert found[0] == 0 if limit == 0 else found[0] >= 40


class Waiting:
    """A search of a store: it begins, and finds its first hit, only once it may."""

    def __init__(self) -> None:
        self.may_begin, self.may_find = threading.Event(), threading.Event()
        self.asked, self.closed = threading.Event(), threading.Event()

    def search(self, *_: object) -> Waiting:
        self.asked.set()
        assert self.may_begin.wait(20)
        return self

    def __iter__(self) -> Waiting:
        return self

    def __next__(self) -> Record:
        assert self.may_find.wait(20)
        raise StopIteration

    def close(self) -> None:
        self.closed.set()


@pytest.mark.parametrize("begun", [False, True], ids=["before it begins", "while it searches"])
async def test_a_search_that_is_left_is_closed_at_once(
    monkeypatch: pytest.MonkeyPatch, *, begun: bool
) -> None:
    """Not only when it has found something: it costs, and nothing is merged while it is open."""
    agent, waiting = Agent(), Waiting()
    monkeypatch.setattr(agent.store, "search", waiting.search)
    async with agent.running() as reading:
        await until(agent.collector._began.is_set)
        search = asyncio.ensure_future(anext(reading.newest_first(LogQuery(text="x"))))
        await until(waiting.asked.is_set)
        if begun:
            waiting.may_begin.set()
            await asyncio.sleep(0.05)
        assert not waiting.closed.is_set()
        search.cancel()
        with suppress(asyncio.CancelledError):
            await search
        waiting.may_begin.set()
        await until(waiting.closed.is_set)
        waiting.may_find.set()


@pytest.mark.parametrize("regex", [False, True])
async def test_watching_counts_each_line_once_wherever_the_seam_is(*, regex: bool) -> None:
    """The past comes in any order; then it is said that it is all told."""
    agent = Agent()
    agent.engine.run("c1")
    async with agent.running() as reading:
        buffer = agent.collector.buffers.of(("shop", "web"))
        for n in range(50):
            await agent.engine.write("c1", START + n * 100 * MILLI, f"<{n}>")
            if n == 25:
                await until(lambda: len(buffer.open) >= 20)
                await agent.collector.seal(buffer)
        found, ends = list[int](), 0
        async for item in reading.watch(LogQuery(app="shop", text="<", regex=regex)):
            if isinstance(item, Record):
                found.append(int(item.text.strip("<>")))
            else:
                assert item is None
                ends += 1
                assert len(found) > 20
                assert not agent.collector.feed.hurried
                for n in range(50, 100):
                    await agent.engine.write("c1", START + n * 100 * MILLI, f"<{n}>")
            if ends and found[-1] == 99:
                break
    assert sorted(found) == list(range(100))
    assert ends == 1


@pytest.mark.parametrize("text", ["<", r"<\d+>"], ids=["text", "expression"])
@pytest.mark.parametrize("seed", range(12))
async def test_watching_amid_trouble_counts_each_line_once(seed: int, text: str) -> None:
    """Begun at any moment, while lines are sealed, sent twice and connections break off."""
    dice, agent = random.Random(seed), Agent()  # noqa: S311 - dice
    agent.engine.run("c1")
    agent.engine.batch = dice.choice([1, 7, 1000])
    writer = Writer(agent, dice, coarse=False)
    found: dict[str, list[int]] = {"stdout": [], "stderr": []}

    async def watch(reading: Reading) -> None:
        query = LogQuery(app="shop", text=text, regex=text != "<")
        async for item in reading.watch(query):
            if isinstance(item, Record):
                found[item.source.stream] += map(int, re.findall(r"<(\d+)>", item.text))

    async with agent.running() as reading:
        for _ in range(dice.randint(0, 60)):
            await writer.line()
            await writer.trouble()
        await until(agent.collector._began.is_set)
        watching = asyncio.create_task(watch(reading))
        for _ in range(dice.randint(0, 60)):
            await writer.line()
            await writer.trouble()
        await agent.engine.stop("c1")
        await agent.collector.drained(["c1"])
        await until(lambda: sum(map(len, found.values())) >= sum(writer.counts.values()))
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
    for stream, count in writer.counts.items():
        assert sorted(found[stream]) == list(range(1, count + 1)), stream


async def test_a_regular_expression_is_looked_for_in_what_comes_too() -> None:
    """In the past and in what follows alike; one that is none is refused before anything."""
    agent = Agent()
    agent.engine.run("c1")
    async with agent.running() as reading:
        await agent.engine.write("c1", START, "b0")
        await agent.engine.write("c1", START + SECOND, "a1")
        await until(lambda: len(agent.collector.buffers.of(("shop", "web")).open) == 1)
        live = reading.follow(LogQuery(app="shop", text="^a[0-9]", regex=True))
        # A record, and the end of what was written: in this order, or not.
        found = [await anext(live), await anext(live)]
        for n, text in enumerate(("b2", "ba3", "a4")):
            await agent.engine.write("c1", START + (2 + n) * SECOND, text)
        found.append(await anext(live))
        await live.aclose()
        with pytest.raises(Refused):
            await anext(reading.follow(LogQuery(app="shop", text="(", regex=True)))
        assert not agent.collector.feed.listeners
    assert [record.text for record in found if isinstance(record, Record)] == ["a1", "a4"]


async def test_a_slow_reader_is_told_what_it_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The queue has a bound, and what did not fit is counted."""
    monkeypatch.setattr(feed, "MOST_RECORDS", 10)
    agent = Agent()
    async with agent.running() as reading:
        await until(agent.collector._began.is_set)
        live = reading.follow(LogQuery(app="_agent", limit=-1))
        first = asyncio.ensure_future(anext(live))
        await until(lambda: agent.collector.feed.listeners)
        for n in range(25):
            agent.collector.own(Record(START + n, OWN[1], str(n)))
        got = [await first] + [await anext(live) for _ in range(10)]
        await live.aclose()
        assert not agent.collector.feed.listeners
    assert [r.text for r in got[:10] if isinstance(r, Record)] == [str(n) for n in range(10)]
    assert got[10] == 15


@pytest.mark.parametrize(
    "minutes",
    [
        {},
        {10: 5},
        {10: 30_000, 11: 5, 12: 60_000},
        dict.fromkeys(range(100), 1500),
    ],
)
def test_windows_cover_the_time_once(minutes: dict[int, int]) -> None:
    """In order, without a gap, from the time asked for to the other."""
    found = list(windows(3, 0, Counter(minutes)))
    assert found[0][0] == 3
    assert found[-1][1] == 0
    assert all(a[1] == b[0] for a, b in pairwise(found))
    assert all(a < b for a, b in found[:-1])
