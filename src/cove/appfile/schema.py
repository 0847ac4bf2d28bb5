"""The app file's JSON Schema, for editors. `cove schema` and the tests import it.

The keys come from the catalogue (`keys` and beside it), the words and examples from the annotated
reference, the form of the values from `shapes`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import yaml

from cove.appfile import cove_keys, keys, shapes
from cove.appfile.documentation import words
from cove.appfile.reference import HEALTH, KEYS, ROLLOUT, ROUTES, Entry
from cove.appfile.reference_compose import TABLES
from cove.appfile.shapes import Shape

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

# In the Compose form a service names what is defined at the top, and defines nothing itself.
_BY_NAME: Final = {
    "configs": KEYS["configs"]._replace(example="configs: [app.conf]"),
    "secrets": KEYS["secrets"]._replace(example="secrets: [api_key]"),
}


def schema() -> Shape:
    """The whole schema, in the dialect of 2020-12."""
    short = _described(shapes.of(keys.KNOWN, _short(), extensible=True), KEYS)
    short["properties"] |= {"services": {"$ref": "#/$defs/services"}, "x-cove": _x_cove_app()}
    for name, shape in shapes.DEFINITIONS.items():
        # Beside services a mapping belongs to the app, a list to the service at the top.
        short["properties"][name]["anyOf"].append(shape)
    compose = _described(shapes.of(keys.COMPOSE, shapes.COMPOSE, extensible=True), _table(""))
    compose["properties"]["services"] = {"$ref": "#/$defs/services"}
    return {
        "$schema": DIALECT,
        "title": "cove app file",
        "description": "One YAML file describes one app: cove schema KEY tells more of a key.",
        "type": "object",
        # As in the parser: an image at the top, or no services, is the short form.
        "if": {"anyOf": [{"required": ["image"]}, {"not": {"required": ["services"]}}]},
        "then": {**short, "required": ["image"]},
        "else": {**compose, "required": ["services"]},
        "$defs": _definitions(),
    }


def _short() -> dict[str, Shape]:
    inline = {"configs": shapes.FILES_INLINE, "secrets": shapes.FILES_INLINE}
    return {**shapes.APP, **shapes.SERVICE, **shapes.OPTIONS, **inline}


def _definitions() -> dict[str, Shape]:
    service = shapes.of(
        keys.COMPOSE_SERVICE, shapes.COMPOSE_SERVICE, extensible=True, required=("image",)
    )
    return {
        "route": _described(shapes.of(ROUTES, shapes.ROUTE, required=("domain",)), ROUTES),
        "health": _described(shapes.of(HEALTH, shapes.HEALTH), HEALTH),
        "rollout": _described(shapes.of(ROLLOUT, shapes.ROLLOUT), ROLLOUT),
        "services": {
            "type": "object",
            "additionalProperties": {
                # One that waits for a profile may be left out, and then nobody reads it.
                "if": {"type": "object", "required": ["profiles"]},
                "then": {"type": "object"},
                "else": {"$ref": "#/$defs/service"},
            },
        },
        "service": _described(service, {**KEYS, **_BY_NAME, **_table("services.NAME")}),
        "x-cove-service": _described(
            shapes.of(keys.X_COVE, shapes.X_COVE), _table("services.NAME.x-cove")
        ),
        "x-cove-app": _x_cove_app(),
    }


def _x_cove_app() -> Shape:
    return _described(shapes.of(cove_keys.X_COVE_APP, shapes.X_COVE_APP), _table("x-cove"))


def _table(path: str) -> Mapping[str, Entry]:
    return next(table.keys for table in TABLES if table.path == path)


def _described(shape: Shape, entries: Mapping[str, Entry]) -> Shape:
    """The shape with words and examples beside its properties."""
    for name, found in shape["properties"].items():
        entry = entries.get(name)
        if entry is None:
            continue
        about: Shape = {"description": words(entry)}
        examples = list(_examples(name, entry))
        shape["properties"][name] = {**about, **found} | (
            {"examples": examples} if examples else {}
        )
    return shape


def _examples(name: str, entry: Entry) -> Iterable[Any]:
    """What the example gives the key, wherever in it the key stands first."""
    pending = [yaml.safe_load(entry.example)]
    while pending:
        node = pending.pop(0)
        if isinstance(node, dict):
            if node.get(name) is not None:
                yield node[name]
                return
            pending.extend(node.values())
        elif isinstance(node, list):
            pending.extend(node)
