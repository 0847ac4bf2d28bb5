"""`cove schema`: the app file's JSON Schema, and what a key of it means."""

from __future__ import annotations

import json
import textwrap

import click

from cove.cli.options import Settings, complete, shared
from cove.cli.output import Output
from cove.errors import NotFound
from cove.model.suggestions import nearest

_WIDTH = 88  # columns of running text
HELP = """Print the JSON Schema of the app file, or what KEY means, with an example.

\b
  cove schema > cove.schema.json
  cove schema rollout.drain

An editor that is given the schema completes and checks app files. Keys within others have the
path that errors give them: health.path, routes[].domain, services.NAME.x-cove.
"""


@click.command(help=HELP)
@click.argument("key", required=False, shell_complete=complete("keys"))
@shared
def command(settings: Settings, key: str | None) -> None:
    """Prints one or the other."""
    out = Output(settings)
    if key is None:
        from cove.appfile.schema import schema

        found = schema()
        # As it is, so that it can be written into a file; with --json on one line as all JSON.
        out.line(json.dumps(found, indent=None if settings.json else 2, ensure_ascii=False))
        return
    _explain(settings, out, key)


def _explain(settings: Settings, out: Output, key: str) -> None:
    from cove.appfile.documentation import documentation

    known = documentation()
    about = known.get(key) or known.get(key.replace("routes.", "routes[].", 1))
    if about is None:
        near = nearest(key, known)
        raise NotFound(f"the app file has no key {key[:80]}{near}", hint="all of them: cove schema")
    if out.json_wanted:
        out.json({"key": about.path, **about._asdict()})
        return
    out.line(out.out.style(about.path, "bold"))
    out.line(textwrap.fill(about.text.replace("`", ""), _WIDTH))
    out.line()
    out.line(textwrap.indent(about.example, "  "))
    if about.grant:
        out.line()
        out.line(f"The example needs a grant: {settings.command(f'allow APP {about.grant}')}")
