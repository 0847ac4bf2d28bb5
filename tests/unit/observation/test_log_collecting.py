"""Collecting and reading: every line once, through crashes, failures, removals and slow readers."""

from __future__ import annotations

import asyncio
import random
import re
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from itertools import pairwise

import pytest

from cove.errors import NotFound, PlatformError, Refused
from cove.model.logs import LogPolicy, LogQuery, Record, Stream
from cove.observation.logs import feed, follower
from cove.observation.logs.collector import OWN, Collector
from cove.observation.logs.reading import Reading, windows

from support.log_engine import SECOND, FakeLogEngine
from support.log_store import MemoryLogStore

START = time.time_ns() - 86_400 * SECOND  # young enough to be kept
MILLI = 1_000_000
_STREAMS: tuple[Stream, ...] = ("stdout", "stdout", "stderr")


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing waits for more lines longer than it must."""
    monkeypatch.setattr(follower, "_QUIET", 0.01)
    monkeypatch.setattr("cove.observation.logs.collector._CALM", 0.002)
    monkeypatch.setattr("cove.observation.logs.collector._TICK", 0.02)
    monkeypatch.setattr("cove.observation.logs.collector._RETRY", (0.01, 0.02))
    monkeypatch.setattr(follower, "_PATIENCE", (0.01, 0.02))


class Agent:
    """A collector over fakes that outlive it."""

    def __init__(self) -> None:
        self.engine = FakeLogEngine()
        self.store = MemoryLogStore()
        self.told: list[str] = []
        self.keeps: Callable[[str], bool] = lambda _: True
        self.collector = self._new()

    def _new(self) -> Collector:
        return Collector(self.engine, lambda: self.store, LogPolicy(), self.told.append, self.keeps)

    @asynccontextmanager
    async def running(self, *, end: bool = False) -> AsyncIterator[Reading]:
        """One life of the agent; a crash unless it is to `end` well."""
        self.collector = self._new()
        life = asyncio.create_task(self.collector.run())
        try:
            yield Reading(self.collector)
            if end:
                await self.collector.close()
        finally:
            tasks = [*self.collector._tasks.values(), life]
            for task in tasks:
                task.cancel()
            for task in tasks:
                with suppress(asyncio.CancelledError):
                    await task


async def until(look: Callable[[], object]) -> None:
    """Waits for something to become true."""
    async with asyncio.timeout(20):
        while not look():  # noqa: ASYNC110 - what is waited for is no event
            await asyncio.sleep(0.005)


async def texts(reading: Reading, **query: object) -> list[str]:
    """What is found, in order of time."""
    found = reading.in_order(LogQuery(**query))  # type: ignore[arg-type]
    return [record.text async for record in found]


def numbered(records: list[Record], stream: str) -> list[int]:
    """The numbers that the kept lines of a stream carry."""
    found = [r for r in records if r.source.stream == stream]
    return [int(n) for r in found for n in re.findall(r"<(\d+)>", r.text)]


async def test_what_is_open_and_what_is_kept_is_found_alike() -> None:
    """Before and after a record is sealed it is found once."""
    agent = Agent()
    agent.engine.run("c1")
    async with agent.running() as reading:
        for n in range(3):
            await agent.engine.write("c1", START + n * SECOND, f"line {n}")
        await until(lambda: len(agent.collector.buffers.of(("shop", "web")).open) == 3)
        assert await texts(reading, app="shop", limit=2) == ["line 1", "line 2"]
        await agent.collector.seal(agent.collector.buffers.of(("shop", "web")))
        assert len(agent.store.records) == 3
        assert await texts(reading, app="shop") == ["line 0", "line 1", "line 2"]
        found = [r.text async for r in reading.newest_first(LogQuery(text="line", limit=2))]
        assert found == ["line 2", "line 1"]


class Writer:
    """Writes numbered lines in two streams of a container, as Docker would have them."""

    def __init__(self, agent: Agent, dice: random.Random, *, coarse: bool) -> None:
        self.agent = agent
        self.dice = dice
        self.coarse = coarse  # lines share a time, and come in pieces
        self.at = START
        self.counts: dict[Stream, int] = {"stdout": 0, "stderr": 0}
        self._times: dict[Stream, int] = {"stdout": START, "stderr": START}
        self._held: Stream | None = None  # a line has not ended

    async def line(self) -> None:
        """One more, or a piece of one."""
        stream = self.dice.choice(_STREAMS) if self._held is None else self._held
        fine = not self.coarse
        self.at += self.dice.choice([fine, 1, MILLI, 30 * MILLI, 70 * MILLI, 3 * SECOND])
        self.counts[stream] += 1
        text = self.dice.choice(["", " ", "\tat "]) + f"<{self.counts[stream]}>"
        # Docker may write a line of the other stream down a little late.
        late = self.dice.choice([0, 20 * MILLI]) if stream == "stderr" and not self._held else 0
        self._times[stream] = max(self.at - late, self._times[stream] + fine)
        whole = fine or self.dice.random() < 0.9
        await self.agent.engine.write("c1", self._times[stream], text, stream, whole=whole)
        self._held = None if whole else stream

    async def trouble(self) -> None:
        """What may happen at any time."""
        agent, dice = self.agent, self.dice
        if dice.random() < 0.05:
            await agent.collector.seal(agent.collector.buffers.of(("shop", "web")))
        if dice.random() < 0.05:
            agent.engine.cut = dice.randint(0, 3)
        if not self.coarse and dice.random() < 0.1:
            await agent.engine.rotate("c1", dice.choice([1, 2, 9, 40]))
        if dice.random() < 0.2:
            await asyncio.sleep(0.003)


@pytest.mark.parametrize("coarse", [True, False], ids=["coarse clock", "fine clock"])
@pytest.mark.parametrize("seed", range(12))
async def test_any_crash_loses_and_repeats_nothing(seed: int, coarse: bool) -> None:
    """Whatever the interleaving of streams, pieces, seals, rotations, broken lines and deaths.

    What a rotation repeats is known by its time, so lines that share one, or come in pieces, have
    a turn of their own.
    """
    dice, agent = random.Random(seed), Agent()  # noqa: S311 - dice
    agent.engine.run("c1")
    agent.engine.batch = dice.choice([1, 7, 1000])
    writer = Writer(agent, dice, coarse=coarse)
    for _ in range(dice.randint(2, 6)):
        async with agent.running(end=dice.random() < 0.3):
            for _ in range(dice.randint(1, 60)):
                await writer.line()
                await writer.trouble()
    async with agent.running():
        await agent.engine.stop("c1")
        await agent.collector.drained(["c1"])
    for stream, count in writer.counts.items():
        assert numbered(agent.store.records, stream) == list(range(1, count + 1)), stream


async def test_who_falls_behind_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Docker leaves lines out for who follows too slowly; they are read without following."""
    agent = Agent()
    agent.engine.batch = 1
    box = agent.engine.run("c1")
    monkeypatch.setattr(follower, "_BEHIND", time.time_ns())
    async with agent.running():
        await agent.engine.write("c1", START, "<1>")
        await until(lambda: box.read)
        monkeypatch.setattr(follower, "_BEHIND", 0)
        box.left_out = {2}
        for number in (2, 3, 4):
            await agent.engine.write("c1", START + number * SECOND, f"<{number}>")
        buffer = agent.collector.buffers.of(("shop", "web"))
        await until(lambda: "<4>" in [record.text for record in buffer.records()])
        await agent.collector.seal(buffer)
    assert numbered(agent.store.records, "stdout") == [1, 2, 3, 4]


