"""The look every ten seconds, and what was found by the last one. Imported by the agent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

from cove.model.metrics import TICK, Row
from cove.observation.metrics.gathering import Gatherer, Look, Sources
from cove.observation.metrics.rows import Killed, rows

__all__ = ["Killed", "Sampler", "Sources"]


class Sampler:
    """Rows of what happened since the look before."""

    def __init__(self, gatherer: Gatherer) -> None:
        self._gatherer = gatherer
        self._before: Look | None = None
        self._killed: dict[str, Killed] = {}
        self.latest: tuple[Row, ...] = ()
        self.look: Look | None = None

    def killed(self, container: str, app: str, service: str) -> None:
        """Docker told that something in the container was killed for want of memory."""
        kills = self._killed[container].kills + 1 if container in self._killed else 1
        self._killed[container] = Killed(
            id=container, app=app, service=service, name=service, pid=0, kills=kills
        )

    async def tick(self, now: float) -> tuple[Row, ...]:
        """Looks, and tells what happened since; nothing at the first time."""
        look = await self._gatherer.look()
        before, self._before, self.look = self._before, look, look
        if before is None:
            return ()
        killed, self._killed = self._killed, {}
        found = rows(before, look, int(now) // TICK * TICK, killed)
        self.latest = found
        return found

    async def live(
        self, seconds: float, wait: Callable[[float], Awaitable[None]], clock: Callable[[], float]
    ) -> AsyncIterator[tuple[Row, ...]]:
        """What happens, told every so many seconds, apart from what is kept."""
        before = await self._gatherer.look()
        while True:
            await wait(seconds)
            look = await self._gatherer.look()
            yield rows(before, look, int(clock()))
            before = look
