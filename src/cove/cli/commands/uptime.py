"""`cove uptime`: whether routes answer, seen from outside."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any, Final

import click

from cove.cli.client import Client
from cove.cli.figures import available, certificate
from cove.cli.options import APP, Settings, shared
from cove.cli.output import Output
from cove.cli.text import ago, took

_STYLES: Final = {"up": "green", "app-down": "red", "route-down": "red", "paused": "dim"}
_WORDS: Final = {"app-down": "app down", "route-down": "route down"}
_DAY: Final = 86400.0
_DAYS: Final = 30  # in the bar
_GOOD, _FAIR = 0.999, 0.98


@click.command()
@click.argument("app", type=APP, required=False)
@shared
def command(settings: Settings, app: str | None) -> None:
    """Show whether every route answers, or those of APP: since when, and how reliably.

    A route is asked through the proxy with its own name and TLS, once a minute, and every ten
    seconds while it fails. Time in which nobody looked counts as neither up nor down.
    """
    out = Output(settings)
    answer = Client(settings).get("/v1/uptime", app=app)
    if out.json_wanted:
        out.json(answer)
    elif not answer["routes"]:
        out.line("no routes yet" if app is None else f"{app} has no routes")
    else:
        _show(out, answer["routes"], time.time())


def _show(out: Output, routes: list[dict[str, Any]], now: float) -> None:
    headers = (
        "ROUTE",
        "STATE",
        "SINCE",
        "24H",
        "7D",
        "30D",
        "90D",
        "LAST OUTAGE",
        "CERT",
        "30 DAYS",
    )
    out.table(headers, [_row(out, route, now) for route in routes])
    for route in routes:
        if route["detail"] and route["state"] != "paused":
            mark = out.out.style(out.out.symbol("note"), "yellow")
            out.line(f"{mark} {out.foreign(route['route'])}: {out.foreign(route['detail'])}")


def _row(out: Output, route: dict[str, Any], now: float) -> list[tuple[str, str]]:
    state = str(route["state"])
    shown = _WORDS.get(state, state)
    if state == "paused" and route["detail"]:
        shown = route["detail"]
    if route["rolling"]:
        shown += " (rolling)"
    figures = [available(route["availability"].get(span)) for span in ("24h", "7d", "30d", "90d")]
    return [
        (out.foreign(str(route["route"]).removesuffix("/")), "bold"),
        (shown, _STYLES.get(state, "")),
        (ago(float(route["since"]), now), ""),
        *figures,
        (_outage(route["outage"], now), ""),
        certificate(float(route["expires"]), now),
        (_bar(route["days"], now, unicode=out.out.unicode), ""),
    ]


def _outage(outage: dict[str, Any] | None, now: float) -> str:
    if outage is None:
        return "-"
    began, ended = float(outage["began"]), float(outage["ended"])
    when = datetime.fromtimestamp(began).astimezone()
    lasted = took((ended or now) - began)
    return f"{when:%Y-%m-%d %H:%M}, {lasted}" + ("" if ended else " so far")


def _bar(days: list[dict[str, Any]], now: float, *, unicode: bool) -> str:
    """One mark a day, today last: full, with an outage, bad, or nobody looked."""
    full, some, bad, none = ("█", "▆", "▂", "·") if unicode else ("#", "+", "!", ".")
    by_day = {int(day["day"]): day for day in days}
    today = int(now // _DAY)
    marks = []
    for number in range(today - _DAYS + 1, today + 1):
        day = by_day.get(number)
        watched = float(day["up"]) + float(day["down"]) if day else 0.0
        share = float(day["up"]) / watched if day and watched else None
        mark = (
            none if share is None else full if share >= _GOOD else some if share >= _FAIR else bad
        )
        marks.append(mark)
    return "".join(marks)
