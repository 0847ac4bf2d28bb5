"""A value being read: a node, the way to it, and what the reading may draw on.

Imported by this package alone. A *reader* takes a `Value`, returns what it means, and raises
`Invalid` with the value's place when it means nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, Final, TypeVar

from cove.appfile import document
from cove.appfile.grants import Grants
from cove.appfile.problems import AlreadyReported, Invalid, Position, Problems, quote
from cove.appfile.server import ELSEWHERE, Server

T = TypeVar("T")

# C0 but tab and line ends, DEL, C1, and halves of surrogate pairs: nothing a shell, a header or
# an environment variable can carry.
CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_PLAIN_KEY: Final = re.compile(r"[A-Za-z0-9_.@/-]{1,80}")
_LONGEST_GUESSED: Final = 40
_NONE: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading of one app file: what it may draw on, and what it found wrong."""

    problems: Problems
    env_files: Mapping[str, str]
    variables: Mapping[str, str]
    files: Mapping[str, str] = field(default_factory=dict)
    server: Server = ELSEWHERE
    grants: Grants = field(default_factory=Grants)
    parsed: dict[str, dict[str, str]] = field(default_factory=dict)  # env files, by path
    used: dict[str, set[str]] = field(default_factory=dict)  # variables, and the keys they stand in


@dataclass(frozen=True, slots=True)
class Value:
    """A node with the key path that leads to it and the place of its key."""

    node: document.Node
    path: str
    key_at: Position
    reading: Reading = field(repr=False)

    def invalid(self, text: str) -> Invalid:
        """A finding at the value; the caller raises it."""
        return Invalid(self.node.at, self.path, text)

    def refused(self, text: str) -> Invalid:
        """A finding at the value's key; the caller raises it."""
        return Invalid(self.key_at, self.path, text)

    def already_reported(self) -> AlreadyReported:
        """Gives up on the value because a part of it has been recorded; the caller raises it."""
        return AlreadyReported(self.path)

    def having(self, text: str) -> Value:
        """The same place with another text: for a part of a value written in short."""
        if not isinstance(self.node, document.Scalar):
            raise self.already_reported()
        return replace(self, node=replace(self.node, text=text))

    def collect(self) -> AbstractContextManager[None]:
        """Runs a block up to its first finding, records that, and goes on after the block."""
        return self.reading.problems.collect()

    @property
    def null(self) -> bool:
        """Whether nothing was written."""
        return isinstance(self.node, document.Scalar) and self.node.null

    @property
    def interpolated(self) -> bool:
        """Whether variables had a part in the value, so that no error may repeat it."""
        return isinstance(self.node, document.Scalar) and self.node.interpolated

    @property
    def is_list(self) -> bool:
        """Whether it is a list."""
        return isinstance(self.node, document.Sequence)

    @property
    def is_mapping(self) -> bool:
        """Whether it is a mapping."""
        return isinstance(self.node, document.Mapping)

    def shown(self) -> str:
        """The value as written, for an error: variables by name, never what is in them."""
        return quote(self.node.written) if isinstance(self.node, document.Scalar) else "this"

    def text(self, wanted: str = "text") -> str:
        """The scalar's text. `wanted` says in errors what should have stood there."""
        node = self.node
        if not isinstance(node, document.Scalar):
            kind = "a list" if isinstance(node, document.Sequence) else "a mapping"
            raise self.invalid(f"must be {wanted}, not {kind}")
        if node.broken:
            raise AlreadyReported
        if node.null:
            raise self.invalid(f"must be {wanted}, but nothing is written here")
        if CONTROL.search(node.text):
            raise self.invalid("must not contain control characters")
        return node.text

    def items(self, wanted: str = "a list") -> tuple[Value, ...]:
        """The list's items."""
        if isinstance(self.node, document.Scalar) and self.node.broken:
            raise AlreadyReported
        if not isinstance(self.node, document.Sequence):
            raise self.invalid(f"must be {wanted}")
        return tuple(
            Value(item, f"{self.path}[{index}]", item.at, self.reading)
            for index, item in enumerate(self.node.items)
        )

    def entries(self, wanted: str = "a mapping") -> dict[str, Value]:
        """The mapping's values by key."""
        if isinstance(self.node, document.Scalar) and self.node.broken:
            raise AlreadyReported
        if not isinstance(self.node, document.Mapping):
            raise self.invalid(f"must be {wanted}")
        prefix = f"{self.path}." if self.path else ""
        return {
            key: Value(entry.value, prefix + _step(key), entry.key_at, self.reading)
            for key, entry in self.node.entries.items()
        }

    def without(self, keys: Container[str]) -> Value:
        """The same mapping without some of its keys; anything else as it is."""
        if not isinstance(self.node, document.Mapping):
            return self
        entries = {key: entry for key, entry in self.node.entries.items() if key not in keys}
        return replace(self, node=document.Mapping(entries, self.node.at))

    def without_extensions(self) -> Value:
        """The same mapping without `x-*`, where Compose allows anything; cove's own is kept."""
        entries = self.node.entries if isinstance(self.node, document.Mapping) else {}
        return self.without({k for k in entries if k.startswith("x-") and k != "x-cove"})

    def one_or_many(self, wanted: str) -> tuple[Value, ...]:
        """The list's items, or the value itself where one is short for a list of one."""
        if self.is_mapping:
            raise self.invalid(f"must be {wanted}, not a mapping")
        return self.items() if self.is_list else (self,)


