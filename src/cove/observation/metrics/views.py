"""Rows as people and programs are shown them: rates, shares, percentiles. Imported by the agent.

Containers of a service are shown together, over its releases and replicas; so are routes, and
after them each that has others beside it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from cove.model.metrics import BUCKETS, INDEX, Kind, MetricQuery, Row, Series, parts_of
from cove.model.views import MetricSeries, MetricsView
from cove.observation.metrics.percentiles import percentile
from cove.ports.metrics import MetricStore

_PERCENTILES: Final = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
_MILLI: Final = 1000  # microseconds in a millisecond of span; millicores in a core
_HUNDRED: Final = 100
_STEPS: Final = (10, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21_600, 43_200, 86_400)
_FIRST_BUCKET: Final = INDEX["route"][BUCKETS[0]]


def step_for(seconds: int, points: int) -> int:
    """Seconds between two points, so that there are no more points than asked for."""
    return next((step for step in _STEPS if seconds <= step * points), _STEPS[-1])


class MetricViews:
    """Charts of what is kept. Its methods block as the store's do."""

    def __init__(self, store: MetricStore) -> None:
        self._store = store

    def chart(self, app: str, since: int, until: int, step: int) -> MetricsView:
        """Everything of an app, or of the machine and all apps where it is empty."""
        since = since // step * step
        times = list(range(since, until, step))
        kinds: tuple[Kind, ...] = ("container", "route") if app else (
            "host", "disk", "container", "route",
        )  # fmt: skip
        shown = []
        for kind in kinds:
            query = MetricQuery(kind=kind, app=app, since=since, until=until, step=step)
            rows = self._store.read(query)
            shown += [_chart(one, found, times) for one, found in _by_service(rows)]
            if app and kind == "route":
                shown += [_chart(one, found, times) for one, found in _by_route(rows)]
        return MetricsView(since=since, until=until, step=step, times=times, series=shown)


def now(rows: Iterable[Row], at: int) -> MetricsView:
    """The rows of one moment."""
    found = list(rows)
    shown = [_chart(one, of_it, [row.at for row in of_it[:1]]) for one, of_it in _by_service(found)]
    return MetricsView(since=at, until=at, step=0, times=[at], series=shown)


def _by_service(rows: Sequence[Row]) -> list[tuple[Series, list[Row]]]:
    """The rows of each service, those of one time put together."""
    found: dict[Series, dict[int, Row]] = {}
    for row in rows:
        key = Series(kind=row.series.kind, app=row.series.app, service=row.series.service)
        at = found.setdefault(key, {})
        at[row.at] = _beside(at[row.at], row) if row.at in at else row
    return [(series, list(at.values())) for series, at in found.items()]


def _by_route(rows: Sequence[Row]) -> list[tuple[Series, list[Row]]]:
    """The rows of each route, where a service has several; its ports of one route as well."""
    found: dict[Series, dict[int, Row]] = {}
    for row in rows:
        route = parts_of(row.series.name)[1]
        if route:
            key = Series(kind="route", app=row.series.app, service=row.series.service, name=route)
            at = found.setdefault(key, {})
            at[row.at] = _beside(at[row.at], row) if row.at in at else row
    services = Counter(series.service for series in found)
    return [(one, list(at.values())) for one, at in found.items() if services[one.service] > 1]


def _beside(one: Row, other: Row) -> Row:
    """Two containers as one: what both use counts together, over the longer span."""
    values = [a + b for a, b in zip(one.values, other.values, strict=True)]
    return Row(one.series, one.at, max(one.span, other.span), tuple(values))


def _chart(series: Series, rows: Sequence[Row], times: Sequence[int]) -> MetricSeries:
    by_time = {row.at: row for row in rows}
    fields = _FIELDS[series.kind]
    return MetricSeries(
        kind=series.kind,
        app=series.app,
        service=series.service,
        route=series.name,
        values={
            name: [_shown(show, by_time.get(at)) for at in times] for name, show in fields.items()
        },
    )


def _shown(show: Callable[[Row], float | None], row: Row | None) -> float | None:
    found = None if row is None else show(row)
    return None if found is None else round(found, 6)


def _rate(name: str) -> Callable[[Row], float]:
    return lambda row: row.value(name) * _MILLI / max(1, row.span)


def _level(name: str, unit: float = 1) -> Callable[[Row], float]:
    return lambda row: row.value(name) / unit


def _cores(name: str) -> Callable[[Row], float]:
    """Microseconds of processor time as cores."""
    return lambda row: row.value(name) / (max(1, row.span) * _MILLI)


def _share(name: str) -> Callable[[Row], float]:
    """Microseconds in which something was so, as a share of the time."""
    return lambda row: min(1.0, row.value(name) / (max(1, row.span) * _MILLI))


def _used(row: Row) -> float:
    return row.value("cpu") / (max(1, row.span) * _MILLI * max(1, row.value("cores")))


def _failed(row: Row) -> float | None:
    requests = row.value("requests")
    return row.value("server_errors") / requests if requests else None


def _quantile(share: float) -> Callable[[Row], float | None]:
    return lambda row: percentile(row.values[_FIRST_BUCKET:], share)


_FIELDS: Final[dict[Kind, dict[str, Callable[[Row], float | None]]]] = {
    "host": {
        "cpu": _used,
        "cpu_peak": _level("cpu_peak", _MILLI),
        "cores": _level("cores"),
        "iowait": _cores("iowait"),
        "steal": _cores("steal"),
        "load": _level("load", _HUNDRED),
        **{name: _level(name) for name in ("memory", "memory_peak", "memory_total")},
        **{name: _level(name) for name in ("swap", "swap_total")},
        **{name: _rate(name) for name in ("swapped_in", "swapped_out", "received", "sent")},
        **{name: _rate(name) for name in ("disk_read", "disk_written")},
        **{name: _share(name) for name in ("disk_busy", "cpu_pressure")},
        **{name: _share(name) for name in ("memory_pressure", "io_pressure")},
        "oom_kills": _level("oom_kills"),
    },
    "disk": {
        **{name: _level(name) for name in ("size", "used", "used_peak")},
        "inodes": _level("inodes", _MILLI),
    },
    "container": {
        "cpu": _cores("cpu"),
        "cpu_peak": _level("cpu_peak", _MILLI),
        "cpu_limit": _level("cpu_limit", _MILLI),
        "throttled": _share("throttled"),
        **{name: _level(name) for name in ("memory", "memory_peak", "memory_limit", "swap")},
        **{name: _rate(name) for name in ("received", "sent", "read", "written")},
        **{name: _level(name) for name in ("oom_kills", "restarts", "processes")},
    },
    "route": {
        "requests": _rate("requests"),
        "client_errors": _rate("client_errors"),
        "server_errors": _rate("server_errors"),
        "failed": _failed,
        "received": _rate("received"),
        "sent": _rate("sent"),
        **{name: _quantile(share) for name, share in _PERCENTILES.items()},
    },
}
