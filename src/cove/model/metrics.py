"""What is measured, and how measurements are kept and merged. Any layer may import it.

A **series** is one thing that is measured: the machine, a disk, a container, a service behind the
proxy. A **row** holds what it did during one tick, as whole numbers in the order of its kind's
fields. Times are whole seconds since the epoch, spans milliseconds.
"""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

Kind = Literal["host", "disk", "container", "route"]
KINDS: Final[tuple[Kind, ...]] = ("host", "disk", "container", "route")
# How the rows of a longer time are made: counts add up, levels are averaged over time, peaks stay.
Merge = Literal["sum", "mean", "max"]
TICK: Final = 10  # seconds between two looks

# Upper bounds in seconds, finest where a person begins to notice. Each is one count in every tier,
# so that percentiles can be told of any length of time; the last count is of what took longer.
LATENCY_BOUNDS: Final = (
    0.005,
    0.01,
    0.02,
    0.035,
    0.05,
    0.075,
    0.1,
    0.15,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
)


class Field(Struct, frozen=True):
    """One column of a kind of series."""

    name: str
    merge: Merge
    unit: str
    text: str


class Tier(Struct, frozen=True):
    """Rows of one length, and how long they are kept. Both in seconds."""

    step: int
    keep: int


TIERS: Final = (Tier(TICK, 86_400), Tier(60, 30 * 86_400), Tier(3600, 365 * 86_400))

_HOST: Final = (
    Field("cores", "max", "cores", "processors"),
    Field("cpu", "sum", "us", "processor time spent, of all cores"),
    Field("cpu_peak", "max", "permille", "busiest tick, of all cores"),
    Field("iowait", "sum", "us", "time in which a core waited for a disk"),
    Field("steal", "sum", "us", "time that the hypervisor gave to others"),
    Field("load", "mean", "hundredths", "processes that run or wait for a disk, over a minute"),
    Field("memory_total", "max", "bytes", "memory there is"),
    Field("memory", "mean", "bytes", "memory that could not be given away without swapping"),
    Field("memory_peak", "max", "bytes", "the most of it"),
    Field("swap_total", "max", "bytes", "swap there is"),
    Field("swap", "mean", "bytes", "swap in use"),
    Field("swapped_in", "sum", "bytes", "read back from swap"),
    Field("swapped_out", "sum", "bytes", "written to swap"),
    Field("received", "sum", "bytes", "received by the machine's network cards"),
    Field("sent", "sum", "bytes", "sent by them"),
    Field("disk_read", "sum", "bytes", "read from disks"),
    Field("disk_written", "sum", "bytes", "written to disks"),
    Field("disk_busy", "sum", "us", "time in which the busiest disk had work"),
    Field("cpu_pressure", "sum", "us", "time in which something waited for a processor"),
    Field("memory_pressure", "sum", "us", "time in which something waited for memory"),
    Field("io_pressure", "sum", "us", "time in which something waited for a disk"),
    Field("oom_kills", "sum", "count", "processes killed for want of memory"),
)
_DISK: Final = (
    Field("size", "max", "bytes", "of the file system"),
    Field("used", "mean", "bytes", "taken, root's reserve counted as taken"),
    Field("used_peak", "max", "bytes", "the most of it"),
    Field("inodes", "max", "permille", "share of inodes taken"),
)
_CONTAINER: Final = (
    Field("cpu", "sum", "us", "processor time spent"),
    Field("cpu_peak", "max", "millicores", "busiest tick"),
    Field("cpu_limit", "max", "millicores", "most it may have; 0: no limit"),
    Field("throttled", "sum", "us", "time in which it was held back by its limit"),
    Field("memory", "mean", "bytes", "working set: memory less file cache that nobody uses"),
    Field("memory_peak", "max", "bytes", "the most of it"),
    Field("memory_limit", "max", "bytes", "most it may have; 0: no limit"),
    Field("swap", "mean", "bytes", "swap in use"),
    Field("oom_kills", "sum", "count", "processes killed for want of memory"),
    Field("received", "sum", "bytes", "received over its network"),
    Field("sent", "sum", "bytes", "sent over it"),
    Field("read", "sum", "bytes", "read from disks"),
    Field("written", "sum", "bytes", "written to disks"),
    Field("restarts", "sum", "count", "times Docker started it again"),
    Field("processes", "max", "count", "processes and threads"),
)
BUCKETS: Final = tuple(f"le_{number}" for number in range(len(LATENCY_BOUNDS) + 1))
_ROUTE: Final = (
    Field("requests", "sum", "count", "requests answered"),
    Field("ok", "sum", "count", "of them with a status below 400"),
    Field("client_errors", "sum", "count", "with a status from 400 to 499"),
    Field("server_errors", "sum", "count", "with a status from 500"),
    Field("received", "sum", "bytes", "of requests"),
    Field("sent", "sum", "bytes", "of answers"),
    Field("time", "sum", "us", "from request to answer, together"),
    *(Field(name, "sum", "count", "answers of this duration") for name in BUCKETS),
)
FIELDS: Final[dict[Kind, tuple[Field, ...]]] = {
    "host": _HOST,
    "disk": _DISK,
    "container": _CONTAINER,
    "route": _ROUTE,
}
INDEX: Final[dict[Kind, dict[str, int]]] = {
    kind: {field.name: number for number, field in enumerate(fields)}
    for kind, fields in FIELDS.items()
}


class Series(Struct, frozen=True, kw_only=True):
    """What is measured.

    Of a route the service is the target's, and the name that of `route_name`.
    """

    kind: Kind
    app: str = ""
    service: str = ""  # as the file calls it, in every release; of a disk where it is mounted
    name: str = ""  # the Compose service, which tells releases and replicas apart


def route_name(port: str | int, route: str = "") -> str:
    """The name of a route's series: the target's port, and what leads there (domain and path).

    Without a route it is all that leads to the port: where there are too many to count each, and
    what was counted before each was.
    """
    return f"{port} {route}" if route else str(port)


def parts_of(name: str) -> tuple[str, str]:
    """The port and the route that a name was made of."""
    port, _, route = name.partition(" ")
    return port, route


class Row(Struct, frozen=True):
    """What a series did in `span` milliseconds, told at the beginning of their tick."""

    series: Series
    at: int
    span: int
    values: tuple[int, ...]

    def value(self, name: str) -> int:
        """One field's value."""
        return self.values[INDEX[self.series.kind][name]]


class MetricQuery(Struct, frozen=True, kw_only=True):
    """Which rows are asked for: from `since` up to `until`, merged over each `step` seconds."""

    kind: Kind
    app: str = ""  # empty: of all
    since: int
    until: int
    step: int