def _step(key: str) -> str:
    """A key as part of a path; one that could not be told apart from text stands in quotes."""
    return key if _PLAIN_KEY.fullmatch(key) else quote(key)


Reader = Callable[[Value], Any]


def fields(
    value: Value,
    known: Mapping[str, Reader],
    *,
    refused: Mapping[str, str] = _NONE,
    wanted: str = "a mapping",
    required: tuple[str, ...] = (),
    beside: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Reads a mapping with a fixed set of keys; what cannot be read is recorded and left out.

    A key without a value counts as not given, as in Compose. `refused` says why a key that
    exists elsewhere cannot be had here.
    `beside` are keys that somebody else reads; here they are only offered for misspelled ones.
    """
    entries = value.entries(wanted)
    read: dict[str, Any] = {}
    for key, child in entries.items():
        with child.collect():
            if key in refused:
                raise child.refused(refused[key])
            if key in known and not child.null:
                read[key] = known[key](child)
    _report_unknown(value, entries, (*known, *refused, *beside))
    for key in required:
        if key not in entries or entries[key].null:
            path = f"{value.path}.{key}" if value.path else key
            value.reading.problems.add(value.node.at, path, "is required")
    return read


def _report_unknown(value: Value, entries: Mapping[str, Value], known: tuple[str, ...]) -> None:
    for key in (key for key in entries if key not in known):
        guess = nearest(value, key, list(known))
        text = f"unknown key {quote(key)}{guess}"
        value.reading.problems.add(entries[key].key_at, value.path, text)


def nearest(value: Value, word: str, known: list[str]) -> str:
    """A question after the known word that was probably meant; empty where none is near.

    Only the first wrong words of a file get one: each costs a comparison with every known word.
    """
    if len(word) > _LONGEST_GUESSED or not value.reading.problems.may_guess():
        return ""
    near = get_close_matches(word.lower().replace("-", "_"), known, n=1, cutoff=0.7)
    near = near or get_close_matches(word.lower(), known, n=1, cutoff=0.7)
    return f"; did you mean {quote(near[0])}?" if near else ""


def each(values: tuple[Value, ...], reader: Callable[[Value], T]) -> list[tuple[Value, T]]:
    """Reads the items one by one; those that cannot be read are recorded and left out."""
    read = []
    for value in values:
        with value.collect():
            read.append((value, reader(value)))
    return read
