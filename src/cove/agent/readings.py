"""What alerts read of the agent's own parts: routes, the machine, rollouts.

Imported inside `cove.agent` only. Metrics, logs, backups and jobs are further sources of the same
form; one that is not there is simply absent.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator

from cove.adapters.host.usage import disk_used, memory_used
from cove.adapters.sqlite import SqliteStore
from cove.model.alerts import Reading
from cove.model.uptime import DOWN
from cove.observation.uptime.watching import Uptime
from cove.ports.watching import RuleBook

_DAY = 86400.0
_FAILED = ("kept", "failed")
_LOOK_BACK = 5  # rollouts
_MACHINE_EVERY = 10.0  # seconds
_STALE = 60.0  # seconds after which what was seen says nothing of now


class RouteReadings:
    """Whether routes answer, and when the certificates they show end.

    `ends` knows of certificates that no route shows, as those of names that only redirect.
    """

    def __init__(self, uptime: Uptime, ends: Callable[[], dict[str, float]]) -> None:
        self._uptime = uptime
        self._ends = ends

    def read(self, _: RuleBook, now: float) -> Iterator[Reading]:
        """One for each route that is looked at, and one for each name with a certificate."""
        certificates: dict[str, tuple[str, float]] = {}
        apps: dict[str, str] = {}
        for target, course in self._uptime.current():
            # What an earlier agent saw says nothing of now.
            if target.paused or course.look:
                yield Reading(
                    rule="down",
                    app=target.app,
                    subject=target.route,
                    value=float(course.state in DOWN),
                    text=f"{target.url} does not answer as it should: {course.detail}",
                    hold=target.rolling,
                )
            apps[target.domain] = target.app
            if course.look and course.look.expires:
                certificates[target.domain] = target.app, course.look.expires
        for domain, end in self._ends().items():
            certificates.setdefault(domain, (apps.get(domain, ""), end))
        for domain, (app, end) in certificates.items():
            days = (end - now) / _DAY
            yield Reading(
                rule="certificate",
                app=app,
                subject=domain,
                value=days,
                text=f"the certificate of {domain} {_ends_in(days)}",
            )


class MachineReadings:
    """Disks and memory of the server, looked at beside the event loop.

    A network file system that hangs then holds up nothing: its disk is absent, with the others.
    """

    def __init__(self, *paths: str) -> None:
        self.paths = list(paths)
        self._chosen: tuple[str, ...] = ()
        self._found: tuple[Reading, ...] = ()
        self._at = 0.0

    async def run(self) -> None:
        """Runs until cancelled."""
        while True:
            await asyncio.to_thread(self.look)
            await asyncio.sleep(_MACHINE_EVERY)

    def look(self) -> None:
        """Reads everything now; blocks."""
        self._found = tuple(self._look())
        self._at = time.monotonic()

    def read(self, rules: RuleBook, _: float) -> tuple[Reading, ...]:
        """What was seen last, if that is not long ago."""
        self._chosen = rules.of("disk").paths
        return self._found if time.monotonic() - self._at < _STALE else ()

    def _look(self) -> Iterator[Reading]:
        """Each disk once, however many paths lie on it."""
        devices = set()
        for path in self._chosen or self.paths:
            found = disk_used(path)
            if found is None or found[0] in devices:
                continue
            devices.add(found[0])
            text = f"the disk of {path} is {found[1]:.0f} % full"
            yield Reading(rule="disk", app="", subject=path, value=found[1], text=text)
        memory = memory_used()
        if memory is not None:
            text = f"{memory:.0f} % of the server's memory is in use"
            yield Reading(rule="memory", app="", subject="", value=memory, text=text)


class RolloutReadings:
    """Whether the last rollout of each app failed."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store

    def read(self, _: RuleBook, __: float) -> Iterator[Reading]:
        """One for each app that had a rollout; while one is under way nothing changes."""
        for record in self._store.apps():
            latest = self._store.rollouts(record.name, _LOOK_BACK)
            last = next((r for r in latest if r.outcome not in (None, "cancelled")), None)
            if last is None:
                continue
            yield Reading(
                rule="failed-rollout",
                app=record.name,
                subject="",
                value=float(last.outcome in _FAILED),
                text=f"its last {last.kind} failed (rollout {last.id}): cove events {record.name}",
                hold=latest[0].outcome is None,
            )


def _ends_in(days: float) -> str:
    if days < 0:
        return f"ended {-days:.1f} days ago"
    return f"ends in {days:.1f} days"
