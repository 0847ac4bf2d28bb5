"""Routes and what is seen of them, for tests."""

from __future__ import annotations

from msgspec.structs import replace

from cove.model.app import Health
from cove.model.uptime import Look, Outside, Target
from cove.ports import ProbeResult

TARGET = Target(
    app="shop",
    route="shop.example.com/",
    domain="shop.example.com",
    url="https://shop.example.com",
    encrypted=True,
    path="/",
    inner="/",
    status=((100, 499),),
    health=Health(port=8000),
    addresses=("10.0.0.2",),
    port=8000,
)


def target(**given: object) -> Target:
    """A route to look at."""
    return replace(TARGET, **given)


def seen(at: float, state: str = "up", **given: object) -> Look:
    """A look."""
    return Look(at=at, state=state, **given)  # type: ignore[arg-type]


class Through:
    """A proxy that answers what it is told."""

    def __init__(self, **outside: object) -> None:
        self.outside = Outside(**{"status": 200, "seconds": 0.1, **outside})  # type: ignore[arg-type]
        self.asked = 0

    async def look(self, _: Target) -> Outside:
        self.asked += 1
        return self.outside


class Containers:
    """Containers by address: the status they answer any path with; 0: nothing listens."""

    def __init__(self, **statuses: int) -> None:
        self.default = 200
        self.statuses = {key.replace("_", "."): value for key, value in statuses.items()}

    async def check(self, address: str, port: int, health: Health, host: str) -> ProbeResult:
        status = self.statuses.get(address, self.default)
        if not status:
            return ProbeResult(ready=False, detail=f"nothing listens on port {port}")
        if not health.path or any(low <= status <= high for low, high in health.status):
            return ProbeResult(ready=True)
        return ProbeResult(ready=False, detail=f"GET {health.path} answered {status}")
