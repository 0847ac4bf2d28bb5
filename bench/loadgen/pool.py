"""What the pools of both protocols share: places, attempts to connect, waiting requests.

For bench.loadgen.http1 and http2; imports nothing of cove.
"""

from __future__ import annotations

import abc
import asyncio
import contextlib
from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

from bench.loadgen.exchange import Connection, Exchange, name_of

if TYPE_CHECKING:
    from bench.loadgen.exchange import Ended
    from bench.loadgen.plan import Plan

C = TypeVar("C", bound=Connection)


class Pool(abc.ABC, Generic[C]):
    """At most so many connections, opened when a request finds none free."""

    def __init__(self, plan: Plan, ended: Ended) -> None:
        """Connect to nothing yet. Raise OSError for a bad CA file."""
        self.ended = ended
        self.opened = 0
        self.connections: set[C] = set()
        self._plan = plan
        self._tls = plan.tls()
        self._places = plan.most_connections
        self._waiting: deque[Exchange] = deque()
        self._openings: set[asyncio.Task[None]] = set()
        self._all_lost = asyncio.Event()

    @abc.abstractmethod
    def submit(self, exchange: Exchange) -> None:
        """Send now, or once a connection is free; ends the exchange at some time."""

    @abc.abstractmethod
    def advance(self) -> None:
        """Send what waits, as far as there is room."""

    @abc.abstractmethod
    def _new(self) -> C:
        """Return an unconnected connection."""

    @abc.abstractmethod
    def _connected(self, connection: C, exchange: Exchange) -> None:
        """Send the exchange for which a connection was opened, unless it ended meanwhile."""

    def joined(self, connection: C) -> None:
        """Count a connection that is open now."""
        self.opened += 1
        self.connections.add(connection)

    def lost(self, connection: C) -> None:
        """Forget a closed connection; its place is free again."""
        self.connections.discard(connection)
        if not self.connections:
            self._all_lost.set()
        self._free_place()

    async def close(self) -> None:
        """Close every connection and give up the attempts to open one."""
        self._waiting.clear()
        for task in list(self._openings):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        for connection in list(self.connections):
            connection.close()
        while self.connections:
            self._all_lost.clear()
            await self._all_lost.wait()

    def _wait(self, exchange: Exchange) -> None:
        if len(self._waiting) < self._plan.queue:
            self._waiting.append(exchange)
        else:
            self.ended(exchange, "no connection")

    def _next_waiting(self) -> Exchange | None:
        while self._waiting:
            exchange = self._waiting.popleft()
            if not exchange.ended:
                return exchange
        return None

    def _free_place(self) -> None:
        self._places += 1
        self.advance()

    def _open(self, exchange: Exchange) -> None:
        self._places -= 1
        task = asyncio.create_task(self._connect(exchange))
        self._openings.add(task)
        task.add_done_callback(self._openings.discard)

    async def _connect(self, exchange: Exchange) -> None:
        """Open a connection for one exchange: a failure to connect is that one's failure."""
        plan = self._plan
        name = plan.host if self._tls else None
        try:
            _, connection = await asyncio.get_running_loop().create_connection(
                self._new, plan.address, plan.port, ssl=self._tls, server_hostname=name
            )
        except OSError as error:
            self.ended(exchange, name_of(error))
            self._free_place()
            return
        self._connected(connection, exchange)