async def test_long_lines_are_taken_as_fast_as_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dozen pieces fill the socket's buffer: few, but more may be waiting behind them."""
    monkeypatch.setattr("cove.observation.logs.collector._CALM", 2.0)
    agent = Agent()
    agent.engine.run("c1")
    async with agent.running() as reading:
        for n in range(4):  # so seldom that the pauses grow
            await agent.engine.write("c1", START + n, f"line {n}")
            await asyncio.sleep(0.05)
        agent.engine.batch = 12
        for n in range(4, 604):
            await agent.engine.write("c1", START + n * MILLI, "x" * 16_384)
        await until(lambda: agent.engine.boxes["c1"].read == 604)
        assert len(await texts(reading)) == 604


@pytest.mark.parametrize("end", [True, False], ids=["ended", "killed"])
async def test_a_clock_that_is_set_back_loses_nothing(end: bool) -> None:
    """Of either stream, also when the agent ends before the clock has caught up."""
    agent = Agent()
    agent.engine.run("c1")
    numbers = iter(range(1, 1000))

    async def write(begin: int, lines: int, *streams: Stream) -> None:
        for n in range(lines):
            for stream in streams:
                at = begin + n * SECOND // 5
                await agent.engine.write("c1", at, f"<{next(numbers)}>", stream)

    back = START - 3600 * SECOND
    async with agent.running(end=end):
        await write(START, 5, "stdout", "stderr")
        buffer = agent.collector.buffers.of(("shop", "web"))
        await until(lambda: "<8>" in [record.text for record in buffer.records()])
        await write(back, 20, "stdout")
        await until(lambda: "<20>" in [record.text for record in buffer.records()])
        await agent.collector.seal(buffer)
    await write(back + 60 * SECOND, 200, "stdout", "stderr")
    async with agent.running():
        await agent.engine.stop("c1")
        await agent.collector.drained(["c1"])
    kept = {n for one in _STREAMS for n in numbered(agent.store.records, one)}
    assert kept == set(range(1, next(numbers)))


