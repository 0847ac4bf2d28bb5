"""`cove doctor`: checks this machine, with or without an agent."""

from __future__ import annotations

import click
import msgspec

from cove.cli.checks import Check, all_checks
from cove.cli.options import Settings, shared
from cove.cli.output import Output
from cove.errors import EXIT_DONE, EXIT_FAILED

_PORT = click.IntRange(1, 65535)
_MARKS = {"ok": ("ok", "green"), "warn": ("note", "yellow"), "fail": ("fail", "red")}


@click.command()
@click.option("--http-port", type=_PORT, default=80, help="The port cove is to have  [80]")
@click.option("--https-port", type=_PORT, default=443, help="[443]")
@shared
def command(settings: Settings, http_port: int, https_port: int) -> int:
    """Check what this machine needs for cove, and say how to mend what is missing.

    Exits with 0 when nothing stands in the way, 1 otherwise.
    """
    out = Output(settings)
    checks: list[Check] = []
    for check in all_checks(settings, http_port, https_port):
        checks.append(check)
        if not out.json_wanted:
            _show(out, check)
    failed = sum(check.state == "fail" for check in checks)
    if out.json_wanted:
        out.json({"ok": not failed, "checks": [msgspec.to_builtins(check) for check in checks]})
    else:
        out.note(_verdict(failed, sum(check.state == "warn" for check in checks)))
    return EXIT_FAILED if failed else EXIT_DONE


def _show(out: Output, check: Check) -> None:
    symbol, style = _MARKS[check.state]
    mark = out.out.style(out.out.symbol(symbol), style, "bold")
    out.line(f"{mark} {check.name:<9} {out.foreign(check.what)}")
    if check.mend:
        out.line(f"  {'':<9} {out.out.style(out.out.symbol('hint'), 'cyan')} {check.mend}")


def _verdict(failed: int, warned: int) -> str:
    if failed:
        return f"{failed} thing{'s stand' if failed > 1 else ' stands'} in the way"
    return "all is well" if not warned else "nothing stands in the way"
