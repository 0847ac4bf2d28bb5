"""`cove down`: stops the platform, and says what keeps running."""

from __future__ import annotations

import time
from typing import Any

import click

from cove.cli.background import Supervisor, Systemd, background
from cove.cli.client import Client
from cove.cli.options import Settings, shared
from cove.cli.output import Output
from cove.cli.text import elapsed
from cove.errors import PlatformError, Unreachable

_POLL = 0.2  # seconds
_SECONDS = 60.0  # for the proxy to let go of its requests
_SECONDS_PER_APP = 30.0  # containers get their own grace on top


@click.command()
@click.option("--apps", is_flag=True, help="Stop the apps' containers too.")
@shared
def command(settings: Settings, apps: bool) -> int:
    """Stop the platform: the agent and the proxy, and with --apps every app.

    Apps, releases, certificates and volumes stay; `cove up` brings all back.
    """
    out, client = Output(settings), Client(settings)
    if client.alive() is None:
        _end_keeper(settings)
        _say(out, running=False, stopped=apps, left=[])
        return 0
    names = [a["name"] for a in client.get("/v1/apps")["apps"] if _has_containers(a)]
    client.post("/v1/shutdown", {"proxy": True, "apps": apps})
    _wait(out, client, _SECONDS + (_SECONDS_PER_APP * len(names) if apps else 0.0))
    _end_keeper(settings)
    _say(out, running=True, stopped=apps, left=[] if apps else names)
    return 0


def _has_containers(app: dict[str, Any]) -> bool:
    return app.get("state") not in {"stopped", "empty"}


def _wait(out: Output, client: Client, seconds: float) -> None:
    """Until nothing answers on the socket. Raises PlatformError."""
    began, turn = time.monotonic(), 0
    while not _gone(client):
        waited = time.monotonic() - began
        if waited > seconds:
            raise PlatformError(
                f"the agent has not ended within {seconds:.0f} s",
                code="not-ended",
                hint="cove doctor",
            )
        out.live(f"{out.err.spinner(turn)} stopping  {elapsed(waited)}")
        turn += 1
        time.sleep(_POLL)


def _gone(client: Client) -> bool:
    try:
        client.get("/v1/version")
    except Unreachable as error:
        return error.specific_code == Unreachable.code  # refused or missing, not merely slow
    return False


def _end_keeper(settings: Settings) -> None:
    """Nothing may start the agent again, not even one that waits to after a crash."""
    keeper = background(settings.data_dir)
    if isinstance(keeper, Systemd) and keeper.exists:
        keeper.stop()
    Supervisor(settings.data_dir).stop()


def _say(out: Output, *, running: bool, stopped: bool, left: list[str]) -> None:
    if out.json_wanted:
        out.json({"was_running": running, "apps_stopped": running and stopped, "left": left})
        return
    if not running:
        out.line("cove is not running")
        return
    out.line("cove is down" + (", and its apps are stopped" if stopped else ""))
    if left:
        out.note(f"still running, but not reachable through the proxy: {', '.join(left)}")
    out.note("nothing was deleted; cove up brings all back")
