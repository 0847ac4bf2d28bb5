"""An app's lines from all its containers, across rollouts. Imported inside `cove.agent` only."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Sequence
from contextlib import aclosing
from heapq import heappop, heappush
from typing import Self

from cove.errors import CoveError
from cove.ports import ContainerFacts, Engine, LogLine

_INSTANT = 1e-6  # seconds, the finest a line's time is told
_EARLIER = 1.0  # seconds
_MOST_KEPT = 32 << 20  # characters
_QUEUE = 100  # lines a slow reader may be behind before its containers' streams wait


async def recent(
    engine: Engine, app: str, *, since: float, tail: int
) -> AsyncGenerator[LogLine, None]:
    """The lines the app's containers wrote, in order of time; the last `tail`, or all for -1.

    However much that is, only little of it is in memory at a time.
    """
    return _of(engine, await engine.containers(app), since=since, tail=tail)


def _of(
    engine: Engine, found: Sequence[ContainerFacts], *, since: float, tail: int
) -> AsyncGenerator[LogLine, None]:
    streams = [engine.logs(facts, since=since, tail=tail, follow=False) for facts in found]
    return _merged(streams) if tail < 0 else _last(_merged(streams), tail)


async def _merged(streams: list[AsyncIterator[LogLine]]) -> AsyncGenerator[LogLine, None]:
    heads: list[tuple[float, int, LogLine]] = []

    async def advance(index: int) -> None:
        line = await anext(streams[index], None)
        if line is not None:
            heappush(heads, (line.at, index, line))

    try:
        for index in range(len(streams)):
            await advance(index)
        while heads:
            _, index, line = heappop(heads)
            yield line
            await advance(index)
    finally:
        for stream in streams:
            await _close(stream)


async def _last(lines: AsyncGenerator[LogLine, None], count: int) -> AsyncGenerator[LogLine, None]:
    """The last `count`, as far as they fit into memory."""
    kept: deque[LogLine] = deque()
    size = 0
    async with aclosing(lines):
        async for line in lines:
            kept.append(line)
            size += len(line.text)
            while len(kept) > count or (size > _MOST_KEPT and len(kept) > 1):
                size -= len(kept.popleft().text)
    for line in kept:
        yield line


async def _close(stream: AsyncIterator[LogLine]) -> None:
    close = getattr(stream, "aclose", None)
    if close is not None:
        await close()


async def follow(
    engine: Engine, app: str, *, since: float, tail: int
) -> AsyncIterator[LogLine | None]:
    """Lines as they come, from all containers the app has or gets. None: ten quiet seconds."""
    queue: asyncio.Queue[LogLine] = asyncio.Queue(_QUEUE)
    async with _Follower(engine, app, queue) as follower:
        async for line in follower.begin(since, tail):
            yield line
        while True:
            try:
                yield await asyncio.wait_for(queue.get(), 10)
            except TimeoutError:
                yield None


class _Follower:
    """A task per container, and one that notices new containers."""

    def __init__(self, engine: Engine, app: str, queue: asyncio.Queue[LogLine]) -> None:
        self._engine = engine
        self._app = app
        self._queue = queue
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def begin(self, since: float, tail: int) -> AsyncIterator[LogLine]:
        """Starts to watch, and gives what was written before."""
        begun = time.time()
        found = await self._engine.containers(self._app)
        # Docker is asked for the starts since before the list was made, so that none is missed;
        # those of the list are known by their times.
        known_starts = {(facts.id, facts.started_at) for facts in found}
        self._spawn(self._watch(begun - _EARLIER, known_starts))
        told: dict[tuple[str, int], list[LogLine]] = {}  # each container's, of its last instant
        before = _of(self._engine, found, since=since, tail=tail)
        async with aclosing(before):
            async for line in before:
                known = told.setdefault((line.service, line.release), [])
                if known and known[-1].at != line.at:
                    known.clear()
                known.append(line)
                yield line
        for facts in found:
            known = told.get((facts.service, facts.release), [])
            self._spawn(self._read(facts, max(since, begun), known))

    async def _watch(self, since: float, known: set[tuple[str, float]]) -> None:
        async for facts in self._engine.starts(self._app, since):
            if (facts.id, facts.started_at) in known:
                continue
            known.add((facts.id, facts.started_at))
            self._spawn(self._read(facts, max(0.0, facts.started_at - 0.001), []))

    async def _read(self, facts: ContainerFacts, since: float, known: list[LogLine]) -> None:
        # Docker's times are finer than ours and its `since` is inclusive: what is read a second
        # time is told apart by its time, and within one instant by its text.
        last = known[-1].at if known else 0.0
        since = last - _INSTANT if known else since
        try:
            async for line in self._engine.logs(facts, since=since, tail=-1, follow=True):
                if line in known:
                    known.remove(line)
                elif line.at >= last:
                    await self._queue.put(line)
        except CoveError:
            return  # the container or Docker is gone; what comes next is noticed by `_watch`

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
