"""Keeps what every container writes: a follower for each, and the way into the store.

Imported by the agent. No failure here ends anything else: it is told, and tried again; meanwhile
Docker keeps the lines, and reading goes on where it was left.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import aclosing, suppress
from typing import Final

from cove.errors import CoveError
from cove.model.logs import AGENT_APP, Cursor, LogPolicy, Record, Source, Stream
from cove.observation.logs.buffers import OLDEST_OWN, Buffer, Buffers
from cove.observation.logs.feed import Feed
from cove.observation.logs.follower import Follower
from cove.ports.logs import LogContainer, LogEngine, LogStore

# What this module says is not kept by itself: a failing store would write about itself for ever.
_log = logging.getLogger(__name__)
DRAIN: Final = 10.0  # seconds that a rollout waits for a container's last lines
_END: Final = 8.0  # seconds to bring everything into the store at the agent's end
_TICK: Final = 1.0
_RETRY: Final = (1.0, 15.0)  # seconds between two tries of what failed: first, longest
_UPKEEP: Final = 600.0  # seconds between two looks at what may be deleted
_EARLIER: Final = 1_000_000_000  # nanoseconds
_CATCH_UP = 0.03  # seconds; more than it takes to read what waits in every socket
# Seconds between two looks at a container: usually; with a reader. Well below the follower's
# `_BEHIND`: what is older when it is read counts as lagging.
_CALM, _LIVELY = 1.0, 0.05
OWN: Final = ("agent", Source(app=AGENT_APP, service="agent", stream="stderr"))


class Collector:
    """The part of the agent that collects logs.

    `open_store` opens what keeps them; it blocks, and raises PlatformError.
    `tell` is given what a person should know. `keeps` says of each request that the proxy logged
    whether somebody asked for it.
    """

    def __init__(
        self,
        engine: LogEngine,
        open_store: Callable[[], LogStore],
        policy: LogPolicy,
        tell: Callable[[str], None],
        keeps: Callable[[str], bool] = lambda _: True,
    ) -> None:
        self.feed = Feed()
        self.buffers = Buffers(self.feed)
        self.store: LogStore | None = None
        self.problem = ""  # why nothing is kept just now
        self._began = asyncio.Event()  # the store is open, and cursors are known
        self._caught_up: set[str] = set()  # apps
        self.policy = policy
        self._engine = engine
        self._open_store = open_store
        self._tell = tell
        self._keeps = keeps
        self._followers: dict[str, Follower] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._known: dict[tuple[str, Stream], Cursor] = {}
        self._own = self.buffers.of((AGENT_APP, OWN[0]), OLDEST_OWN)
        self._write_own = self.buffers.writer(self._own)

    async def run(self) -> None:
        """Until cancelled."""
        await self._persist(self._begin)
        try:
            async with asyncio.TaskGroup() as tasks:
                for work in (self._watch, self._seal_due, self._upkeep):
                    tasks.create_task(self._persist(work, forever=True))
        finally:
            for task in self._tasks.values():
                task.cancel()

    async def close(self) -> None:
        """Brings everything that was read into the store, in bounded time."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        try:
            async with asyncio.timeout(_END):
                for buffer in self.buffers.matching():
                    await self.seal(buffer)
        except TimeoutError:
            _log.info("the last log lines are read again by the next agent")

    def caught_up(self, app: str) -> bool:
        """Whether all that an app wrote while no agent ran has been read."""
        if app not in self._caught_up and self._began.is_set():
            mine = [f for f in self._followers.values() if f.container.app == app]
            if all(follower.current for follower in mine):
                self._caught_up.add(app)
        return app in self._caught_up

    def own(self, record: Record) -> None:
        """A line of the agent's own. To be called in the event loop."""
        if self.problem and self._own.text > 1 << 18:
            return  # nobody reads these a second time, and they must not fill the memory
        self._write_own(record)

    async def catch_up(self) -> None:
        """Takes what Docker has sent already, so that a search finds what was written just now."""
        for follower in self._followers.values():
            follower.look_now()
        await asyncio.sleep(_CATCH_UP)

    async def drained(self, containers: Iterable[str]) -> None:
        """Waits, not for long, until all that ended containers wrote is kept. Never raises."""
        if self.problem:
            return
        try:
            async with asyncio.timeout(DRAIN):
                await self._began.wait()
                await asyncio.gather(*(self._drained(one) for one in containers))
        except (TimeoutError, CoveError) as error:
            _log.warning("some last log lines may be lost: %s", str(error) or "Docker is too slow")

    async def seal(self, buffer: Buffer) -> None:
        """Brings a buffer into the store; what fails stays in the buffer, and is told."""
        if self.store is None:
            return
        try:
            await self.buffers.seal(self.store, buffer)
        except CoveError as error:
            self._failed(error)
        else:
            self._works()

    # --- beginning

    async def _begin(self) -> None:
        if self.store is None:
            self.store = await asyncio.to_thread(self._open_store)
            self._works()
        cursors = await asyncio.to_thread(self.store.cursors)
        self._known = {(c.container, c.stream): c for c in cursors}
        await self._list()
        here = {key for follower in self._followers.values() for key in follower.keys}
        gone = {cursor.container for cursor in cursors} - here
        if gone:
            await asyncio.to_thread(self.store.forget, gone)
        self._known = {}
        self._began.set()

    async def _list(self) -> None:
        for container in await self._engine.containers():
            self._see(container)

    def _see(self, container: LogContainer) -> None:
        follower = self._followers.get(container.id)
        if follower is not None:
            if container.running and follower.ended.is_set():
                follower.started()
            return
        follower = Follower(
            container, self._engine, self.buffers, self.seal, self._pace, self._keeps
        )
        follower.resume(self._known)
        self._followers[container.id] = follower
        task = asyncio.create_task(self._follow(follower))
        self._tasks[container.id] = task
        task.add_done_callback(_fall)

    async def _follow(self, follower: Follower) -> None:
        await follower.run()
        # The container is gone, and so is what its cursors were for.
        self._followers.pop(follower.container.id, None)
        self._tasks.pop(follower.container.id, None)
        follower.detach()
        if self.store is not None and not self.problem:
            try:
                await asyncio.to_thread(self.store.forget, follower.keys)
            except CoveError as error:
                self._failed(error)

    def _pace(self) -> float:
        return _LIVELY if self.feed.hurried else _CALM

    # --- what goes on

    async def _watch(self) -> None:
        """Followers for what starts; Docker is asked for the starts since before the list."""
        since = time.time_ns() - _EARLIER
        await self._list()
        async with aclosing(self._engine.starts(since)) as started:
            async for container in started:
                known = self._followers.get(container.id)
                if known is None:
                    self._see(container)
                else:
                    known.started()

    async def _seal_due(self) -> None:
        pause = _RETRY[0]
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self.buffers.full.wait(), _TICK)
            self.buffers.full.clear()
            for buffer in self.buffers.due(time.monotonic()):
                await self.seal(buffer)
            if not self.problem:
                pause = _RETRY[0]
                continue
            await asyncio.sleep(pause)
            pause = min(2 * pause, _RETRY[1])

    async def _upkeep(self) -> None:
        while True:
            if self.store is not None and not self.problem:
                now = time.time_ns()
                await asyncio.to_thread(self.store.compact, now)
                await asyncio.to_thread(self.store.retain, self.policy, now)
            await asyncio.sleep(_UPKEEP)

    async def _drained(self, container_id: str) -> None:
        container = await self._engine.look(container_id)
        if container is None or container.running:
            return
        self._see(container)
        follower = self._followers[container_id]
        # It may have ended a moment ago, and its follower not know it yet.
        follower.started()
        follower.hurry()
        await follower.ended.wait()

    async def _persist(self, work: Callable[[], Awaitable[None]], *, forever: bool = False) -> None:
        pause = _RETRY[0]
        while True:
            begun = time.monotonic()
            try:
                await work()
                if not forever:
                    return
            except CoveError as error:
                self._failed(error)
            except Exception:  # noqa: BLE001 - a bug in here must not end the agent
                _log.exception("collecting logs failed")
            if time.monotonic() - begun > _RETRY[1]:
                pause = _RETRY[0]
            await asyncio.sleep(pause)
            pause = min(2 * pause, _RETRY[1])

    def _failed(self, error: CoveError) -> None:
        if error.specific_code.startswith("docker"):
            return  # told by who needs Docker more
        if not self.problem:
            self._tell(f"logs are not kept: {error.message}")
        self.problem = error.message

    def _works(self) -> None:
        if self.problem:
            self.problem = ""
            self._tell("logs are kept again")


def _fall(task: asyncio.Task[None]) -> None:
    """A follower's bug is told, with its traceback, and costs one container's log."""
    if not task.cancelled() and (error := task.exception()):
        _log.error("a container's log is no longer read", exc_info=error)
