"""docs/reference/cli.md from the click commands. Imported by `script.lib.reference`."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import click

from cove.cli.main import SECTIONS, group
from cove.cli.options import DEFAULT_DATA_DIR

_EVERYWHERE = {"--json", "--help", "-h, --help"}

HEAD = f"""# Commands

`cove` talks to the agent of this machine over a unix socket in the data directory. Only root may
use that socket. Results go to standard output, progress and errors to standard error.

Environment: `COVE_DATA_DIR` names the data directory (default `{DEFAULT_DATA_DIR}`), `NO_COLOR`
switches colours off, `DOCKER_HOST` names Docker's unix socket where it is not the usual one.

## Exit codes

| code | meaning |
|---|---|
| 0 | done |
| 1 | failed, and nothing served before; or Docker, the proxy, the disk or the machine failed |
| 2 | wrong usage, an invalid app file, or a name that does not exist |
| 3 | refused, or tried and undone; what served before still serves |
| 4 | no agent answers |
| 5 | another rollout of the same app is under way |
| 70 | a bug in cove; a report file is written |
| 130 | interrupted or cancelled; what was begun is undone |

The stable codes of errors are in [errors.md](errors.md).

## JSON

With `--json` a command prints one object to standard output; `"v": 1` is the version of its form.
`logs` prints one object per line. An error is printed as `{{"v": 1, "error": {{…}}}}`. A command
that follows a rollout prints `outcome` (`live`, `done`, `kept`, `failed` or `cancelled`),
`release`, `serving`, `urls`, `seconds`, `exit_code` and `error`.
"""


def document() -> str:
    """Every command with its arguments and options."""
    parts = [HEAD, "## Options of every command\n", _options(group, "cove")]
    for title, commands in SECTIONS.items():
        parts.append(f"## {title}\n")
        for name in commands:
            found = group.get_command(click.Context(group), name)
            if found is not None:
                parts.extend(_command(found, f"cove {name}"))
    return "\n".join(part for part in parts if part)


def _command(command: click.Command, path: str, level: int = 3) -> Iterator[str]:
    context = click.Context(command, info_name=path)
    usage = " ".join(command.collect_usage_pieces(context))
    yield f"{'#' * level} {path}\n"
    yield f"```text\n{path} {usage}\n```\n"
    yield f"{_text(command)}\n"
    yield _options(command, path)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            if found is not None:
                yield from _command(found, f"{path} {name}", level + 1)


def _text(command: click.Command) -> str:
    """The help; what click leaves unwrapped after a backspace is an example."""
    text, mark, example = inspect.cleandoc(command.help or "").partition("\b\n")
    return f"{text}```sh\n{inspect.cleandoc(example)}\n```" if mark else text


def _options(command: click.Command, path: str) -> str:
    context = click.Context(command, info_name=path, **command.context_settings)
    rows = [
        record
        for parameter in command.get_params(context)
        if isinstance(parameter, click.Option) and (record := parameter.get_help_record(context))
    ]
    if path != "cove":  # said once, at the top
        rows = [row for row in rows if row[0] not in _EVERYWHERE]
    if not rows:
        return ""
    lines = [f"| `{_cell(names)}` | {_cell(text)} |" for names, text in rows]
    return "\n".join(["| option | meaning |", "|---|---|", *lines, ""])


def _cell(text: str) -> str:
    text = " ".join(text.split()).replace("INTEGER RANGE", "N")
    text = re.sub(r" ?\[(\d+)<=x<=(\d+)\]", r" (\1 to \2)", text)
    return re.sub(r" ?\[x>=\d+\]", "", text).replace("|", "\\|")
