"""Strict load on one app while a test does something else: bench.load, in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Self

from bench.load import Load, Mix, Plan, Report

from support.polling import until
from support.web import Web

if TYPE_CHECKING:
    from types import TracebackType

    from bench.loadgen.plan import Protocol

QUICK = Mix(get=0.8, sleep=0, echo=0.2)  # nothing slow: its end need not be waited for
FULL = Mix(get=0.7, sleep=0.1, echo=0.2)


class Traffic:
    """Load for as long as the block lasts; `report` is complete after it."""

    def __init__(
        self,
        web: Web,
        host: str,
        rate: float = 20,
        protocol: Protocol = "h1s",
        mix: Mix = QUICK,
        timeout: float = 30.0,
    ) -> None:
        port = web.http_port if protocol == "h1" else web.https_port
        ca_file = None if protocol == "h1" else web.root
        self.load = Load(
            Plan(
                host=host,
                port=port,
                rate=rate,
                protocol=protocol,
                mix=mix,
                ca_file=ca_file,
                timeout=timeout,
            )
        )
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="traffic", daemon=True)

    @property
    def report(self) -> Report:
        """What became of the requests."""
        return self.load.report

    def more(self, requests: int) -> None:
        """Wait for so many more right answers."""
        wanted = self.report.ok + requests
        until(lambda: self.report.ok >= wanted or self.report.failed, f"{wanted} answers")

    def assert_lossless(self) -> None:
        """Something was asked, and nothing failed."""
        assert self.report.ok > 0, str(self.report)
        assert self.report.failed == 0, str(self.report)
        assert self.report.pending == 0, str(self.report)

    def __enter__(self) -> Self:
        """Start, and wait until the load has begun."""
        self._thread.start()
        self.more(5)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop sending, and wait for what is under way."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        asyncio.run(self._loaded())

    async def _loaded(self) -> None:
        async with self.load:
            await asyncio.to_thread(self._over.wait)
