"""`cove rollback`."""

from __future__ import annotations

import click

from cove.cli.acts import act
from cove.cli.options import APP, Settings, complete, shared


@click.command()
@click.argument("app", type=APP)
@click.argument(
    "release", type=click.IntRange(1), required=False, shell_complete=complete("releases")
)
@shared
def command(settings: Settings, app: str, release: int | None) -> int:
    """Make an earlier release live again: RELEASE, or the one before the live one.

    `cove history APP` lists them. Volumes are not rolled back.
    """
    return act(settings, app, "rollback", release=release)
