"""What every command takes: the global options, and an app's name as an argument.

Imported by `cove.cli.main` before anything else, so it imports nothing that is slow to load.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from cove.model import names

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

DEFAULT_DATA_DIR = "/var/lib/cove"
F = TypeVar("F", bound=Callable[..., Any])


class Settings:
    """The global options of one call; they may stand before or after the command's name."""

    def __init__(self) -> None:
        self.data_dir = Path(os.environ.get("COVE_DATA_DIR") or DEFAULT_DATA_DIR).absolute()
        self.data_dir_given = False
        self.json = False
        self.no_color = bool(os.environ.get("NO_COLOR"))  # https://no-color.org: any value
        self.quiet = False

    def command(self, words: str) -> str:
        """A cove command to suggest, complete with the data directory this call was given."""
        if not self.data_dir_given:
            return f"cove {words}"
        return f"cove --data-dir {shlex.quote(str(self.data_dir))} {words}"


def _remember(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    settings = context.ensure_object(Settings)
    if not value or parameter.name is None:
        return
    if parameter.name == "data_dir":
        settings.data_dir = Path(value).absolute()
        settings.data_dir_given = True
    else:
        setattr(settings, parameter.name, True)


def complete(kind: str) -> Callable[..., Any]:
    """Shell completion by the function of that name in `cove.cli.candidates`, loaded when asked."""

    def found(context: click.Context, _: click.Parameter, incomplete: str) -> Any:
        from cove.cli import candidates

        return candidates.find(kind, context, incomplete)

    return found


_OPTIONS: tuple[tuple[tuple[str, ...], dict[str, Any]], ...] = (
    (("-q", "--quiet"), {"is_flag": True, "help": "No progress, only results and errors."}),
    (("--no-color",), {"is_flag": True, "help": "Plain text; NO_COLOR does the same."}),
    (("--json", "json"), {"is_flag": True, "help": "Print the result as JSON."}),
    (
        ("--data-dir",),
        {
            "metavar": "DIR",
            "shell_complete": complete("folders"),
            "help": f"Where cove keeps its data.  [COVE_DATA_DIR; {DEFAULT_DATA_DIR}]",
        },
    ),
)


def _add(function: F, *, hidden: tuple[str, ...]) -> F:
    for flags, options in _OPTIONS:
        option = click.option(
            *flags,
            expose_value=False,
            is_eager=True,
            callback=_remember,
            hidden=flags[-1] in hidden,
            **options,
        )
        function = option(function)
    return function


def global_options(function: F) -> F:
    """Adds the global options to the group."""
    return _add(function, hidden=())


def shared(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the global options to a command and passes it the settings as its first argument."""
    hidden = ("--data-dir", "--no-color", "--quiet")
    return _add(click.make_pass_decorator(Settings)(function), hidden=hidden)


class AppName(click.ParamType[str]):
    """An app's name, checked before it becomes part of a request's path."""

    name = "app"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name itself; a usage error where it cannot be one."""
        text = str(value)
        if not names.matches(names.APP, text):
            self.fail(f"{text!r} cannot be an app's name (small letters, digits, dashes)")
        return text

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """The names of the apps there are."""
        found: list[CompletionItem] = complete("apps")(ctx, param, incomplete)
        return found


APP = AppName()
