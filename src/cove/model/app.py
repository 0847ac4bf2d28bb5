"""An app as cove understands it, whatever form its file had. Any layer may import it.

All durations are seconds. Values are immutable: what a release recorded never changes.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct, field
from msgspec.structs import replace

Tls = Literal["auto", "local", "off"]
Order = Literal["start-first", "stop-first"]
PullPolicy = Literal["always", "missing", "never"]

LOCAL_SUFFIXES = (".localhost", ".test", ".internal")  # RFC 6761, RFC 2606, ICANN 2024


class EnvValue(Struct, frozen=True):
    """One environment value; a sensitive one is stored encrypted and prints as `•••`."""

    value: str
    sensitive: bool = False

    def __repr__(self) -> str:
        return "EnvValue('•••')" if self.sensitive else f"EnvValue({self.value!r})"


class Mount(Struct, frozen=True, kw_only=True):
    """One volume or tmpfs of a service. A volume's `source` is its name inside the app."""

    kind: Literal["volume", "tmpfs"]
    target: str
    source: str = ""
    read_only: bool = False
    tmpfs_size: int = 0  # bytes; 0: the kernel's default


class PublishedPort(Struct, frozen=True, kw_only=True):
    """A port of the host that leads straight to the container, beside the proxy."""

    published: int
    target: int
    protocol: Literal["tcp", "udp"] = "tcp"
    host_ip: str = ""


class Health(Struct, frozen=True, kw_only=True):
    """How readiness is decided from outside the container.

    Without a path the port accepting a connection is enough. `status` holds inclusive ranges.
    """

    path: str = ""
    port: int = 0  # 0: the port of the service's first route
    interval: float = 0.5
    timeout: float = 5.0  # of one check
    status: tuple[tuple[int, int], ...] = ((200, 399),)


class RolloutPolicy(Struct, frozen=True, kw_only=True):
    """How a service is replaced. `order` None: stop-first where two copies would share data.

    `timeout` bounds the wait for readiness. `drain` is the longest a request in flight is
    waited for. `settle` is the least age of a new container before it gets traffic.
    """

    order: Order | None = None
    timeout: float = 60.0
    drain: float = 10.0
    settle: float = 5.0


class Service(Struct, frozen=True, kw_only=True):
    """One container definition. `options` are the other allowed Compose keys, in Compose's form."""

    name: str
    image: str
    environment: dict[str, EnvValue] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    ports: tuple[PublishedPort, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    stop_grace: float = 10.0  # Docker's own default
    pull_policy: PullPolicy = "always"
    replicas: int = 1
    health: Health = Health()
    rollout: RolloutPolicy = RolloutPolicy()

    @property
    def order(self) -> Order:
        """The order in effect: two copies must not share a writable volume or a host port."""
        if self.rollout.order is not None:
            return self.rollout.order
        shares = self.ports or any(m.kind == "volume" and not m.read_only for m in self.mounts)
        return "stop-first" if shares else "start-first"


class Route(Struct, frozen=True, kw_only=True):
    """A domain (and path) that leads to a service's port. `port` 0: the only port exposed."""

    domain: str
    service: str
    path: str = "/"
    port: int = 0
    strip_path: bool = False
    redirect_from: tuple[str, ...] = ()
    tls: Tls = "auto"

    @property
    def key(self) -> str:
        """What a route claims: no two apps may hold the same."""
        return f"{self.domain}{self.path}"

    @property
    def encrypted(self) -> bool:
        """Whether requests arrive over TLS."""
        return self.tls != "off"

    def claims(self) -> tuple[str, ...]:
        """Every (domain, path) this route takes, redirects included."""
        return (self.key, *(f"{domain}/" for domain in self.redirect_from))


class App(Struct, frozen=True, kw_only=True):
    """What one file describes; the unit that is deployed, rolled back and removed."""

    name: str
    services: tuple[Service, ...]
    routes: tuple[Route, ...] = ()

    def service(self, name: str) -> Service:
        """The service of that name; KeyError where there is none."""
        for service in self.services:
            if service.name == name:
                return service
        raise KeyError(name)

    def routed(self) -> tuple[Service, ...]:
        """The services that at least one route leads to, in the file's order."""
        names = {route.service for route in self.routes}
        return tuple(service for service in self.services if service.name in names)

    def secrets(self) -> dict[str, dict[str, str]]:
        """The sensitive environment values, by service and name."""
        return {
            service.name: {k: v.value for k, v in service.environment.items() if v.sensitive}
            for service in self.services
        }

    def without_secrets(self) -> App:
        """The same app with every sensitive value emptied: what may be stored in the clear."""
        return self.with_secrets({})

    def with_secrets(self, secrets: dict[str, dict[str, str]]) -> App:
        """The same app with its sensitive values filled in from `secrets`."""
        return replace(self, services=tuple(_fill(s, secrets) for s in self.services))


def _fill(service: Service, secrets: dict[str, dict[str, str]]) -> Service:
    values = secrets.get(service.name, {})
    environment = {
        key: EnvValue(values.get(key, ""), sensitive=True) if value.sensitive else value
        for key, value in service.environment.items()
    }
    return replace(service, environment=environment)


def is_local_domain(domain: str) -> bool:
    """Whether no public authority can certify the name, so that cove's own CA does."""
    return domain == "localhost" or domain.endswith(LOCAL_SUFFIXES)
