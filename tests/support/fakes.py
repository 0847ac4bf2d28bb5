"""The core's ports in memory, over `support.world`; the store is the real one.

They promise what `cove.ports` promises; tests/contract holds them to what the real parts do.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from cove.adapters.host import binds
from cove.errors import PlatformError, Refused
from cove.model.app import App, File, Health
from cove.model.powers import NestedBind
from cove.model.release import Release
from cove.ports import (
    ContainerFacts,
    EngineInfo,
    Exit,
    ImageFacts,
    Listener,
    LogLine,
    Platform,
    ProbeResult,
    Progress,
    ProxyRoutes,
    Sighting,
    Store,
)
from cove.render.naming import (
    LABEL_APP,
    LABEL_CONFIG,
    LABEL_INSTANCE,
    LABEL_RELEASE,
    LABEL_SERVICE,
    Naming,
)

from support.world import Box, Killed, World


def platform(world: World, naming: Naming, store: Store) -> Platform:
    """Every port, over one world."""
    return Platform(
        engine=FakeEngine(world, naming),
        composer=FakeComposer(world, naming),
        proxy=FakeProxy(world),
        probe=FakeProbe(world),
        host=FakeHost(world),
        certificates=FakeCertificates(world),
        store=store,
    )


class FakeEngine:
    def __init__(self, world: World, naming: Naming) -> None:
        self.world = world
        self.naming = naming

    async def info(self) -> EngineInfo:
        return EngineInfo(
            version="27.0.1", api_version="1.46", architecture="amd64", root="/docker"
        )

    async def image(self, reference: str) -> ImageFacts | None:
        return self.world.images.get(reference)

    async def pull(self, reference: str, platform: str, progress: Progress) -> None:
        await self.world.effect("pull")
        found = self.world.registry.get(reference)
        if found is None:
            raise Refused(f"{reference} does not exist", code="image-missing")
        progress(found.size, found.size, "done")
        for name in (reference, found.id, *found.digests):
            self.world.images[name] = found

    async def tag(self, image_id: str, reference: str) -> None:
        await self.world.effect("tag")
        self.world.images[reference] = self.world.images[image_id]
        self.world.moment("tag", "after")

    async def untag(self, reference: str) -> None:
        await self.world.effect("untag")
        self.world.images.pop(reference, None)
        self.world.moment("untag", "after")

    async def containers(self, app: str = "") -> tuple[ContainerFacts, ...]:
        if self.world.dead:
            self.world.moment("containers", "before")
        self.world.in_flight.advance()
        return tuple(self._facts(b) for b in self.world.boxes.values() if app in ("", b.app))

    async def sightings(self) -> tuple[Sighting, ...]:
        return tuple(
            Sighting(
                id=c.id,
                name=c.name,
                app=c.app,
                service=c.service,
                release=c.release,
                state=c.state,
                addresses=self._addresses(self.world.boxes[c.id]),
                networks=self._within(self.world.boxes[c.id]),
            )
            for c in await self.containers()
        )

    async def start(self, container_id: str) -> None:
        if container_id in self.world.strays:
            raise PlatformError("Docker refused: id already in use", code="docker")
        await self.world.request("start", self._on(container_id, self.world.start))

    async def stop(self, container_id: str, grace: float) -> None:
        await self.world.request("stop", self._on(container_id, self.world.stop), container_id)

    async def remove(self, container_id: str) -> None:
        await self.world.request("remove", self._on(container_id, self.world.remove))

    async def settle(self, limit: float) -> bool:
        deadline = self.world.now() + limit
        self.world.in_flight.advance()
        while (due := self.world.in_flight.next()) is not None:
            if due > deadline:
                return False
            await asyncio.sleep(due - self.world.now())
            if self.world.dead:
                raise Killed
            self.world.in_flight.advance(due)
        return True

    async def exits(self, container_ids: Sequence[str], since: float) -> tuple[Exit, ...]:
        ended = [self.world.boxes[i] for i in container_ids if i in self.world.boxes]
        return tuple(
            Exit(box.started_at, box.behaviour.exit_code, box.behaviour.oom)
            for box in ended
            if box.state == "exited"
        )

    async def tail(self, container_id: str, lines: int) -> tuple[str, ...]:
        box = self.world.boxes.get(container_id)
        return box.behaviour.log[-lines:] if box else ()

    async def logs(
        self, facts: ContainerFacts, *, since: float, tail: int, follow: bool
    ) -> AsyncIterator[LogLine]:
        box = self.world.boxes.get(facts.id)
        lines = box.behaviour.log if box else ()
        for text in lines if tail < 0 else lines[max(0, len(lines) - tail) :]:
            yield LogLine(
                at=facts.started_at,
                service=facts.service,
                release=facts.release,
                stream="stdout",
                text=text,
            )

    async def starts(self, app: str, since: float) -> AsyncIterator[ContainerFacts]:
        for facts in await self.containers(app):
            yield facts

    async def subnets(self) -> tuple[str, ...]:
        return tuple(self.world.networks.values())

    async def networks(self, app: str) -> frozenset[str]:
        base = self.naming.network(app)
        found = (n.removeprefix(base) for n in self.world.networks if n.startswith(base))
        return frozenset(name.removeprefix("_") or "default" for name in found)

    async def ensure_network(
        self, app: str, subnet: str, name: str = "default", *, internal: bool = False
    ) -> None:
        await self.world.effect("ensure_network")
        self.world.networks.setdefault(self.naming.network(app, name), subnet)
        self.world.moment("ensure_network", "after")

    async def remove_network(self, app: str, name: str = "default") -> None:
        await self.world.effect("remove_network")
        full = self.naming.network(app, name)
        within = any(b.state == "running" and full in b.networks for b in self.world.of(app))
        if within or full in self.world.strangers:
            raise PlatformError("network has active endpoints", code="docker")
        self.world.networks.pop(full, None)
        self.world.moment("remove_network", "after")

    async def connect(
        self, container_id: str, app: str, name: str, *aliases: str, like: str = ""
    ) -> None:
        full = self.naming.network(app, name)
        networks = self.world.boxes[container_id].networks
        if full in networks and set(networks[full].split(",")).issuperset(aliases):
            return
        if full in networks:
            await self.world.effect("disconnect")
            del networks[full]
            self.world.moment("disconnect", "after")
        await self.world.effect("connect")
        if full not in self.world.networks:
            raise PlatformError(f"network {full} not found", code="docker")
        networks[full] = ",".join(aliases)
        self.world.moment("connect", "after")

    async def disconnect(self, container_id: str, app: str, name: str) -> None:
        await self.world.effect("disconnect")
        if container_id in self.world.boxes:
            self.world.boxes[container_id].networks.pop(self.naming.network(app, name), None)
        self.world.moment("disconnect", "after")

    async def volumes(self, app: str) -> tuple[str, ...]:
        wanted = {LABEL_INSTANCE: self.naming.prefix, LABEL_APP: app}
        return tuple(
            n for n, labels in self.world.volumes.items() if wanted.items() <= labels.items()
        )

    async def has_volume(self, name: str) -> bool:
        return name in self.world.volumes

    async def remove_volume(self, name: str) -> None:
        await self.world.effect("remove_volume")
        self.world.volumes.pop(name, None)
        self.world.moment("remove_volume", "after")

    def _on(self, container_id: str, act: Callable[[Box], None]) -> Callable[[], None]:
        def done() -> None:
            box = self.world.boxes.get(container_id)
            if box is not None:
                act(box)

        return done

    def _addresses(self, box: Box) -> tuple[str, ...]:
        """One in each network; only in the default one it may have been chosen."""
        return tuple(
            (name == "default" and box.address) or f"10.0.0.{place}"
            for place, name in enumerate(self._within(box), start=1)
        )

    def _within(self, box: Box) -> tuple[str, ...]:
        there = [n for n in box.networks if n in self.world.networks and box.state == "running"]
        return tuple(self.naming.network_inside(box.app, name) for name in there)

    def _facts(self, box: Box) -> ContainerFacts:
        self.world.settle(box)
        what = box.behaviour
        ended = box.state == "exited"
        return ContainerFacts(
            id=box.id,
            name=box.name,
            app=box.app,
            service=box.service,
            release=box.release,
            role=box.labels[LABEL_SERVICE],
            config=box.labels.get(LABEL_CONFIG, ""),
            state=box.state,
            exit_code=what.exit_code if ended else 0,
            oom_killed=ended and what.oom,
            pid=box.pid if box.state == "running" else 0,
            started_at=box.started_at,
            health=self.world.health(box),
            image_id=box.image,
        )


class FakeComposer:
    def __init__(self, world: World, naming: Naming) -> None:
        self.world = world
        self.naming = naming

    async def write(
        self, app: str, document: Mapping[str, Any], files: Mapping[str, File], *, tidy: bool
    ) -> None:
        await self.world.effect("write")
        self.world.files[app] = dict(document)
        kept = {} if tidy else self.world.mounted.get(app, {})
        self.world.mounted[app] = {**kept, **{n: f.content.value for n, f in files.items()}}
        self.world.moment("write", "after")

    async def up(
        self, app: str, names: Sequence[str], env: Mapping[str, str], *, start: bool = True
    ) -> None:
        for name in names:
            service = self._service(app, name)
            box = self._present(app, name) or await self._create(app, name, service, env)
            if start and box.state != "running":
                await self.world.request(f"up {name}", partial(self.world.start, box))

    async def converge(
        self, app: str, names: Sequence[str], env: Mapping[str, str], *, start: bool = True
    ) -> None:
        for name in names:
            service = self._service(app, name)
            box = self._present(app, name)
            if box is None:
                box = await self._create(app, name, service, env)
            elif box.made_of != made_of(service, env):
                box = await self._recreate(box, service, env)
            if start and box.state != "running":
                await self.world.request(f"converge {name}", partial(self.world.start, box))

    async def _recreate(self, old: Box, service: dict[str, Any], env: Mapping[str, str]) -> Box:
        """As Compose does it: the new one under another name until the old one is gone."""
        app, name, ask = old.app, old.service, self.world.request
        new = await self._create(app, name, service, env, f"{old.id}_")
        await ask(f"converge {name}, stop", partial(self.world.stop, old), old.id)
        await ask(f"converge {name}, remove", partial(self.world.remove, old))
        await ask(f"converge {name}, rename", partial(self._rename, new, service["container_name"]))
        return new

    def _rename(self, box: Box, name: str) -> None:
        if self.world.named(name) is not None:
            raise PlatformError(f"the name {name} is in use", code="compose")
        box.name = name

    async def discard(self, app: str) -> None:
        await self.world.effect("discard")
        self.world.files.pop(app, None)
        self.world.mounted.pop(app, None)
        self.world.moment("discard", "after")

    async def settle(self, app: str) -> None:
        """Nothing outlives an agent here."""

    def _service(self, app: str, name: str) -> dict[str, Any]:
        document = self.world.files.get(app)
        if document is None:
            raise PlatformError("there is no project file", code="compose")
        service: dict[str, Any] = document["services"][name]
        return service

    def _present(self, app: str, name: str) -> Box | None:
        found = [box for box in self.world.of(app) if box.service == name]
        if len(found) > 1:  # which of them it would keep is Compose's secret
            self.world.incidents.append(f"Compose met {len(found)} containers of {name}")
        return found[0] if found else None

    async def _create(
        self, app: str, name: str, service: dict[str, Any], env: Mapping[str, str], prefix: str = ""
    ) -> Box:
        made: list[Box] = []
        document = dict(self.world.files[app])  # what Compose read, whatever becomes of the file

        def create() -> None:
            made.append(self._box(app, name, document, env, prefix))

        await self.world.request(f"create {name}", create)
        return made[0]

    def _box(
        self, app: str, name: str, document: Mapping[str, Any], env: Mapping[str, str], prefix: str
    ) -> Box:
        service = document["services"][name]
        self._volumes(document, service)
        address = service["networks"].get("default", {}).get("ipv4_address", "")
        self._check_free(address)
        self._check_mounts(app, service)
        networks = document["networks"]
        image = self.world.images.get(service["image"])
        if image is None:
            raise PlatformError(f"no such image: {service['image']}", code="compose")
        labels = service["labels"]
        return self.world.create(
            name=prefix + service["container_name"],
            app=labels[LABEL_APP],
            service=name,
            release=int(labels.get(LABEL_RELEASE, 0)),
            image=image.id,
            address=address,
            labels=labels,
            environment=filled(service["environment"], env),
            behaviour=self.world.behaviour(image.id, service.get("command", ())),
            networks={networks[key]["name"]: "" for key in service["networks"]},
            made_of=made_of(service, env),
        )

    def _check_mounts(self, app: str, service: dict[str, Any]) -> None:
        mounted = self.world.mounted.get(app, {})
        for mount in service["volumes"]:
            name = mount.get("source", "").removeprefix("./files/")
            if mount["type"] == "bind" and mount["source"].startswith("./") and name not in mounted:
                raise PlatformError(f"bind source {name} does not exist", code="compose")

    def _check_free(self, address: str) -> None:
        if address and any(address in {b.address, *b.extra} for b in self.world.boxes.values()):
            raise PlatformError(f"Address {address} is already in use", code="compose")

    def _volumes(self, document: Mapping[str, Any], service: dict[str, Any]) -> None:
        for mount in service["volumes"]:
            if mount["type"] == "volume":
                volume = document["volumes"][mount["source"]]
                self.world.volumes.setdefault(volume["name"], dict(volume["labels"]))


def made_of(service: Mapping[str, Any], env: Mapping[str, str]) -> str:
    """What Compose compares to decide whether a container is still the right one."""
    return repr({**service, "environment": filled(service["environment"], env)})


def filled(environment: Mapping[str, str], env: Mapping[str, str]) -> dict[str, str]:
    """What Compose makes of the variables cove writes; PlatformError for unknown ones."""
    found = {}
    for key, value in environment.items():
        if value.startswith("${"):
            if value[2:-1] not in env:
                raise PlatformError(f"{value} is not set", code="compose")
            found[key] = env[value[2:-1]]
        else:
            found[key] = value.replace("$$", "$")
    return found


class FakeProxy:
    def __init__(self, world: World) -> None:
        self.world = world
        self.refusal = ""  # what it says to every new route
        self.away = False  # whether it does not answer when asked

    async def publish(self, app: str, routes: ProxyRoutes) -> None:
        await self.world.effect("publish")
        refusal = self.refusal or _undefined(routes)
        if refusal:
            raise PlatformError(f"the proxy refused: {refusal}", code="proxy-refused")
        before = self.world.routes.get(app)
        self.world.routes[app] = routes
        try:
            self.world.moment("publish", "after")
        except PlatformError:
            self._restore(app, before)
            raise

    async def withdraw(self, app: str) -> None:
        await self.world.effect("withdraw")
        self.world.routes.pop(app, None)
        self.world.moment("withdraw", "after")

    async def leads(self, routes: ProxyRoutes) -> bool | None:
        return None if self.away else routes in self.world.routes.values()

    def _restore(self, app: str, before: ProxyRoutes | None) -> None:
        if before is None:
            self.world.routes.pop(app, None)
        else:
            self.world.routes[app] = before


def _undefined(routes: ProxyRoutes) -> str:
    """The first middleware that a router names and nobody defines."""
    http = routes.document.get("http", {})
    used = [
        name
        for router in http.get("routers", {}).values()
        for name in router.get("middlewares", ())
    ]
    missing = [name for name in used if name not in http.get("middlewares", {})]
    return f"middleware {missing[0]} does not exist" if missing else ""


class FakeProbe:
    def __init__(self, world: World) -> None:
        self.world = world

    async def check(self, address: str, port: int, health: Health, host: str) -> ProbeResult:
        if self.world.box_at(address, port) is None:
            return ProbeResult(ready=False, detail=f"nothing listens on port {port}")
        return ProbeResult(ready=True)


class FakeHost:
    def __init__(self, world: World) -> None:
        self.world = world

    def connections(self, endpoints: Iterable[tuple[str, int]]) -> int:
        return self.world.connections(endpoints)

    def listeners(self, pid: int) -> tuple[Listener, ...]:
        box = next((b for b in self.world.boxes.values() if b.pid == pid), None)
        if box is None or box.behaviour.listens_on < 0:
            return ()
        address = "127.0.0.1" if box.behaviour.loopback else "0.0.0.0"
        return (Listener("127.0.0.11", 40000), Listener(address, box.behaviour.listens_on or 8000))

    def disk_free(self, path: str) -> int:
        return self.world.free_disk

    def memory_available(self) -> int:
        return self.world.free_memory

    def memory_used(self, pid: int) -> int:
        return self.world.used_memory

    async def add_address(self, pid: int, address: str, prefix: int) -> None:
        await self.world.effect("add_address")
        self._box(pid).extra.add(address)
        self.world.admit(address)
        self.world.moment("add_address", "after")

    async def remove_address(self, pid: int, address: str, prefix: int) -> None:
        await self.world.effect("remove_address")
        box = self._box(pid)
        if address in box.extra:
            self.world.look()
            box.extra.discard(address)
            self.world.cut({address}, f"{address} was taken away")
        self.world.moment("remove_address", "after")

    def powers_missing(
        self, app: App, granted: Sequence[str], beside: Sequence[App]
    ) -> tuple[str, ...]:
        return binds.real_powers_missing(app, granted, beside, self.world.links.get)

    def nested_binds(self, app: App, others: Sequence[App]) -> tuple[NestedBind, ...]:
        return binds.nested_binds(app, others, self.world.links.get)

    def processes_of(self, containers: Collection[str]) -> dict[str, tuple[int, ...]]:
        strays = self.world.strays
        return {one: (strays[one],) for one in containers if one in strays}

    async def end_process(self, pid: int, container_id: str, *, terminal: bool) -> bool:
        return self.world.strays.pop(container_id, None) == pid

    def port_holder(self, port: int) -> str:
        return self.world.port_holders.get(port, "")

    def _box(self, pid: int) -> Box:
        for box in self.world.boxes.values():
            if box.pid == pid and box.state == "running":
                return box
        raise PlatformError(f"there is no process {pid}", code="hold-address")


class FakeCertificates:
    def __init__(self, world: World) -> None:
        self.world = world

    async def check(self, spec: App) -> tuple[str, ...]:
        return ()

    async def agree(self, spec: App) -> None:
        if self.world.disagreement:
            raise Refused(self.world.disagreement, code="route-taken")

    def begin(self, release: Release) -> None:
        pass

    async def ensure(self, release: Release) -> None:
        await self.world.effect("certify")
        self.world.certified.update(r.domain for r in release.spec.routes if r.encrypted)
        self.world.moment("certify", "after")

    async def settle(self, release: Release, seconds: float) -> tuple[str, ...]:
        return ()
