"""What the core needs of the world: small protocols that adapters fulfil.

Imported by the core (planning, rollout) and by adapters; imports only the model. Every method
raises `PlatformError` when the part behind it fails, unless it says otherwise.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Literal, Protocol

from msgspec import Struct, field

from cove.errors import CoveError
from cove.model import certificates as tls
from cove.model.app import App, File, Health
from cove.model.events import Event, EventKind, Outcome, Rollout, RolloutKind
from cove.model.release import Image, Placement, Release

ContainerState = Literal["created", "running", "restarting", "paused", "exited", "dead", "removing"]


ChangeAction = Literal["start", "die", "oom", "healthy", "unhealthy", "destroy"]


class ContainerFacts(Struct, frozen=True, kw_only=True):
    """A container as Docker reports it."""

    id: str
    name: str
    app: str
    service: str  # the Compose service, release suffix included
    release: int  # 0: a companion, which no release owns
    role: str = ""  # the service as the file calls it
    config: str = ""  # what a companion was made of
    state: ContainerState
    exit_code: int = 0
    oom_killed: bool = False
    restarts: int = 0
    pid: int = 0
    started_at: float = 0.0  # seconds since the epoch
    health: str = ""  # Docker's own: starting, healthy, unhealthy, or none
    image_id: str = ""
    memory_limit: int = 0  # bytes; 0: none
    error: str = ""

    @property
    def running(self) -> bool:
        """Whether its main process is alive."""
        return self.state == "running"


class Sighting(Struct, frozen=True, kw_only=True):
    """A container at a glance. Its `addresses` are those in Docker's networks, while it runs."""

    app: str
    service: str
    release: int
    state: ContainerState
    addresses: tuple[str, ...] = ()


class Exit(Struct, frozen=True):
    """One end of a container's main process."""

    at: float
    code: int
    oom: bool


class ContainerChange(Struct, frozen=True, kw_only=True):
    """What became of a container. `nano` is nanoseconds since the epoch, as Docker counts."""

    nano: int
    action: ChangeAction
    container: str
    app: str
    service: str
    release: int  # 0: it carries none
    exit_code: int = 0


class ImageFacts(Struct, frozen=True, kw_only=True):
    """An image as it lies on this machine."""

    id: str
    digests: tuple[str, ...]  # repository@digest
    tags: tuple[str, ...]
    ports: tuple[int, ...]
    volumes: tuple[str, ...]
    architecture: str
    os: str
    size: int


class EngineInfo(Struct, frozen=True, kw_only=True):
    """The Docker Engine behind the socket."""

    version: str
    api_version: str
    architecture: str  # Go's names: amd64, arm64, arm, 386 …
    root: str  # where it keeps its data
    containers: int = 0


class LogLine(Struct, frozen=True, kw_only=True):
    """One line a container wrote. `at` is seconds since the epoch."""

    at: float
    service: str
    release: int
    stream: Literal["stdout", "stderr"]
    text: str


# called with (bytes done, bytes in all, what is going on)
Progress = Callable[[int, int, str], None]


