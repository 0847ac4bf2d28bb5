"""What cove.ports.logs promises of Docker, held against the fake and the real one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import closing, suppress

import pytest

from cove.errors import NotFound
from cove.model.logs import LogPolicy
from cove.observation.logs.collector import Collector
from cove.ports.logs import LogConnection, LogEntry

from support.log_scenes import PIECE, FakeScene, Lines, RealScene, Scene
from support.log_store import MemoryLogStore


@pytest.fixture(params=["fake", "real"])
async def scene(request: pytest.FixtureRequest) -> AsyncIterator[Scene]:
    """Something that writes, and nothing is left of it afterwards."""
    found = FakeScene() if request.param == "fake" else RealScene()
    try:
        yield found
    finally:
        await found.tear_down()


def numbered(begin: int, end: int) -> Lines:
    """Lines that say their number, one in ten to standard error."""
    return [("stderr" if n % 10 == 0 else "stdout", f"<{n}>") for n in range(begin, end)]


def texts(entries: list[LogEntry], stream: str = "stdout") -> list[str]:
    """What a stream says."""
    return [text for kind, _, text, _ in entries if kind == stream]


async def came(connection: LogConnection, text: str) -> list[LogEntry]:
    """What comes, up to a text."""
    found: list[LogEntry] = []
    async with asyncio.timeout(30):
        while not found or found[-1][2] != text:
            entries = await connection.read(0.2)
            assert entries is None or entries, "the connection has ended"
            found += entries or ()
    return found


async def test_containers(scene):
    """A container is told with its app, service and release, in every state, until it is gone."""
    one = await scene.run("web")
    (seen,) = await scene.engine.containers()
    assert (seen.id, seen.app, seen.service, seen.release) == (one, "shop", "web", 1)
    assert (seen.name, seen.running) == ("web-r1", True)
    assert await scene.engine.look(one) == seen
    await scene.stop(one)
    (rests,) = await scene.engine.containers()
    assert not rests.running
    assert await scene.engine.look(one) == rests
    await scene.remove(one)
    assert await scene.engine.containers() == ()
    assert await scene.engine.look(one) is None
    with pytest.raises(NotFound):
        await scene.engine.open(one)


async def test_starts(scene):
    """Who listens hears of what started before and what starts now."""
    one = await scene.run("web")
    starts = scene.engine.starts(0)
    async with asyncio.timeout(30):
        assert (await anext(starts)).id == one
        two = await scene.run("worker")
        found = await anext(starts)
    await starts.aclose()
    assert (found.id, found.service, found.running) == (two, "worker", True)


async def test_order_and_times(scene):
    """Each stream's lines come in the order they were written, none older than the one before."""
    one = await scene.run()
    await scene.write(one, numbered(1, 60))
    found = await scene.everything(one)
    for stream in ("stdout", "stderr"):
        assert texts(found, stream) == [text for kind, text in numbered(1, 60) if kind == stream]
        times = [at for kind, at, _, _ in found if kind == stream]
        assert times == sorted(times)
    assert all(whole for *_, whole in found)


async def test_a_part_of_it(scene):
    """From a time on includes that time; the last lines are those of both streams together."""
    one = await scene.run()
    await scene.write(one, numbered(1, 60))
    found = await scene.everything(one)
    stream, at, text, _ = found[30]
    since = await scene.everything(one, since=at)
    assert (stream, at, text, True) in since
    assert since == [entry for entry in found if entry[1] >= at]
    assert await scene.everything(one, tail=7) == found[-7:]
    assert await scene.everything(one, tail=1000) == found


async def test_following(scene):
    """What was and what comes, silence told as such, and the end with the container's."""
    one = await scene.run()
    await scene.write(one, [("stdout", "before")])
    with closing(await scene.engine.open(one, tail=10, follow=True)) as connection:
        assert texts(await came(connection, "before")) == ["before"]
        assert await connection.read(0.05) is None
        await scene.write(one, [("stdout", "after")])
        assert texts(await came(connection, "after")) == ["after"]
        await scene.stop(one)
        async with asyncio.timeout(30):
            while (entries := await connection.read(1)) is None:
                pass
        assert not entries


async def test_long_lines(scene):
    """A long line comes in pieces of one time; only the last one ends it."""
    one = await scene.run()
    text = "x" * (2 * PIECE + 100)
    await scene.write(one, [("stdout", text), ("stdout", "next")])
    found = await scene.everything(one)
    *pieces, after = found
    assert ["".join(texts(pieces)), after[2]] == [text, "next"]
    assert len({at for _, at, _, _ in pieces}) == 1 < len(pieces)
    assert [whole for *_, whole in found] == [False] * (len(pieces) - 1) + [True, True]


async def test_rotation(scene):
    """However often a log begins another file, each line that was written is kept once."""
    store = MemoryLogStore()
    collector = Collector(scene.engine, lambda: store, LogPolicy(), lambda _: None)
    one = await scene.run(rotate="20k")
    life = asyncio.create_task(collector.run())
    try:
        for begin in range(1, 3000, 150):
            await scene.write(one, numbered(begin, begin + 150))
        await scene.stop(one)
        await collector.drained([one])
    finally:
        await collector.close()
        life.cancel()
        with suppress(asyncio.CancelledError):
            await life
    for stream in ("stdout", "stderr"):
        kept = [record.text for record in store.records if record.source.stream == stream]
        assert kept == [text for kind, text in numbered(1, begin + 150) if kind == stream], stream
