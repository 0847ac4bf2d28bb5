"""Docker as far as logs go, in memory: what containers wrote, and who reads it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

from cove.errors import NotFound, PlatformError
from cove.model.logs import Stream
from cove.ports.logs import LogContainer, LogEntry

SECOND = 1_000_000_000


class Box:
    """A container, with all it wrote in the order Docker has it."""

    def __init__(self, facts: LogContainer) -> None:
        self.facts = facts
        self.written: list[LogEntry] = []
        self.changed = asyncio.Condition()
        self.read = 0  # entries handed out
        self.left_out: set[int] = set()  # places of entries that who follows does not get
        self.followers: list[FakeLogConnection] = []


class FakeLogEngine:
    """Fulfils `cove.ports.logs.LogEngine`. `fault` fails whatever is asked."""

    def __init__(self) -> None:
        self.boxes: dict[str, Box] = {}
        self.fault: PlatformError | None = None
        self.batch = 1000  # entries of one read
        self.cut = -1  # entries after which a connection breaks off, once
        self._started: list[LogContainer] = []
        self._news = asyncio.Event()

    def run(
        self, container_id: str, app: str = "shop", service: str = "web", release: int = 1
    ) -> Box:
        """A container that starts."""
        facts = LogContainer(
            id=container_id,
            app=app,
            service=service,
            release=release,
            name=f"{service}-r{release}",
            running=True,
        )
        box = self.boxes.setdefault(container_id, Box(facts))
        box.facts = facts
        self._started.append(facts)
        self._news.set()
        return box

    async def write(
        self,
        container_id: str,
        at: int,
        text: str,
        stream: Stream = "stdout",
        *,
        whole: bool = True,
    ) -> None:
        """It writes a line, or a piece of one."""
        box = self.boxes[container_id]
        box.written.append((stream, at, text, whole))
        await self._tell(box)

    async def rotate(self, container_id: str, lines: int) -> None:
        """Who follows is sent that many lines again, as Docker 20.10 does behind a rotation."""
        box = self.boxes[container_id]
        for one in box.followers:
            one.again(lines)
        await self._tell(box)

    async def stop(self, container_id: str) -> None:
        """It ends."""
        box = self.boxes[container_id]
        facts = box.facts
        box.facts = LogContainer(
            id=facts.id,
            app=facts.app,
            service=facts.service,
            release=facts.release,
            name=facts.name,
            running=False,
        )
        await self._tell(box)

    async def remove(self, container_id: str) -> None:
        """It is gone, and what it wrote."""
        await self.stop(container_id)
        del self.boxes[container_id]

    async def containers(self) -> tuple[LogContainer, ...]:
        self._check()
        return tuple(box.facts for box in self.boxes.values())

    async def look(self, container_id: str) -> LogContainer | None:
        self._check()
        box = self.boxes.get(container_id)
        return box.facts if box else None

    async def starts(self, since: int) -> AsyncGenerator[LogContainer, None]:
        told = 0
        while True:
            self._check()
            while told < len(self._started):
                told += 1
                yield self._started[told - 1]
            self._news.clear()
            await self._news.wait()

    async def open(
        self, container_id: str, *, since: int = 0, tail: int = -1, follow: bool = False
    ) -> FakeLogConnection:
        self._check()
        box = self.boxes.get(container_id)
        if box is None:
            raise NotFound(f"there is no container {container_id}")
        begin = max(0, len(box.written) - tail) if tail >= 0 else 0
        return FakeLogConnection(self, box, begin, since, follow=follow)

    def _check(self) -> None:
        if self.fault is not None:
            raise self.fault

    async def _tell(self, box: Box) -> None:
        async with box.changed:
            box.changed.notify_all()


class FakeLogConnection:
    """Reads a box from a time on."""

    def __init__(
        self, engine: FakeLogEngine, box: Box, begin: int, since: int, *, follow: bool
    ) -> None:
        self._engine = engine
        self._box = box
        self._next = begin
        self._since = since
        self._follow = follow
        if follow:
            box.followers.append(self)

    def again(self, lines: int) -> None:
        """It begins again, so many lines back."""
        self._next = max(0, self._next - lines)

    async def read(self, timeout: float) -> Sequence[LogEntry] | None:
        box = self._box
        while True:
            self._engine._check()
            fresh = box.written[self._next : self._next + self._engine.batch]
            if fresh and self._engine.cut >= 0:
                fresh = fresh[: self._engine.cut]
                self._engine.cut -= len(fresh)
                if not fresh:
                    self._engine.cut = -1
                    return []
            self._next += len(fresh)
            box.read += len(fresh)
            if wanted := self._wanted(fresh):
                return wanted
            if fresh:
                continue
            if not self._follow or not box.facts.running or box.facts.id not in self._engine.boxes:
                return []
            try:
                async with asyncio.timeout(timeout), box.changed:
                    await box.changed.wait()
            except TimeoutError:
                return None

    def _wanted(self, fresh: Sequence[LogEntry]) -> list[LogEntry]:
        begin = self._next - len(fresh)
        left_out = self._box.left_out if self._follow else set()
        return [e for n, e in enumerate(fresh, begin) if e[1] >= self._since and n not in left_out]

    def close(self) -> None:
        """No longer follows."""
        if self in self._box.followers:
            self._box.followers.remove(self)
