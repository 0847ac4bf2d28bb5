"""Killing an agent, or its Compose, in the middle of rollouts; and what must hold afterwards."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import yaml

from support.agent import Agent, Ended
from support.appfiles import app_file, host
from support.engine import image, socket_path
from support.family import family_file, family_image
from support.polling import until
from support.unix_http import lines

# PostgreSQL behind a shell that passes the signal on late, and only once.
_SLOW = "sh /app/db.sh & p=$$!; trap 'sleep {}; kill -INT $$p; wait $$p; exit' INT; wait $$p"
FETCH = -1  # the index under which the images are fetched, before there is a plan
SHORT = {"settle": "1s", "drain": "5s", "timeout": "30s"}


class Victim:
    """One app of a real agent, deployed again and again, each time with a version of its own."""

    composed: tuple[str, ...] = ("",)  # what Compose works on in turn; empty: whatever is first

    def __init__(self, agent: Agent, name: str, image: str, **keys: Any) -> None:
        self.agent = agent
        self.name = name
        self.image = image
        self.keys = keys
        self.replicas = int(keys.get("replicas", 1))
        self.networks = 1
        self.volumes = len(keys.get("volumes", ()))
        self.versions: dict[int, str] = {}  # by release
        self._count = 0

    @property
    def host(self) -> str:
        """Its domain."""
        return host(self.name)

    @property
    def version(self) -> str:
        """What was begun last says that it is of this version."""
        return f"v{self._count}"

    def answered(self) -> str:
        """The version that answers a request."""
        return self.agent.web.plain(self.host).version

    def text(self) -> str:
        """Its file, with the next version."""
        self._count += 1
        env = {"VERSION": self.version}
        return app_file(self.name, self.image, env=env, rollout=SHORT, tls="off", **self.keys)

    def deploy(self) -> Ended:
        """A deploy that nothing disturbs."""
        ended = self.agent.follow(self.begin()).expect("live")
        self.remember(ended.rollout)
        return ended

    def begin(self) -> dict[str, Any]:
        """Begin to deploy the next version."""
        return self.agent.begin(self.text())

    def remember(self, rollout: dict[str, Any]) -> str:
        """Notes which version a rollout's release has; returns the outcome."""
        known = self.agent.api("GET", f"/v1/rollouts/{rollout['id']}")["rollout"]
        if known["release"]:
            self.versions[known["release"]] = self.version
        return str(known["outcome"])

    def kill_at(self, index: int, delay: float) -> str:
        """Kill the agent when an operation of a new deploy has begun; the outcome after all."""
        rollout = self.begin()
        with suppress(OSError), self.agent.stream(f"/v1/rollouts/{rollout['id']}/events") as events:
            for event in events:
                if event["kind"] == "started" and event["index"] >= index:
                    break
        time.sleep(delay)
        self.agent.kill9()
        self.agent.start()
        return self.remember(rollout)

    def kill_compose(self, delay: float, service: str = "") -> Ended:
        """Kill the Compose process of a new deploy while it works on a service, or on the first."""
        rollout = self.begin()
        assert self.agent.process
        agent = self.agent.process.pid
        pid = until(lambda: compose_of(agent, service), "Compose runs", pause=0.002)
        time.sleep(delay)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        ended = self.agent.follow(rollout)
        self.remember(rollout)
        return ended

    def problems(self) -> list[str]:
        """What is not as the record says; empty when all is well."""
        app = self.agent.app(self.name)
        live = app["release"]
        services = {replica["name"] for replica in app["replicas"]}
        tasks = {replica["name"] for replica in app["replicas"] if replica["task"]}
        addresses = {replica["address"] for replica in app["replicas"] if replica["address"]}
        numbers = [r["number"] for r in self.agent.releases(self.name) if r["status"] == "live"]
        kept = {
            r["number"]
            for r in self.agent.releases(self.name)
            if r["status"] in ("live", "superseded")
        }
        pairs: tuple[tuple[str, Any, Any], ...] = (
            ("state", app["state"], "running"),
            ("live releases", numbers, [live]),
            ("version", self.answered(), self.versions.get(live)),
            (
                "containers",
                self._containers(tasks),
                sorted((name, "running") for name in services - tasks),
            ),
            ("replicas", len(services), self.replicas),
            ("networks", len(self.agent.owned.networks(self.name)), self.networks),
            ("volumes", len(self.agent.owned.volumes(self.name)), self.volumes),
            ("compose.yaml", self._project(), services),
            ("routes", self._targets(), addresses),
            ("addresses", self._held(), addresses),
            ("image tags", {r for r in self._tags() if r not in kept}, set()),
            *self.more(),
        )
        return [
            f"{what}: {found} instead of {wanted}"
            for what, found, wanted in pairs
            if found != wanted
        ]

    def more(self) -> tuple[tuple[str, Any, Any], ...]:
        """What else must be so: what it is, what there is, what there should be."""
        return ()

    def _containers(self, tasks: set[str]) -> list[tuple[str, str]]:
        """Services with their states; a task that has run may leave its container or not."""
        listed = self.agent.owned.containers(self.name).values()
        found = [(c["Labels"]["com.docker.compose.service"], c["State"]) for c in listed]
        return sorted(
            pair
            for pair in found
            if pair not in {(t, s) for t in tasks for s in ("exited", "created")}
        )

    def _project(self) -> set[str]:
        path = self.agent.data_dir / "apps" / self.name / "compose.yaml"
        return set(yaml.safe_load(path.read_text())["services"])

    def _targets(self) -> set[str | None]:
        path = self.agent.data_dir / "proxy/dynamic" / f"{self.name}.yml"
        services = json.loads(path.read_text())["http"]["services"].values()
        servers = [server for one in services for server in one["loadBalancer"]["servers"]]
        return {urlsplit(server["url"]).hostname for server in servers}

    def _held(self) -> set[str]:
        query = "SELECT address FROM addresses WHERE app = ? AND release IS NOT NULL"
        with closing(sqlite3.connect(self.agent.data_dir / "state.db")) as db:
            return {row[0] for row in db.execute(query, (self.name,))}

    def _tags(self) -> set[int]:
        return {int(tag.rpartition(":r")[2]) for tag in self.agent.owned.tags(self.name)}


