"""`cove plan`: what a deploy would do, and why; nothing is changed."""

from __future__ import annotations

from typing import Any

import click

from cove.cli.client import Client
from cove.cli.commands.deploy import app_flags, app_options
from cove.cli.options import Settings, shared
from cove.cli.output import Output
from cove.cli.request import collect


@click.command()
@app_options
@shared
def command(settings: Settings, file: str | None, **options: Any) -> None:
    """Show what a deploy would do, and why. Changes nothing.

    Takes what `cove deploy` takes.
    """
    out = Output(settings)
    plan = Client(settings).post(
        "/v1/plan", {**collect(file, app_flags(options)), "take_over": False, "why": ""}
    )
    if out.json_wanted:
        out.json(plan)
    else:
        _show(out, plan)
        out.note("nothing was changed")


def _show(out: Output, plan: dict[str, Any]) -> None:
    now = plan.get("release_now")
    arrow = out.out.symbol("hint")
    change = f"release {now} {arrow} {plan['release']}" if now else f"release {plan['release']}"
    out.line(f"{out.out.style(out.foreign(plan['app']), 'bold')}: {change}")
    operations = plan.get("operations", [])
    width = max((len(o["title"]) for o in operations), default=0)
    for number, operation in enumerate(operations, 1):
        cause = out.out.style(out.foreign(operation.get("cause", "")), "dim")
        title = f"{out.foreign(operation['title']):<{width}}"
        out.line(f"  {number:>2}. {title}  {cause}".rstrip())
    if not operations:
        out.line("  nothing to do")
    for note in plan.get("notes", []):
        out.line(f"  {out.out.style(out.out.symbol('note'), 'yellow')} {out.foreign(note)}")
    if plan.get("variables"):
        names = out.foreign(", ".join(plan["variables"]))
        out.line(f"  variables from your shell or .env: {names}")
    for url in plan.get("urls", []):
        out.line(f"  {arrow} {out.foreign(url)}")