class Engine(Protocol):
    """Docker Engine: observing everything, and what Compose cannot do without recreating."""

    async def info(self) -> EngineInfo: ...
    async def image(self, reference: str) -> ImageFacts | None: ...
    async def pull(self, reference: str, platform: str, progress: Progress) -> None:
        """Raises Refused (`image-missing`, `image-login`, `image-platform`, `registry-down`)."""

    async def tag(self, image_id: str, reference: str) -> None: ...
    async def untag(self, reference: str) -> None:
        """Removes a reference, and its bytes when nothing else names them; absent is fine."""

    async def containers(self, app: str = "") -> tuple[ContainerFacts, ...]:
        """This instance's containers, of one app or of all."""

    async def sightings(self) -> tuple[Sighting, ...]:
        """Every container of this instance's apps, in one cheap question."""

    async def start(self, container_id: str) -> None: ...
    async def stop(self, container_id: str, grace: float) -> None: ...
    async def remove(self, container_id: str) -> None:
        """Removes a container with its anonymous volumes, running or not; absent is fine."""

    async def exits(self, container_ids: Sequence[str], since: float) -> tuple[Exit, ...]: ...
    async def tail(self, container_id: str, lines: int) -> tuple[str, ...]: ...
    def logs(
        self, facts: ContainerFacts, *, since: float, tail: int, follow: bool
    ) -> AsyncIterator[LogLine]: ...
    def starts(self, app: str, since: float) -> AsyncIterator[ContainerFacts]:
        """Containers of the app as they start, from a time on, until the iterator is closed."""

    async def subnets(self) -> tuple[str, ...]:
        """Every address range a Docker network of this machine holds, in CIDR form."""

    async def networks(self, app: str) -> frozenset[str]:
        """The app's networks that exist, by their names inside the app."""

    async def ensure_network(
        self, app: str, subnet: str, name: str = "default", *, internal: bool = False
    ) -> None: ...
    async def remove_network(self, app: str, name: str = "default") -> None: ...
    async def connect(self, container_id: str, app: str, name: str, alias: str) -> None:
        """Puts a container into one more of the app's networks; present is fine."""

    async def volumes(self, app: str) -> tuple[str, ...]:
        """The full names of the volumes cove made for the app."""

    async def has_volume(self, name: str) -> bool:
        """Whether there is a volume of that full name, whoever made it."""

    async def remove_volume(self, name: str) -> None: ...


class Composer(Protocol):
    """Docker Compose over one app's project."""

    async def write(
        self, app: str, document: Mapping[str, Any], files: Mapping[str, File], *, tidy: bool
    ) -> None:
        """Replaces the project's file atomically, the files it mounts lying beside it before.

        `tidy` deletes files that it does not mount any more.
        """

    async def up(self, app: str, names: Sequence[str], env: Mapping[str, str]) -> None:
        """Creates and starts the named services, leaving running ones as they are."""

    async def converge(
        self, app: str, names: Sequence[str], env: Mapping[str, str], *, start: bool = True
    ) -> None:
        """Makes the named services what the file says, replacing those that differ."""

    async def discard(self, app: str) -> None:
        """Deletes the project's folder; absent is fine."""

    async def settle(self, app: str) -> None:
        """Waits until no Compose process of an earlier agent works on the project."""


class ProxyRoutes(Struct, frozen=True):
    """One app's part of the proxy's configuration, and what its API must then show."""

    document: dict[str, Any]
    routers: dict[str, str]  # router name -> service name
    services: dict[str, tuple[str, ...]]  # service name -> upstream URLs


class Proxy(Protocol):
    """The reverse proxy."""

    async def publish(self, app: str, routes: ProxyRoutes) -> None:
        """Makes the routes live; returns once the proxy has said that they are.

        Raises PlatformError (`proxy-refused`, `proxy-down`), the old routes then being in place.
        """

    async def withdraw(self, app: str) -> None:
        """Removes the app's routes and waits until the proxy has dropped them."""


class ProbeResult(Struct, frozen=True):
    """What a readiness check found; `detail` says why it is not ready."""

    ready: bool
    detail: str = ""


class Probe(Protocol):
    """A check from outside the container."""

    async def check(self, address: str, port: int, health: Health, host: str) -> ProbeResult:
        """Never raises; `host` is sent as the Host header."""


class Listener(Struct, frozen=True):
    """A TCP socket that waits for connections inside a container."""

    address: str
    port: int


