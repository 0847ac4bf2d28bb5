"""What an app file draws on besides itself. Cheap: PyYAML and the standard library.

Imported by the CLI, which sends exactly these files and variables along with the text.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from cove.appfile.document import Mapping, Node, Scalar, Sequence, parse
from cove.appfile.envfile import EnvFileError, assignments
from cove.appfile.interpolation import variables_in
from cove.appfile.problems import Invalid

_LEADING_TO_TLS = frozenset({"routes"})  # the lists that may hold one; mappings are all looked at


class References(NamedTuple):
    """The paths under `env_file` as written, and the variables that values mention."""

    env_files: tuple[str, ...]
    variables: frozenset[str]


def references(text: str) -> References:
    """Never raises: of a file that cannot be read it says that it draws on nothing."""
    try:
        top = parse(text)
    except (Invalid, ValueError, RecursionError):
        return References((), frozenset())
    values = {key: e.value for key, e in top.entries.items() if not key.startswith("x-")}
    mentioned = {name for node in values.values() for name in _mentioned(node)}
    for key in ("env", "environment"):
        mentioned.update(_passed_through(values.get(key)))
    return References(tuple(dict.fromkeys(_paths(values.get("env_file")))), frozenset(mentioned))


def certificate_files(text: str) -> tuple[str, ...]:
    """The paths under `tls: {cert, key}` as written, wherever `tls` may stand; never raises."""
    try:
        top = parse(text)
    except (Invalid, ValueError, RecursionError):
        return ()
    return tuple(dict.fromkeys(_certificate_paths(top)))


def _certificate_paths(node: Node) -> Iterator[str]:
    if isinstance(node, Sequence):
        for item in node.items:
            yield from _certificate_paths(item)
    elif isinstance(node, Mapping):
        for key, entry in node.entries.items():
            if key == "tls" and isinstance(entry.value, Mapping):
                parts = (entry.value.entries.get(part) for part in ("cert", "key"))
                yield from (p.value.text for p in parts if p and isinstance(p.value, Scalar))
            elif key in _LEADING_TO_TLS or isinstance(entry.value, Mapping):
                yield from _certificate_paths(entry.value)


def env_file_variables(text: str) -> frozenset[str]:
    """The variables that an env file draws on and does not set itself; never raises."""
    try:
        entries = assignments(text)
    except EnvFileError:
        return frozenset()
    found: set[str] = set()
    for entry in entries:
        if entry.template is None:
            found.add(entry.key)
        elif not entry.literal:
            found |= variables_in(entry.template)
    return frozenset(found - {entry.key for entry in entries if entry.template is not None})


def _mentioned(node: Node) -> Iterator[str]:
    if isinstance(node, Scalar):
        yield from variables_in(node.text)
    elif isinstance(node, Sequence):
        for item in node.items:
            yield from _mentioned(item)
    else:
        for entry in node.entries.values():
            yield from _mentioned(entry.value)


def _passed_through(node: Node | None) -> Iterator[str]:
    """The names without a value, whose value is the variable's."""
    if isinstance(node, Mapping):
        for name, entry in node.entries.items():
            if isinstance(entry.value, Scalar) and entry.value.null:
                yield name
    elif isinstance(node, Sequence):
        yield from (i.text for i in node.items if isinstance(i, Scalar) and "=" not in i.text)


def _paths(node: Node | None) -> Iterator[str]:
    """`env_file` in any of its forms."""
    if isinstance(node, Scalar):
        if not node.null:
            yield node.text
    elif isinstance(node, Sequence):
        for item in node.items:
            yield from _paths(item)
    elif isinstance(node, Mapping) and "path" in node.entries:
        yield from _paths(node.entries["path"].value)
