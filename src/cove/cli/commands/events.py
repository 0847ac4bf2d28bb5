"""`cove events`: what happened on this server."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import click

from cove.cli.client import SILENCE_SECONDS, Client
from cove.cli.options import APP, Settings, shared
from cove.cli.output import Output
from cove.cli.text import moment
from cove.errors import Unreachable

DEFAULT_LINES = 50
_ALL = -1  # of the API's `tail`
PATIENCE = 60.0  # seconds to wait for an agent that went away
RETRY = 0.5  # seconds between two tries to reach it
_STYLES = {
    "failure": "red",
    "outcome": "green",
    "container": "yellow",
    "proxy": "yellow",
    "repair": "yellow",
    "power": "magenta",
    "step": "dim",
}


@click.command()
@click.argument("app", type=APP, required=False)
@click.option("-f", "--follow", is_flag=True, help="Go on as things happen, until Ctrl-C.")
@click.option("--since", metavar="WHEN", help="From 10m or 2d ago, or from a date and time.")
@click.option(
    "-n",
    "--lines",
    type=click.IntRange(0),
    help=f"The last N  [{DEFAULT_LINES}; all with --since]",
)
@shared
def command(
    settings: Settings, app: str | None, follow: bool, since: str | None, lines: int | None
) -> int:
    """Show what happened on this server, or to APP: rollouts, deaths of containers, repairs.

    With --json, one object per line. Following goes on over a restart of the agent, and neither
    misses nor repeats anything.
    """
    client, out = Client(settings), Output(settings)
    start = moment(since, time.time()) if since else None
    tail = (DEFAULT_LINES if since is None else _ALL) if lines is None else lines
    past: dict[str, Any] = {"app": app, "since": start, "tail": tail}
    # Asked for first, so that nothing can come between the past and what is followed.
    newest = _last(client.stream("/v1/events", tail=1)) if follow else 0
    for happening in client.stream("/v1/events", **past):
        _show(out, happening, named=app is None)
        newest = max(newest, int(happening["seq"]))
    if follow:
        with contextlib.suppress(KeyboardInterrupt):  # this is how following ends
            _follow(client, out, app, newest)
    return 0


def _last(happenings: Iterable[dict[str, Any]]) -> int:
    return max((int(happening["seq"]) for happening in happenings), default=0)


def _follow(client: Client, out: Output, app: str | None, after: int) -> None:
    """Until Ctrl-C. Raises Unreachable where the agent stays away."""
    deadline = 0.0
    while True:
        try:
            query = {"app": app, "after": after, "follow": 1}
            for happening in client.stream("/v1/events", silence=SILENCE_SECONDS, **query):
                after, deadline = int(happening["seq"]), 0.0
                _show(out, happening, named=app is None)
        except Unreachable as error:
            if error.specific_code == "not-permitted":
                raise
        now = time.monotonic()
        if not deadline:
            deadline = now + PATIENCE
            out.note("the agent is gone; waiting for it to come back…")
        elif now > deadline:
            raise Unreachable(f"the agent has been gone for {PATIENCE:.0f} s")
        time.sleep(RETRY)


def _show(out: Output, happening: dict[str, Any], *, named: bool) -> None:
    if out.json_wanted:
        out.json(happening)
        return
    when = datetime.fromtimestamp(float(happening["at"])).astimezone()
    parts = [out.out.style(f"{when:%Y-%m-%d %H:%M:%S}", "dim")]
    if named:
        parts.append(out.out.style(f"{happening.get('app') or '-':<12}", "bold"))
    text = out.foreign(str(happening["text"]).replace("\n", " "))
    parts.append(out.out.style(text, *filter(None, [_STYLES.get(str(happening["kind"]))])))
    out.line("  ".join(parts))
