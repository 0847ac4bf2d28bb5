"""A machine to hold the ports' promises against: in memory, or this one."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields
from functools import partial
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any, Literal

from cove.adapters.compose import ComposeComposer, ComposeRunner, find_compose
from cove.adapters.docker import DockerClient, DockerEngine, socket_path
from cove.model.app import App, EnvValue, Service
from cove.model.release import Image, Placement, Release, names_for
from cove.ports import Composer, ContainerFacts, Engine
from cove.render.compose import compose_document, secret_environment
from cove.render.naming import Naming

from support.engine import Belongings, abandon, get
from support.fakes import FakeComposer, FakeEngine
from support.images import PYTHON, Images
from support.polling import LIMIT, until
from support.world import Box, Killed, World

APP = "shop"
EXITS = "exits"  # the name of a service whose containers fail at once
SLOW = "slow"  # and of one whose containers take their time to stop
_SLOW = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: (time.sleep(1), sys.exit(0)))
print("ready", flush=True)
while True: time.sleep(1)
"""
Verb = Literal["create", "start", "stop", "remove"]


class Machine:
    """What both have: a prefix of their own, an image, a range of addresses."""

    naming: Naming
    engine: Engine
    composer: Composer
    image: str  # a reference of the example app
    subnet: str
    second: str  # another range, as large

    def release(
        self, number: int = 1, app: str = APP, name: str = "web", **service: Any
    ) -> Release:
        """A release of one service, to be brought up."""
        if name == EXITS:
            service["environment"] = {"FAULT": EnvValue("exit")}
            service["options"] = {"restart": "no"}
        if name == SLOW:
            service["options"] = {"entrypoint": [PYTHON, "-c", _SLOW]}
        spec = App(name=app, services=(Service(name=name, image=self.image, **service),))
        hosts = list(IPv4Network(self.subnet).hosts())
        placements = tuple(
            Placement(service=name, replica=i, name=container, address=str(hosts[number * 4 + i]))
            for i, container in enumerate(names_for(spec.services[0], number), start=1)
        )
        image = Image(reference=self.image, run=self.image, id=self.image)
        return Release(
            app=app, number=number, spec=spec, images={name: image}, placements=placements
        )

    async def up(self, *releases: Release, start: bool = True) -> tuple[ContainerFacts, ...]:
        """Writes the project of these releases and starts the last one; all its containers."""
        last = releases[-1]
        await self.engine.ensure_network(last.app, self.subnet)
        document = compose_document(last.app, releases, {}, self.naming)
        await self.composer.write(last.app, document, {}, tidy=True)
        names = [placement.name for placement in last.placements]
        await self.composer.up(last.app, names, secret_environment(releases), start=start)
        return await self.engine.containers(last.app)

    def environment(self, facts: ContainerFacts) -> dict[str, str]:
        """What a container's process sees."""
        raise NotImplementedError

    def aliases(self, facts: ContainerFacts, network: str) -> list[str] | None:
        """What a container answers to in one of its app's networks; None where it is not in it."""
        raise NotImplementedError

    async def wait(self, facts: ContainerFacts, state: str) -> ContainerFacts:
        """The container, once it is in a state."""
        raise NotImplementedError

    async def heard(self, facts: ContainerFacts, line: str) -> None:
        """Returns once the container has written a line, if it writes at all."""

    def abandon(self, verb: Verb, facts: ContainerFacts) -> None:
        """Asks Docker to do that, and is gone before it has. `create`: one more of its kind."""
        raise NotImplementedError


