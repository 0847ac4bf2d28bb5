"""`cove status`: what runs, where, and what is wrong."""

from __future__ import annotations

import time
from typing import Any

import click

from cove.cli.client import Client
from cove.cli.options import APP, Settings, shared
from cove.cli.output import Output
from cove.cli.text import ago, clip, safe, short_digest

_STYLES = {
    "running": "green",
    "degraded": "yellow",
    "rolling": "cyan",
    "stopped": "dim",
    "down": "red",
    "failed": "red",
    "empty": "dim",
    "unknown": "yellow",
}


@click.command()
@click.argument("app", type=APP, required=False)
@shared
def command(settings: Settings, app: str | None) -> None:
    """Show all apps, or one in depth."""
    out, client = Output(settings), Client(settings)
    answer = client.get(f"/v1/apps/{app}" if app else "/v1/apps")
    if out.json_wanted:
        out.json(answer)
    elif app:
        _show_one(settings, out, answer["app"])
    else:
        _show_all(settings, out, answer["apps"])


def _show_all(settings: Settings, out: Output, apps: list[dict[str, Any]]) -> None:
    if not apps:
        out.line("no apps yet")
        out.note(f"the first: {settings.command('deploy --image nginx --domain hello.localhost')}")
        return
    now = time.time()
    headers = ("APP", "STATE", "RELEASE", "IMAGE", "URL", "SINCE")
    out.table(headers, [_row(app, now) for app in apps])
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
        mark = out.out.style(out.out.symbol("note"), "red")
        out.line(f"{mark} {app['name']}: {out.foreign(alert)}")


def _row(app: dict[str, Any], now: float) -> list[tuple[str, str]]:
    state, urls = str(app.get("state", "")), app.get("urls", [])
    more = f" (+{len(urls) - 1})" if len(urls) > 1 else ""
    return [
        (app["name"], "bold"),
        (state, _STYLES.get(state, "")),
        (str(app.get("release") or "-"), ""),
        (clip(_image(app), 48), ""),
        (f"{urls[0]}{more}" if urls else "-", ""),
        (ago(float(app.get("since") or 0), now), ""),
    ]


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
    _show_replicas(out, app.get("replicas", []))
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
    routes = app.get("routes", [])
    facts += [("route", _route(r)) for r in routes] or [("url", u) for u in app.get("urls", [])]
    facts += [("volume", volume) for volume in app.get("volumes", [])]
    facts += [("power", _power(power)) for power in app.get("powers", [])]
    if app.get("source"):
        facts.append(("file", str(app["source"])))
    return facts


def _route(route: dict[str, Any]) -> str:
    tls = route.get("tls", "")
    seen = {"app-down": "app down", "route-down": "route down"}.get(route.get("uptime", ""), "")
    marks = ", ".join(filter(None, (f"tls: {tls}" if tls else "", seen)))
    return f"{route['url']} to {route['target']}" + (f"  ({marks})" if marks else "")


def _power(power: dict[str, Any]) -> str:
    if not power.get("granted"):
        return f"{power['power']}  (no longer given; the next start will be refused)"
    return f"{power['power']}" + ("" if power.get("used") else "  (given, not used)")


def _show_replicas(out: Output, replicas: list[dict[str, Any]]) -> None:
    if not replicas:
        return
    now = time.time()
    out.line()
    headers = ("  CONTAINER", "STATE", "HEALTH", "RELEASE", "ADDRESS", "RESTARTS", "STARTED")
    out.table(headers, [_replica(replica, now) for replica in replicas])


def _replica(replica: dict[str, Any], now: float) -> list[tuple[str, str]]:
    state, restarts = str(replica.get("state", "")), int(replica.get("restarts") or 0)
    return [
        (f"  {replica.get('name', '')}", ""),
        (state, "green" if state in {"running", "done"} else "red"),
        (str(replica.get("health") or "-"), "red" if replica.get("health") == "unhealthy" else ""),
        (str(replica.get("release") or "-"), ""),
        (str(replica.get("address") or "-"), ""),
        (str(restarts), "yellow" if restarts else ""),
        (ago(float(replica.get("started_at") or 0), now), ""),
    ]