class Family(Victim):
    """Web, worker, migration and PostgreSQL; `upgraded` says what each deploy replaces."""

    def __init__(
        self,
        agent: Agent,
        name: str,
        upgraded: Literal["code", "database"],
        stops_within: float = 0,
    ) -> None:
        super().__init__(agent, name, "")
        self.upgraded = upgraded
        slow = ["sh", "-c", _SLOW.format(stops_within)]
        self._settings = {"db": {"command": slow}} if stops_within else {}
        self.composed = ("migrate", "web", "worker" if upgraded == "code" else "db")
        self.replicas = 4
        self.networks = 2  # the app's own, and the one in which the worker finds the web service
        self.volumes = 1
        self._marks: list[str] = []
        self._databases: dict[int, str] = {}  # the database's version by release

    @property
    def version(self) -> str:
        """The version of web and worker."""
        return str(self._count % 2 + 1) if self.upgraded == "code" else "1"

    @property
    def database(self) -> str:
        """The version of the database's image."""
        return str(self._count % 2 + 1) if self.upgraded == "database" else "1"

    def answered(self) -> str:
        """The version that answers a request."""
        return self.agent.web.get(self.host).version

    def text(self) -> str:
        """Its file, with the next version of what is upgraded."""
        self._count += 1
        return family_file(self.name, self.version, database=self.database, **self._settings)

    def skip(self) -> None:
        """The version that was tried last is the next one again."""
        self._count += 1

    def remember(self, rollout: dict[str, Any]) -> str:
        """Notes the database's version too."""
        outcome = super().remember(rollout)
        release = self.agent.api("GET", f"/v1/rollouts/{rollout['id']}")["rollout"]["release"]
        if release:
            self._databases[release] = self.database
        return outcome

    def begin(self) -> dict[str, Any]:
        """Begin to deploy the next version, once something was written that must be kept."""
        if self.versions:
            mark = f"m{self._count}"
            posted = self.agent.web.get(self.host, "/mark", "POST", mark.encode())
            assert posted.status == 200, posted
            self._marks.append(mark)
        return super().begin()

    def problems(self) -> list[str]:
        """What is not as the record says, once the worker works with the database of now.

        It ends when it finds that its database was replaced: seconds later, where it was just
        waiting for a web service that was stopped. Then Docker starts it again.
        """
        before = self._beats()
        try:
            until(lambda: self._beats() > before, "the worker works", pause=0.2)
        except AssertionError as late:
            return [f"{late}", *super().problems()]
        return super().problems()

    def _beats(self) -> int:
        """How often the worker has left a row; 0 while nobody can say."""
        answer = self.agent.web.get(self.host, "/beats")
        lines = answer.text.splitlines() if answer.status == 200 else []
        return sum(int(line.split()[1]) for line in lines)

    def more(self) -> tuple[tuple[str, Any, Any], ...]:
        """The data is whole, and worker and database run what the live release names."""
        marks = self.agent.web.get(self.host, "/marked").text.split()
        live = self.agent.app(self.name)["release"]
        found = self.agent.owned.containers(self.name).values()
        runs = {c["Labels"]["cove.service"]: c["ImageID"] for c in found}
        wanted = {"worker": self.versions.get(live, ""), "db": self._databases.get(live, "")}
        return (
            ("data", marks, self._marks),
            *((f"image of {who}", runs.get(who), _image_id(what)) for who, what in wanted.items()),
        )


