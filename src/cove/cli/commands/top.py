"""`cove top`: what the machine and every app do at this moment, over and over."""

from __future__ import annotations

import contextlib
import time
from datetime import datetime
from typing import Any

import click

from cove.cli.client import Client
from cove.cli.drawing import duration, percent, rate
from cove.cli.options import Settings, shared
from cove.cli.output import Output
from cove.cli.text import size

_SILENCE = 90.0  # seconds; the longest pause between two looks is a minute
_SORTS = {"cpu": "cpu", "memory": "memory", "requests": "requests"}


@click.command()
@click.option("--every", type=click.IntRange(1, 60), default=2, metavar="SECONDS", help="[2]")
@click.option("--sort", type=click.Choice(list(_SORTS)), default="cpu", help="[cpu]")
@click.option("-n", "--times", type=click.IntRange(1), help="End after so many looks.")
@shared
def command(settings: Settings, every: int, sort: str, times: int | None) -> None:
    """Show what the machine and every app do now, until Ctrl-C.

    With --json, or where the output is no terminal, one look follows another.
    """
    out, looks = Output(settings), Client(settings)
    with contextlib.suppress(KeyboardInterrupt):  # this is how it ends
        for number, view in enumerate(
            looks.stream("/v1/metrics/live", silence=_SILENCE, every=every), start=1
        ):
            if out.json_wanted:
                out.json(view)
            else:
                out.screen(_text(out, view, sort))
            if number == times:
                break


def _text(out: Output, view: dict[str, Any], sort: str) -> list[str]:
    at = datetime.fromtimestamp(float(view["until"] or time.time())).astimezone()
    lines = [f"{at:%H:%M:%S}  {_machine(view['series'])}".rstrip(), ""]
    headers = ("APP", "SERVICE", "CPU", "MEMORY", "RECEIVED", "SENT", "REQUESTS", "FAILED", "P95")
    rows = [_row(one) for one in _services(view["series"], sort)]
    return lines + out.aligned(headers, rows)


def _machine(series: list[dict[str, Any]]) -> str:
    found = next((one["values"] for one in series if one["kind"] == "host"), None)
    if found is None:
        return ""
    now = {name: values[0] or 0 for name, values in found.items()}
    return (
        f"cpu {percent(now['cpu'])} of {now['cores']:.0f} cores   "
        f"memory {size(now['memory'])} of {size(now['memory_total'])}   load {now['load']:.2f}   "
        f"network {rate(now['received'])} in, {rate(now['sent'])} out"
    )


def _services(series: list[dict[str, Any]], sort: str) -> list[dict[str, Any]]:
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for one in series:
        if one["kind"] not in ("container", "route"):
            continue
        key = one["app"], one["service"]
        known = found.setdefault(key, {"app": one["app"], "service": one["service"]})
        taken = _CONTAINER if one["kind"] == "container" else _ROUTE
        known |= {name: one["values"][name][0] for name in taken}
    return sorted(found.values(), key=lambda one: -(one.get(_SORTS[sort]) or 0))


_CONTAINER = ("cpu", "memory", "received", "sent")
_ROUTE = ("requests", "failed", "p95")


def _row(one: dict[str, Any]) -> list[tuple[str, str]]:
    failed = one.get("failed")
    return [
        (one["app"], "bold"),
        (one["service"], ""),
        (_cell(percent, one.get("cpu")), ""),
        (_cell(size, one.get("memory")), ""),
        (_cell(rate, one.get("received")), ""),
        (_cell(rate, one.get("sent")), ""),
        (_cell(lambda value: f"{value:.1f}/s", one.get("requests")), ""),
        (_cell(percent, failed), "red" if failed else ""),
        (_cell(duration, one.get("p95")), ""),
    ]


def _cell(show: Any, value: float | None) -> str:
    return "-" if value is None else str(show(value))
