"""`cove version`."""

from __future__ import annotations

import platform
from typing import Any

import click

from cove import __version__
from cove.cli.options import Settings, shared
from cove.cli.output import Output


@click.command()
@shared
def command(settings: Settings) -> None:
    """Show the versions of cove, and of the agent, Docker and the proxy where they run."""
    out, agent = Output(settings), _agent(settings)
    if out.json_wanted:
        out.json({"cove": __version__, "python": platform.python_version(), "agent": agent})
        return
    out.line(f"cove    {__version__}  (Python {platform.python_version()})")
    if agent is None:
        out.note("no agent is running")
        return
    out.line(f"agent   {agent.get('version', '?')}")
    out.line(f"docker  {agent.get('docker') or '?'}")
    out.line(f"proxy   {(agent.get('proxy') or {}).get('version') or '?'}")
    if agent.get("version") != __version__:
        out.warn("the agent runs another version than this command: restart it")


def _agent(settings: Settings) -> dict[str, Any] | None:
    from cove.errors import Unreachable

    try:
        if not (settings.data_dir / "agent.sock").exists():
            return None  # the HTTP client need not even be loaded
        from cove.cli.client import Client

        return Client(settings).alive()
    except (PermissionError, Unreachable):
        return None
