"""Fills in the variables of an app file before it is read. Imported by this package alone.

Only under keys that are known: what is refused anyway needs no variables. Keys themselves and
`x-*` are left alone, as in Compose; what an anchor there holds is filled in where it is used.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import replace

from cove.appfile import document
from cove.appfile.interpolation import Budget, InterpolationError, interpolate
from cove.appfile.value import Value


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
            key: document.Entry(self._node(child) if key in known else child.node, child.key_at)
            for key, child in value.entries().items()
        }
        return replace(value, node=document.Mapping(entries, value.node.at))

    def _node(self, value: Value) -> document.Node:
        node = value.node
        if isinstance(node, document.Scalar):
            return self._scalar(node, value)
        if isinstance(node, document.Sequence):
            return replace(node, items=tuple(self._node(item) for item in value.items()))
        children = value.entries()
        entries = {
            key: replace(entry, value=self._node(children[key]))
            for key, entry in node.entries.items()
        }
        return replace(node, entries=entries)

    def _scalar(self, node: document.Scalar, value: Value) -> document.Scalar:
        if node.interpolated or node.broken:  # filled in before, for another reader
            return node
        try:
            text, used = interpolate(node.text, value.reading.variables.get)
            self._budget.spend(text)
        except InterpolationError as error:
            value.reading.problems.add(node.at, value.path, str(error))
            return replace(node, broken=True)
        return replace(node, text=text, interpolated=used)