async def test_a_container_that_goes_while_docker_is_asked_leaves_all_its_lines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What was read and not yet known to be new is kept, rather than lost."""

    async def gone(*_: object) -> list[bool]:
        raise NotFound("there is no container c1")

    monkeypatch.setattr(follower, "repeated", gone)
    agent = Agent()
    agent.engine.run("c1")
    async with agent.running():
        await agent.engine.write("c1", START, "<1>")
        for n in (2, 3):
            await agent.engine.write("c1", START - n * SECOND, f"<{n}>")
        await until(lambda: sorted(numbered(agent.store.records, "stdout")) == [1, 2, 3])


async def test_a_search_finds_what_was_written_just_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the pauses are in which nobody looks."""
    monkeypatch.setattr("cove.observation.logs.collector._CALM", 600.0)
    monkeypatch.setattr(follower, "_SHORTEST", 600.0)
    agent = Agent()
    box = agent.engine.run("c1")
    async with agent.running() as reading:
        await agent.engine.write("c1", START, "first")
        await until(lambda: box.read)
        await agent.engine.write("c1", START + SECOND, "second")
        await agent.engine.write("c1", START + 2 * SECOND, "third")
        assert "second" in await texts(reading, app="shop")


async def test_a_drain_waits_for_the_last_line() -> None:
    """What an ended container wrote is in the store before a rollout may delete it."""
    agent = Agent()
    agent.engine.run("c1")
    async with agent.running():
        await until(lambda: agent.collector._followers)
        for n in range(2000):
            await agent.engine.write("c1", START + n * MILLI, f"<{n}>")
        await agent.engine.stop("c1")
        await agent.collector.drained(["c1"])
        assert numbered(agent.store.records, "stdout") == list(range(2000))
        await agent.engine.remove("c1")


