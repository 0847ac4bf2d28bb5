"""The last look in Prometheus' text format. Pure; imported by the agent.

Counters are the kernel's own, and of routes those since the agent's start: either may begin anew,
which Prometheus expects. Names and units follow its conventions: base units, `_total` for counters.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Literal

from cove.model.metrics import BUCKETS, INDEX, LATENCY_BOUNDS, parts_of
from cove.observation.metrics.gathering import Look
from cove.ports.metrics import MachineUsage

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_MICRO: Final = 1e6
_ESCAPES: Final = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
_ROUTE: Final = INDEX["route"]
_FIRST_BUCKET: Final = _ROUTE[BUCKETS[0]]
Labels = Mapping[str, str]
Sample = tuple[Labels, float]
_Machine = tuple[str, Literal["counter", "gauge"], str, str, float]

# name, type, text, attribute, unit
_MACHINE: Final[tuple[_Machine, ...]] = (
    ("host_cpu_cores", "gauge", "Processors.", "cores", 1),
    ("host_cpu_seconds_total", "counter", "Processor time spent.", "cpu", _MICRO),
    ("host_cpu_iowait_seconds_total", "counter", "Time a core waited for disks.", "iowait", _MICRO),
    ("host_cpu_steal_seconds_total", "counter", "Time given to other guests.", "steal", _MICRO),
    ("host_load1", "gauge", "Load average over a minute.", "load", 1),
    ("host_memory_bytes", "gauge", "Memory there is.", "memory_total", 1),
    ("host_memory_used_bytes", "gauge", "Memory that is not available.", "memory", 1),
    ("host_swap_bytes", "gauge", "Swap there is.", "swap_total", 1),
    ("host_swap_used_bytes", "gauge", "Swap in use.", "swap", 1),
    ("host_swap_in_bytes_total", "counter", "Read from swap.", "swapped_in", 1),
    ("host_swap_out_bytes_total", "counter", "Written to swap.", "swapped_out", 1),
    ("host_oom_kills_total", "counter", "Processes killed for want of memory.", "oom_kills", 1),
    ("host_network_receive_bytes_total", "counter", "Received by network cards.", "received", 1),
    ("host_network_transmit_bytes_total", "counter", "Sent by network cards.", "sent", 1),
    ("host_disk_read_bytes_total", "counter", "Read from disks.", "disk_read", 1),
    ("host_disk_written_bytes_total", "counter", "Written to disks.", "disk_written", 1),
)
_PRESSURES: Final = (
    ("cpu", "cpu_pressure"),
    ("memory", "memory_pressure"),
    ("io", "io_pressure"),
)
_CONTAINER: Final[tuple[_Machine, ...]] = (
    ("container_cpu_seconds_total", "counter", "Processor time spent.", "cpu", _MICRO),
    ("container_cpu_limit_cores", "gauge", "Most it may have; 0: no limit.", "cpu_limit", 1000),
    ("container_cpu_throttled_seconds_total", "counter", "Held back.", "throttled", _MICRO),
    ("container_memory_working_set_bytes", "gauge", "Memory in use.", "memory", 1),
    ("container_memory_limit_bytes", "gauge", "Most it may have; 0: no limit.", "memory_limit", 1),
    ("container_swap_bytes", "gauge", "Swap in use.", "swap", 1),
    ("container_oom_kills_total", "counter", "Killed for want of memory.", "oom_kills", 1),
    ("container_network_receive_bytes_total", "counter", "Received.", "received", 1),
    ("container_network_transmit_bytes_total", "counter", "Sent.", "sent", 1),
    ("container_disk_read_bytes_total", "counter", "Read from disks.", "read", 1),
    ("container_disk_written_bytes_total", "counter", "Written to disks.", "written", 1),
    ("container_processes", "gauge", "Processes and threads.", "processes", 1),
)


def exposition(look: Look, version: str) -> str:
    """Every series of the look."""
    lines = list(_family("info", "gauge", "The agent.", [({"version": version}, 1)]))
    if look.machine:
        lines += _machine(look.machine)
    lines += _file_systems(look)
    lines += _containers(look)
    lines += _routes(look.routes or {})
    return "\n".join(lines) + "\n"


def _machine(usage: MachineUsage) -> Iterator[str]:
    for name, kind, text, attribute, unit in _MACHINE:
        yield from _family(name, kind, text, [({}, getattr(usage, attribute) / unit)])
    waited = [({"resource": r}, getattr(usage, a) / _MICRO) for r, a in _PRESSURES]
    text = "Time in which something waited."
    yield from _family("host_pressure_seconds_total", "counter", text, waited)
    busy = [({"device": disk}, spent / _MICRO) for disk, spent in usage.disk_busy.items()]
    text = "Time in which a disk had work."
    yield from _family("host_disk_io_seconds_total", "counter", text, busy)


def _file_systems(look: Look) -> Iterator[str]:
    sizes = [({"mountpoint": f.path}, float(f.size)) for f in look.file_systems]
    yield from _family("filesystem_size_bytes", "gauge", "Size.", sizes)
    used = [({"mountpoint": f.path}, float(f.used)) for f in look.file_systems]
    yield from _family("filesystem_used_bytes", "gauge", "Taken, root's reserve too.", used)


def _containers(look: Look) -> Iterator[str]:
    found = [
        ({"app": s.app, "service": s.service, "container": s.name}, s, usage)
        for s, usage in look.containers.values()
    ]
    for name, kind, text, attribute, unit in _CONTAINER:
        samples = [(labels, getattr(usage, attribute) / unit) for labels, _, usage in found]
        yield from _family(name, kind, text, samples)
    restarts = [(labels, float(subject.restarts)) for labels, subject, _ in found]
    yield from _family("container_restarts_total", "counter", "Started again.", restarts)


def _routes(routes: Mapping[tuple[str, str, str], tuple[int, ...]]) -> Iterator[str]:
    labelled = [
        (_route_labels(app, service, name), totals)
        for (app, service, name), totals in routes.items()
    ]
    outcomes = [
        ({**labels, "class": outcome}, float(totals[_ROUTE[name]]))
        for labels, totals in labelled
        for outcome, name in (("ok", "ok"), ("4xx", "client_errors"), ("5xx", "server_errors"))
    ]
    yield from _family("route_requests_total", "counter", "Requests answered.", outcomes)
    for name, field in (("receive", "received"), ("transmit", "sent")):
        sizes = [(labels, float(totals[_ROUTE[field]])) for labels, totals in labelled]
        yield from _family(f"route_{name}_bytes_total", "counter", "Of bodies.", sizes)
    yield from _histogram(labelled)


def _route_labels(app: str, service: str, name: str) -> Labels:
    port, route = parts_of(name)
    return {"app": app, "service": service, "port": port, "route": route}


def _histogram(labelled: Iterable[tuple[Labels, tuple[int, ...]]]) -> Iterator[str]:
    name = "cove_route_request_duration_seconds"
    yield f"# HELP {name} From request to answer."
    yield f"# TYPE {name} histogram"
    for labels, totals in labelled:
        below = 0
        bounds = [f"{bound:g}" for bound in LATENCY_BOUNDS] + ["+Inf"]
        for bound, count in zip(bounds, totals[_FIRST_BUCKET:], strict=True):
            below += count
            yield f"{name}_bucket{_labels({**labels, 'le': bound})} {below}"
        yield f"{name}_sum{_labels(labels)} {totals[_ROUTE['time']] / _MICRO!r}"
        yield f"{name}_count{_labels(labels)} {below}"


def _family(
    name: str, kind: Literal["counter", "gauge"], text: str, samples: Iterable[Sample]
) -> Iterator[str]:
    yield f"# HELP cove_{name} {text}"
    yield f"# TYPE cove_{name} {kind}"
    for labels, value in samples:
        yield f"cove_{name}{_labels(labels)} {float(value)!r}"


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    pairs = (f'{name}="{value.translate(_ESCAPES)}"' for name, value in labels.items())
    return "{" + ",".join(pairs) + "}"
