"""The entry point: a group of lazily loaded commands, and the one place that ends the process.

Only click and the global options are imported here; everything else waits until it is needed,
so that `cove --help` answers at once. `cove.__main__` imports this module.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from cove.cli.options import Settings, global_options

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from cove.errors import CoveError

SECTIONS: dict[str, dict[str, str]] = {
    "Apps": {
        "deploy": "Roll out an app from a file, or from an image and a domain",
        "plan": "Show what a deploy would do, and why",
        "status": "What runs, where, and what is wrong",
        "logs": "What an app's containers write",
        "metrics": "What the machine and apps use and answer, over time",
        "top": "The same, at this moment",
        "events": "What happened on this server, or to an app",
        "uptime": "Whether routes answer, seen from outside",
        "exec": "Run a command in an app's container",
        "history": "An app's releases",
        "rollback": "Make an earlier release live again",
        "stop": "Stop an app, keeping its data",
        "start": "Start a stopped app",
        "restart": "Replace an app's containers by fresh ones",
        "remove": "Remove an app; its volumes stay unless told",
        "schema": "The app file's schema, and what a key means",
        "attach": "Follow a rollout that is under way",
        "allow": "Powers over the host: give them to an app, take them away",
    },
    "This machine": {
        "up": "Start the platform on this machine",
        "down": "Stop the platform; apps' data stays",
        "doctor": "Check this machine and say how to mend it",
        "certs": "Certificates, and cove's own authority",
        "alerts": "What fires, who is told, and what is silenced",
        "status-page": "A public page that says how the apps do",
        "completion": "Completion of commands and names in your shell",
        "version": "Versions of cove and what it runs on",
    },
}
COMMANDS = {name: text for section in SECTIONS.values() for name, text in section.items()}
HELP = """The comfortable minimum for running containers.

\b
  cove up -d
  cove deploy --image nginx --domain hello.localhost
"""


class LazyGroup(click.Group):
    """A group that knows its commands' names and texts without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports the command's module; None where there is no such command."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(
            f"cove.cli.commands.{cmd_name.replace('-', '_')}"
        ).command
        command.name = cmd_name
        command.short_help = COMMANDS[cmd_name]
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with the nearest command suggested for an unknown one."""
        known = not args or args[0] in COMMANDS or args[0].startswith("-")
        if not known and not ctx.resilient_parsing:
            ctx.fail(_unknown(args[0]))
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Commands with their texts, from the table above, and the options."""
        from click.shell_completion import CompletionItem

        found = [(name, text) for name, text in COMMANDS.items() if name.startswith(incomplete)]
        options = click.Command.shell_complete(self, ctx, incomplete)
        return [*(CompletionItem(name, help=text) for name, text in found), *options]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands by section, from the table above."""
        width = max(len(name) for name in COMMANDS)
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(f"{n:<{width}}", text) for n, text in commands.items()])


def _unknown(name: str) -> str:
    import difflib

    near = difflib.get_close_matches(name, COMMANDS, n=1)
    return f"no such command: {name}" + (f"; did you mean {near[0]}?" if near else "")


def _print_version(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value and not context.resilient_parsing:
        from cove import __version__
        from cove.cli.output import Output

        Output(context.ensure_object(Settings)).line(f"cove {__version__}")
        context.exit()


@click.group(
    cls=LazyGroup,
    help=HELP,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Print cove's version.",
)
@global_options
@click.pass_context
def group(context: click.Context) -> None:
    """Prints the help where no command was given."""
    if context.invoked_subcommand is None:
        from cove.cli.output import Output

        Output(context.ensure_object(Settings)).line(context.get_help())


def main(arguments: list[str] | None = None) -> None:
    """Runs cove and ends the process with its exit code."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: list[str]) -> int:
    """Runs one command; returns its exit code. Everything that fails is turned to text here."""
    settings = Settings()
    try:
        code = _invoke(arguments, settings)
        sys.stdout.flush()
    except BrokenPipeError:
        return _end_of_pipe()
    return code


def _invoke(arguments: list[str], settings: Settings) -> int:
    from cove.errors import EXIT_BUG, EXIT_INTERRUPTED, CoveError

    try:
        result: Any = group.main(arguments, "cove", standalone_mode=False, obj=settings)
    except click.ClickException as error:
        settings.json = settings.json or "--json" in arguments
        return _say(_translated(error), settings)
    except CoveError as error:
        return _say(error, settings)
    except (KeyboardInterrupt, click.Abort):
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001 (a bug: reported to the user, never swallowed)
        from cove.cli.bug import as_error

        _say(as_error(error, next((a for a in arguments if a in COMMANDS), "")), settings)
        return EXIT_BUG
    return result if isinstance(result, int) else 0


def _say(error: CoveError, settings: Settings) -> int:
    from cove.cli.output import Output

    Output(settings).error(error)
    return error.exit_code


def _translated(error: click.ClickException) -> CoveError:
    from cove.errors import EXIT_USAGE, InvalidFile

    context = error.ctx if isinstance(error, click.UsageError) else None
    hint = f"{context.command_path} --help" if context else "cove --help"
    translated = InvalidFile(error.format_message(), code="usage", hint=hint)
    translated.exit_code = EXIT_USAGE
    return translated


def _end_of_pipe() -> int:
    """The reader of our output is gone (`cove logs | head`): nothing more can be said."""
    import os

    from cove.errors import EXIT_FAILED

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return EXIT_FAILED
