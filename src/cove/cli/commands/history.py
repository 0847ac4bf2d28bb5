"""`cove history`: an app's releases."""

from __future__ import annotations

import time
from typing import Any

import click

from cove.cli.client import Client
from cove.cli.commands.status import never_live
from cove.cli.options import APP, Settings, shared
from cove.cli.output import Output
from cove.cli.text import ago, clip, short_digest

_STYLES = {"live": "green", "failed": "red", "pending": "yellow", "superseded": "dim"}
_LONGEST_ERROR = 70  # columns; `--json` has all of it


@click.command()
@click.argument("app", type=APP)
@shared
def command(settings: Settings, app: str) -> None:
    """List an app's releases, the newest first."""
    out = Output(settings)
    releases = Client(settings).get(f"/v1/apps/{app}/releases")["releases"]
    if out.json_wanted:
        out.json({"app": app, "releases": releases})
        return
    if not releases:
        out.line(f"{app} has no releases yet")
        return
    now = time.time()
    headers = ("RELEASE", "STATUS", "WHEN", "BY", "IMAGE", "WHY", "ERROR")
    out.table(headers, [_row(out, release, now) for release in releases])
    if not any(r.get("status") in {"live", "superseded", "pending"} for r in releases):
        out.note(never_live(settings, app))
    if any(r.get("status") == "superseded" for r in releases):
        out.note(f"go back to one: {settings.command(f'rollback {app} RELEASE')}")


def _row(out: Output, release: dict[str, Any], now: float) -> list[tuple[str, str]]:
    status = str(release.get("status", ""))
    digest = short_digest(str(release.get("digest", "")))
    image = str(release.get("image", "")).partition("@")[0]
    error = str(release.get("error", "")).partition("\n")[0]
    return [
        (str(release.get("number", "")), "bold" if status == "live" else ""),
        (status, _STYLES.get(status, "")),
        (ago(float(release.get("created_at", 0)), now), ""),
        (out.foreign(str(release.get("by", ""))), ""),
        (f"{image}@{digest}" if digest else image, ""),
        (out.foreign(str(release.get("why", ""))), ""),
        (clip(out.foreign(error), _LONGEST_ERROR), "red"),
    ]
