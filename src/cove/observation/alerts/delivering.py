"""`Deliveries`: carries what is queued to its channels, again and again until it arrives.

Imported by the agent. A channel gets its messages in order, one at a time; channels do not wait
for each other. A message that has arrived is forgotten only after that: an agent that dies in
between sends it once more, under the same id.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterable
from typing import Final

from msgspec.structs import replace

from cove.errors import PlatformError
from cove.model.alerts import Channel, Delivery, Message
from cove.ports.watching import AlertStore, Notifier

_log = logging.getLogger(__name__)
FIRST_PAUSE: Final = 10.0  # seconds, doubled with every failure
LONGEST_PAUSE: Final = 900.0
KEPT: Final = 3 * 86400.0  # seconds: after that the news is none, and the channel is broken
_IDLE: Final = 60.0  # seconds between two looks when nothing is due


class Deliveries:
    """`channels` gives the channels as they are set now."""

    def __init__(
        self,
        store: AlertStore,
        notifier: Notifier,
        channels: Callable[[], Iterable[Channel]],
        queued: asyncio.Event,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._notifier = notifier
        self._channels = channels
        self._queued = queued
        self._now = now
        self._busy: dict[str, asyncio.Task[None]] = {}
        self._said = ""

    async def run(self) -> None:
        """Runs until cancelled; no failure ends it."""
        while True:
            self._queued.clear()
            pause = FIRST_PAUSE
            try:
                pause = self._start()
            except PlatformError as error:
                if error.message != self._said:
                    _log.warning("messages wait: %s", error.message)
                self._said = error.message
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._queued.wait(), pause)

    async def send(self, channel: Channel, message: Message) -> str:
        """Sends at once, beside the queue, and only once; why it did not arrive, or empty."""
        return await self._notifier.send(channel, message)

    def _start(self) -> float:
        """Begins what is due; returns how long to wait for the next."""
        now, pause = self._now(), _IDLE
        heads: dict[str, Delivery] = {}
        for delivery in self._store.waiting():
            heads.setdefault(delivery.channel, delivery)
        for channel in self._channels():
            head = heads.get(channel.name)
            if head is None or channel.name in self._busy:
                continue
            # A clock that was set back must not make it wait for longer than it ever would.
            wait = head.next_try - now
            if 0 < wait <= LONGEST_PAUSE:
                pause = min(pause, wait)
                continue
            task = asyncio.create_task(self._deliver(channel, head))
            self._busy[channel.name] = task
        return pause

    async def _deliver(self, channel: Channel, delivery: Delivery) -> None:
        try:
            error = await self._notifier.send(channel, delivery.message)
            self._settle(delivery, error)
        except PlatformError as error:
            # It will be sent again, under the same id: the receiver can tell.
            _log.warning("the delivery to %s is not kept: %s", channel.name, error.message)
            await asyncio.sleep(FIRST_PAUSE)
        except Exception:  # noqa: BLE001 - a bug must not become a loop without a pause
            _log.exception("the delivery to %s fell", channel.name)
            await asyncio.sleep(FIRST_PAUSE)
        finally:
            self._busy.pop(channel.name, None)
            self._queued.set()

    def _settle(self, delivery: Delivery, error: str) -> None:
        identity = delivery.message.id, delivery.channel
        if not error:
            self._store.delivered(*identity)
        elif self._now() - delivery.message.at > KEPT:
            self._store.abandoned(*identity)
            _log.warning("a message to %s is given up: %s", delivery.channel, error)
        else:
            attempts = delivery.attempts + 1
            pause = backoff(attempts)
            self._store.postponed(
                replace(
                    delivery, attempts=attempts, next_try=self._now() + pause, error=error[:500]
                )
            )
            if attempts == 1:
                _log.warning("a message does not reach %s: %s", delivery.channel, error[:200])


def backoff(attempts: int) -> float:
    """Seconds to wait after so many failures in a row."""
    return float(min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(attempts - 1, 20)))
