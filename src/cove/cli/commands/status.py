"""`cove status`: what runs, how it does, and what is wrong."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from typing import Any, Final

import click

from cove.cli.client import Client
from cove.cli.figures import Cell, available, certificate, duration, failing, per_second
from cove.cli.options import APP, Settings, shared
from cove.cli.output import Output
from cove.cli.text import ago, clip, safe, share, short_digest, size

_STYLES: Final = {
    "running": "green",
    "degraded": "yellow",
    "rolling": "cyan",
    "stopped": "dim",
    "down": "red",
    "failed": "red",
    "empty": "dim",
    "unknown": "yellow",
}
_SEEN: Final = {"app-down": "app down", "route-down": "route down"}
_SEEN_STYLES: Final = {"up": "green", "app-down": "red", "route-down": "red", "paused": "dim"}
_ENDED_BADLY: Final = {"kept": "failed", "failed": "failed", "cancelled": "cancelled"}
# What a narrow terminal is spared, the first first.
SPARED: Final = ("LAST CHANGE", "RELEASE", "MEMORY", "CERT", "UPTIME", "REQ/S", "P95", "ERRORS")
_SPARED_OF_ROUTES: Final = ("TLS", "TO", "CERT", "UPTIME", "REQ/S", "P95", "ERRORS")
_SPARED_OF_CONTAINERS: Final = ("ADDRESS", "RELEASE", "STARTED", "HEALTH", "CPU")
_GAP: Final = 2  # between two columns
_LONGEST_NAME: Final = 48


@click.command()
@click.argument("app", type=APP, required=False)
@shared
def command(settings: Settings, app: str | None) -> None:
    """Show all apps, or one in depth.

    Requests, errors (5xx) and the 95th percentile are those of the last five minutes; the uptime is
    that of the last 30 days, as far as somebody looked. "-" is unknown. A narrow terminal shows
    fewer columns.
    """
    out, client = Output(settings), Client(settings)
    answer = client.get(f"/v1/apps/{app}" if app else "/v1/apps")
    if out.json_wanted:
        out.json(answer)
    elif app:
        _show_one(settings, out, answer["app"])
    else:
        _show_all(settings, out, answer["apps"], answer.get("alerts", []))


def _show_all(
    settings: Settings, out: Output, apps: list[dict[str, Any]], alerts: list[str]
) -> None:
    if not apps:
        out.line("no apps yet")
        out.note(f"the first: {settings.command('deploy --image nginx --domain hello.localhost')}")
    else:
        _table(out, [_row(app, time.time()) for app in apps], SPARED)
    for alert in alerts:
        _bad(out, "server", alert)
    for app in apps:
        if app.get("problem"):
            mark = out.out.style(out.out.symbol("note"), "yellow")
            out.line(f"{mark} {app['name']}: {out.foreign(app['problem'])}")
        _alerts(out, app)
        if app.get("rollout"):
            out.note(_under_way(settings, app["rollout"]))
        elif app.get("state") == "failed":
            out.note(never_live(settings, app["name"]))


def never_live(settings: Settings, app: str) -> str:
    """What to do with an app of which no release was ever live; `history` says it too."""
    remove = settings.command(f"remove {app}")
    return f"{app} never served: deploy it again, or take it away: {remove}"


def _alerts(out: Output, app: dict[str, Any]) -> None:
    for alert in app.get("alerts", ()):
        _bad(out, app["name"], alert)


def _bad(out: Output, about: str, alert: str) -> None:
    mark = out.out.style(out.out.symbol("note"), "red")
    out.line(f"{mark} {about}: {out.foreign(alert)}")


def _row(app: dict[str, Any], now: float) -> dict[str, Cell]:
    state = str(app.get("state", ""))
    return {
        "APP": (app["name"], "bold"),
        "STATE": (state, _STYLES.get(state, "")),
        "RELEASE": (str(app.get("release") or "-"), ""),
        **_figures(app, now),
        "MEMORY": (_memory(app), ""),
        "CERT": certificate(float(app.get("expires") or 0), now),
        "LAST CHANGE": _change(app.get("changed"), now),
    }


def _figures(found: dict[str, Any], now: float) -> dict[str, Cell]:
    """What an app and a route have alike; an app's certificate stands elsewhere."""
    return {
        "UPTIME": available(found.get("availability")),
        "REQ/S": per_second(found.get("rate")),
        "ERRORS": failing(found.get("failed")),
        "P95": duration(found.get("p95")),
        **({"CERT": certificate(float(found.get("expires") or 0), now)} if "url" in found else {}),
    }


def _memory(found: dict[str, Any]) -> str:
    used, limit = int(found.get("memory") or 0), int(found.get("memory_limit") or 0)
    if not used:
        return "-"
    return share(used, limit) if limit else size(used)


def _change(rollout: dict[str, Any] | None, now: float) -> Cell:
    if not rollout:
        return "-", ""
    outcome = rollout.get("outcome")
    when = ago(float(rollout.get("ended_at") or rollout.get("started_at") or 0), now)
    if outcome is None:
        return f"{rollout['kind']} under way", "cyan"
    ended = _ENDED_BADLY.get(str(outcome), "")
    words = " ".join(filter(None, (str(rollout["kind"]), ended, when)))
    return words, "red" if ended == "failed" else ""


