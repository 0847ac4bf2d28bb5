"""`cove alerts silence`, `unsilence` and `maintenance`: when nobody is told.

Imported by `cove.cli.commands.alerts` only.
"""

from __future__ import annotations

import re
from typing import Any, Final

import click

from cove.cli.client import Client
from cove.cli.options import APP, Settings, complete, shared
from cove.cli.output import Output
from cove.cli.text import seconds
from cove.errors import InvalidFile

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CLOCK: Final = re.compile(r"([01]?[0-9]|2[0-4]):([0-5][0-9])")
_DAY: Final = 24 * 60  # minutes


@click.command()
@click.argument("what", metavar="APP|RULE", shell_complete=complete("silenceable"))
@click.option("--for", "lasts", metavar="TIME", default="1h", show_default=True)
@click.option("--app", type=APP, help="With a rule: only of this app.")
@click.option("--reason", default="", help="Shown beside it.")
@shared
def silence(settings: Settings, what: str, lasts: str, app: str | None, reason: str) -> None:
    """Send no messages about an app or a rule for a time.

    What still fires when it is over is told then. The end of what was told before is told in any
    case.
    """
    from cove.cli.request import author

    out, client = Output(settings), Client(settings)
    rules = {view["rule"]["name"] for view in client.get("/v1/alerts/rules")["rules"]}
    about = {"rule": what, "app": app or ""} if what in rules else {"app": what}
    if app and what not in rules:
        raise InvalidFile(
            f"there is no rule {what}", code="usage", hint=settings.command("alerts rules")
        )
    body = {**about, "seconds": seconds(lasts, "--for"), "reason": reason, "by": author()}
    answer = client.post("/v1/alerts/silences", body)
    if out.json_wanted:
        out.json(answer)
        return
    number = answer["silence"]["id"]
    out.line(f"{what} is quiet for {lasts} (silence {number})")
    out.note(f"end it before: {settings.command(f'alerts unsilence {number}')}")


@click.command()
@click.argument("number", type=click.IntRange(1), shell_complete=complete("silences"))
@shared
def unsilence(settings: Settings, number: int) -> None:
    """End the silence NUMBER now."""
    out = Output(settings)
    answer = Client(settings).post("/v1/alerts/silences/end", {"id": number})
    if out.json_wanted:
        out.json(answer)
    else:
        out.line(f"silence {number} is over")


@click.group()
def maintenance() -> None:
    """Weekly times in which nobody is told."""


@maintenance.command()
@click.option("--from", "begin", metavar="HH:MM", required=True, help="When it begins, in UTC.")
@click.option("--to", "end", metavar="HH:MM", required=True, help="When it ends, in UTC.")
@click.option("--days", metavar="DAYS", default="", help="sat,sun or mon-fri.  [every day]")
@click.option("--app", type=APP, help="Only about this app.")
@click.option("--rule", default="", help="Only about this rule.", shell_complete=complete("rules"))
@click.option("--reason", default="", help="Shown beside it.")
@shared
def add(settings: Settings, begin: str, end: str, days: str, app: str | None, **more: Any) -> None:
    """Add one; it may reach over midnight."""
    out = Output(settings)
    start, stop = _minutes(begin, "--from"), _minutes(end, "--to")
    length = (stop - start) % _DAY or _DAY
    body = {
        "start": start % _DAY,
        "minutes": length,
        "days": _days(days),
        "app": app or "",
        **more,
    }
    answer = Client(settings).post("/v1/alerts/windows", body)
    if out.json_wanted:
        out.json(answer)
    else:
        out.line(f"maintenance {answer['window']['id']}: from {begin} to {end} UTC")


@maintenance.command()
@click.argument("number", type=click.IntRange(1))
@shared
def remove(settings: Settings, number: int) -> None:
    """Remove the maintenance window NUMBER."""
    out = Output(settings)
    answer = Client(settings).post("/v1/alerts/windows/remove", {"id": number})
    if out.json_wanted:
        out.json(answer)
    else:
        out.line(f"maintenance {number} is removed")


def clock(minutes: int) -> str:
    """Minutes after midnight as people read them."""
    return f"{minutes % _DAY // 60:02}:{minutes % 60:02}"


def _minutes(text: str, option: str) -> int:
    match = _CLOCK.fullmatch(text)
    if not match or int(match[1]) * 60 + int(match[2]) > _DAY:
        raise InvalidFile(f"{option}: {text!r} is no time of day such as 02:30", code="usage")
    return int(match[1]) * 60 + int(match[2])


def _days(text: str) -> list[int]:
    found: list[int] = []
    for part in filter(None, text.lower().replace(" ", "").split(",")):
        first, _, last = part.partition("-")
        if first not in DAYS or (last and last not in DAYS):
            raise InvalidFile(f"--days: {part!r}: one of {', '.join(DAYS)}", code="usage")
        begin = DAYS.index(first)
        count = (DAYS.index(last) - begin) % len(DAYS) if last else 0
        found += [(begin + n) % len(DAYS) for n in range(count + 1)]
    return sorted(set(found))
