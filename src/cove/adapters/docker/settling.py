"""Waiting until Docker works on nothing more that a client which is gone had asked for.

Imported inside `cove.adapters.docker` only.
"""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from cove.adapters.docker.client import DockerClient, EngineError
from cove.adapters.docker.orphans import Ends, orphaned_requests

_POLL: Final = 0.02  # seconds; a look takes a tenth of a millisecond
# A client that has just died may not have let go of its sockets at the first look.
_LOOKS: Final = 3
# Where the kernel does not tell, a request gets this long to show in Docker's events.
_BLIND: Final = 2.0
_BLIND_POLL: Final = 0.25
_GONE: Final = 404
_DEFAULT_STOP: Final = "SIGTERM"


class Settling:
    """Looks from the kernel's side; where that is closed, at Docker's events.

    Those tell of stops alone, and not before the container has its signal.
    """

    def __init__(
        self,
        client: DockerClient,
        labels: Sequence[str],
        look: Callable[[str], Ends | None] = orphaned_requests,
    ) -> None:
        self._client = client
        self._filters = {"type": ["container"], "event": ["kill", "die"], "label": list(labels)}
        self._look = look
        self._since: dict[int, float] = {}  # when each request under way was first seen

    async def wait(self, limit: float) -> bool:
        """Whether Docker has settled within `limit` seconds. Raises EngineError, PlatformError.

        No request is waited for longer than that, however often one asks: there may be one
        without an end.
        """
        clock = asyncio.get_running_loop().time
        begun, quiet = clock(), 0
        while quiet < _LOOKS:
            ends = self._look(self._client.socket)
            if ends is None:
                busy = clock() - begun < _BLIND or await self._stopping(limit)
            else:
                busy = self._worth_waiting(ends, clock(), limit)
            quiet = 0 if busy else quiet + 1
            if busy and clock() - begun > limit:
                return False
            await asyncio.sleep(_BLIND_POLL if ends is None else _POLL)
        return not self._since

    def _worth_waiting(self, ends: Ends, now: float, limit: float) -> bool:
        self._since = {one: self._since.get(one, now) for one in ends.orphaned}
        return bool(ends.waiting) or any(now - since < limit for since in self._since.values())

    async def _stopping(self, limit: float) -> bool:
        """Whether a container was told to stop and has not ended; events tell of the last 256."""
        now = time.time()
        told: dict[str, list[int]] = {}
        since, until = f"{now - limit:.9f}", f"{now:.9f}"
        async with self._client.stream(
            "GET", "/events", filters=self._filters, since=since, until=until
        ) as response:
            async for line in response.content:
                event = json.loads(line)
                who = event["Actor"]["ID"]
                if event["Action"] == "die":
                    told.pop(who, None)
                else:
                    number = event["Actor"]["Attributes"].get("signal", "")
                    told.setdefault(who, []).append(int(number) if number.isdigit() else 0)
        return any([await self._ends_of(who, numbers) for who, numbers in told.items()])

    async def _ends_of(self, container: str, numbers: Sequence[int]) -> bool:
        """Whether a container that runs was sent a signal that it ends of."""
        try:
            document = await self._client.get(f"/containers/{container}/json")
        except EngineError as error:
            if error.status != _GONE:
                raise
            return False
        last = {signal.SIGKILL, _stop_signal(document)}
        return bool(document["State"]["Running"]) and not last.isdisjoint(numbers)


def _stop_signal(document: dict[str, Any]) -> int:
    """Docker's default where the container names none, or one this machine does not know."""
    name = str(document["Config"].get("StopSignal") or _DEFAULT_STOP).upper()
    if name.isdigit():
        return int(name)
    name = name if name.startswith("SIG") else f"SIG{name}"
    return int(getattr(signal, name, signal.SIGTERM))
