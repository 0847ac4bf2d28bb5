"""What the shell offers at Tab: names the agent knows, powers, keys of the app file.

Loaded when completion asks, and then only. It answers at once or not at all, and never says
anything: where no agent runs there is nothing to offer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import click
from click.shell_completion import CompletionItem

from cove.cli.client import Client
from cove.cli.options import Settings
from cove.cli.text import short_digest
from cove.model import names
from cove.model.logs import AGENT_APP, PROXY_APP

_Found = Iterable[tuple[str, str]]  # a candidate and what is said beside it


def find(kind: str, context: click.Context, incomplete: str) -> list[CompletionItem]:
    """The candidates of a kind that begin as what was typed."""
    if kind in _PATHS:
        return [CompletionItem(incomplete, type=_PATHS[kind])]
    try:
        found = list(_KINDS[kind](context))
    except (KeyError, TypeError, ValueError):  # an agent of another version
        return []
    return [
        CompletionItem(name, help=_plain(text) or None)
        for name, text in found
        if name.startswith(incomplete) and name == _plain(name)
    ]


def _plain(text: str) -> str:
    """On one line, and nothing that a terminal or the shell's script would obey."""
    return "".join(c for c in text if c.isprintable())


def _ask(context: click.Context, path: str) -> dict[str, Any]:
    return Client(context.find_object(Settings) or Settings()).glance(path)


def _app(context: click.Context) -> str:
    """The app that was typed before; empty for what cannot be one."""
    # An option that waits for its value keeps click from taking the arguments before it apart.
    app = str(context.params.get("app") or next(iter(context.args), ""))
    return app if names.matches(names.APP, app) else ""


def _apps(context: click.Context) -> _Found:
    for app in _ask(context, "/v1/outline").get("apps", ()):
        yield str(app["name"]), ""


def _logs(context: click.Context) -> _Found:
    yield from _apps(context)
    yield PROXY_APP, "the proxy"
    yield AGENT_APP, "cove's agent"


def _services(context: click.Context) -> _Found:
    for app in _ask(context, "/v1/outline").get("apps", ()):
        if app["name"] == _app(context):
            yield from ((str(service), "") for service in app["services"])


def _releases(context: click.Context) -> _Found:
    """Those one can go back to, with their images."""
    app = _app(context)
    answer = _ask(context, f"/v1/apps/{app}/releases") if app else {}
    for release in answer.get("releases", ()):
        if release["status"] == "superseded":
            digest = short_digest(str(release.get("digest", "")))
            yield str(release["number"]), f"{release['image']} {digest}".rstrip()


def _powers(context: click.Context) -> _Found:
    """To give: those that the release lacks, and every kind. To take: those that were given."""
    from cove.model.powers import KINDS

    app = _app(context)
    entries = _ask(context, f"/v1/apps/{app}/powers").get("powers", ()) if app else ()
    revoke = bool(context.params.get("revoke"))
    for entry in entries:
        if bool(entry["granted"]) == revoke:
            yield str(entry["power"]), ""
    if not revoke:
        for name, kind in KINDS.items():
            yield name + ("=" if kind.value else ""), kind.text


def _keys(_: click.Context) -> _Found:
    from cove.appfile.documentation import documentation

    for path, key in documentation().items():
        yield path, key.text.replace("`", "")


def _rules(context: click.Context) -> _Found:
    for view in _ask(context, "/v1/alerts/rules").get("rules", ()):
        if not view["app"]:
            yield str(view["rule"]["name"]), str(view["rule"]["text"])


def _channels(context: click.Context) -> _Found:
    for channel in _ask(context, "/v1/alerts/channels").get("channels", ()):
        yield str(channel["name"]), str(channel["kind"])


def _silences(context: click.Context) -> _Found:
    for silence in _ask(context, "/v1/alerts").get("silences", ()):
        yield str(silence["id"]), str(silence["app"] or silence["rule"])


def _silenceable(context: click.Context) -> _Found:
    yield from _apps(context)
    yield from _rules(context)


def _status_pages(context: click.Context) -> _Found:
    for page in _ask(context, "/v1/status-pages").get("pages", ()):
        yield str(page["domain"]), str(page["title"])


_PATHS: Final = {"files": "file", "folders": "dir"}
_KINDS: Final[dict[str, Callable[[click.Context], _Found]]] = {
    "apps": _apps,
    "logs": _logs,
    "services": _services,
    "releases": _releases,
    "powers": _powers,
    "keys": _keys,
    "rules": _rules,
    "channels": _channels,
    "silences": _silences,
    "silenceable": _silenceable,
    "status-pages": _status_pages,
}
