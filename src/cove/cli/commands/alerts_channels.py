"""`cove alerts channel`: where messages go.

Imported by `cove.cli.commands.alerts` only. An address is a secret: it is asked for without being
shown, or read from stdin, and never stands on the command line.
"""

from __future__ import annotations

import getpass
import sys
import time
from typing import Any, Final

import click

from cove.cli.client import Client
from cove.cli.options import APP, Settings, complete, shared
from cove.cli.output import Output
from cove.cli.text import ago
from cove.errors import InvalidFile

_KINDS: Final = ("webhook", "slack", "discord", "telegram", "ntfy", "email", "apprise")
_LARGEST: Final = 8192  # characters of stdin
_ADD_HELP = """Add the channel NAME, or replace it. Its address is asked for, or read from stdin.

\b
  Slack      https://hooks.slack.com/services/…
  Discord    https://discord.com/api/webhooks/…
  Telegram   https://api.telegram.org/botTOKEN/sendMessage?chat_id=CHAT
  ntfy       https://ntfy.sh/TOPIC
  e-mail     smtps://USER:PASSWORD@HOST/?from=ADDRESS&to=ADDRESS
  webhook    https://HOST/PATH
  others     any address of apprise, such as matrix://… or pover://…

\b
  cove alerts channel add chat < address.txt
  cove alerts channel add pager --signed --app shop
"""


@click.group(invoke_without_command=True)
@shared
@click.pass_context
def channel(context: click.Context, settings: Settings) -> None:
    """Where messages go: add, remove, list and test channels."""
    if context.invoked_subcommand is None:
        _list(settings)


@channel.command(help=_ADD_HELP)
@click.argument("name")
@click.option("--kind", type=click.Choice(_KINDS), help="Where the address does not tell.")
@click.option("--signed", is_flag=True, help="A webhook: sign with a key, read after the address.")
@click.option("--app", "apps", type=APP, multiple=True, help="Only about this app; repeatable.")
@shared
def add(
    settings: Settings, name: str, kind: str | None, signed: bool, apps: tuple[str, ...]
) -> None:
    """Reads the secrets and sends them over the agent's socket."""
    out = Output(settings)
    url, key = _secrets(out, signed=signed)
    body = {"name": name, "url": url, "kind": kind or "", "key": key, "apps": apps}
    answer = Client(settings).post("/v1/alerts/channels", body)
    found = next(one for one in answer["channels"] if one["name"] == name)
    if out.json_wanted:
        out.json({"channel": found})
        return
    out.line(f"{name}: {found['kind']}, {out.foreign(found['url'])}")
    out.note(f"see whether it arrives: {settings.command(f'alerts test {name}')}")


@channel.command()
@click.argument("name", shell_complete=complete("channels"))
@shared
def remove(settings: Settings, name: str) -> None:
    """Remove the channel NAME, with what still waits for it."""
    out = Output(settings)
    answer = Client(settings).post("/v1/alerts/channels/remove", {"name": name})
    if out.json_wanted:
        out.json(answer)
    else:
        out.line(f"{name} is removed")


@channel.command("list")
@shared
def listing(settings: Settings) -> None:
    """List the channels, and how the last message went."""
    _list(settings)


def _list(settings: Settings) -> None:
    out = Output(settings)
    answer = Client(settings).get("/v1/alerts/channels")
    if out.json_wanted:
        out.json(answer)
    elif answer["channels"]:
        now = time.time()
        headers = ("CHANNEL", "KIND", "ADDRESS", "ABOUT", "DELIVERED", "WAITING")
        out.table(headers, [_row(out, one, now) for one in answer["channels"]])
        for one in answer["channels"]:
            if one["error"]:
                out.line(f"{out.out.symbol('note')} {one['name']}: {out.foreign(one['error'])}")
    else:
        out.line(f"there are no channels; add one: {settings.command('alerts channel add NAME')}")


def _row(out: Output, one: dict[str, Any], now: float) -> list[tuple[str, str]]:
    signed = ", signed" if one["signed"] else ""
    return [
        (one["name"], "bold"),
        (one["kind"] + signed, ""),
        (out.foreign(one["url"]), ""),
        (", ".join(one["apps"]) or "everything", ""),
        (ago(float(one["delivered_at"]), now) or "-", ""),
        (str(one["waiting"] or "-"), "yellow" if one["waiting"] else ""),
    ]


def _secrets(out: Output, *, signed: bool) -> tuple[str, str]:
    """The address, and with `signed` the key: from the terminal unseen, else a line each."""
    if out.interactive:
        url = getpass.getpass("address: ").strip()
        key = getpass.getpass("key to sign with: ").strip() if signed else ""
    else:
        url, _, rest = sys.stdin.read(_LARGEST).partition("\n")
        url, key = url.strip(), rest.partition("\n")[0].strip() if signed else ""
    if not url:
        raise InvalidFile("no address was given", code="usage", hint="write it to stdin")
    if signed and not key:
        raise InvalidFile(
            "no key was given", code="usage", hint="write it to stdin, on a line after the address"
        )
    return url, key