Ending = Literal["compose dies", "agent dies", "cancelled"]


def interrupted(victim: Victim, action: str, ending: Ending) -> str:
    """Ends a deploy as Docker does something to its database; the outcome after all.

    Docker's events of a replacement: `create` of the new one, `kill` and `destroy` of the old one.
    """
    labels = [f"cove.instance={victim.agent.instance}", f"cove.app={victim.name}"]
    filters = {"event": [action], "label": [*labels, "cove.service=db"]}
    query = {"filters": json.dumps(filters), "since": f"{time.time():.9f}"}
    with lines(socket_path(), "/events", query) as events:
        rollout = victim.begin()
        next(events)
    agent = victim.agent
    if ending == "cancelled":
        agent.api("POST", f"/v1/rollouts/{rollout['id']}/cancel")
    elif ending == "agent dies":
        agent.kill9()
        agent.start()
    elif pid := compose_of(agent.process.pid if agent.process else 0, "db"):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    agent.follow(rollout)
    return victim.remember(rollout)


def _image_id(version: str) -> str:
    found = image(family_image(version))
    assert found
    return str(found["Id"])


def operations(ended: Ended) -> list[str]:
    """The titles of a rollout's operations."""
    plan = next(event for event in ended.events if event["kind"] == "plan")
    return [operation["title"] for operation in plan["data"]["operations"]]


def compose_of(agent: int, service: str = "") -> int:
    """The Compose process among an agent's children, that works on a service; 0: there is none."""
    for task in Path(f"/proc/{agent}/task").glob("*/children"):
        with suppress(OSError):
            for child in task.read_text().split():
                command = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
                works = not service or any(w.decode().startswith(service) for w in command[-3:])
                if b"up" in command and command[0].endswith(b"docker-compose") and works:
                    return int(child)
    return 0


def delays(seed: int) -> Callable[[], float]:
    """Random moments within 0.3 s, the same in every run."""
    source = random.Random(seed)  # noqa: S311
    return lambda: source.uniform(0, 0.3)


__all__ = [
    "FETCH",
    "Ending",
    "Family",
    "Victim",
    "compose_of",
    "delays",
    "interrupted",
    "operations",
]
