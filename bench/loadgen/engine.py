"""The open loop: requests become due by the clock, however slow the answers are.

For bench.load; imports nothing of cove.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Self

from bench.loadgen.exchange import Exchange
from bench.loadgen.http1 import Http1Pool
from bench.loadgen.http2 import Http2Pool
from bench.loadgen.plan import Plan, Requests
from bench.loadgen.report import Failure, Report

if TYPE_CHECKING:
    from types import TracebackType

SWEEP_INTERVAL = 0.1  # seconds between looks for requests out of time


class Load:
    """Strict load: no request is sent twice, and everything but a right answer is a failure.

    Runs in the caller's event loop; a caller that blocks the loop delays the load, and the
    delay shows in the latencies, which count from the moment a request was due.
    """

    def __init__(self, plan: Plan) -> None:
        """Send nothing yet."""
        self.plan = plan
        self.report = Report()
        self._requests = Requests(plan)
        self._under_way: dict[Exchange, None] = {}  # in the order they became due
        self._all_ended = asyncio.Event()
        self._started = 0.0
        self._cpu_started = 0.0
        self._pool: Http1Pool | Http2Pool | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin sending. Raise OSError for a bad CA file."""
        kind = Http2Pool if self.plan.protocol == "h2" else Http1Pool
        self._pool = kind(self.plan, self._ended)
        self._started = asyncio.get_running_loop().time()
        self._cpu_started = time.thread_time()
        self._tasks = [asyncio.create_task(self._arrivals()), asyncio.create_task(self._sweep())]

    async def stop(self) -> Report:
        """Send no more, wait for the requests under way (within their timeout), and report."""
        assert self._pool, "stop() before start()"
        arrivals, sweep = self._tasks
        await cancelled(arrivals)
        self.report.duration = asyncio.get_running_loop().time() - self._started
        while self._under_way:
            self._all_ended.clear()
            await self._all_ended.wait()
        await cancelled(sweep)
        await self._pool.close()
        self.report.connections_opened = self._pool.opened
        self.report.cpu_seconds = time.thread_time() - self._cpu_started
        return self.report

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop; the result is in `report`."""
        await self.stop()

    async def _arrivals(self) -> None:
        loop = asyncio.get_running_loop()
        count = 0
        while True:
            due = self._started + count / self.plan.rate
            await asyncio.sleep(max(0.0, due - loop.time()))
            self._arrive(due)
            count += 1

    def _arrive(self, due: float) -> None:
        assert self._pool
        exchange = Exchange(self._requests.draw(), due)
        self._under_way[exchange] = None
        self.report.sent += 1
        self._pool.submit(exchange)

    async def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(SWEEP_INTERVAL)
            self._expire(loop.time() - self.plan.timeout)

    def _expire(self, due_before: float) -> None:
        """End the requests that were due too long ago; the dict holds the oldest first."""
        late = []
        for exchange in self._under_way:
            if exchange.due > due_before:
                break
            late.append(exchange)
        for exchange in late:
            self._ended(exchange, "timeout")
            if exchange.connection:
                exchange.connection.abandon(exchange)

    def _ended(self, exchange: Exchange, reason: str) -> None:
        if exchange.ended:
            return
        exchange.ended = True
        self._under_way.pop(exchange, None)
        now = asyncio.get_running_loop().time()
        if reason:
            self.report.fail(self._failure(exchange, reason, now))
        else:
            self.report.succeed(now - exchange.due, exchange.version, exchange.template.delay)
        if not self._under_way:
            self._all_ended.set()

    def _failure(self, exchange: Exchange, reason: str, now: float) -> Failure:
        request = f"{exchange.template.method} {exchange.template.path}"
        at, due = now - self._started, exchange.due - self._started
        return Failure(round(at, 4), round(due, 4), request, reason, exchange.version)


async def cancelled(task: asyncio.Task[None]) -> None:
    """Cancel a task; raise what it failed with before."""
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
