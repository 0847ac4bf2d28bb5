"""An agent without a process: the real rollouts and store over a world in memory.

It can die at any moment and be started again on what it left.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from cove.adapters.sqlite import SqliteStore
from cove.model.events import Event, Rollout
from cove.model.requests import DeployRequest
from cove.ports import AppRecord, Store
from cove.render.naming import Naming
from cove.render.traefik import ProxySettings
from cove.rollout.recovery import recover
from cove.rollout.rollouts import Rollouts
from cove.rollout.work import Work

from support import fakes
from support.store import Backwards
from support.world import Act, Behaviour, Killed, World

NAMING = Naming("cove")
APP = "shop"
WRITES = frozenset(
    {
        "open_rollout",
        "reserve_subnet",
        "reserve_networks",
        "keep_networks",
        "create_release",
        "save_plan",
        "save_step",
        "confirm",
        "fail_release",
        "free_addresses",
        "keep_addresses",
        "set_stopped",
        "set_source",
        "forget_app",
        "close_rollout",
        "add_event",
    }
)


class MortalStore:
    """A store each of whose writes is a moment of the world."""

    def __init__(self, store: SqliteStore, world: World) -> None:
        self._store = store
        self._world = world

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if name not in WRITES:
            return found

        def write(*arguments: Any, **named: Any) -> Any:
            label = " ".join((name, *(str(a) for a in arguments[1:3] if isinstance(a, str))))
            self._world.moment(label, "before")
            result = found(*arguments, **named)
            self._world.moment(label, "after")
            return result

        return write


class SiteRollouts(Rollouts):
    """Rollouts on the world's clock."""

    world: World

    def work(self, app: str, emit: Any) -> Work:
        return dataclasses.replace(super().work(app, emit), now=self.world.now)


class Site:
    """A machine with an agent on it."""

    def __init__(self, folder: Path, world: World | None = None) -> None:
        self.folder = folder
        self.world = world or World()
        self.store = self._open()
        self.rollouts = self._agent()

    def _open(self) -> SqliteStore:
        store = SqliteStore(self.folder / "state.db", Backwards())
        # Durability is tested where a process really dies; here it only takes time.
        store._db._connection.execute("PRAGMA synchronous = OFF")
        return store

    def _agent(self) -> SiteRollouts:
        mortal: Store = MortalStore(self.store, self.world)
        rollouts = SiteRollouts(fakes.platform(self.world, NAMING, mortal), NAMING, ProxySettings())
        rollouts.world = self.world
        return rollouts

    def restart(self) -> None:
        """The agent that was there is gone; another one takes its data."""
        self.store.close()
        self.world.dead = False
        self.world.on_moment = None
        self.store = self._open()
        self.rollouts = self._agent()

    async def recover(self) -> None:
        """What an agent does first."""
        await recover(self.rollouts)

    async def finished(self, rollout: Rollout) -> Rollout:
        """The rollout with its outcome. Raises Killed when the agent died of it."""
        task = self.rollouts._tasks.get(rollout.id)
        if task is not None:
            await asyncio.wait([task])
            if not task.cancelled() and isinstance(task.exception(), Killed):
                raise Killed
        found = self.store.rollout(rollout.id)
        assert found is not None
        return found

    async def deploy(self, text: str = "", image: str = "acme/shop:1", **given: Any) -> Rollout:
        """A deploy, to its end."""
        return await self.finished_deploy(request(text, image, **given))

    async def finished_deploy(self, asked: DeployRequest) -> Rollout:
        """A deploy of anything, to its end."""
        return await self.finished(self.rollouts.deploy(asked))

    @property
    def record(self) -> AppRecord:
        """What is recorded of the app."""
        found = self.store.app(APP)
        assert found is not None
        return found

    def events(self, rollout: Rollout) -> tuple[Event, ...]:
        """What a rollout told."""
        return self.store.events(rollout.id)

    def error(self, rollout: Rollout) -> dict[str, Any]:
        """The error a rollout ended with."""
        body = self.events(rollout)[-1].data["error"]
        assert body is not None
        return dict(body)

    def occupied(self) -> set[str]:
        """The addresses that the app's releases hold."""
        query = "SELECT address FROM addresses WHERE app = ? AND release IS NOT NULL"
        return {row["address"] for row in self.store._db.rows(query, APP)}

    def ranges(self) -> set[str]:
        """The app's further networks that have an address range."""
        rows = self.store._db.rows("SELECT name FROM networks WHERE app = ?", APP)
        return {row["name"] for row in rows}

    def claims(self) -> set[tuple[str, int]]:
        """The routes that are taken, and by which release."""
        rows = self.store._db.rows("SELECT claim, release FROM claims WHERE app = ?", APP)
        return {(row["claim"], row["release"]) for row in rows}

    def close(self) -> None:
        """Ends the agent."""
        self.store.close()


@contextlib.contextmanager
def site(folder: Path) -> Iterator[Site]:
    """A machine that knows three images of one app, and those of its companions."""
    folder.mkdir(exist_ok=True)
    made = Site(folder)
    for number in (1, 2, 3):
        made.world.image(f"acme/shop:{number}", number)
    for number in (1, 2):
        made.world.image(f"acme/db:{number}", 10 + number, healthy_after=1.0)
        made.world.image(f"acme/worker:{number}", 20 + number, listens_on=-1)
    made.world.image("acme/migrate:1", 30, exits_after=0.3, exit_code=0, listens_on=-1)
    made.world.image("acme/api:1", 40)
    for number, called in ((1, APP), (2, "api")):
        made.world.image(f"acme/front:{number}", 40 + number, calls=called)
    once = Behaviour(exits_after=0.3, exit_code=0, listens_on=-1, once=True)
    made.world.commands[("migrate",)] = once
    made.world.precious.add("db")
    try:
        yield made
    finally:
        made.close()


def request(
    text: str = "", image: str = "acme/shop:1", *, routed: bool = True, **given: Any
) -> DeployRequest:
    """A deploy of the app; `text` adds keys to its file."""
    rollout = "" if "rollout:" in text else "rollout: {settle: 0s, drain: 5s, timeout: 5s}\n"
    domain = "domain: shop.test\n" if routed else ""
    whole = f"name: {APP}\nimage: {image}\n{domain}{rollout}{text}"
    return DeployRequest(text=whole, **{"origin": "desk:/shop.yml", **given})


def dying(world: World, at: int) -> Callable[[int, str, Act], None]:
    """The process dies at the given moment, and nothing of it does anything afterwards."""

    def on_moment(index: int, name: str, act: Act) -> None:
        if index >= at:
            world.dead = True
            raise Killed

    return on_moment
