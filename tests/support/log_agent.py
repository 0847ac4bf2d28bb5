"""A collector over fakes, and what writes into them as Docker would have it."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from cove.model.logs import LogPolicy, Record, Stream
from cove.observation.logs import follower
from cove.observation.logs.collector import Collector
from cove.observation.logs.reading import Reading

from support.log_engine import SECOND, FakeLogEngine
from support.log_store import MemoryLogStore

START = time.time_ns() - 86_400 * SECOND  # young enough to be kept
MILLI = 1_000_000
_STREAMS: tuple[Stream, ...] = ("stdout", "stdout", "stderr")


def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
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


def numbered(records: list[Record], stream: str) -> list[int]:
    """The numbers that the kept lines of a stream carry."""
    found = [r for r in records if r.source.stream == stream]
    return [int(n) for r in found for n in re.findall(r"<(\d+)>", r.text)]


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
