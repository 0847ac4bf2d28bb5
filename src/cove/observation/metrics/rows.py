"""From two looks to the rows of the time between them. Pure; imported inside the package."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from cove.model.metrics import FIELDS, INDEX, Row, Series
from cove.observation.metrics.gathering import Look
from cove.observation.metrics.increase import increase
from cove.ports.metrics import ContainerUsage, FileSystem, MachineUsage, Subject

_THOUSAND: Final = 1000
_HUNDRED: Final = 100
_NOTHING: Final = ContainerUsage()
_RELEASE: Final = re.compile(r"-r\d+(?:-\d+)?$", re.ASCII)


class Killed(Subject, frozen=True, kw_only=True):
    """A container in which something was killed for want of memory."""

    kills: int = 1


def rows(
    before: Look, now: Look, at: int, killed: Mapping[str, Killed] | None = None
) -> tuple[Row, ...]:
    """What each series did.

    `killed` is what Docker told of: a dead container's counters went with it.
    """
    span = round((now.moment - before.moment) * _THOUSAND)
    return tuple(_Rows(before, now, at, max(1, span)).all(killed or {})) if span > 0 else ()


class _Rows:
    def __init__(self, before: Look, now: Look, at: int, span: int) -> None:
        self.before = before
        self.now = now
        self.at = at
        self.span = span

    def all(self, killed: Mapping[str, Killed]) -> Iterator[Row]:
        if self.now.machine and self.before.machine:
            yield self._host(self.before.machine, self.now.machine)
        for file_system in self.now.file_systems:
            yield self._disk(file_system)
        yield from self._containers(killed)
        yield from self._routes()

    def _row(self, series: Series, given: Mapping[str, int]) -> Row:
        values = tuple(max(0, given.get(field.name, 0)) for field in FIELDS[series.kind])
        return Row(series, self.at, self.span, values)

    def _host(self, before: MachineUsage, now: MachineUsage) -> Row:
        cpu = increase(before.cpu, now.cpu)
        counters = (
            "iowait", "steal", "swapped_in", "swapped_out", "received", "sent", "disk_read",
            "disk_written", "cpu_pressure", "memory_pressure", "io_pressure", "oom_kills",
        )  # fmt: skip
        busy = (increase(before.disk_busy.get(d, b), b) for d, b in now.disk_busy.items())
        given = {name: increase(getattr(before, name), getattr(now, name)) for name in counters}
        given |= {
            "cores": now.cores,
            "cpu": cpu,
            "cpu_peak": min(_THOUSAND, cpu // (self.span * now.cores)),
            "load": round(now.load * _HUNDRED),
            "memory_total": now.memory_total,
            "memory": now.memory,
            "memory_peak": now.memory,
            "swap_total": now.swap_total,
            "swap": now.swap,
            "disk_busy": max(busy, default=0),
        }
        return self._row(Series(kind="host"), given)

    def _disk(self, found: FileSystem) -> Row:
        given = {
            "size": found.size,
            "used": found.used,
            "used_peak": found.used,
            "inodes": found.inodes,
        }
        return self._row(Series(kind="disk", service=found.path), given)

    def _containers(self, killed: Mapping[str, Killed]) -> Iterator[Row]:
        for container, (subject, usage) in self.now.containers.items():
            earlier = self.before.containers.get(container)
            if earlier is None and not self.before.complete:
                continue  # how much of its past belongs to this tick is not known
            kills = killed[container].kills if container in killed else 0
            yield self._container(subject, usage, earlier, kills)
        for container, victim in killed.items():
            if container not in self.now.containers:
                known = self.before.containers.get(container)
                series = _series(known[0]) if known else _series(victim)
                yield self._row(series, {"oom_kills": victim.kills})

    def _container(
        self,
        subject: Subject,
        now: ContainerUsage,
        earlier: tuple[Subject, ContainerUsage] | None,
        kills: int,
    ) -> Row:
        anew = earlier is None or earlier[0].pid != subject.pid
        before = _NOTHING if anew or earlier is None else earlier[1]
        counters = ("cpu", "throttled", "received", "sent", "read", "written", "oom_kills")
        given = {name: increase(getattr(before, name), getattr(now, name)) for name in counters}
        given["oom_kills"] = max(given["oom_kills"], kills)
        restarts = earlier[0].restarts if earlier else 0
        given |= {
            "cpu_peak": given["cpu"] // self.span,
            "cpu_limit": now.cpu_limit,
            "memory": now.memory,
            "memory_peak": now.memory,
            "memory_limit": now.memory_limit,
            "swap": now.swap,
            "restarts": increase(restarts, subject.restarts),
            "processes": now.processes,
        }
        return self._row(_series(subject), given)

    def _routes(self) -> Iterator[Row]:
        """Those that answered something: an idle one costs no row."""
        if self.now.routes is None or self.before.routes is None:
            return
        for (app, service, name), totals in self.now.routes.items():
            earlier = self.before.routes.get((app, service, name), (0,) * len(totals))
            grown = tuple(increase(b, n) for b, n in zip(earlier, totals, strict=True))
            if grown[INDEX["route"]["requests"]] or any(grown):
                series = Series(kind="route", app=app, service=service, name=name)
                yield Row(series, self.at, self.span, grown)


def _series(subject: Subject) -> Series:
    service = _RELEASE.sub("", subject.service)
    return Series(kind="container", app=subject.app, service=service, name=subject.name)