class Host(Protocol):
    """Facts and acts of this machine that Docker does not offer."""

    def connections(self, endpoints: Iterable[tuple[str, int]]) -> int:
        """How many TCP connections this host holds open to any of the endpoints."""

    def listeners(self, pid: int) -> tuple[Listener, ...]: ...
    def disk_free(self, path: str) -> int:
        """Bytes an ordinary file could still take; -1 where the path cannot be looked at."""

    def memory_available(self) -> int:
        """Bytes the kernel could give without swapping."""

    def memory_used(self, pid: int) -> int:
        """Bytes of working set of the process's cgroup; 0 when unknown."""

    async def add_address(self, pid: int, address: str, prefix: int) -> None:
        """Gives the process's network a second address; present is fine."""

    async def remove_address(self, pid: int, address: str, prefix: int) -> None:
        """Takes it away; absent is fine."""

    def powers_missing(self, app: App, granted: Sequence[str]) -> tuple[str, ...]:
        """The powers that an app's paths of the host take, symbolic links followed, and lacks."""

    def port_holder(self, port: int) -> str:
        """Who listens on a TCP port of this host, for people; empty: nobody."""


class Certificates(Protocol):
    """What rollouts need of certification: it keeps every routed domain certified."""

    async def check(self, spec: App) -> tuple[str, ...]:
        """Raises InvalidFile or Refused for certificates that cannot be; notes what is odd."""

    def begin(self, release: Release) -> None:
        """A release is on its way: its public domains are obtained from now on."""

    async def ensure(self, release: Release) -> None:
        """Sees to it that what can be had at once lies ready for the proxy.

        That is the certificates of cove's own authority, and those that the release brings.
        """

    async def settle(self, release: Release, seconds: float) -> tuple[str, ...]:
        """Waits for the release's public certificates; returns why some are not there yet."""


class LocalCertificates(Protocol):
    """cove's own authority, which writes its certificates itself."""

    async def ensure(self, domains: Sequence[str]) -> None:
        """Sees to it that there is a valid certificate for each domain."""

    def due(self) -> tuple[str, ...]: ...
    def listing(self) -> tuple[tls.CertFacts, ...]: ...
    def prune(self, keep: AbstractSet[str]) -> tuple[str, ...]:
        """Deletes the certificates of all other domains, and says of which."""


class CertificateFiles(Protocol):
    """Certificates on disk, where the proxy reads them, by where they came from."""

    def save(self, source: tls.CertSource, pair: tls.Pair) -> None:
        """Replaces a domain's certificate and key so that a crash leaves a pair or none."""

    def facts(self, source: tls.CertSource, domain: str) -> tls.CertFacts | None:
        """What lies there; None unless certificate and key belong together."""

    def listing(self, source: tls.CertSource) -> tuple[tls.CertFacts, ...]: ...
    def stem(self, source: tls.CertSource, facts: tls.CertFacts) -> str:
        """The pair's place below the folder of certificates, without `.crt` and `.key`."""

    def tidy(self, source: tls.CertSource, keep: AbstractSet[str]) -> tuple[str, ...]:
        """Deletes other domains' certificates and replaced ones; says of which domains."""

    async def inspect(
        self, domain: str, chain: str, key: str, names: Sequence[str]
    ) -> tuple[tls.Pair, tuple[str, ...]]:
        """An own certificate, put in order; with remarks. Raises InvalidFile (`certificate`)."""


class Issuer(Protocol):
    """A public certificate authority."""

    async def issue(
        self, order: tls.Order, present: Callable[[tls.Challenge], Awaitable[None]]
    ) -> tls.Outcome:
        """Carries out an order; `present` returns once the challenge is answered publicly."""


class PublicSide(Protocol):
    """What answers challenges, on loopback where only the proxy leads to it."""

    async def present(self, challenge: tls.Challenge) -> None:
        """Answers a challenge; returns once the proxy leads to it."""

    def withdraw(self, domain: str) -> None: ...
    async def reaches(self, domain: str, settings: tls.AcmeSettings) -> str:
        """Fetches a nonce through the public name; why it did not come, or empty."""

    async def served(self, domain: str) -> str:
        """The fingerprint of the certificate that the proxy shows for a name; empty: none."""


class ProxyCertificates(Protocol):
    """The proxy's list of certificates, apart from every app's routes."""

    def certify(self, stems: Sequence[str]) -> None:
        """The pairs the proxy serves; written even when unchanged, so that it reads them again."""

    def lead_challenges(self, domains: Sequence[str]) -> None:
        """The names whose TLS-ALPN handshakes lead to cove itself."""


