"""`cove status-page`: a public page that says how the apps do."""

from __future__ import annotations

from typing import Any, Final

import click

from cove.cli.client import Client
from cove.cli.options import Settings, complete, shared
from cove.cli.output import Output
from cove.errors import InvalidFile
from cove.model import names

_HELP: Final = """A public page that says how the apps do, under a domain of its own.

\b
  cove status-page set status.example.com --app shop="Web shop" --app blog
  cove status-page set status.example.com --title "Example, Inc."
  cove status-page remove status.example.com
"""
_SET_HELP: Final = """Show a status page under DOMAIN, or change the one that is there.

What is not given stays as it is. The page tells names, whether services answer, for how long they
did, and when they did not; nothing else of the server.
"""


@click.group(help=_HELP, invoke_without_command=True)
@shared
@click.pass_context
def command(context: click.Context, settings: Settings) -> None:
    """Lists the pages where no command was given."""
    if context.invoked_subcommand is None:
        _list(settings)


@command.command("set", help=_SET_HELP)
@click.argument("domain", shell_complete=complete("status-pages"))
@click.option(
    "--app",
    "apps",
    multiple=True,
    metavar="APP[=LABEL]",
    shell_complete=complete("apps"),
    help="Show this app, under that label; repeatable, in this order, instead of those before.",
)
@click.option(
    "--all/--only", "every", default=None, help="Every other app too, those to come included."
)
@click.option("--title", metavar="TEXT", help="The page's title; empty: Status.")
@click.option("--domains/--no-domains", default=None, help="Name each app's domains.  [no]")
@click.option(
    "--maintenance/--no-maintenance",
    default=None,
    help="Announce the maintenance windows of `cove alerts`.  [no]",
)
@shared
def set_page(settings: Settings, domain: str, apps: tuple[str, ...], **given: Any) -> None:
    """Sends what was given, and says what is shown now."""
    out = Output(settings)
    change = {key: value for key, value in given.items() if value is not None}
    if apps:
        change["apps"] = [_shown(text) for text in apps]
    answer = Client(settings).post("/v1/status-pages", {"domain": domain.lower(), **change})
    if out.json_wanted:
        out.json(answer)
        return
    page = answer["page"]
    out.line(f"{page['url']} shows {_names(out, page)}")
    if page["every"]:
        out.note("apps that are deployed later are shown by their names, too")
    for note in answer["notes"]:
        out.note(out.foreign(note))


@command.command("list")
@shared
def listing(settings: Settings) -> None:
    """List the pages, and what each shows."""
    _list(settings)


@command.command()
@click.argument("domain", shell_complete=complete("status-pages"))
@shared
def remove(settings: Settings, domain: str) -> None:
    """Show the page under DOMAIN no more."""
    out = Output(settings)
    answer = Client(settings).post("/v1/status-pages/remove", {"domain": domain.lower()})
    if out.json_wanted:
        out.json(answer)
    else:
        out.line(f"the status page {answer['domain']} is removed")


def _shown(text: str) -> dict[str, str]:
    app, _, label = text.partition("=")
    if not names.matches(names.APP, app):
        raise InvalidFile(
            f"--app: {app!r} cannot be an app's name (small letters, digits, dashes)", code="usage"
        )
    return {"app": app, "label": label.strip()}


def _list(settings: Settings) -> None:
    out = Output(settings)
    answer = Client(settings).get("/v1/status-pages")
    if out.json_wanted:
        out.json(answer)
        return
    pages = answer["pages"]
    if not pages:
        out.line(
            "there is no status page; make one: "
            + settings.command("status-page set DOMAIN --app APP")
        )
        return
    headers = ("PAGE", "TITLE", "SHOWS", "DOMAINS", "MAINTENANCE")
    out.table(headers, [_row(out, page) for page in pages])
    for page in pages:
        _remark(settings, out, page)


def _row(out: Output, page: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (out.foreign(page["url"]), "bold"),
        (out.foreign(page["title"]), ""),
        (_names(out, page) + (" (every app)" if page["every"] else ""), ""),
        ("named" if page["domains"] else "-", ""),
        ("announced" if page["maintenance"] else "-", ""),
    ]


def _names(out: Output, page: dict[str, Any]) -> str:
    return out.foreign(", ".join(page["shown"])) or "no app yet"


def _remark(settings: Settings, out: Output, page: dict[str, Any]) -> None:
    if not page["certified"]:
        why = settings.command("certs")
        out.warn(f"{page['domain']} has no certificate yet; see why: {why}")
    if page["missing"]:
        out.note(f"{page['domain']}: there is no app {', '.join(page['missing'])} any more")
