"""`cove start`."""

from __future__ import annotations

import click

from cove.cli.acts import act
from cove.cli.options import APP, Settings, shared


@click.command()
@click.argument("app", type=APP)
@shared
def command(settings: Settings, app: str) -> int:
    """Start a stopped app again, in the release it had."""
    return act(settings, app, "start")
