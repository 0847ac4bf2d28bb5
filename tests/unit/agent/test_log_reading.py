"""What the containers of an app wrote, put in order with little memory."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import cast

from cove.agent import following
from cove.ports import ContainerFacts, Engine, LogLine


def line(at: float, text: str, service: str = "a-r1") -> LogLine:
    """A line of stdout."""
    return LogLine(at=at, service=service, release=1, stream="stdout", text=text)


class Containers:
    """An engine whose containers wrote the given lines."""

    def __init__(self, *written: list[LogLine]) -> None:
        self._written = written
        self.read = 0
        self.closed = 0

    async def containers(self, app: str) -> tuple[ContainerFacts, ...]:
        return tuple(
            ContainerFacts(
                id=str(i), name=str(i), app=app, service=str(i), release=1, state="running"
            )
            for i in range(len(self._written))
        )

    async def logs(
        self, facts: ContainerFacts, *, since: float, tail: int, follow: bool
    ) -> AsyncIterator[LogLine]:
        del since, tail, follow
        try:
            for one in self._written[int(facts.id)]:
                self.read += 1
                yield one
        finally:
            self.closed += 1


def recent(engine: Containers, tail: int, most: int = 1000) -> list[str]:
    """The texts of the first `most` lines."""

    async def read() -> list[str]:
        found: list[str] = []
        lines = await following.recent(cast("Engine", engine), "a", since=0, tail=tail)
        async for one in lines:
            found.append(one.text)
            if len(found) == most:
                break
        await lines.aclose()
        return found

    return asyncio.run(read())


def test_lines_of_several_containers_come_in_order() -> None:
    """By their time, whichever container wrote them."""
    engine = Containers([line(1, "a"), line(4, "d")], [line(2, "b"), line(3, "c")])
    assert recent(engine, -1) == ["a", "b", "c", "d"]


def test_only_the_last_lines_are_told() -> None:
    """`tail` counts the lines of the app, not of each container."""
    engine = Containers([line(1, "a"), line(4, "d")], [line(2, "b"), line(3, "c")])
    assert recent(engine, 2) == ["c", "d"]
    assert recent(engine, 0) == []


def test_a_log_is_not_read_ahead_of_its_reader() -> None:
    """Of a log of any size only the next lines are in memory, and its stream is closed early."""
    engine = Containers([line(i, str(i)) for i in range(1000)])
    assert recent(engine, -1, most=3) == ["0", "1", "2"]
    assert engine.read <= 4
    assert engine.closed == 1


def test_the_last_lines_fit_into_memory() -> None:
    """Of lines that are too long together the newest stay."""
    huge = "x" * (following._MOST_KEPT // 2)
    engine = Containers([line(i, huge) for i in range(5)])
    assert len(recent(engine, 100)) == 2


class Busy(Containers):
    """An engine on which a second container starts right after the first was listed."""

    async def containers(self, app: str) -> tuple[ContainerFacts, ...]:
        return (await super().containers(app))[:1]

    async def starts(self, app: str, since: float) -> AsyncIterator[ContainerFacts]:
        assert since < time.time()
        for facts in (*await super().containers(app), *await super().containers(app)):
            yield facts


def test_a_container_that_starts_while_following_begins_is_read_once() -> None:
    """Docker tells of the starts since before the list; those of the list are not read again."""
    engine = Busy([line(1.0, "old", "0")], [line(time.time(), "new", "1")])

    async def read() -> list[str]:
        found: list[str] = []
        stream = following.follow(cast("Engine", engine), "a", since=0, tail=10)
        while len(found) < 2:
            one = await anext(stream)
            assert one
            found.append(one.text)
        return found

    assert asyncio.run(asyncio.wait_for(read(), 10)) == ["old", "new"]
    assert engine.read == 3  # the first once for its past, and once to go on after it
