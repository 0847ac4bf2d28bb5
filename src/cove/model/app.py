"""An app as cove understands it, whatever form its file had. Any layer may import it.

All durations are seconds. Values are immutable: what a release recorded never changes.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct, field
from msgspec.structs import replace

from cove.model.access import AccessLog

Tls = Literal["auto", "local", "off", "own"]
Order = Literal["start-first", "stop-first"]
PullPolicy = Literal["always", "missing", "never"]
Condition = Literal["started", "healthy", "completed"]

_FILE = "file:"  # no variable's name holds a colon
DEFAULT_NETWORK = "default"
COUNTED_APART = 20  # routes to one target
_KEYS = "tls:"  # and no service's
LOCAL_SUFFIXES = (".localhost", ".test", ".internal")  # RFC 6761, RFC 2606, ICANN 2024


class EnvValue(Struct, frozen=True):
    """One environment value; a sensitive one is stored encrypted and prints as `•••`."""

    value: str
    sensitive: bool = False

    def __repr__(self) -> str:
        return "EnvValue('•••')" if self.sensitive else f"EnvValue({self.value!r})"


class Mount(Struct, frozen=True, kw_only=True):
    """One volume, tmpfs or granted path of the host.

    A volume's `source` is its name inside the app; a bind's is an absolute path of the host.
    """

    kind: Literal["volume", "tmpfs", "bind"]
    target: str
    source: str = ""
    read_only: bool = False
    tmpfs_size: int = 0  # bytes; 0: the kernel's default
    create: bool = False  # whether Docker makes a missing folder of the host


class File(Struct, frozen=True, kw_only=True):
    """A config or secret of Compose's: a file that is put into the container, read-only."""

    target: str
    content: EnvValue
    mode: int = 0o444
    uid: int = 0
    gid: int = 0


class Dependency(Struct, frozen=True, kw_only=True):
    """What must be true of a sibling before a service starts.

    `restart`: replacing the sibling also restarts the one that depends on it.
    """

    service: str
    condition: Condition = "started"
    required: bool = True
    restart: bool = False


class Attachment(Struct, frozen=True, kw_only=True):
    """A service's place in one of its app's networks."""

    network: str
    aliases: tuple[str, ...] = ()


class Network(Struct, frozen=True, kw_only=True):
    """A network inside the app. `external`: a granted one that exists under that Docker name."""

    name: str
    internal: bool = False
    external: str = ""


class Volume(Struct, frozen=True, kw_only=True):
    """A volume with more than a name. `external`: a granted one of that Docker name."""

    name: str
    external: str = ""


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
    waited for. `settle` is the least age of a new container before it gets traffic. `before` is a
    command that a one-off copy of the service runs to its end, within `before_timeout`, before the
    release starts; empty: none.
    """

    order: Order | None = None
    timeout: float = 60.0
    drain: float = 10.0
    settle: float = 5.0
    before: tuple[str, ...] = ()
    before_timeout: float = 900.0


class Service(Struct, frozen=True, kw_only=True):
    """One container definition. `options` are the other allowed Compose keys, in Compose's form."""

    name: str
    image: str
    environment: dict[str, EnvValue] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    files: tuple[File, ...] = ()
    depends_on: tuple[Dependency, ...] = ()
    networks: tuple[Attachment, ...] = ()  # empty: the app's default network
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
        shares = self.ports or any(m.kind != "tmpfs" and not m.read_only for m in self.mounts)
        return "stop-first" if shares else "start-first"


class OwnCertificate(Struct, frozen=True, kw_only=True):
    """A certificate with its chain, and its key, in PEM, that the user brings."""

    chain: str
    key: EnvValue


