"""`cove allow`: powers over the host, given to an app and taken away."""

from __future__ import annotations

import time
from typing import Any

import click

from cove.cli.client import Client
from cove.cli.options import APP, Settings, complete, shared
from cove.cli.output import Output
from cove.cli.text import ago
from cove.errors import InvalidFile
from cove.model import powers

_HELP = """Give APP powers over the host, or list those it has.

A file has no power of its own over the host: a deploy that needs one is refused until it is given
here. It is given to the name, before the first deploy if need be.
"""


def _help() -> str:
    width = max(len(powers.spelled(name)) for name in powers.KINDS)
    kinds = [f"  {powers.spelled(n):<{width}}  {k.text}" for n, k in powers.KINDS.items()]
    return "\n".join((_HELP, "\b", "An app may then:", *kinds))


@click.command(help=_help())
@click.argument("app", type=APP)
@click.argument("wanted", nargs=-1, metavar="[POWER]...", shell_complete=complete("powers"))
@click.option("--revoke", is_flag=True, help="Take the powers away.")
@shared
def command(settings: Settings, app: str, wanted: tuple[str, ...], revoke: bool) -> None:
    """Lists, gives or takes."""
    out, client = Output(settings), Client(settings)
    if not wanted:
        if revoke:
            raise InvalidFile("--revoke needs the powers to take away", code="usage")
        _list(settings, out, app, client.get(f"/v1/apps/{app}/powers"))
        return
    from cove.cli.request import author

    verb = "revoke" if revoke else "grant"
    answer = client.post(f"/v1/apps/{app}/powers/{verb}", {"powers": wanted, "by": author()})
    if out.json_wanted:
        out.json(answer)
    elif revoke:
        _taken(out, app, answer)
    else:
        _given(out, app, wanted, answer)


def _given(out: Output, app: str, wanted: tuple[str, ...], answer: dict[str, Any]) -> None:
    for power in answer["changed"]:
        out.line(f"{app} may use {out.foreign(power)}")
    if not answer["changed"]:
        out.line(f"{app} had {'it' if len(wanted) == 1 else 'them'} already")


def _taken(out: Output, app: str, answer: dict[str, Any]) -> None:
    for power in answer["changed"]:
        out.line(f"{app} may no longer use {out.foreign(power)}")
    kept = [entry["power"] for entry in answer["powers"] if _overdue(entry)]
    if kept:
        out.warn(
            f"the running containers of {app} keep {', '.join(kept)} until they end; "
            "a deploy, a start or a repair with it will be refused"
        )


def _overdue(entry: dict[str, Any]) -> bool:
    return bool(entry.get("used")) and not entry.get("granted")


def _list(settings: Settings, out: Output, app: str, answer: dict[str, Any]) -> None:
    entries = answer["powers"]
    if out.json_wanted:
        out.json({"app": app, **answer})
        return
    if not entries:
        out.line(f"{app} has no powers over the host")
        return
    now = time.time()
    out.table(("POWER", "GIVEN", "BY", "USED"), [_row(out, entry, now) for entry in entries])
    overdue = " ".join(entry["power"] for entry in entries if _overdue(entry))
    if overdue:
        out.note(f"its next start needs: {settings.command(f'allow {app} {overdue}')}")


def _row(out: Output, entry: dict[str, Any], now: float) -> list[tuple[str, str]]:
    granted = bool(entry.get("granted"))
    return [
        (out.foreign(entry["power"]), "bold"),
        (ago(float(entry.get("at") or 0), now) if granted else "no", "" if granted else "yellow"),
        (out.foreign(str(entry.get("by") or "-")), ""),
        ("yes" if entry.get("used") else "no", ""),
    ]
