"""`cove metrics`: what was measured, drawn in the terminal."""

from __future__ import annotations

import shutil
import time
from typing import Any

import click

from cove.cli.client import Client
from cove.cli.drawing import Figure, duration, percent, rate, sparkline
from cove.cli.options import APP, Settings, shared
from cove.cli.output import Output
from cove.cli.text import moment, size

_LEFT = 58  # columns beside the sparkline
_LEAST, _MOST = 12, 60  # of the sparkline


@click.command()
@click.argument("app", type=APP, required=False)
@click.option(
    "--since", metavar="WHEN", default="1h", help="From 10m or 2d ago, or a date and time  [1h]"
)
@click.option("--points", type=click.IntRange(1, 5000), help="With --json: most points a series.")
@shared
def command(settings: Settings, app: str | None, since: str, points: int | None) -> None:
    """Show what the machine and all apps use and answer, or one APP in depth.

    Kept: every ten seconds for a day, every minute for 30 days, every hour for a year.
    """
    out = Output(settings)
    width = min(_MOST, max(_LEAST, shutil.get_terminal_size().columns - _LEFT))
    wanted = points or (240 if out.json_wanted else width)
    start = moment(since, time.time())
    view = Client(settings).get("/v1/metrics", app=app, since=f"{start:.3f}", points=wanted)
    if out.json_wanted:
        out.json(view)
    elif not view["times"] or not view["series"]:
        out.line("nothing was measured in that time")
        out.note("measuring takes ten seconds; further back: --since 2d")
    else:
        _show(out, view, deep=app is not None)


def _show(out: Output, view: dict[str, Any], *, deep: bool) -> None:
    for kind in ("host", "disk"):
        for one in view["series"]:
            if one["kind"] == kind:
                _block(out, _title(one), _figures(one, deep=True))
    names = list(dict.fromkeys((s["app"], s["service"]) for s in view["series"] if s["app"]))
    for app, service in sorted(names):
        title = service if deep else (app if app == service else f"{app} {service}")
        figures = [
            figure
            for one in view["series"]
            if (one["app"], one["service"], one["route"]) == (app, service, "")
            for figure in _figures(one, deep=deep)
        ]
        _block(out, title, figures)
        for one in view["series"]:
            if (one["app"], one["service"]) == (app, service) and one["route"]:
                _block(out, one["route"].removesuffix("/"), _figures(one, deep=False))


def _title(one: dict[str, Any]) -> str:
    return "machine" if one["kind"] == "host" else f"disk {one['service']}"


def _block(out: Output, title: str, figures: list[Figure]) -> None:
    out.line(out.out.style(out.foreign(title), "bold"))
    for figure in figures:
        drawn = out.out.style(sparkline(figure, unicode=out.out.unicode), "cyan")
        last, most = figure.now(), figure.peak()
        text = f"  {figure.name:<12} {drawn}  {last:>10}  max {most}"
        out.line(f"{text}  {figure.note}".rstrip())


def _figures(one: dict[str, Any], *, deep: bool) -> list[Figure]:
    values = one["values"]
    found = {"host": _host, "disk": _disk, "container": _container, "route": _route}[one["kind"]]
    return [figure for figure in found(values) if figure.known() and (deep or figure.first)]


def _host(values: dict[str, Any]) -> list[Figure]:
    return [
        Figure("cpu", values["cpu"], percent, note=f"of {_last(values['cores']):.0f} cores"),
        Figure("memory", values["memory"], size, note=f"of {size(_last(values['memory_total']))}"),
        Figure("swap", values["swap"], size, always=False),
        Figure("load", values["load"], lambda value: f"{value:.2f}"),
        Figure("waiting", values["cpu_pressure"], percent, always=False, note="for a processor"),
        Figure("waiting", values["memory_pressure"], percent, always=False, note="for memory"),
        Figure("waiting", values["io_pressure"], percent, always=False, note="for a disk"),
        Figure("received", values["received"], rate),
        Figure("sent", values["sent"], rate),
        Figure("disk read", values["disk_read"], rate),
        Figure("disk written", values["disk_written"], rate),
    ]


def _disk(values: dict[str, Any]) -> list[Figure]:
    return [Figure("used", values["used"], size, note=f"of {size(_last(values['size']))}")]


def _container(values: dict[str, Any]) -> list[Figure]:
    limit, cores = _last(values["memory_limit"]), _last(values["cpu_limit"])
    return [
        Figure(
            "cpu", values["cpu"], percent, first=True,
            note=f"of a core, at most {cores:g} cores" if cores else "of a core",
        ),
        Figure("throttled", values["throttled"], percent, always=False, first=True),
        Figure(
            "memory", values["memory"], size, first=True,
            note=f"at most {size(limit)}" if limit else "",
        ),
        Figure("oom kills", values["oom_kills"], _count, always=False, first=True),
        Figure("restarts", values["restarts"], _count, always=False, first=True),
        Figure("received", values["received"], rate),
        Figure("sent", values["sent"], rate),
        Figure("disk read", values["read"], rate, always=False),
        Figure("disk written", values["written"], rate, always=False),
    ]  # fmt: skip


def _route(values: dict[str, Any]) -> list[Figure]:
    return [
        Figure("requests", values["requests"], lambda value: f"{value:.1f}/s", first=True),
        Figure("4xx", values["client_errors"], lambda value: f"{value:.2f}/s", always=False),
        Figure("failed", values["failed"], percent, always=False, first=True),
        Figure("p50", values["p50"], duration),
        Figure("p95", values["p95"], duration, first=True),
        Figure("p99", values["p99"], duration),
    ]


def _count(value: float) -> str:
    return f"{value:.0f}"


def _last(values: list[float | None]) -> float:
    return next((value for value in reversed(values) if value is not None), 0.0)
