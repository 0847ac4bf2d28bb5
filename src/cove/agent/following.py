"""An app's lines from all its containers, across rollouts. Imported inside `cove.agent` only."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Self

from cove.errors import CoveError
from cove.ports import ContainerFacts, Engine, LogLine

_QUEUE = 10_000  # lines a slow reader may be behind before its containers' streams wait


async def recent(engine: Engine, app: str, *, since: float, tail: int) -> list[LogLine]:
    """The lines the app's containers wrote, in order of time; the last `tail`, or all for -1."""
    lines: list[LogLine] = []
    for facts in await engine.containers(app):
        stream = engine.logs(facts, since=since, tail=tail, follow=False)
        lines += [line async for line in stream]
    lines.sort(key=lambda line: line.at)
    return lines if tail < 0 else lines[max(0, len(lines) - tail) :]


async def follow(
    engine: Engine, app: str, *, since: float, tail: int
) -> AsyncIterator[LogLine | None]:
    """Lines as they come, from all containers the app has or gets. None: ten quiet seconds."""
    queue: asyncio.Queue[LogLine] = asyncio.Queue(_QUEUE)
    async with _Follower(engine, app, queue) as follower:
        for line in await follower.begin(since, tail):
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

    async def begin(self, since: float, tail: int) -> list[LogLine]:
        """Starts to watch, and returns what was written before."""
        self._spawn(self._watch())
        found = await self._engine.containers(self._app)
        before = await recent(self._engine, self._app, since=since, tail=tail)
        latest = {(line.service, line.release): line.at for line in before}
        for facts in found:
            seen = latest.get((facts.service, facts.release), 0.0)
            # Docker's `since` is inclusive and its times are finer than ours.
            self._spawn(self._read(facts, seen + 1e-6 if seen else since))
        return before

    async def _watch(self) -> None:
        async for facts in self._engine.starts(self._app):
            self._spawn(self._read(facts, max(0.0, facts.started_at - 0.001)))

    async def _read(self, facts: ContainerFacts, since: float) -> None:
        try:
            tail = -1 if since else 0
            async for line in self._engine.logs(facts, since=since, tail=tail, follow=True):
                await self._queue.put(line)
        except CoveError:
            return  # the container or Docker is gone; what comes next is noticed by `_watch`

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
