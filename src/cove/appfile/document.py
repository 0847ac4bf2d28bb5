"""YAML text to nodes that know their place, within limits. Imported by this package alone.

Scalars keep the text as it was written: what `off`, `1.10` or `8000` mean is for the key to say
that holds them, so that nothing is turned into a boolean or a float behind the user's back.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

import yaml

from cove.appfile.problems import START, Invalid, Position, quote

MAX_BYTES: Final = 256 * 1024
MAX_NODES: Final = 10_000  # counted after aliases are followed, so that they cannot multiply
MAX_DEPTH: Final = 50

_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# YAML 1.2, production [1] c-printable, turned round.
_UNPRINTABLE: Final = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
)
_STANDARD: Final = "tag:yaml.org,2002:"
_TAGS: Final = frozenset(
    {"!", *(_STANDARD + kind for kind in ("str", "int", "float", "bool", "null", "map", "seq"))}
)
_MERGE: Final = "<<"


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single value. `text` is what counts, `written` what errors may repeat.

    They differ once variables are filled in: `interpolated` then holds, and `text` may be secret.
    A `broken` scalar has been reported already and cannot be read.
    """

    text: str
    at: Position
    null: bool = False
    written: str = ""
    interpolated: bool = False
    broken: bool = False


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list of nodes."""

    items: tuple[Node, ...]
    at: Position


@dataclass(frozen=True, slots=True)
class Entry:
    """A key's value, and where the key itself stands."""

    value: Node
    key_at: Position


@dataclass(frozen=True, slots=True)
class Mapping:
    """Keys to nodes, in the order of the text, merge keys resolved."""

    entries: dict[str, Entry]
    at: Position


Node = Scalar | Sequence | Mapping


def parse(text: str) -> Mapping:
    """Reads one YAML document whose top level is a mapping. Raises Invalid."""
    text = text.removeprefix("\ufeff")
    _check_text(text)
    try:
        _check_events(text)
        root = yaml.compose(text, Loader=_LOADER)
    except yaml.YAMLError as error:
        raise _syntax_error(error, text) from None
    if root is None:
        raise Invalid(START, "", "the file is empty; it needs at least an image")
    node = _Builder().build(root, depth=1)
    if not isinstance(node, Mapping):
        raise Invalid(node.at, "", 'the file must hold keys such as "image: …"')
    return node


def _check_text(text: str) -> None:
    if len(text) > MAX_BYTES or len(text.encode(errors="replace")) > MAX_BYTES:
        raise Invalid(START, "", f"the file is larger than {MAX_BYTES // 1024} KB")
    bad = _UNPRINTABLE.search(text)
    if bad is not None:
        before = text[: bad.start()]
        at = Position(before.count("\n") + 1, bad.start() - before.rfind("\n"))
        raise Invalid(at, "", f"the character U+{ord(bad[0]):04X} is not allowed in YAML")


def _check_events(text: str) -> None:
    """Holds the limits before anything recursive sees the text."""
    depth = nodes = documents = 0
    for event in yaml.parse(text, Loader=_LOADER):
        nodes += isinstance(event, yaml.NodeEvent)
        documents += isinstance(event, yaml.DocumentStartEvent)
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        _check_limits(nodes, depth, _position(event.start_mark))
        if documents > 1:
            raise Invalid(_position(event.start_mark), "", "a file holds one app: one document")
        _check_tag(getattr(event, "tag", None), _position(event.start_mark))


def _check_limits(nodes: int, depth: int, at: Position) -> None:
    if nodes > MAX_NODES:
        raise Invalid(at, "", f"the file holds more than {MAX_NODES} values, aliases followed")
    if depth > MAX_DEPTH:
        raise Invalid(at, "", f"values are nested more than {MAX_DEPTH} deep")


def _check_tag(tag: str | None, at: Position) -> None:
    if tag is not None and tag not in _TAGS:
        shown = tag.replace(_STANDARD, "!!", 1)
        raise Invalid(at, "", f"the tag {quote(shown)} is not supported; leave it out")