async def test_a_drain_gives_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rollout does not wait for ever for what does not come, and does not fail."""
    monkeypatch.setattr("cove.observation.logs.collector.DRAIN", 0.05)
    agent = Agent()
    agent.engine.run("c1")
    async with agent.running():
        await until(agent.collector._began.is_set)
        agent.engine.fault = PlatformError("Docker does not answer", code="docker-down")
        await agent.collector.drained(["c1"])
        agent.engine.fault = None


async def test_containers_are_found_as_they_start_and_after_they_ended() -> None:
    """Those that ended while no agent ran too, as long as they exist."""
    agent = Agent()
    agent.engine.run("old")
    await agent.engine.write("old", START, "written while nobody looked")
    await agent.engine.stop("old")
    async with agent.running() as reading:
        await until(lambda: agent.store.records)
        agent.engine.run("new", service="db", release=0)
        await agent.engine.write("new", START + SECOND, "hello")
        await until(lambda: agent.collector.buffers.of(("shop", "db")).open)
        assert await texts(reading) == ["written while nobody looked", "hello"]
        assert await texts(reading, service="db") == ["hello"]


async def test_a_container_that_starts_again_is_read_on() -> None:
    """Its log goes on where it ended."""
    agent = Agent()
    agent.engine.run("c1")
    async with agent.running():
        await agent.engine.write("c1", START, "<1>")
        await agent.engine.stop("c1")
        await agent.collector.drained(["c1"])
        agent.engine.run("c1")
        await agent.engine.write("c1", START + SECOND, "<2>")
        await agent.engine.stop("c1")
        await agent.collector.drained(["c1"])
    assert numbered(agent.store.records, "stdout") == [1, 2]


async def test_what_is_gone_needs_no_cursor() -> None:
    """Its records stay."""
    agent = Agent()
    agent.engine.run("c1")
    async with agent.running():
        await agent.engine.write("c1", START, "last words")
        await agent.engine.stop("c1")
        await agent.collector.drained(["c1"])
        assert agent.store.cursors()
        await agent.engine.remove("c1")
        agent.collector._followers["c1"].started()
        await until(lambda: not agent.store.cursors())
    assert [r.text for r in agent.store.records] == ["last words"]


async def test_a_full_disk_is_told_once_and_nothing_is_lost() -> None:
    """Lines wait in memory, reading stops when there are too many, and goes on later."""
    agent = Agent()
    agent.engine.run("c1")
    agent.store.fault = PlatformError("the disk is full", code="disk-full")
    async with agent.running() as reading:
        agent.collector.buffers._most = 50_000
        for n in range(1000):
            await agent.engine.write("c1", START + n * 100 * MILLI, f"<{n}> " + "x" * 100)
        await until(lambda: agent.told)
        await until(lambda: not agent.collector.buffers._room.is_set())
        assert 0 < len(await texts(reading, app="shop")) < 1000
        agent.store.fault = None
        await until(lambda: len(agent.told) == 2)
        await agent.engine.stop("c1")
        await agent.collector.drained(["c1"])
    assert agent.told == ["logs are not kept: the disk is full", "logs are kept again"]
    assert numbered(agent.store.records, "stdout") == list(range(1000))


async def test_the_proxys_requests_are_apart_from_what_it_says() -> None:
    """Both come from one container, and both are read once after a crash between two seals."""
    agent = Agent()
    agent.engine.run("p", app="", service="proxy", release=0)
    access = '{"ClientAddr":"1","DownstreamStatus":502}'
    for n in range(6):
        await agent.engine.write("p", START + n * SECOND, access if n % 2 else f"WRN {n}")
    async with agent.running():
        key = ("_proxy", "access")
        await until(lambda: len(agent.collector.buffers.of(key).open) == 3)
        await agent.collector.seal(agent.collector.buffers.of(key))
    async with agent.running():
        await until(lambda: len(agent.collector.buffers.of(("_proxy", "proxy")).open) == 3)
        await agent.engine.stop("p")
        await agent.collector.drained(["p"])
    services = [r.source.service for r in agent.store.records]
    assert sorted(services) == ["access"] * 3 + ["proxy"] * 3


def requested(app: str, n: int) -> str:
    """A line of the proxy's about a request."""
    return f'{{"DownstreamStatus":200,"RequestPath":"/{n}","RouterName":"{app}_0@file"}}'


