"""What the agent shows of itself and its apps: the API's answers. Any layer may import it.

Times are seconds since the epoch.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from cove.model.certificates import CertSource, ChallengeKind
from cove.model.events import Rollout
from cove.model.release import ReleaseStatus
from cove.model.uptime import UptimeState

AppState = Literal["running", "degraded", "down", "stopped", "rolling", "empty"]
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


class RouteView(Struct, frozen=True, kw_only=True):
    """One route as people open it and where it leads."""

    url: str
    target: str
    tls: str
    redirect_from: tuple[str, ...] = ()
    uptime: UptimeState = "unknown"
    uptime_since: float = 0.0


class PowerView(Struct, frozen=True, kw_only=True):
    """One power over the host: whether the app was given it, and whether its release uses it."""

    power: str
    granted: bool
    used: bool
    by: str = ""
    at: float = 0.0


class AppStatus(Struct, frozen=True, kw_only=True):
    """One app at a glance and in depth."""

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