class LastLines(Protocol):
    """What keeps the lines that containers write."""

    async def drained(self, containers: Iterable[str]) -> None:
        """Waits, not for long, until all that these wrote, which have ended, is kept.

        Never raises: nothing depends on it.
        """


class AppRecord(Struct, frozen=True, kw_only=True):
    """What is recorded of an app beside its releases."""

    name: str
    source: str
    subnet: str
    stopped: bool
    created_at: float
    live: int  # the confirmed release; 0: none yet


class Grant(Struct, frozen=True, kw_only=True):
    """A power over the host that the server's owner has given an app."""

    app: str
    power: str  # `privileged`, `host-bind=/srv/data`, …
    by: str
    at: float  # seconds since the epoch


class Step(Struct, frozen=True):
    """The journal's word on one operation of a rollout."""

    index: int
    state: Literal["started", "done", "undone"]


class Journal(Struct, frozen=True, kw_only=True):
    """An interrupted rollout, as recovery finds it."""

    rollout: Rollout
    plan: bytes  # as the planner encoded it; empty: none was made
    steps: tuple[Step, ...]


class Store(Protocol):
    """What must be right: apps, releases, claims, addresses, rollouts. Every write is durable."""

    def app(self, name: str) -> AppRecord | None: ...
    def apps(self) -> tuple[AppRecord, ...]: ...
    def release(self, app: str, number: int) -> Release | None: ...
    def releases(self, app: str) -> tuple[Release, ...]:
        """Newest first."""

    def reserve_networks(
        self, app: str, names: Iterable[str], taken: Iterable[str]
    ) -> dict[str, str]:
        """Gives each further network of an app an address range; the default one's is there."""

    def claimed_by_others(self, app: str, claims: Iterable[str]) -> dict[str, str]:
        """The claims that another app holds, with its name."""

    def claims_beside(self, app: str, domains: Iterable[str]) -> dict[str, str]:
        """Every claim of other apps on these domains, with the app's name."""

    def grants(self, app: str) -> tuple[Grant, ...]:
        """The app's powers over the host, in the order of their names; it need not exist yet."""

    def grant(self, app: str, power: str, by: str) -> None:
        """Gives a power; one that was given is kept as it was."""

    def revoke(self, app: str, power: str) -> bool:
        """Takes a power away; whether there was one."""

    def open_rollout(self, app: str, kind: RolloutKind, by: str) -> Rollout:
        """Takes the app's lock. Raises Locked, naming the holder."""

    def reserve_subnet(self, app: str, source: str, taken: Iterable[str]) -> AppRecord:
        """Records the app and gives it an address range that overlaps none of `taken`."""

    def create_release(
        self,
        rollout: Rollout,
        *,
        spec: App,
        images: Mapping[str, Image],
        why: str,
        source: str,
        hold: bool,
    ) -> tuple[Release, dict[str, str]]:
        """Numbers a pending release, claims its routes and gives its replicas addresses.

        With `hold`, the second value names one more address per routed service.
        Raises Refused (`route-taken`, `addresses-exhausted`).
        """

    def save_plan(self, rollout: Rollout, plan: bytes) -> None: ...
    def save_step(self, rollout: Rollout, step: Step) -> None: ...
    def steps(self, rollout_id: int) -> tuple[Step, ...]:
        """The last state of each journalled operation, in the plan's order."""

    def confirm(self, app: str, release: int) -> None:
        """In one transaction: the release is live, its predecessor superseded, claims its own."""

    def fail_release(self, app: str, release: int, error: str) -> None:
        """Marks a pending release failed and drops its claims."""

    def free_addresses(self, app: str, addresses: Iterable[str]) -> None: ...
    def keep_addresses(self, app: str, addresses: Iterable[str]) -> None:
        """Frees every address of the app but these."""

    def set_stopped(self, app: str, *, stopped: bool) -> None: ...
    def set_source(self, app: str, source: str) -> None: ...
    def forget_app(self, app: str) -> None:
        """Deletes the app, its releases, claims and addresses; its rollouts stay as history."""

    def close_rollout(self, rollout: Rollout, outcome: Outcome) -> Rollout: ...
    def rollout(self, rollout_id: int) -> Rollout | None: ...
    def rollouts(self, app: str = "", limit: int = 20) -> tuple[Rollout, ...]: ...
    def interrupted(self) -> tuple[Journal, ...]:
        """Rollouts that were under way when the last agent ended, oldest first."""

    def acme_settings(self) -> tls.AcmeSettings:
        """The public authority; the default where none was set."""

    def set_acme_settings(self, settings: tls.AcmeSettings) -> None:
        """Stores them, what is secret of them encrypted."""

    def cert_progress(self) -> tuple[tls.CertProgress, ...]: ...
    def save_cert_progress(self, progress: tls.CertProgress) -> None: ...
    def forget_cert_progress(self, domain: str) -> None: ...

    def add_event(
        self, rollout_id: int, kind: EventKind, index: int, text: str, data: dict[str, Any]
    ) -> Event: ...
    def events(self, rollout_id: int, after: int = 0) -> tuple[Event, ...]: ...


