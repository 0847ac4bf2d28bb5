"""`cove stop`."""

from __future__ import annotations

import click

from cove.cli.acts import act
from cove.cli.options import APP, Settings, shared


@click.command()
@click.argument("app", type=APP)
@shared
def command(settings: Settings, app: str) -> int:
    """Stop an app: its containers end, its data and releases stay. `cove start` brings it back."""
    return act(settings, app, "stop")