class FakeMachine(Machine):
    """The fakes' world."""

    def __init__(self) -> None:
        self.world = World()
        self.naming = Naming("cove")
        self.engine = FakeEngine(self.world, self.naming)
        self.composer = FakeComposer(self.world, self.naming)
        self.image = "acme/shop:1"
        self.world.image(self.image, 1, log=("one", "two", "three"))
        self.subnet, self.second = "10.201.0.0/26", "10.201.0.64/26"

    def environment(self, facts: ContainerFacts) -> dict[str, str]:
        return self.world.boxes[facts.id].environment

    def aliases(self, facts: ContainerFacts, network: str) -> list[str] | None:
        networks = self.world.boxes[facts.id].networks
        full = self.naming.network(facts.app, network)
        return [alias for alias in (networks[full],) if alias] if full in networks else None

    async def wait(self, facts: ContainerFacts, state: str) -> ContainerFacts:
        if facts.service.startswith(EXITS):
            box = self.world.boxes[facts.id]
            box.behaviour = type(box.behaviour)(exits_after=0, log=box.behaviour.log)
        (found,) = [c for c in await self.engine.containers(facts.app) if c.id == facts.id]
        assert found.state == state
        return found

    def abandon(self, verb: Verb, facts: ContainerFacts) -> None:
        box = self.world.boxes[facts.id]
        acts: dict[Verb, Callable[[], None]] = {
            "create": partial(self._another, box),
            "start": partial(self.world.start, box),
            "stop": partial(self.world.stop, box),
            "remove": partial(self.world.remove, box),
        }
        with suppress(Killed), self.world.in_flight.asked(acts[verb], box.id):
            raise Killed

    def _another(self, box: Box) -> None:
        given = {f.name: getattr(box, f.name) for f in fields(box)}
        for own in ("id", "state", "pid", "started_at"):
            del given[own]
        self.world.create(**{**given, "name": f"{box.id}_{box.name}"})


class RealMachine(Machine):
    """This machine's Docker and Compose, under a prefix of its own."""

    def __init__(self, folder: Path, pool: str) -> None:
        self.naming = Naming(f"cove_{secrets.token_hex(3)}")
        self._client = DockerClient(socket_path())
        self.engine = DockerEngine(self._client, self.naming, folder / "config.json")
        runner = ComposeRunner(find_compose(), folder / "locks", socket_path())
        self.composer = ComposeComposer(runner, folder / "apps", self.naming)
        self.image = Images().hello
        ranges = IPv4Network(pool).subnets(new_prefix=26)
        self.subnet, self.second = str(next(ranges)), str(next(ranges))

    def environment(self, facts: ContainerFacts) -> dict[str, str]:
        entries = get(f"/containers/{facts.id}/json")["Config"]["Env"]
        return dict(entry.split("=", 1) for entry in entries)

    def aliases(self, facts: ContainerFacts, network: str) -> list[str] | None:
        found = get(f"/containers/{facts.id}/json")["NetworkSettings"]["Networks"]
        joined = found.get(self.naming.network(facts.app, network))
        if joined is None:
            return None
        # Docker adds the container's short id.
        return [alias for alias in joined["Aliases"] or () if not facts.id.startswith(alias)]

    async def wait(self, facts: ContainerFacts, state: str) -> ContainerFacts:
        until(lambda: get(f"/containers/{facts.id}/json")["State"]["Status"] == state, state)
        (found,) = [c for c in await self.engine.containers(facts.app) if c.id == facts.id]
        return found

    async def heard(self, facts: ContainerFacts, line: str) -> None:
        async with asyncio.timeout(LIMIT):
            while line not in await self.engine.tail(facts.id, 1):  # noqa: ASYNC110 - Docker tells no event of it
                await asyncio.sleep(0.05)

    def abandon(self, verb: Verb, facts: ContainerFacts) -> None:
        path = f"/containers/{facts.id}"
        if verb == "create":
            about = get(f"{path}/json")
            body = {"Image": about["Image"], "Labels": about["Config"]["Labels"]}
            abandon("POST", f"/containers/create?name={facts.id[:12]}_{facts.name}", body)
        elif verb == "remove":
            abandon("DELETE", f"{path}?force=1")
        else:
            abandon("POST", f"{path}/{verb}")

    async def tear_down(self) -> None:
        """Removes what carries its prefix."""
        await self._client.close()
        owned = Belongings(self.naming.prefix)
        until(lambda: not owned.remove_all(), "everything is removed")