def _table(out: Output, rows: Sequence[dict[str, Cell]], spared: Sequence[str]) -> None:
    """The rows with as many columns as the terminal has room for; in a pipe, with all."""
    width = shutil.get_terminal_size().columns if out.out.tty else 0
    headers = fitting(rows, width, spared)
    out.table(headers, [[row[header] for header in headers] for row in rows])


def fitting(rows: Sequence[dict[str, Cell]], width: int, spared: Sequence[str]) -> list[str]:
    """The headers that fit into so many columns; `spared` go first, in their order. 0: all do."""
    headers = list(rows[0])
    for header in spared:
        if not width or _wide(headers, rows) <= width:
            break
        headers.remove(header)
    return headers


def _wide(headers: Sequence[str], rows: Sequence[dict[str, Cell]]) -> int:
    widths = (max(len(header), *(len(row[header][0]) for row in rows)) for header in headers)
    return sum(widths) + _GAP * (len(headers) - 1)


def _image(app: dict[str, Any]) -> str:
    return str(app.get("image", "")).partition("@")[0] or "-"


def _under_way(settings: Settings, rollout: dict[str, Any]) -> str:
    follow = settings.command(f"attach {rollout['app']}")
    by = safe(str(rollout["by"]), colour=False)
    return f"{rollout['app']}: a {rollout['kind']} by {by} is under way; {follow}"


def _show_one(settings: Settings, out: Output, app: dict[str, Any]) -> None:
    state = str(app.get("state", ""))
    since = ago(float(app.get("since") or 0), time.time())
    head = [out.out.style(app["name"], "bold"), out.out.style(state, _STYLES.get(state, "dim"))]
    if app.get("release"):
        head.append(f"release {app['release']}" + (f", since {since}" if since else ""))
    out.line("  ".join(head))
    if app.get("problem"):
        out.line(f"  {out.out.style('problem', 'yellow')}   {out.foreign(app['problem'])}")
    _alerts(out, app)
    for name, value in _facts(app):
        out.line(f"  {name:<9} {out.foreign(value)}")
    _show_parts(out, app)
    if app.get("rollout"):
        out.note(_under_way(settings, app["rollout"]))
    elif state == "stopped":
        out.note(f"start it: {settings.command('start ' + app['name'])}")
    elif state in {"failed", "empty"}:
        out.note(never_live(settings, app["name"]))
    elif state in {"down", "degraded", "unknown"}:
        out.note(f"see why: {settings.command('logs ' + app['name'])}")


def _facts(app: dict[str, Any]) -> list[tuple[str, str]]:
    digest = short_digest(str(app.get("digest", "")))
    facts = [("image", f"{_image(app)}  {digest}".rstrip())]
    facts += [("url", u) for u in app.get("urls", []) if not app.get("routes")]
    facts += [("volume", volume) for volume in app.get("volumes", [])]
    facts += [("power", _power(power)) for power in app.get("powers", [])]
    if app.get("source"):
        facts.append(("file", str(app["source"])))
    if app.get("changed"):
        facts.append(("changed", _change(app["changed"], time.time())[0]))
    return facts


def _power(power: dict[str, Any]) -> str:
    if not power.get("granted"):
        return f"{power['power']}  (no longer given; the next start will be refused)"
    return f"{power['power']}" + ("" if power.get("used") else "  (given, not used)")


def _show_parts(out: Output, app: dict[str, Any]) -> None:
    now = time.time()
    for found, row, spared in (
        (app.get("routes", []), _route, _SPARED_OF_ROUTES),
        (app.get("replicas", []), _replica, _SPARED_OF_CONTAINERS),
    ):
        if found:
            out.line()
            _table(out, [row(one, now) for one in found], spared)


def _route(route: dict[str, Any], now: float) -> dict[str, Cell]:
    seen = str(route.get("uptime", "unknown"))
    since = ago(float(route.get("uptime_since") or 0), now)
    shown = _SEEN.get(seen, seen) + (f", {since}" if since and seen in _SEEN else "")
    return {
        "  ROUTE": (f"  {clip(str(route['url']), _LONGEST_NAME)}", ""),
        "TO": (str(route["target"]), ""),
        "TLS": (str(route.get("tls") or "-"), ""),
        "STATE": (shown, _SEEN_STYLES.get(seen, "")),
        **_figures(route, now),
    }


def _replica(replica: dict[str, Any], now: float) -> dict[str, Cell]:
    state, restarts = str(replica.get("state", "")), int(replica.get("restarts") or 0)
    health, cpu = str(replica.get("health") or "-"), replica.get("cpu")
    return {
        "  CONTAINER": (f"  {replica.get('name', '')}", ""),
        "STATE": (state, "green" if state in {"running", "done"} else "red"),
        "HEALTH": (health, "red" if health == "unhealthy" else ""),
        "RELEASE": (str(replica.get("release") or "-"), ""),
        "ADDRESS": (str(replica.get("address") or "-"), ""),
        "CPU": ("-" if cpu is None else f"{100 * cpu:.1f} %", ""),
        "MEMORY": (_memory(replica), ""),
        "RESTARTS": (str(restarts), "yellow" if restarts else ""),
        "STARTED": (ago(float(replica.get("started_at") or 0), now) or "-", ""),
    }
