"""The agent's part that keeps logs, its own among them. Imported inside `cove.agent` only."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from cove.model.logs import LEVELS, Level, LogPolicy, Record
from cove.observation.logs.collector import OWN, Collector
from cove.observation.logs.reading import Reading
from cove.ports.logs import LogEngine, LogStore

_NANO: Final = 1_000_000_000
_COLLECTING: Final = "cove.observation.logs"


class Logs:
    """Collecting, and reading what was collected."""

    def __init__(
        self,
        engine: LogEngine,
        open_store: Callable[[], LogStore],
        policy: LogPolicy,
        tell: Callable[[str], None],
        keeps: Callable[[str], bool],
    ) -> None:
        self.collector = Collector(engine, open_store, policy, tell, keeps)
        self.reading = Reading(self.collector)

    def heed(self, loop: asyncio.AbstractEventLoop) -> None:
        """From now on, what the agent says in its own log is kept as well."""
        logging.getLogger().addHandler(OwnLog(self.collector, loop))

    async def run(self) -> None:
        """Collects until cancelled."""
        await self.collector.run()

    async def close(self) -> None:
        """Brings what was read into the store, in bounded time."""
        await self.collector.close()


class OwnLog(logging.Handler):
    """Lines of the agent's log as records; from any thread.

    What collecting itself complains of is left out: a store that fails would be written to for it.
    """

    def __init__(self, collector: Collector, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(logging.INFO)
        self._collector = collector
        self._loop = loop

    def emit(self, record: logging.LogRecord) -> None:
        """Hands the line to the collector, with its traceback where there is one."""
        if record.name.startswith(_COLLECTING):
            return
        line = Record(int(record.created * _NANO), OWN[1], self.format(record), level(record))
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._collector.own, line)


def level(record: logging.LogRecord) -> int:
    """Python's level as one of ours."""
    for least, name in _LEVELS:
        if record.levelno >= least:
            return LEVELS.index(name)
    return 0


_LEVELS: Final[tuple[tuple[int, Level], ...]] = (
    (logging.CRITICAL, "fatal"),
    (logging.ERROR, "error"),
    (logging.WARNING, "warn"),
    (logging.INFO, "info"),
    (logging.DEBUG, "debug"),
)