async def test_requests_nobody_asked_for_are_left_out_once_and_for_all() -> None:
    """They count as read: after a crash, and another choice, none of them comes back."""
    agent = Agent()
    agent.engine.run("p", app="", service="proxy", release=0)
    agent.keeps = lambda line: "shop_" in line
    for n in range(6):
        text = requested("blog" if n % 2 else "shop", n)
        await agent.engine.write("p", START + n * SECOND, text)
    key = ("_proxy", "access")
    async with agent.running():
        await until(lambda: len(agent.collector.buffers.of(key).open) == 3)
        reader = agent.collector._followers["p"]
        await until(lambda: reader.newest == START + 5 * SECOND and not reader._unfinished())
        await agent.collector.seal(agent.collector.buffers.of(key))
    agent.keeps = lambda _: True
    async with agent.running():
        await agent.engine.write("p", START + 6 * SECOND, requested("blog", 6))
        await agent.engine.stop("p")
        await agent.collector.drained(["p"])
    assert [r.text for r in agent.store.records] == [
        *(requested("shop", n) for n in (0, 2, 4)),
        requested("blog", 6),
    ]


async def test_the_requests_of_one_app_are_found_among_all() -> None:
    """With and without another text, in either order, and as they come."""
    agent = Agent()
    agent.engine.run("p", app="", service="proxy", release=0)
    for n in range(20):
        text = requested(("shop", "shop-two")[n % 2], n)
        await agent.engine.write("p", START + n * SECOND, text)
    wanted = {"app": "_proxy", "service": "access", "requests_of": "shop"}
    async with agent.running() as reading:
        await until(lambda: len(agent.collector.buffers.of(("_proxy", "access")).open) == 20)
        assert await texts(reading, **wanted) == [requested("shop", n) for n in range(0, 20, 2)]
        assert await texts(reading, **wanted, limit=2) == [requested("shop", n) for n in (16, 18)]
        found = await texts(reading, **wanted, text='"/1', limit=3)
        assert found == [requested("shop", n) for n in (14, 16, 18)]
        following = reading.follow(LogQuery(**wanted, limit=-1))  # type: ignore[arg-type]
        following_task = asyncio.ensure_future(anext(following))
        await until(lambda: agent.collector.feed.listeners)
        for n, app in ((20, "shop-two"), (21, "shop")):
            await agent.engine.write("p", START + n * SECOND, requested(app, n))
        record = await following_task
        assert isinstance(record, Record)
        assert record.text == requested("shop", 21)
        await following.aclose()


async def test_the_agents_own_lines_are_kept() -> None:
    """Under an app's name that no app can have."""
    agent = Agent()
    async with agent.running(end=True):
        await until(agent.collector._began.is_set)
        agent.collector.own(Record(START, OWN[1], "ready", 3))
    assert [(r.source.app, r.text) for r in agent.store.records] == [("_agent", "ready")]


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


async def test_it_is_known_when_what_was_missed_is_read() -> None:
    """Not while Docker is away, or sends what is old; of what ended, once it is kept."""
    agent = Agent()
    agent.engine.run("c1")
    agent.engine.run("c2")
    agent.engine.batch = 1
    for n in range(20):
        await agent.engine.write("c1", START + n * SECOND, f"<{n}>")
        await agent.engine.write("c2", START + n * SECOND, f"<{n}>")
    await agent.engine.stop("c2")
    assert not agent.collector.caught_up
    async with agent.running():
        await until(agent.collector._began.is_set)
        agent.engine.fault = PlatformError("Docker is away")
        await asyncio.sleep(0.05)
        assert not agent.collector.caught_up
        agent.engine.fault = None
        await until(lambda: agent.collector.caught_up)
        assert len(agent.collector._followers) == 2
        kept = agent.store.records + [
            r for b in agent.collector.buffers.matching("shop") for r in b.open
        ]
        assert numbered(kept, "stdout").count(19) == 2
        agent.engine.run("c3")
        await until(lambda: len(agent.collector._followers) == 3)
        assert agent.collector.caught_up


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
