"""A machine in memory: containers with addresses, and a proxy whose routes lead to them.

The fakes of `support.fakes` act on it. It knows what a request would get at any moment, and
notes in `incidents` whenever one would have been lost.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Literal
from urllib.parse import urlsplit

from cove.errors import PlatformError
from cove.ports import ContainerState, ImageFacts, ProxyRoutes

from support.inflight import InFlight
from support.virtual_time import InstantLoop

EPOCH = 1_000_000_000.0
# A held request tries again after at most twice its first interval of 200 ms, and half as much.
RETRY_WITHIN = 0.6
# "sent": Docker has been asked, and does it even if the one who asked is gone
Act = Literal["before", "sent", "after"]


class Killed(BaseException):
    """The agent's process is gone: nothing of it runs any more."""


@dataclass(frozen=True)
class Behaviour:
    """What containers of an image do once they run; times in seconds."""

    ready_after: float = 0.0
    exits_after: float = -1.0  # negative: never
    exit_code: int = 1
    oom: bool = False
    unhealthy: bool = False
    healthy_after: float = -1.0  # negative: it has no check of its own
    listens_on: int = 0  # 0: the port it is asked on; negative: none
    loopback: bool = False
    log: tuple[str, ...] = ("hello", "goodbye")
    once: bool = False  # one that must never run twice
    calls: str = ""  # the sibling it must reach, by name, before it does anything


@dataclass
class Box:
    """A container."""

    id: str
    name: str
    app: str
    service: str
    release: int
    image: str
    address: str
    labels: dict[str, str]
    environment: dict[str, str]
    behaviour: Behaviour
    state: ContainerState = "created"
    pid: int = 0
    started_at: float = 0.0
    extra: set[str] = field(default_factory=set)
    networks: dict[str, str] = field(default_factory=dict)  # full name -> alias in it
    made_of: str = ""
    reached: bool = False  # the sibling it calls, since it started


