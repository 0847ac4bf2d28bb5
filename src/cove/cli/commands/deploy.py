"""`cove deploy`: rolls out a file, or an image and a domain, and follows it to its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from cove.cli.client import Client
from cove.cli.options import APP, Settings, complete, shared
from cove.cli.output import Output
from cove.cli.request import Flags, collect

HELP = """Roll out an app.

FILE is an app file, a folder that holds one, or - for stdin; by default ./cove.yml.
Ctrl-C asks whether to cancel. Until the new release is ready, the old one goes on serving.

\b
  cove deploy shop.yml
  cove deploy --image nginx --domain hello.localhost
"""
_APP_OPTIONS: tuple[tuple[tuple[str, ...], dict[str, Any]], ...] = (
    (("--image",), {"metavar": "IMAGE", "default": "", "help": "Instead of a file: the image."}),
    (
        ("--domain", "domains"),
        {"metavar": "DOMAIN", "multiple": True, "help": "Where it answers; may be repeated."},
    ),
    (
        ("--env",),
        {
            "metavar": "K=V",
            "multiple": True,
            "help": "An environment value; K alone takes yours, and keeps it secret.",
        },
    ),
    (("--name",), {"type": APP, "metavar": "NAME", "help": "The app's name  [the image's]"}),
    (
        ("--port",),
        {
            "type": click.IntRange(1, 65535),
            "metavar": "PORT",
            "help": "The port it listens on  [the one the image exposes]",
        },
    ),
    (
        ("--health",),
        {"metavar": "PATH", "default": "", "help": "A path that answers once it is ready."},
    ),
    (
        ("--volume", "volumes"),
        {"metavar": "NAME:PATH", "multiple": True, "help": "A volume; may be repeated."},
    ),
)


def app_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds FILE and the options that describe an app without one."""
    for names, options in reversed(_APP_OPTIONS):
        function = click.option(*names, **options)(function)
    return click.argument(
        "file", required=False, metavar="[FILE|-]", shell_complete=complete("files")
    )(function)


def app_flags(options: dict[str, Any]) -> Flags:
    """What those options said."""
    return Flags(**{**options, "port": options["port"] or 0, "name": options["name"] or ""})


@click.command(help=HELP)
@app_options
@click.option("--take-over", is_flag=True, help="Take an app over that another file deployed.")
@click.option("--why", metavar="TEXT", default="", help="Recorded with the release.")
@click.option("--detach", is_flag=True, help="Print the rollout's number and return.")
@shared
def command(
    settings: Settings,
    file: str | None,
    take_over: bool,
    why: str,
    detach: bool,
    **options: Any,
) -> int:
    """Collect, send, follow."""
    request = {**collect(file, app_flags(options)), "take_over": take_over, "why": why}
    client, out = Client(settings), Output(settings)
    rollout = client.post("/v1/rollouts", request)["rollout"]
    if detach:
        _detached(settings, out, rollout)
        return 0
    from cove.cli.follow import follow

    return follow(settings, out, client, rollout)


def _detached(settings: Settings, out: Output, rollout: dict[str, Any]) -> None:
    if out.json_wanted:
        out.json({"rollout": rollout})
        return
    app = rollout["app"]
    follow = settings.command(f"attach {app}")
    out.note(f"rollout {rollout['id']} of {app} is under way; follow it: {follow}")
    out.line(str(rollout["id"]))
