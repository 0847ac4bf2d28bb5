"""What an app file draws on besides itself. Cheap: PyYAML and the standard library.

Imported by the CLI, which sends exactly these files and variables along with the text.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from cove.appfile.document import Mapping, Node, Scalar, Sequence, parse
from cove.appfile.envfile import EnvFileError, assignments
from cove.appfile.interpolation import variables_in
from cove.appfile.places import outside
from cove.appfile.problems import Invalid

_LEADING_TO_TLS = frozenset({"routes"})  # the lists that may hold one; mappings are all looked at


class References(NamedTuple):
    """The env files, the variables that values mention, and the files of configs and secrets.

    Paths are as written; those that lead out of the app file's folder are left out: nobody
    shall read them.
    """

    env_files: tuple[str, ...]
    variables: frozenset[str]
    files: tuple[str, ...] = ()


_NOTHING = References((), frozenset())
_CONTENTS = ("configs", "secrets")


def references(text: str) -> References:
    """Never raises: of a file that cannot be read it says that it draws on nothing."""
    try:
        top = parse(text)
    except (Invalid, ValueError, RecursionError):
        return _NOTHING
    values = _read(top)
    services = [values, *(_read(node) for node in _values(values.get("services")))]
    variables = {name for service in services for name in _mentioned_in(service)}
    definitions = [node for kind in _CONTENTS for node in _values(values.get(kind))]
    variables.update(_texts(definitions, "environment"))
    env_files = [path for service in services for path in _paths(service.get("env_file"))]
    return References(
        _within(env_files), frozenset(variables), _within(_texts(definitions, "file"))
    )


def _read(node: Node) -> dict[str, Node]:
    """The values of a mapping by key, those left out that are a place for anchors."""
    if not isinstance(node, Mapping):
        return {}
    return {k: e.value for k, e in node.entries.items() if k == "x-cove" or not k.startswith("x-")}


def _values(node: Node | None) -> list[Node]:
    """What is defined by name; in the short form, in a list."""
    if isinstance(node, Sequence):
        return list(node.items)
    return [entry.value for entry in node.entries.values()] if isinstance(node, Mapping) else []


def _mentioned_in(service: dict[str, Node]) -> Iterator[str]:
    for key, node in service.items():
        if key != "services":
            yield from _mentioned(node)
    for key in ("env", "environment"):
        yield from _passed_through(service.get(key))


def _texts(nodes: list[Node], key: str) -> list[str]:
    """The texts that mappings have under a key."""
    found = [_read(node)[key] for node in nodes if key in _read(node)]
    return [node.text for node in found if isinstance(node, Scalar) and not node.null]


def _within(paths: list[str]) -> tuple[str, ...]:
    return tuple(path for path in dict.fromkeys(paths) if not outside(path))


def certificate_files(text: str) -> tuple[str, ...]:
    """The paths under `tls: {cert, key}` as written, wherever `tls` may stand; never raises.

    As of `references`, those that lead out of the app file's folder are left out.
    """
    try:
        top = parse(text)
    except (Invalid, ValueError, RecursionError):
        return ()
    return _within(list(_certificate_paths(top)))


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
