"""`cove attach`: follows a rollout that someone started."""

from __future__ import annotations

import time
from typing import Any

import click

from cove.cli.client import Client
from cove.cli.options import APP, Settings, shared
from cove.cli.output import Output
from cove.cli.text import ago
from cove.errors import InvalidFile


@click.command()
@click.argument("app", type=APP, required=False)
@shared
def command(settings: Settings, app: str | None) -> int:
    """Follow the rollout of APP that is under way, or the only one there is."""
    out, client = Output(settings), Client(settings)
    rollouts = client.get("/v1/rollouts", app=app, limit=50)["rollouts"]
    running = [r for r in rollouts if not r.get("ended_at")]
    if not running:
        return _none(out, app, rollouts)
    if len({r["app"] for r in running}) > 1:
        names = ", ".join(sorted({r["app"] for r in running}))
        raise InvalidFile(
            f"several rollouts are under way: {names}",
            code="usage",
            hint=settings.command("attach APP"),
        )
    from cove.cli.follow import follow

    return follow(settings, out, client, running[0])


def _none(out: Output, app: str | None, rollouts: list[dict[str, Any]]) -> int:
    last = rollouts[0] if rollouts else None
    if out.json_wanted:
        out.json({"rollout": None, "last": last})
        return 0
    out.line(f"nothing is under way{f' for {app}' if app else ''}")
    if last:
        when = ago(last["ended_at"], time.time())
        out.line(f"the last: {last['kind']} of {last['app']}, {last['outcome']}, {when}")
    return 0
