"""`cove completion`: the script that teaches a shell cove's commands."""

from __future__ import annotations

import click

from cove.cli.options import Settings, shared
from cove.cli.output import Output

HELP = """Print the completion script of a shell.

\b
  bash   cove completion bash > /etc/bash_completion.d/cove
  zsh    cove completion zsh > "${fpath[1]}/_cove"
  fish   cove completion fish > ~/.config/fish/completions/cove.fish

Commands, options, apps, services, releases and powers are completed. bash must be 4.4 or newer.
"""


@click.command(help=HELP)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@shared
def command(settings: Settings, shell: str) -> None:
    """Prints it."""
    from click.shell_completion import get_completion_class

    from cove.cli.main import group

    found = get_completion_class(shell)
    if found is None:  # the choices above are all that click has
        raise AssertionError
    out, script = Output(settings), found(group, {}, "cove", "_COVE_COMPLETE").source()
    if out.json_wanted:
        out.json({"shell": shell, "script": script})
    else:
        out.line(script.strip("\n"))