class World:
    """Everything outside the agent's process; survives its death."""

    def __init__(self) -> None:
        self.images: dict[str, ImageFacts] = {}  # by reference and by id
        self.registry: dict[str, ImageFacts] = {}
        self.behaviours: dict[str, Behaviour] = {}  # by image id
        self.commands: dict[tuple[str, ...], Behaviour] = {}  # instead of the image's
        self.ran: list[str] = []  # the containers that must not run twice, as they started
        self.boxes: dict[str, Box] = {}
        self.networks: dict[str, str] = {}
        self.volumes: dict[str, dict[str, str]] = {}  # full name -> labels
        self.files: dict[str, dict[str, Any]] = {}
        self.mounted: dict[str, dict[str, str]] = {}  # an app's configs and secrets on disk
        self.routes: dict[str, ProxyRoutes] = {}
        self.certified: set[str] = set()
        self.request_seconds = 0.4  # how long every request takes; there is always one under way
        self.free_disk = 100 << 30
        self.free_memory = 8 << 30
        self.used_memory = 50 << 20
        self.port_holders: dict[int, str] = {}
        self.strays: dict[str, int] = {}  # processes that Docker forgot, by container
        self.strangers: set[str] = set()  # networks that containers of nobody's app are in
        self.links: dict[str, str] = {}  # symbolic links of the host
        self.incidents: list[str] = []
        self.disagreement = ""  # why a certificate does not go with another app's
        self.precious: set[str] = set()  # companions without which a release fails its requests
        self.moments: list[str] = []
        self.on_moment: Callable[[int, str, Act], None] | None = None
        self.dead = False
        self.in_flight = InFlight(self.now)
        self._ids = count(1)
        self._last: dict[tuple[str, int], float] = {}  # when a request last went there
        self._admitted: dict[str, float] = {}

    # --- what a request meets

    def now(self) -> float:
        """Seconds since the epoch, by the clock that jumps."""
        return EPOCH + InstantLoop.at

    def box_at(self, address: str, port: int) -> Box | None:
        """Who accepts connections at an address and port."""
        self.in_flight.advance()
        for box in self.boxes.values():
            if address in {box.address, *box.extra} and self.listens(box, port):
                return box
        return None

    def listens(self, box: Box, port: int) -> bool:
        """Whether the app in a container accepts connections on a port."""
        self.settle(box)
        what = box.behaviour
        if box.state != "running" or what.loopback or what.listens_on < 0:
            return False
        if what.calls and not self._reaches(box):
            return False
        late = self.now() - box.started_at < what.ready_after
        return not late and what.listens_on in (0, port)

    def _reaches(self, box: Box) -> bool:
        """Whether it has found, since it started, somebody at work under its sibling's name."""
        box.reached = box.reached or any(
            other.state == "running"
            and self.now() - other.started_at >= other.behaviour.ready_after
            for other in self.of(box.app)
            for network, alias in other.networks.items()
            if network in box.networks and alias == box.behaviour.calls
        )
        return box.reached

    def _look_for_names(self, app: str) -> None:
        """Notes a name that two releases answer to while one of them cannot."""
        named: dict[tuple[str, str], list[Box]] = {}
        for box in self.of(app):
            for network, alias in box.networks.items():
                if alias and box.release and box.state == "running":
                    named.setdefault((network, alias), []).append(box)
        for (_, alias), boxes in named.items():
            several = len({box.release for box in boxes}) > 1
            for box in boxes if several else ():
                if not self.listens(box, box.behaviour.listens_on or 8000):
                    self._incident(f"{alias} leads to {box.name} too, which is not ready")

    def answers(self, app: str) -> frozenset[str]:
        """What requests to an app get now: `r3`, `held`, `dead`, or `none` without routes."""
        routes = self.routes.get(app)
        if routes is None or not routes.services:
            return frozenset({"none"})
        return frozenset(
            self._answer(routes, service, url)
            for service, urls in routes.services.items()
            for url in urls
        )

    def _answer(self, routes: ProxyRoutes, service: str, url: str) -> str:
        box = self.box_at(*_endpoint(url))
        if box is not None:
            return f"r{box.release}"
        http = routes.document["http"]
        middlewares = http.get("middlewares", {})
        routers = [r for r in http["routers"].values() if r["service"] == service]
        held = all(
            any("retry" in middlewares[name] for name in router.get("middlewares", ()))
            for router in routers
        )
        return "held" if held else "dead"

    def connections(self, endpoints: Iterable[tuple[str, int]]) -> int:
        """How many requests are under way to the endpoints."""
        self.look()
        return sum(self._under_way(endpoint) for endpoint in endpoints)

    def _under_way(self, endpoint: tuple[str, int]) -> bool:
        return self.now() - self._last.get(endpoint, -1.0) < self.request_seconds

    def look(self) -> None:
        """Notes where requests go at this moment, and which would be lost."""
        self.in_flight.advance()
        for app, routes in self.routes.items():
            for urls in routes.services.values():
                for endpoint in map(_endpoint, urls):
                    if self.box_at(*endpoint) is not None:
                        self._last[endpoint] = self.now()
            self._look_for_names(app)
            if "dead" in self.answers(app):
                self._incident(f"the routes of {app} lead to nobody")

    def cut(self, addresses: Iterable[str], what: str) -> None:
        """Notes the requests that end because nobody has these addresses any more."""
        gone = set(addresses)
        for endpoint in list(self._last):
            if endpoint[0] in gone and self._under_way(endpoint):
                self._incident(f"{what} with a request under way")
        for address in gone & self._admitted.keys():
            if self.now() - self._admitted.pop(address) < RETRY_WITHIN:
                self._incident(f"{what} before a held request had tried again")

    def admit(self, address: str) -> None:
        """Somebody answers at an address where requests may wait."""
        held = {
            _endpoint(u)[0] for r in self.routes.values() for us in r.services.values() for u in us
        }
        if address in held:
            self._admitted[address] = self.now()

    def _incident(self, text: str) -> None:
        where = self.moments[-1] if self.moments else "the beginning"
        self.incidents.append(f"{text} (after {where})")

    # --- containers

    def health(self, box: Box) -> str:
        """What a container says of itself, as Docker tells it."""
        what = box.behaviour
        if what.unhealthy:
            return "unhealthy"
        if what.healthy_after < 0 or box.state != "running":
            return ""
        young = self.now() - box.started_at < what.healthy_after
        return "starting" if young else "healthy"

    def settle(self, box: Box) -> None:
        """Lets time act on a container."""
        what = box.behaviour
        if box.state == "running" and 0 <= what.exits_after <= self.now() - box.started_at:
            box.state, box.pid = "exited", 0
            box.extra.clear()

    def behaviour(self, image: str, command: Iterable[str]) -> Behaviour:
        """What containers of an image do when they run that command; empty: the image's own."""
        return self.commands.get(tuple(command), self.behaviours[image])

    def create(self, **given: Any) -> Box:
        """A new container, not started. Raises PlatformError where its name is taken."""
        if self.named(given["name"]) is not None:
            raise PlatformError(f"the name {given['name']} is in use", code="docker")
        box = Box(id=f"{next(self._ids):012x}", **given)
        self.boxes[box.id] = box
        return box

    def start(self, box: Box) -> None:
        """Starts a container, unless it runs, or is gone."""
        self.settle(box)
        if box.state in ("running", "restarting") or box.id not in self.boxes:
            return  # Docker starts what it restarts when it thinks fit
        box.state, box.pid, box.started_at = "running", 1000 + next(self._ids), self.now()
        box.reached = False
        if box.behaviour.once:
            if box.service in self.ran:
                self._incident(f"{box.service} ran twice")
            self.ran.append(box.service)

    def stop(self, box: Box) -> None:
        """Ends its process."""
        self.look()
        if box.state == "running":
            if self.in_flight.stopping(box.id):
                self._incident(f"{box.name} was told to stop a second time")
            busy = self.answers(box.app) - {"held", "none"}
            if box.service in self.precious and busy:
                self._incident(f"{box.name} stopped while {', '.join(sorted(busy))} needed it")
            box.state, box.pid = "exited", 0
            self.cut({box.address, *box.extra}, f"{box.name} stopped")
            box.extra.clear()
        elif box.state == "restarting":
            box.state = "exited"

    def remove(self, box: Box) -> None:
        """Ends and deletes it."""
        self.stop(box)
        self.boxes.pop(box.id, None)

    def named(self, name: str) -> Box | None:
        """The container of a name: there is never more than one."""
        return next((box for box in self.boxes.values() if box.name == name), None)

    def reboot(self) -> None:
        """The machine starts again: Docker starts what was not stopped, the proxy its files."""
        self.in_flight.forget()
        self._last.clear()
        self._admitted.clear()
        for box in self.boxes.values():
            box.extra.clear()
            if box.state == "running":
                box.state = "exited"
                if not box.behaviour.once:  # Docker does not repeat it
                    self.start(box)

    def of(self, app: str) -> list[Box]:
        """The containers of an app."""
        return [box for box in self.boxes.values() if box.app == app]

    # --- faults

    def moment(self, name: str, act: Act) -> None:
        """One point at which the agent may fail or die; told before and after each effect."""
        if self.dead:
            raise Killed
        self.moments.append(f"{name} ({act})")
        self.look()
        if self.on_moment is not None:
            self.on_moment(len(self.moments) - 1, name, act)

    async def effect(self, name: str) -> None:
        """The point before a change; takes a moment of time, in which one can cancel."""
        self.moment(name, "before")
        await asyncio.sleep(0.01)
        if self.dead:
            raise Killed

    async def request(self, name: str, act: Callable[[], None], stops: str = "") -> None:
        """A change that Docker is asked for: three moments. Once sent, it will be done.

        `stops` is the container that it tells to stop. Raises what `act` does.
        """
        self.moment(name, "before")
        with self.in_flight.asked(act, stops):
            self.moment(name, "sent")
            await asyncio.sleep(0.01)
            if self.dead:
                raise Killed
        self.moment(name, "after")

    def image(self, reference: str, number: int, **given: Any) -> ImageFacts:
        """An image that lies on this machine, its behaviour given by `Behaviour`'s fields."""
        facts = image_facts(reference, number)
        self.images[reference] = self.images[facts.id] = facts
        self.behaviours[facts.id] = Behaviour(**given)
        return facts

    def snapshot(self) -> dict[str, object]:
        """What must be the same before and after a rollout that was undone."""
        return {
            "containers": Counter(
                (b.service, b.release, b.state, b.address, frozenset(b.extra))
                for b in self.boxes.values()
            ),
            "networks": dict(self.networks),
            "volumes": set(self.volumes),
            "files": {app: sorted(d["services"]) for app, d in self.files.items()},
            "routes": {app: dict(r.services) for app, r in self.routes.items()},
        }


def image_facts(reference: str, number: int, **given: Any) -> ImageFacts:
    """An image as Docker would describe it."""
    settings: dict[str, Any] = {
        "id": f"sha256:{number:064x}",
        "digests": (),
        "tags": (reference,),
        "ports": (8000,),
        "volumes": (),
        "architecture": "amd64",
        "os": "linux",
        "size": 1 << 20,
    }
    return ImageFacts(**{**settings, **given})


def failing(at: int, act: Act, error: Callable[[], Exception]) -> Callable[[int, str, Act], None]:
    """Raises once, at the given moment if it is of that kind."""
    left: Iterator[int] = iter((1,))

    def on_moment(index: int, name: str, when: Act) -> None:
        if index == at and when == act and next(left, 0):
            raise error()

    return on_moment


def broken() -> PlatformError:
    """A part of the platform that does not do its work."""
    return PlatformError("Docker refused: out of luck", code="docker")


def _endpoint(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or 80
