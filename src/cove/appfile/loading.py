"""From an app file's text to an App: the package's one way in. See `cove.appfile.load`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any, Final

from cove.appfile import document
from cove.appfile.cove_keys import APP_NAME
from cove.appfile.interpolation import Budget, InterpolationError, interpolate
from cove.appfile.keys import KNOWN, REFUSED
from cove.appfile.problems import START, Problems, quote
from cove.appfile.routes import Draft, report_clashes
from cove.appfile.server import Server
from cove.appfile.service import service
from cove.appfile.value import Reading, Value, fields
from cove.model import names
from cove.model.app import App

# File names that say nothing about the app: its folder does.
_GENERIC: Final = frozenset(
    f"{stem}.{suffix}"
    for stem in ("cove", "compose", "docker-compose")
    for suffix in ("yml", "yaml")
)
_NAMELESS: Final = frozenset({"<stdin>", "command line"})


def load(
    text: str,
    *,
    name: str,
    env_files: Mapping[str, str],
    variables: Mapping[str, str],
    files: Mapping[str, str],
    server: Server,
) -> App:
    """Reads an app file; the parameters are those of `cove.appfile.load`.

    Raises InvalidFile with every finding in `problems`.
    """
    problems = Problems(name)
    app = None
    with problems.collect():
        reading = Reading(problems, env_files, variables, files, server)
        app = _app(_filled(Value(document.parse(text), "", START, reading)))
    problems.raise_any()
    if app is None:  # every way to none leaves a finding
        raise AssertionError
    return app


def _app(root: Value) -> App:
    read = fields(root, KNOWN, refused=REFUSED, required=("image",))
    top = root.entries()
    name = _name(root, read, top)
    drafts = _drafts(read, top)
    report_clashes(drafts)
    port, tls = read.get("port", 0), read.get("tls", "auto")
    routes = tuple(draft.route(name, port, tls) for draft in drafts)
    return App(name=name, services=(service(name, read, top),), routes=routes)


def _drafts(read: Mapping[str, Any], top: Mapping[str, Value]) -> list[Draft]:
    if "domain" in top and "routes" in top:
        later = max(top["domain"], top["routes"], key=lambda value: value.key_at)
        text = "write either domain or routes, not both"
        later.reading.problems.add(later.key_at, later.path, text)
    for key in ("domain", "routes"):
        if key in top and top[key].null:
            text = "nothing is written here; leave the key out where there is no domain"
            top[key].reading.problems.add(top[key].key_at, key, text)
    return [*read.get("domain", ()), *read.get("routes", ())]


def _name(root: Value, read: Mapping[str, Any], top: Mapping[str, Value]) -> str:
    """The app's name; while that is missing, one that stands in until the findings are raised."""
    if "name" in read:
        return str(read["name"])
    if "name" in top and not top["name"].null:
        return "app"
    problems = root.reading.problems
    found = _derived(problems.file, read.get("image", ""))
    if names.matches(names.APP, found):
        return found
    source = f"{quote(found)} cannot be one" if found else "there is nothing to take it from"
    problems.add(root.node.at, "name", f"is required, as {source}: add name, {APP_NAME}")
    return "app"


def _derived(file: str, image: str) -> str:
    """What the file's name, its folder or its image suggest as the app's name."""
    if file in _NAMELESS:
        return image.partition("@")[0].rpartition("/")[2].partition(":")[0]
    path = PurePosixPath(file.replace("\\", "/"))
    return path.parent.name if path.name in _GENERIC else path.stem


def _filled(root: Value) -> Value:
    """The same file with the variables filled in where a key is known.

    `x-*` keys are left out: as in Compose they are a place for anchors, whose content is checked
    where it is used.
    """
    filling = _Filling()
    kept = {key: child for key, child in root.entries().items() if not key.startswith("x-")}
    entries = {
        key: document.Entry(filling.node(child) if key in KNOWN else child.node, child.key_at)
        for key, child in kept.items()
    }
    return replace(root, node=document.Mapping(entries, root.node.at))


class _Filling:
    """Fills in the variables of one file; a scalar that cannot be filled is left broken."""

    def __init__(self) -> None:
        self._budget = Budget()

    def node(self, value: Value) -> document.Node:
        node = value.node
        if isinstance(node, document.Scalar):
            return self._scalar(node, value)
        if isinstance(node, document.Sequence):
            return replace(node, items=tuple(self.node(item) for item in value.items()))
        children = value.entries()
        entries = {
            key: replace(entry, value=self.node(children[key]))
            for key, entry in node.entries.items()
        }
        return replace(node, entries=entries)

    def _scalar(self, node: document.Scalar, value: Value) -> document.Scalar:
        try:
            text, used = interpolate(node.text, value.reading.variables.get)
            self._budget.spend(text)
        except InterpolationError as error:
            value.reading.problems.add(node.at, value.path, str(error))
            return replace(node, broken=True)
        return replace(node, text=text, interpolated=used)
