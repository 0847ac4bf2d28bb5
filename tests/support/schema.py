"""App files against the schema that `cove schema` prints, as an editor would check them."""

from __future__ import annotations

import datetime as dt
import re
from functools import cache
from typing import Any

import yaml
from jsonschema import Draft202012Validator

from cove.appfile.schema import schema


class Newer(yaml.CSafeLoader):
    """YAML 1.2's core schema, which editors read; PyYAML itself reads 1.1."""


Newer.yaml_implicit_resolvers = {}
for _kind, _pattern, _first in (
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("int", r"^[-+]?[0-9]+$", "-+0123456789"),
    ("float", r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$", "-+.0123456789"),
    ("merge", r"^<<$", "<"),
):
    Newer.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", re.compile(_pattern), list(_first))


class Older(yaml.CSafeLoader):
    """YAML 1.1, as PyYAML reads it; "=" is a word."""


Older.add_constructor("tag:yaml.org,2002:value", lambda _, node: str(node.value))


@cache
def validator() -> Draft202012Validator:
    """The schema, itself checked."""
    found = schema()
    Draft202012Validator.check_schema(found)
    return Draft202012Validator(found)


def findings(text: str) -> list[str]:
    """What the schema has against a file, in either YAML."""
    loaders: tuple[type[yaml.CSafeLoader], ...] = (Newer, Older)
    return [
        f"{loader.__name__}: {'/'.join(map(str, error.absolute_path))}: {error.message[:300]}"
        for loader in loaders
        for error in validator().iter_errors(as_json(yaml.load(text, loader)))  # noqa: S506 - both safe
    ]


def as_json(node: Any) -> Any:
    """What JSON makes of it: keys are texts, and so are dates."""
    if isinstance(node, dict):
        return {str(key): as_json(value) for key, value in node.items()}
    if isinstance(node, list | tuple | set):
        return [as_json(item) for item in node]
    return str(node) if isinstance(node, dt.date | bytes) else node
