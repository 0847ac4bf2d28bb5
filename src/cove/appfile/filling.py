"""Fills in the variables of an app file before it is read. Imported by this package alone.

Only under keys that are known: what is refused anyway needs no variables. Keys themselves and
`x-*` are left alone, as in Compose; what an anchor there holds is filled in where it is used.
What was filled in where is noted, so that the values can be kept from people.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import replace
from typing import Final

from cove.appfile import document
from cove.appfile.interpolation import Budget, InterpolationError, Lookup, interpolate
from cove.appfile.value import Reading, Value

_EXTENSION: Final = "x-cove"
# What others find the app by, and what cove itself calls by these names: no secret can be in it.
_NAMES: Final = frozenset({"name", "image", "domain", "routes", "port", "ports", "expose"})
_COUNTED: Final = frozenset({"networks", "volumes", "profiles", "replicas", "scale"})
_PUBLIC: Final = _NAMES | _COUNTED
# Their values are sensitive one by one, or are read from a file and never kept.
_SENSITIVE: Final = frozenset({"env", "environment", "env_file", "configs", "secrets", "tls"})


def hidden(reading: Reading) -> tuple[str, ...]:
    """The values of the variables that stand where nobody needs to read them."""
    names = [
        name
        for name, keys in reading.used.items()
        if keys - _SENSITIVE - _PUBLIC and not keys & _PUBLIC
    ]
    values = (reading.variables.get(name, "") for name in names)
    return tuple(sorted({value for value in values if value}))


class Filling:
    """The filling in of one file; a scalar that cannot be filled is left broken."""

    def __init__(self) -> None:
        self._budget = Budget()

    def keys(self, value: Value, known: Container[str]) -> Value:
        """The same mapping with the variables filled in under the known keys.

        Anything but a mapping is left as it is: it will be refused.
        """
        if not isinstance(value.node, document.Mapping):
            return value
        entries = {
            key: document.Entry(
                self._node(child, key) if key in known else child.node, child.key_at
            )
            for key, child in value.entries().items()
        }
        return replace(value, node=document.Mapping(entries, value.node.at))

    def _node(self, value: Value, under: str) -> document.Node:
        node = value.node
        if isinstance(node, document.Scalar):
            return self._scalar(node, value, under)
        if isinstance(node, document.Sequence):
            return replace(node, items=tuple(self._node(item, under) for item in value.items()))
        children = value.entries()
        entries = {
            key: replace(
                entry, value=self._node(children[key], key if under == _EXTENSION else under)
            )
            for key, entry in node.entries.items()
        }
        return replace(node, entries=entries)

    def _scalar(self, node: document.Scalar, value: Value, under: str) -> document.Scalar:
        if node.interpolated or node.broken:  # filled in before, for another reader
            return node
        try:
            text, used = interpolate(node.text, _noting(value.reading, under))
            self._budget.spend(text)
        except InterpolationError as error:
            value.reading.problems.add(node.at, value.path, str(error))
            return replace(node, broken=True)
        return replace(node, text=text, interpolated=used)


def _noting(reading: Reading, under: str) -> Lookup:
    def lookup(name: str) -> str | None:
        reading.used.setdefault(name, set()).add(under)
        return reading.variables.get(name)

    return lookup
