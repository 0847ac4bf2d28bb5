"""`cove alerts rules` and `set`: what alerts fire on.

Imported by `cove.cli.commands.alerts` only.
"""

from __future__ import annotations

from typing import Any, Final

import click

from cove.cli.client import Client
from cove.cli.options import APP, Settings, complete, shared
from cove.cli.output import Output
from cove.cli.text import seconds, span
from cove.errors import InvalidFile

_DURATIONS: Final = ("wait", "keep", "window")
_HELP = """Change a rule, for all apps or for one.

\b
  cove alerts set disk --threshold 90
  cove alerts set latency --app shop --threshold 500 --wait 15m
  cove alerts set log-pattern --app shop --pattern 'payment refused'
  cove alerts set log-pattern --app shop --pattern '/refused|timed out/i'
  cove alerts set memory --off
  cove alerts set disk --reset
"""


@click.command()
@shared
def rules(settings: Settings) -> None:
    """List the rules: when each fires, when it is over, and what was set."""
    out = Output(settings)
    answer = Client(settings).get("/v1/alerts/rules")
    if out.json_wanted:
        out.json(answer)
    else:
        _show(out, answer["rules"])


@click.command("set", help=_HELP)
@click.argument("rule", shell_complete=complete("rules"))
@click.option("--app", type=APP, help="Only for this app.")
@click.option("--threshold", type=float, help="The value from which on it is bad.")
@click.option("--clear", type=float, help="The value from which on it is well again.")
@click.option("--wait", metavar="TIME", help="How long it must be bad before it fires.")
@click.option("--keep", metavar="TIME", help="How long it must be well before it is over.")
@click.option("--window", metavar="TIME", help="The time that is counted over.")
@click.option(
    "--pattern",
    help="log-pattern: the text to look for, or a /regex/; empty: none.",
)
@click.option(
    "--path",
    "paths",
    multiple=True,
    help="disk: a place to look at, instead of cove's and Docker's data; repeatable.",
)
@click.option("--on/--off", "enabled", default=None, help="Whether it is in use.")
@click.option("--reset", is_flag=True, help="Begin with what cove sets.")
@shared
def set_rule(settings: Settings, rule: str, app: str | None, reset: bool, **given: Any) -> None:
    """Sends what was given."""
    out = Output(settings)
    change = {key: value for key, value in given.items() if value is not None and value != ()}
    for name in _DURATIONS:
        if name in change:
            change[name] = seconds(str(change[name]), f"--{name}")
    if not change and not reset:
        raise InvalidFile(
            "nothing to set", code="usage", hint=settings.command("alerts set --help")
        )
    body = {"rule": rule, "app": app or "", "reset": reset, **change}
    answer = Client(settings).post("/v1/alerts/rules", body)
    if out.json_wanted:
        out.json(answer)
    else:
        _show(out, answer["rules"])


def _show(out: Output, views: list[dict[str, Any]]) -> None:
    headers = ("RULE", "APP", "FIRES", "AFTER", "OVER", "FOR", "SET", "MEANS")
    out.table(headers, [_row(out, view) for view in views])


def _row(out: Output, view: dict[str, Any]) -> list[tuple[str, str]]:
    rule = view["rule"]
    above = rule["worse"] == "above"
    unit = f" {rule['unit']}" if rule["unit"] else ""
    window = f" in {span(rule['window'])}" if rule["window"] else ""
    fires = f"{'≥' if above else '<'} {rule['threshold']:g}{unit}{window}"
    well = f"{'≤' if above else '≥'} {rule['clear']:g}{unit}"
    extra = "".join(f" {text!r}" for text in (rule["pattern"], *rule["paths"]) if text)
    return [
        (rule["name"], "bold"),
        (view["app"] or "-", ""),
        (_plain(out, fires) if rule["enabled"] else "off", "" if rule["enabled"] else "dim"),
        (span(rule["wait"]), ""),
        (_plain(out, well), ""),
        (span(rule["keep"]), ""),
        (", ".join(view["set"]) or "-", "yellow" if view["set"] else ""),
        (out.foreign(rule["text"] + extra), ""),
    ]


def _plain(out: Output, text: str) -> str:
    return text if out.out.unicode else text.replace("≥", ">=").replace("≤", "<=")
