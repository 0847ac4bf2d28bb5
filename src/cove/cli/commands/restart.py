"""`cove restart`."""

from __future__ import annotations

import click

from cove.cli.acts import act
from cove.cli.options import APP, Settings, shared


@click.command()
@click.argument("app", type=APP)
@shared
def command(settings: Settings, app: str) -> int:
    """Replace an app's containers by fresh ones of the same release, without losing a request."""
    return act(settings, app, "restart")
