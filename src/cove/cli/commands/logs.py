"""`cove logs`: what an app's containers write."""

from __future__ import annotations

import time
from typing import Any

import click

from cove.cli.client import SILENCE_SECONDS, Client
from cove.cli.options import APP, Settings, shared
from cove.cli.output import Output
from cove.cli.text import moment

DEFAULT_LINES = 100
_ALL = -1  # of the API's `tail`
_COLOURS = ("cyan", "magenta", "green", "yellow", "blue")


@click.command()
@click.argument("app", type=APP)
@click.option("-f", "--follow", is_flag=True, help="Go on as lines are written, until Ctrl-C.")
@click.option("--since", metavar="WHEN", help="From 10m or 2d ago, or from a date and time.")
@click.option(
    "-n",
    "--lines",
    type=click.IntRange(0),
    help=f"The last N lines  [{DEFAULT_LINES}; all with --since]",
)
@shared
def command(
    settings: Settings, app: str, follow: bool, since: str | None, lines: int | None
) -> int:
    """Show what an app's containers write.

    With --json, one object per line. Ctrl-C is how following ends, so it counts as success.
    """
    client, out = Client(settings), Output(settings)
    start = moment(since, time.time()) if since else None
    tail = (DEFAULT_LINES if since is None else _ALL) if lines is None else lines
    several = not out.json_wanted and _several(client.get(f"/v1/apps/{app}")["app"])
    printer = Printer(out, prefixed=several)
    try:
        for line in client.stream(
            f"/v1/apps/{app}/logs",
            silence=2 * SILENCE_SECONDS,
            follow=int(follow),
            since=start,
            tail=tail,
        ):
            printer.show(line)
    except KeyboardInterrupt:
        if not follow:
            raise
    return 0


def _several(app: dict[str, Any]) -> bool:
    return len(app.get("replicas", [])) > 1


class Printer:
    """Prints lines, with the service and release before each where there are several."""

    def __init__(self, out: Output, *, prefixed: bool) -> None:
        self._out = out
        self._prefixed = prefixed
        self._seen: dict[str, str] = {}

    def show(self, line: dict[str, Any]) -> None:
        """Prints one line of the stream."""
        if self._out.json_wanted:
            self._out.json(line)
            return
        release = line.get("release")  # a companion has none
        origin = f"{line.get('service', '')}" + (f"/r{release}" if release else "")
        colour = self._seen.setdefault(origin, _COLOURS[len(self._seen) % len(_COLOURS)])
        text = self._out.foreign(str(line.get("text", "")).rstrip("\n"))
        # a second release or service may turn up while following
        if self._prefixed or len(self._seen) > 1:
            bar = self._out.out.symbol("bar")
            text = f"{self._out.out.style(f'{origin} {bar}', colour)} {text}"
        self._out.line(text)
