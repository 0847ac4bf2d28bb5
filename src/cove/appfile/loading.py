"""From an app file's text to an App: the package's one way in. See `cove.appfile.load`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Final

from cove.appfile import document, forms
from cove.appfile.cove_keys import APP_NAME, app_name
from cove.appfile.filling import Filling
from cove.appfile.grants import Grants
from cove.appfile.problems import START, Problems, quote
from cove.appfile.server import Server
from cove.appfile.value import Reading, Value, each
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
        app = _app(Value(document.parse(text), "", START, reading))
    problems.raise_any()
    if app is None:  # every way to none leaves a finding
        raise AssertionError
    return app


def _app(root: Value) -> App:
    filling = Filling()
    root = filling.keys(root, {"name", "x-cove"})
    image = filling.keys(root, {"image"}).entries().get("image")
    name = _name(root, _text(image))
    reading = root.reading
    given = reading.server.granted(name) if name else frozenset()
    grants = Grants(name or "APP", given)
    root = replace(root, reading=replace(reading, grants=grants))
    return forms.read(name or "app", root, filling)


def _name(root: Value, image: str) -> str:
    """The app's name; empty while there is none, which is recorded."""
    top = root.entries()
    given = [top["name"]] if "name" in top and not top["name"].null else []
    extension = top.get("x-cove")
    if extension is not None and extension.is_mapping:
        inner = extension.entries().get("name")
        given += [inner] if inner is not None and not inner.null else []
    read = [found for _, found in each(tuple(given), app_name)]
    if len(read) != len(given):
        return ""
    if len(set(read)) > 1:
        text = "the app has another name at the top of the file; write one of them"
        given[1].reading.problems.add(given[1].node.at, given[1].path, text)
    if read:
        return read[0]
    problems = root.reading.problems
    found = _derived(problems.file, image)
    if names.matches(names.APP, found):
        return found
    source = f"{quote(found)} cannot be one" if found else "there is nothing to take it from"
    problems.add(root.node.at, "name", f"is required, as {source}: add name, {APP_NAME}")
    return ""


def _text(value: Value | None) -> str:
    """A value's text, whatever it is; empty where there is none."""
    node = value.node if value is not None else None
    return node.text if isinstance(node, document.Scalar) and not node.broken else ""


def _derived(file: str, image: str) -> str:
    """What the file's name, its folder or its image suggest as the app's name."""
    if file in _NAMELESS:
        return image.partition("@")[0].rpartition("/")[2].partition(":")[0]
    path = PurePosixPath(file.replace("\\", "/"))
    return path.parent.name if path.name in _GENERIC else path.stem