class CommandRequest(Struct, frozen=True, kw_only=True):
    """A command to run inside a running container. `stdin`: whether it is given any input."""

    command: tuple[str, ...]
    tty: bool = False
    stdin: bool = True
    user: str = ""  # empty: the container's own
    workdir: str = ""
    environment: dict[str, str] = field(default_factory=dict)


class Output(Struct, frozen=True):
    """A piece of what a command wrote. With a terminal everything is `stdout`."""

    stream: Literal["stdout", "stderr"]
    data: bytes


class RunningCommand(Protocol):
    """A command under way inside a container; every wait is the command's own pace."""

    def output(self) -> AsyncIterator[Output]:
        """What it writes, until it has closed its output. To be asked for once."""

    async def write(self, data: bytes) -> None: ...
    async def end_input(self) -> None: ...
    async def resize(self, rows: int, columns: int) -> None: ...
    async def pid(self) -> int:
        """Its process, as this machine numbers it; 0 when it does not run."""

    async def exit_code(self) -> int | None:
        """Once its output has ended; None where the container is gone with the answer."""

    def failure(self) -> CoveError | None:
        """Why it could not be run at all (`cannot-run`), with the exit code of a shell for that.

        Known once its exit code is; None for one that ran.
        """

    async def close(self) -> None: ...


class Commands(Protocol):
    """Commands inside running containers."""

    async def prepare(self, container_id: str, request: CommandRequest) -> str:
        """What `start` takes. Raises NotFound and Refused (`not-running`, `cannot-run`)."""

    async def start(self, prepared: str, *, tty: bool) -> RunningCommand:
        """Runs what was prepared. Raises as `prepare` does."""


class Platform(Struct, frozen=True, kw_only=True):
    """The parts the core works with, wired by a composition root."""

    engine: Engine
    composer: Composer
    proxy: Proxy
    probe: Probe
    host: Host
    certificates: Certificates
    store: Store
    lines: LastLines | None = None  # None: nothing keeps them


__all__ = [
    "AppRecord",
    "CertificateFiles",
    "Certificates",
    "CommandRequest",
    "Commands",
    "Composer",
    "ContainerChange",
    "ContainerFacts",
    "ContainerState",
    "Engine",
    "EngineInfo",
    "Exit",
    "Grant",
    "Host",
    "ImageFacts",
    "Issuer",
    "Journal",
    "LastLines",
    "Listener",
    "LocalCertificates",
    "LogLine",
    "Output",
    "Placement",
    "Platform",
    "Probe",
    "ProbeResult",
    "Progress",
    "Proxy",
    "ProxyCertificates",
    "ProxyRoutes",
    "PublicSide",
    "RunningCommand",
    "Sighting",
    "Step",
    "Store",
]
