"""`cove restart`."""

from __future__ import annotations

import click

from cove.cli.acts import act
from cove.cli.options import APP, Settings, complete, shared


@click.command()
@click.argument("app", type=APP)
@click.argument("services", nargs=-1, metavar="[SERVICE]...", shell_complete=complete("services"))
@shared
def command(settings: Settings, app: str, services: tuple[str, ...]) -> int:
    """Replace an app's containers by fresh ones of the same release, without losing a request.

    A SERVICE beside those with a domain, such as a database, is replaced in place, alone: what
    depends on it waits for it or sees it go for a moment.
    """
    more = {"services": list(services)} if services else {}
    return act(settings, app, "restart", **more)
