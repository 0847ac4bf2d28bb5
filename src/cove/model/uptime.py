"""Whether routes answer: what is looked at, what was seen, what is kept. Any layer may import it.

Times are seconds since the epoch, durations seconds.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from cove.model.app import Health

# up: the route answers. app-down: neither it nor the containers behind it do. route-down: the
# containers do, so that the proxy, TLS or the route is wrong. paused: not looked at on purpose.
# unknown: not looked at yet.
UptimeState = Literal["up", "app-down", "route-down", "paused", "unknown"]
DOWN: tuple[UptimeState, ...] = ("app-down", "route-down")


class Target(Struct, frozen=True, kw_only=True):
    """One route to look at. `paused` says why it is not; empty: it is looked at.

    `path` is asked through the proxy, where it leads to `inner` at the containers' `port`, and
    `status` are the inclusive ranges that count as up. `health` is the readiness check, with its
    port.
    """

    app: str
    route: str  # domain and path: no two apps have the same
    domain: str
    url: str
    encrypted: bool
    path: str
    inner: str
    status: tuple[tuple[int, int], ...]
    health: Health
    addresses: tuple[str, ...]
    port: int
    paused: str = ""
    rolling: bool = False


class Outside(Struct, frozen=True, kw_only=True):
    """What came through the proxy. `problem` is empty where a whole answer came.

    `expires` is when the certificate that was shown ends; 0: none was. `layer` is where a
    problem lies: no connection, TLS, or HTTP.
    """

    status: int = 0
    seconds: float = 0.0
    problem: str = ""
    layer: Literal["", "connection", "tls", "http"] = ""
    expires: float = 0.0


class Look(Struct, frozen=True, kw_only=True):
    """One look at a route. `state` is up, app-down or route-down; `detail` says why."""

    at: float
    state: UptimeState
    seconds: float = 0.0  # until the answer
    detail: str = ""
    expires: float = 0.0
    answering: int = 0  # containers that answered directly
    replicas: int = 0  # of so many


class Change(Struct, frozen=True, kw_only=True):
    """A route became up, down or paused at a time, which is that of the first failed look."""

    at: float
    app: str
    route: str
    state: UptimeState
    detail: str = ""
    rolling: bool = False  # whether a rollout of the app was under way


class Minute(Struct, frozen=True, kw_only=True):
    """What was seen of a route in one minute; `up` and `down` are seconds that were watched."""

    app: str
    route: str
    minute: int  # since the epoch
    up: float = 0.0
    down: float = 0.0
    slowest: float = 0.0  # seconds until the slowest answer


class Outage(Struct, frozen=True, kw_only=True):
    """A time in which a route was down; `ended` 0: it still is."""

    began: float
    ended: float
    state: UptimeState
    detail: str
    rolling: bool


class Day(Struct, frozen=True, kw_only=True):
    """A day of UTC; both 0: nobody looked."""

    day: int  # since the epoch
    up: float
    down: float


class RouteUptime(Struct, frozen=True, kw_only=True):
    """A route as people see it. Availability is 0 to 1, None where nobody looked."""

    app: str
    route: str
    url: str
    state: UptimeState
    since: float  # 0: unknown
    detail: str
    checked: float  # the last look; 0: none yet
    seconds: float  # until that answer
    expires: float  # the certificate that was shown; 0: none
    answering: int
    replicas: int
    rolling: bool
    availability: dict[str, float | None]  # "24h", "7d", "30d", "90d"
    outage: Outage | None  # the last one
    days: tuple[Day, ...]  # oldest first, with gaps where nothing is kept
