"""`cove exec`: a command inside a live container."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from cove.cli.client import Client
from cove.cli.options import APP, Settings, complete, shared
from cove.cli.output import Output
from cove.errors import InvalidFile

HELP = """Run a command in a running container of APP; its exit code is cove's.

\b
  cove exec shop -- sh
  cove exec shop --service db -- psql < dump.sql

On a terminal the command gets one too, and every key, Ctrl-C included. In a pipe its output and
errors stay apart and bytes are left as they are. It ends when you leave.
"""


@click.command(help=HELP)
@click.argument("app", type=APP)
@click.argument("words", nargs=-1, metavar="-- COMMAND...", type=click.UNPROCESSED)
@click.option(
    "--service",
    metavar="NAME",
    shell_complete=complete("services"),
    help="In which service; default: the one with a route.",
)
@click.option("--replica", type=click.IntRange(1), help="In which replica; default: any that runs.")
@click.option("-T", "--no-tty", is_flag=True, help="No terminal, though there is one.")
@click.option("-u", "--user", metavar="USER", default="", help="As which user: NAME or UID[:GID].")
@click.option("-w", "--workdir", metavar="DIR", default="", help="In which folder.")
@click.option(
    "-e",
    "--env",
    metavar="NAME[=VALUE]",
    multiple=True,
    help="A variable; without a value, the one of your own environment.",
)
@shared
def command(
    settings: Settings, app: str, words: tuple[str, ...], no_tty: bool, **options: Any
) -> int:
    """Asks the agent to prepare the command, and attaches to it."""
    if not words:
        hint = settings.command(f"exec {app} -- sh")
        raise InvalidFile("which command shall run?", code="usage", hint=hint)
    tty = not no_tty and _both_ends()
    client = Client(settings)
    answer = client.post(f"/v1/apps/{app}/exec", _request(words, options, tty=tty))
    from cove.cli.execution import attach

    ended = attach(client.socket_path, answer["exec"]["id"], tty=tty)
    if ended.message:
        Output(settings).warn(ended.message)
    return ended.code


def _request(words: tuple[str, ...], options: dict[str, Any], *, tty: bool) -> dict[str, Any]:
    from cove.cli import terminal
    from cove.cli.request import author

    rows, columns = terminal.size() if tty else (0, 0)
    return {
        "command": list(words),
        "service": options["service"] or "",
        "replica": options["replica"] or 0,
        "tty": tty,
        "user": options["user"],
        "workdir": options["workdir"],
        "environment": _environment(options["env"], tty=tty),
        "rows": rows,
        "columns": columns,
        "by": author(),
    }


def _both_ends() -> bool:
    """Whether a person sits at both ends; a terminal would change what goes into a file."""
    streams = (sys.stdin, sys.stdout)
    return all(stream is not None and stream.isatty() for stream in streams)


def _environment(given: tuple[str, ...], *, tty: bool) -> dict[str, str]:
    found = {"TERM": os.environ["TERM"]} if tty and os.environ.get("TERM") else {}
    for pair in given:
        name, sign, value = pair.partition("=")
        if not name:
            raise InvalidFile(f"-e {pair!r} has no name", code="usage", hint="write -e NAME=VALUE")
        if sign:
            found[name] = value
        elif name in os.environ:
            found[name] = os.environ[name]
    return found
