"""`cove alerts`: what fires, what fired, and the test of channels."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any, Final

import click

from cove.cli.client import Client
from cove.cli.commands.alerts_channels import channel
from cove.cli.commands.alerts_quiet import maintenance, silence, unsilence
from cove.cli.commands.alerts_rules import rules, set_rule
from cove.cli.options import APP, Settings, complete, shared
from cove.cli.output import Output
from cove.cli.text import ago
from cove.errors import PlatformError

_HELP: Final = """Show what fires now, since when, and whether somebody is told.

\b
  cove alerts channel add chat         # its address is asked for, or read from stdin
  cove alerts test
  cove alerts silence shop --for 2h
  cove alerts set disk --threshold 90
"""
_STYLES: Final = {"fired": "red", "recovered": "green", "gone": "dim"}
_TEST_SECONDS: Final = 300.0  # a channel may take half a minute each


@click.group(help=_HELP, invoke_without_command=True)
@shared
@click.pass_context
def command(context: click.Context, settings: Settings) -> None:
    """Shows what fires where no command was given."""
    if context.invoked_subcommand is None:
        _show(settings)


@command.command()
@click.argument("app", type=APP, required=False)
@click.option("-n", "--lines", type=click.IntRange(1), default=50, show_default=True)
@shared
def history(settings: Settings, app: str | None, lines: int) -> None:
    """Show what fired and what ended, of APP or of everything."""
    out = Output(settings)
    answer = Client(settings).get("/v1/alerts/history", app=app, limit=lines)
    if out.json_wanted:
        out.json(answer)
        return
    for entry in answer["history"]:
        _past(out, entry["transition"])
    if not answer["history"]:
        out.line("nothing has fired yet")


@command.command()
@click.argument("name", required=False, shell_complete=complete("channels"))
@shared
def test(settings: Settings, name: str | None) -> None:
    """Send a test message to the channel NAME, or to every one."""
    out = Output(settings)
    body = {"name": name or ""}
    answer = Client(settings).post("/v1/alerts/test", body, timeout=_TEST_SECONDS)
    failed = [result for result in answer["results"] if result["error"]]
    if out.json_wanted:
        out.json(answer)
    elif not answer["results"]:
        out.line(f"there are no channels; add one: {settings.command('alerts channel add NAME')}")
    else:
        for result in answer["results"]:
            word = out.foreign(result["error"]) if result["error"] else "it arrived"
            out.line(f"{result['name']}: {word}")
    if failed and not out.json_wanted:
        raise PlatformError(
            f"{len(failed)} of {len(answer['results'])} channels did not take the message",
            code="alert-undelivered",
            hint=settings.command("alerts channel list"),
        )
    if failed:
        click.get_current_context().exit(1)


def _show(settings: Settings) -> None:
    out = Output(settings)
    answer = Client(settings).get("/v1/alerts")
    if out.json_wanted:
        out.json(answer)
        return
    now = time.time()
    if answer["alerts"]:
        headers = ("ALERT", "APP", "ABOUT", "STATE", "SINCE", "QUIET")
        out.table(headers, [_row(out, alert, now) for alert in answer["alerts"]])
        for alert in answer["alerts"]:
            mark = out.out.style(out.out.symbol("note"), "yellow")
            out.line(f"{mark} {alert['rule']}: {out.foreign(alert['text'])}")
    else:
        out.line("nothing fires")
    for one in answer["silences"]:
        out.line(f"silence {one['id']}: {_about(one)} until {_time(one['until'])}{_why(out, one)}")
    for one in answer["windows"]:
        out.line(f"maintenance {one['id']}: {_about(one)} {_weekly(one)}{_why(out, one)}")
    _remark(settings, out, answer["channels"])


def _remark(settings: Settings, out: Output, channels: list[dict[str, Any]]) -> None:
    if not channels:
        out.note(f"nobody is told: {settings.command('alerts channel add NAME')}")
    for one in channels:
        if one["error"]:
            out.warn(f"{one['name']} does not take messages: {one['error']}")


def _row(out: Output, alert: dict[str, Any], now: float) -> list[tuple[str, str]]:
    firing = alert["phase"] == "firing"
    colour = "red" if alert["severity"] == "critical" else "yellow"
    return [
        (alert["rule"], "bold"),
        (alert["app"] or "-", ""),
        (out.foreign(alert["subject"]) or "-", ""),
        ("firing" if firing else "about to", colour if firing else "dim"),
        (ago(float(alert["since"]), now), ""),
        (out.foreign(alert["muted"]) or "-", ""),
    ]


def _past(out: Output, one: dict[str, Any]) -> None:
    kind, key = str(one["kind"]), one["key"]
    about = " ".join(part for part in (key["app"], key["subject"]) if part)
    muted = f"  ({one['muted']})" if one["muted"] else ""
    when = out.out.style(_time(one["at"]), "dim")
    word = out.out.style(f"{kind:<9}", _STYLES.get(kind, "dim"))
    text = out.foreign(f"{key['rule']} {about}: {one['text']}{muted}".replace("\n", " "))
    out.line(f"{when}  {word}  {text}")


def _about(one: dict[str, Any]) -> str:
    return " of ".join(part for part in (one["rule"], one["app"]) if part) or "everything"


def _why(out: Output, one: dict[str, Any]) -> str:
    return f" ({out.foreign(one['reason'])})" if one["reason"] else ""


def _weekly(one: dict[str, Any]) -> str:
    from cove.cli.commands.alerts_quiet import DAYS, clock

    days = ", ".join(DAYS[day] for day in one["days"]) or "every day"
    return f"{days} {clock(one['start'])} to {clock(one['start'] + one['minutes'])} UTC"


def _time(at: float) -> str:
    return f"{datetime.fromtimestamp(float(at)).astimezone():%Y-%m-%d %H:%M:%S}"


for _one in (silence, unsilence, maintenance, rules, set_rule, channel):
    command.add_command(_one)