class Route(Struct, frozen=True, kw_only=True):
    """A domain (and path) that leads to a service's port. `port` 0: the only port exposed."""

    domain: str
    service: str
    path: str = "/"
    port: int = 0
    strip_path: bool = False
    redirect_from: tuple[str, ...] = ()
    tls: Tls = "auto"
    certificate: OwnCertificate | None = None  # with tls `own` only

    @property
    def key(self) -> str:
        """What a route claims: no two apps may hold the same."""
        return f"{self.domain}{self.path}"

    @property
    def target(self) -> tuple[str, int]:
        """Where it leads: the service and its port."""
        return self.service, self.port

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
    networks: tuple[Network, ...] = ()  # beside the default one
    volumes: tuple[Volume, ...] = ()  # those that are more than a name
    powers: tuple[str, ...] = ()  # what of the host it uses, as `cove allow` spells it
    access_log: AccessLog | None = None  # which of its requests are logged; None: as the server's
    # Values of variables in keys that are no environment: nobody is shown them, and a record that
    # holds any is encrypted as a whole.
    hidden: tuple[str, ...] = ()

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

    def apart(self, route: Route) -> bool:
        """Whether the proxy counts the route's requests apart from those of others to its target.

        Each that is counted has figures of its own to be read every ten seconds, so of a target
        with many routes all are counted together.
        """
        return sum(r.target == route.target for r in self.routes) <= COUNTED_APART

    def released(self) -> tuple[Service, ...]:
        """The services whose containers carry a release in their name, so that two can run.

        Those that a route leads to; the only service of an app without routes.
        """
        return self.routed() or (self.services if len(self.services) == 1 else ())

    def tasks(self) -> tuple[Service, ...]:
        """The services that run to their end before others start."""
        ends = {
            d.service for s in self.services for d in s.depends_on if d.condition == "completed"
        }
        return tuple(service for service in self.companions() if service.name in ends)

    def companions(self) -> tuple[Service, ...]:
        """The services that are changed in place, each after those it depends on."""
        released = {service.name for service in self.released()}
        return tuple(s for s in in_order(self.services) if s.name not in released)

    def needed(self) -> tuple[Service, ...]:
        """The companions that a released service depends on, directly or through another."""
        wanted = {service.name for service in self.released()}
        for service in reversed(in_order(self.services)):
            if service.name in wanted:
                wanted.update(dependency.service for dependency in service.depends_on)
        return tuple(s for s in self.companions() if s.name in wanted)

    def attachments(self, service: Service) -> tuple[Attachment, ...]:
        """The networks of the app that a service is in, as its file has it."""
        if "network_mode" in service.options:
            return ()
        return service.networks or (Attachment(network=DEFAULT_NETWORK),)

    def own_networks(self) -> dict[str, bool]:
        """Every network that must exist for the app, and whether it is internal.

        Where a released service shares a network with companions, or with another of its kind,
        `_NAME` beside it is the network in which they find whichever release serves: a name can
        be added to a container only with one more network.
        """
        internal = {network.name: network.internal for network in self.networks}
        external = {network.name for network in self.networks if network.external}
        beside = {a.network for s in self.companions() for a in self.attachments(s)}
        within = [a.network for s in self.released() for a in self.attachments(s)]
        shared = {name for name in within if name in beside or within.count(name) > 1}
        used = [a.network for s in self.services for a in self.attachments(s)]
        names = [n for n in dict.fromkeys((DEFAULT_NETWORK, *used)) if n not in external]
        found = {name: internal.get(name, False) for name in names}
        return found | {sibling_network(name): True for name in sorted(shared)}

    def prepared(self) -> tuple[Service, ...]:
        """The released services with a `before` command, each after those it depends on."""
        released = {service.name for service in self.released()}
        ordered = in_order(self.services)
        return tuple(s for s in ordered if s.name in released and s.rollout.before)

    def introduced(self) -> tuple[Service, ...]:
        """The released services that siblings find by name."""
        own = self.own_networks()
        return tuple(
            service
            for service in self.released()
            if any(sibling_network(a.network) in own for a in self.attachments(service))
        )

    def secrets(self) -> dict[str, dict[str, str]]:
        """The sensitive values by service: variables by name, files by `file:` and their place."""
        secrets = {service.name: _sensitive(service) for service in self.services}
        keys = {r.key: r.certificate.key.value for r in self.routes if r.certificate}
        return {**secrets, _KEYS: keys} if keys else secrets

    def without_secrets(self) -> App:
        """The same app with every sensitive value emptied: what may be stored in the clear."""
        return self.with_secrets({})

    def with_secrets(self, secrets: dict[str, dict[str, str]]) -> App:
        """The same app with its sensitive values filled in from `secrets`."""
        keys = secrets.get(_KEYS, {})
        return replace(
            self,
            services=tuple(_fill(s, secrets) for s in self.services),
            routes=tuple(_fill_key(route, keys) for route in self.routes),
        )


def sibling_network(network: str) -> str:
    """The network beside `network` in which siblings find the release that serves."""
    return f"_{network}"


def in_order(services: tuple[Service, ...]) -> tuple[Service, ...]:
    """The services, each after those it depends on; else in the file's order.

    A circle, which no file that was read has, is cut where it closes.
    """
    by_name = {service.name: service for service in services}
    ordered: dict[str, Service] = {}
    seen: set[str] = set()

    def visit(service: Service) -> None:
        if service.name in seen:
            return
        seen.add(service.name)
        for dependency in service.depends_on:
            if dependency.service in by_name:
                visit(by_name[dependency.service])
        ordered[service.name] = service

    for service in services:
        visit(service)
    return tuple(ordered.values())


def _sensitive(service: Service) -> dict[str, str]:
    variables = {k: v.value for k, v in service.environment.items() if v.sensitive}
    files = {_FILE + f.target: f.content.value for f in service.files if f.content.sensitive}
    return variables | files


def _fill(service: Service, secrets: dict[str, dict[str, str]]) -> Service:
    values = secrets.get(service.name, {})

    def filled(key: str, value: EnvValue) -> EnvValue:
        return EnvValue(values.get(key, ""), sensitive=True) if value.sensitive else value

    environment = {key: filled(key, value) for key, value in service.environment.items()}
    files = tuple(replace(f, content=filled(_FILE + f.target, f.content)) for f in service.files)
    return replace(service, environment=environment, files=files)


def _fill_key(route: Route, keys: dict[str, str]) -> Route:
    if route.certificate is None:
        return route
    key = EnvValue(keys.get(route.key, ""), sensitive=True)
    return replace(route, certificate=replace(route.certificate, key=key))


def is_local_domain(domain: str) -> bool:
    """Whether no public authority can certify the name, so that cove's own CA does."""
    return domain == "localhost" or domain.endswith(LOCAL_SUFFIXES)
