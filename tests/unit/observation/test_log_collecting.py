"""Collecting: every line once, through crashes, failures, removals and slow readers."""

from __future__ import annotations

import asyncio
import random
import time

import pytest

from cove.errors import NotFound, PlatformError
from cove.model.logs import LogQuery, Record, Stream
from cove.observation.logs import follower
from cove.observation.logs.collector import OWN
from cove.observation.logs.reading import Reading

from support.log_agent import MILLI, START, Agent, Writer, hurry, numbered, until
from support.log_engine import SECOND


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing waits for more lines longer than it must."""
    hurry(monkeypatch)


async def texts(reading: Reading, **query: object) -> list[str]:
    """What is found, in order of time."""
    found = reading.in_order(LogQuery(**query))  # type: ignore[arg-type]
    return [record.text async for record in found]


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
    kept = {n for one in ("stdout", "stderr") for n in numbered(agent.store.records, one)}
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
    assert not agent.collector.caught_up("shop")
    async with agent.running():
        await until(agent.collector._began.is_set)
        agent.engine.fault = PlatformError("Docker is away")
        await asyncio.sleep(0.05)
        assert not agent.collector.caught_up("shop")
        agent.engine.fault = None
        await until(lambda: agent.collector.caught_up("shop"))
        assert len(agent.collector._followers) == 2
        kept = agent.store.records + [
            r for b in agent.collector.buffers.matching("shop") for r in b.open
        ]
        assert numbered(kept, "stdout").count(19) == 2
        agent.engine.run("c3")
        await until(lambda: len(agent.collector._followers) == 3)
        assert agent.collector.caught_up("shop")
