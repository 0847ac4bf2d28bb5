"""What the agent shows of itself and its apps: the API's answers. Any layer may import it.

Times are seconds since the epoch.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from cove.model.certificates import CertSource, ChallengeKind
from cove.model.events import Rollout
from cove.model.logs import LogPolicy, LogService
from cove.model.metrics import Kind
from cove.model.release import ReleaseStatus
from cove.model.uptime import UptimeState

AppState = Literal[
    "running", "degraded", "down", "stopped", "rolling", "failed", "empty", "unknown"
]
ProxyState = Literal["starting", "ready", "down"]


class ProxyView(Struct, frozen=True, kw_only=True):
    """The proxy as the agent sees it; `problem` says what is wrong."""

    state: ProxyState
    version: str = ""
    problem: str = ""


class VersionView(Struct, frozen=True, kw_only=True):
    """The agent itself. `uptime` is seconds."""

    version: str
    api: str
    pid: int
    instance: str
    data_dir: str
    http_port: int
    https_port: int
    bind: str  # empty: every address
    pool: str
    log_days: float  # how long logs are kept,
    log_bytes: int  # how much of them on disk,
    log_bytes_per_app: int  # and how much of one app's
    access_log: str  # full, apps, errors or off
    metrics_port: int  # of loopback; 0: none
    docker: str
    proxy: ProxyView
    uptime: float
    ready: bool


class ReplicaView(Struct, frozen=True, kw_only=True):
    """One container of the live release, or of a companion (`release` 0).

    A `task` that has run to its end is `done`.
    """

    name: str
    release: int
    task: bool = False
    state: str
    address: str
    started_at: float
    restarts: int
    health: str
    memory: int  # bytes of working set; 0 when unknown
    memory_limit: int = 0  # bytes; 0: none
    cpu: float | None = None  # cores, of the last ten seconds; None: unknown


class RouteView(Struct, frozen=True, kw_only=True):
    """One route as people open it and where it leads.

    Requests are those of the target within the last five minutes, so that routes with the same
    target have the same. None: unknown, or there were none.
    """

    url: str
    target: str
    tls: str
    redirect_from: tuple[str, ...] = ()
    uptime: UptimeState = "unknown"
    uptime_since: float = 0.0
    availability: float | None = None  # 0 to 1, of the watched time within 30 days
    rate: float | None = None  # requests a second
    failed: float | None = None  # the share that was answered with 5xx, 0 to 1
    p95: float | None = None  # seconds within which 95 of 100 were answered
    expires: float = 0.0  # when the certificate ends; 0: there is none, or it is unknown


class PowerView(Struct, frozen=True, kw_only=True):
    """One power over the host: whether the app was given it, and whether its release uses it."""

    power: str
    granted: bool
    used: bool
    by: str = ""
    at: float = 0.0


class AppStatus(Struct, frozen=True, kw_only=True):
    """One app at a glance and in depth.

    Figures are those of its routes together, the lowest `availability`, the nearest `expires`.
    """

    name: str
    state: AppState
    release: int
    image: str
    digest: str
    urls: tuple[str, ...]
    since: float
    problem: str
    source: str
    rollout: Rollout | None
    replicas: tuple[ReplicaView, ...]
    volumes: tuple[str, ...]
    routes: tuple[RouteView, ...]
    order: str = ""
    powers: tuple[PowerView, ...] = ()
    alerts: tuple[str, ...] = ()  # what fires, in words
    availability: float | None = None
    rate: float | None = None
    failed: float | None = None
    p95: float | None = None
    memory: int = 0  # bytes of all its containers; 0: unknown
    expires: float = 0.0
    changed: Rollout | None = None  # the last rollout, which may be under way


class LogView(Struct, frozen=True, kw_only=True):
    """A record of a log: a line, or several that belong together.

    `at` is `time` as a number. `context` 0 is a hit of a search, another number one that stands so
    many records before (-) or behind it. `lost` counts records that a reader who followed was too
    slow for; nothing else is told then.
    """

    at: float
    time: str = ""  # RFC 3339 with nanoseconds
    app: str = ""
    service: str = ""  # as the file calls it
    name: str = ""  # the Compose service
    release: int = 0  # 0: no release owns it
    container: str = ""
    stream: str = ""
    level: str = ""  # trace, debug, info, warn, error, fatal; empty: it says none
    text: str = ""
    context: int = 0
    lost: int = 0


class LogsView(Struct, frozen=True, kw_only=True):
    """What is kept of logs, and of whom. `problem` says why nothing is kept just now."""

    services: tuple[LogService, ...]
    policy: LogPolicy
    problem: str = ""


class OutlineView(Struct, frozen=True, kw_only=True):
    """An app's names: its own, and its services' as the live release has them."""

    name: str
    services: tuple[str, ...]


class ReleaseView(Struct, frozen=True, kw_only=True):
    """One line of an app's history."""

    number: int
    status: ReleaseStatus
    image: str
    digest: str
    created_at: float
    by: str
    why: str
    error: str


# pending: the name does not reach this server yet. waiting: the authority refused, tried again
# later. renewal-failed: what is served still holds. missing: not begun.
CertState = Literal[
    "valid", "issuing", "pending", "waiting", "renewal-failed", "expiring", "expired", "missing"
]


class CertView(Struct, frozen=True, kw_only=True):
    """One name served over TLS. `hint` says what to do about `error`; `app` may name several."""

    domain: str
    app: str
    source: CertSource
    state: CertState
    issuer: str
    not_after: float  # 0: there is none
    days_left: int
    error: str
    hint: str
    attempts: int  # the authority's refusals in a row
    next_try: float  # 0: nothing is planned


class AuthorityView(Struct, frozen=True, kw_only=True):
    """cove's own authority; `path` is its root certificate on the server."""

    pem: str
    path: str
    trusted: bool


class AcmeView(Struct, frozen=True, kw_only=True):
    """The public authority as it was set, without its secrets. Ports are those it validates at."""

    directory: str
    email: str
    challenge: ChallengeKind
    eab_kid: str
    own_roots: bool  # whether the directory is believed with roots of its own
    gate: bool
    http_port: int
    tls_port: int
    dns_server: str  # empty: the system's
    dns_provider: str  # empty: none, so no wildcards
    dns_provider_server: str


class MetricSeries(Struct, frozen=True, kw_only=True):
    """A service's figures over time, one for each of the answer's times; null: nothing is known.

    Rates are per second, processor time is in cores, shares are from 0 to 1, the rest is bytes and
    seconds.
    """

    kind: Kind
    app: str
    service: str
    route: str = ""  # domain and path; empty: all that lead to the service
    values: dict[str, list[float | None]]


class MetricsView(Struct, frozen=True, kw_only=True):
    """Series over one time. Times are seconds since the epoch, each the beginning of a step."""

    since: int
    until: int
    step: int  # seconds; 0: one moment
    times: list[int]
    series: list[MetricSeries]
