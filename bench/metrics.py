"""What keeping measurements costs: a week of 20 apps on a synthetic clock.

    script/bench metrics            a week of 20 apps; about two minutes
    script/bench metrics --quick    a day of 5 apps

Every tick writes what an agent would: the machine, two disks, a container and a busy route for each
app, the proxy and the agent. Exit status 1 when a goal is missed.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.lab import machine
from cove.adapters.metricstore import SqliteMetrics
from cove.model.metrics import FIELDS, INDEX, TICK, Kind, Row, Series
from cove.observation.metrics import MetricViews

DAY = 86_400
BEGIN = 20_000 * DAY
TIDY = 300  # seconds between two, as in the agent
GOAL_CHART = 20.0  # milliseconds of processor time, of 24 hours of one app
RUNS = 21


def series(apps: int) -> list[Series]:
    """All that is measured on a server with so many apps."""
    found = [Series(kind="host")]
    found += [Series(kind="disk", service=place) for place in ("/", "/srv")]
    for name in ("_agent", "_proxy"):
        found.append(Series(kind="container", app=name, service=name[1:], name=name[1:]))
    for number in range(apps):
        app = f"app-{number}"
        found.append(Series(kind="container", app=app, service="web", name="web-r3"))
        found.append(Series(kind="route", app=app, service="web", name="8000"))
    return found


def row(one: Series, at: int, chance: random.Random) -> Row:
    """Figures of the size that a modest app has, different each time."""
    sizes = _SIZES[one.kind]
    values = [0] * len(FIELDS[one.kind])
    for name, most in sizes.items():
        values[INDEX[one.kind][name]] = chance.randrange(most)
    return Row(one, at, TICK * 1000 + chance.randrange(5), tuple(values))


_SIZES: dict[Kind, dict[str, int]] = {
    "host": dict.fromkeys((f.name for f in FIELDS["host"]), 1 << 24),
    "disk": {"size": 1 << 36, "used": 1 << 36, "used_peak": 1 << 36, "inodes": 1000},
    "container": {
        "cpu": 1 << 20, "cpu_peak": 1000, "cpu_limit": 1000, "memory": 1 << 28,
        "memory_peak": 1 << 28, "memory_limit": 1 << 29, "received": 1 << 18, "sent": 1 << 20,
        "read": 1 << 12, "written": 1 << 16, "processes": 50,
    },
    "route": {
        "requests": 100, "ok": 100, "client_errors": 5, "server_errors": 2, "received": 1 << 18,
        "sent": 1 << 20, "time": 1 << 22, **dict.fromkeys((f"le_{n}" for n in range(8)), 40),
    },
}  # fmt: skip


def fill(store: SqliteMetrics, apps: int, days: int) -> dict[str, float]:
    """Writes so many days; the median time of a tick, and of a tidying, in milliseconds."""
    chance, measured = random.Random(1), series(apps)  # noqa: S311 - invented figures
    ticks, tidies = [], []
    for at in range(BEGIN, BEGIN + days * DAY, TICK):
        rows = [row(one, at, chance) for one in measured]
        began = time.process_time()
        store.add(rows)
        ticks.append(time.process_time() - began)
        if at % TIDY == 0:
            began = time.process_time()
            store.tidy(at)
            tidies.append(time.process_time() - began)
    return {
        "tick_ms": statistics.median(ticks) * 1000,
        "tidy_ms": statistics.median(tidies) * 1000,
        "tidy_longest_ms": max(tidies) * 1000,
    }


def charts(store: SqliteMetrics, days: int) -> dict[str, float]:
    """The median processor time of each chart, in milliseconds."""
    views, until = MetricViews(store), BEGIN + days * DAY
    asked: dict[str, tuple[str, int, int]] = {
        "chart of an app, 24 h, 144 points": ("app-1", DAY, 600),
        "chart of an app, 1 h, 360 points": ("app-1", 3600, 10),
        "chart of an app, 7 days, 168 points": ("app-1", 7 * DAY, 3600),
        "chart of everything, 24 h, 48 points": ("", DAY, 1800),
    }
    found = {}
    for name, (app, length, step) in asked.items():
        times = []
        for _ in range(RUNS):
            began = time.process_time()
            view = views.chart(app, until - length, until, step)
            times.append((time.process_time() - began) * 1000)
            assert view.series
        found[name] = statistics.median(times)
    return found


def measure(apps: int, days: int) -> dict[str, Any]:
    """Everything, in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="cove-bench-") as folder:
        path = Path(folder) / "metrics.db"
        store = SqliteMetrics(path)
        costs = fill(store, apps, days)
        found = charts(store, days)
        store.close()
        size = sum(file.stat().st_size for file in Path(folder).iterdir())
    return {"apps": apps, "days": days, "disk_mb": size / 1e6, **costs, "charts_ms": found}


def show(result: dict[str, Any], facts: dict[str, str]) -> None:
    """Prints the figures."""
    print("\n".join(f"{key:<10} {value}" for key, value in facts.items()), end="\n\n")
    print(f"{result['days']} days of {result['apps']} apps: {result['disk_mb']:.1f} MB")
    for name in ("tick_ms", "tidy_ms", "tidy_longest_ms"):
        print(f"{name:<40} {result[name]:8.2f}")
    for name, value in result["charts_ms"].items():
        print(f"{name + ', ms':<40} {value:8.2f}")


def main(arguments: list[str] | None = None) -> int:
    """Measures; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="bench.metrics",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--apps", type=int, default=20)
    parser.add_argument("--days", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args(arguments)
    if given.quick:
        given.apps, given.days = 5, 1
    facts = machine.facts()
    result = measure(given.apps, given.days)
    if given.json:
        print(json.dumps({"machine": facts, **result}, indent=2))
    else:
        show(result, facts)
    return 0 if result["charts_ms"]["chart of an app, 24 h, 144 points"] < GOAL_CHART else 1


if __name__ == "__main__":
    sys.exit(main())
