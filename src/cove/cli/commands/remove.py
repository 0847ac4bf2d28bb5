"""`cove remove`: asks before it deletes anything."""

from __future__ import annotations

import click

from cove.cli.acts import act
from cove.cli.client import Client
from cove.cli.options import APP, Settings, shared
from cove.cli.output import Output
from cove.errors import Cancelled, InvalidFile


@click.command()
@click.argument("app", type=APP)
@click.option("--volumes", is_flag=True, help="Delete its volumes too. There is no way back.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@shared
def command(settings: Settings, app: str, volumes: bool, yes: bool) -> int:
    """Remove an app: its containers, routes and releases. Its volumes stay unless --volumes."""
    status = Client(settings).get(f"/v1/apps/{app}")["app"]
    if not yes:
        _confirm(Output(settings), app, status.get("volumes", []), volumes=volumes)
    return act(settings, app, "remove", volumes=volumes)


def _confirm(out: Output, app: str, owned: list[str], *, volumes: bool) -> None:
    if not out.interactive:
        raise InvalidFile(f"removing {app} needs a yes", code="usage", hint="add --yes")
    if volumes and owned:
        out.note(f"The data in {', '.join(owned)} will be gone for good.")
        agreed = out.ask(f"Type the app's name to remove it with its volumes ({app}):") == app
    else:
        kept = f" (its volumes stay: {', '.join(owned)})" if owned else ""
        agreed = out.agrees(f"Remove {app}{kept}?")
    if not agreed:
        raise Cancelled("nothing was removed")