class _Builder:
    """Turns PyYAML's nodes into ours; counts what aliases expand to."""

    def __init__(self) -> None:
        self._nodes = 0

    def build(self, node: yaml.Node, depth: int) -> Node:
        at = _position(node.start_mark)
        self._nodes += 1
        _check_limits(self._nodes, depth, at)
        if isinstance(node, yaml.ScalarNode):
            null = not node.style and node.tag == f"{_STANDARD}null"
            return Scalar(node.value, at, null, written=node.value)
        if isinstance(node, yaml.SequenceNode):
            return Sequence(tuple(self.build(item, depth + 1) for item in node.value), at)
        return self._mapping(node, depth, at)

    def _mapping(self, node: yaml.Node, depth: int, at: Position) -> Mapping:
        own: dict[str, Entry] = {}
        merged: dict[str, Entry] = {}
        for key_node, value_node in node.value:
            key_at = _position(key_node.start_mark)
            key = _key(key_node, key_at)
            entry = Entry(self.build(value_node, depth + 1), key_at)
            if key == _MERGE and not key_node.style:
                merged = {**_merged(entry.value), **merged}
                continue
            if key in own:
                raise Invalid(key_at, "", _twice(key, own[key].key_at))
            own[key] = entry
        return Mapping({**merged, **own}, at)


def _key(node: yaml.Node, at: Position) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise Invalid(at, "", "a key must be a plain word")
    return str(node.value)


def _twice(key: str, first: Position) -> str:
    return f"the key {quote(key)} was given before, at {first.line}:{first.column}"


def _merged(node: Node) -> dict[str, Entry]:
    """What `<<` brings in; of several mappings the earlier one wins (YAML's merge type)."""
    sources = node.items if isinstance(node, Sequence) else (node,)
    entries: dict[str, Entry] = {}
    for source in sources:
        if not isinstance(source, Mapping):
            raise Invalid(source.at, "", '"<<" takes a mapping or a list of mappings')
        entries = {**source.entries, **entries}
    return entries


def _position(mark: Any) -> Position:
    return START if mark is None else Position(mark.line + 1, mark.column + 1)


_UNCLOSED: Final = "unexpected end of stream"
# What the parser says, and what that usually means for the person who typed it.
_READABLE: Final = (
    (
        "mapping values are not allowed",
        'a ":" is out of place: check the indentation, and quote values that contain ": "',
    ),
    ("expected key", "the indentation does not fit the lines above"),
    ("expected <block end>", "the indentation does not fit the lines above"),
    ("expected '-' indicator", 'the list goes on here without "- "'),
    ("could not find expected ':'", 'a key must be followed by ": "'),
    ("second occurrence", 'an anchor "&…" of this name was given before; take another name'),
    ("expected node content", "a value is missing here, or a bracket is not closed"),
    ("expected ',' or", 'a "," or a closing bracket is missing before this'),
    (_UNCLOSED, "a quote is not closed"),
    ("undefined alias", 'the alias "*…" has no anchor "&…" before it'),
    ("cannot start any token", "this character cannot begin a value; put the value in quotes"),
    ("tab character", "a tab is used for indentation; YAML wants spaces"),
)


def _syntax_error(error: yaml.YAMLError, text: str) -> Invalid:
    said = " ".join(str(getattr(error, "problem", None) or "it cannot be read").split())
    mark = getattr(error, "problem_mark", None)
    if mark is None or _UNCLOSED in said:  # then the end of the file says less than the beginning
        mark = getattr(error, "context_mark", None) or mark
    at, line = _within(_position(mark), text)
    if "\t" in line[: len(line) - len(line.lstrip())]:
        reason = "the line is indented with a tab; YAML wants spaces"
    else:
        reason = next((words for sign, words in _READABLE if sign in said), said)
    return Invalid(at, "", f"not valid YAML: {reason}")


def _within(at: Position, text: str) -> tuple[Position, str]:
    """The place and its line; what lies behind the end is moved to the last character's right."""
    lines = text.splitlines() or [""]
    if at.line > len(lines):
        at = Position(len(lines), len(lines[-1]) + 1)
    return at, lines[at.line - 1]
