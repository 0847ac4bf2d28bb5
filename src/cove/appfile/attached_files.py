"""Readers of configs and secrets: files that are put into containers. Used by this package alone.

Everything counts as secret but what a config holds literally. As in Compose, a definition at the
top says where the content comes from, and a service says where it wants to find it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from cove.appfile.paths import beside
from cove.appfile.problems import quote
from cove.appfile.scalars import integer, matching, word
from cove.appfile.value import Value, each, fields, nearest
from cove.model.app import EnvValue, File
from cove.model.powers import normal

CONFIG: Final = "config"
SECRET: Final = "secret"  # noqa: S105 - the word, not one
_MAX_FILE: Final = 500 * 1024  # characters of one; as in Swarm
_MAX_FILES: Final = 2 * 1024 * 1024  # of all of an app
_MOST: Final = 50  # of one service
_MAX_TARGET: Final = 255
_UNWRITABLE: Final = re.compile("[\x00\ud800-\udfff]")
_MODE: Final = re.compile(r"0o?([0-7]{3})")
_MAX_ID: Final = 2**31 - 1

_name = matching(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", "a name of letters, digits and dashes")
_variable = matching(r"[A-Za-z_][A-Za-z0-9_]*", "the name of a variable")


@dataclass(frozen=True, slots=True)
class Use:
    """One file as a service asks for it."""

    kind: str
    source: str
    settings: dict[str, Any]
    content: EnvValue | None = None  # where the service says it itself, as in the short form

    def file(self, content: EnvValue) -> File:
        """The file with its content."""
        default = f"/run/secrets/{self.source}" if self.kind == SECRET else f"/{self.source}"
        return File(content=content, **{"target": default, **self.settings})


Uses = list[tuple[Value, Use]]
Contents = dict[str, tuple[Value, EnvValue | None]]  # None: reported already


def uses(kind: str, *, inline: bool) -> Callable[[Value], Uses]:
    """A reader of a service's `configs` or `secrets`: a list, each a name or a mapping.

    `inline`: a mapping may say where the content comes from, too.
    """

    def read(value: Value) -> Uses:
        items = value.items(f"a list of {kind}s")
        if len(items) > _MOST:
            raise value.invalid(f"names {len(items)} {kind}s; {_MOST} is the most")
        return each(items, lambda item: _use(kind, item, inline=inline))

    return read


def _use(kind: str, value: Value, *, inline: bool) -> Use:
    if not value.is_mapping:
        return Use(kind, _name(value), {})
    target = _secret_target if kind == SECRET else _config_target
    known = {**USE, "target": target, **(SOURCES if inline else {})}
    read = fields(value, known, required=("source",))
    if "source" not in read:
        raise value.already_reported()
    source = read.pop("source")
    content = None
    if any(key in value.entries() for key in SOURCES) and inline:
        content = _one_source(kind, value, read)
    settings = {key: found for key, found in read.items() if key not in SOURCES}
    return Use(kind, source, settings, content)


def _secret_target(value: Value) -> str:
    found = word(value)
    return _target(value, found if found.startswith("/") else f"/run/secrets/{found}")


def _config_target(value: Value) -> str:
    found = word(value)
    return _target(value, found if found.startswith("/") else f"/{found}")


def _target(value: Value, found: str) -> str:
    tidy = found == normal(found) and ".." not in found.split("/")
    if not tidy or found == "/" or len(found) > _MAX_TARGET:
        raise value.invalid('must be a tidy path of a file: no "..", no "//"')
    if ":" in found or not found.isprintable():
        raise value.invalid('the place in the container must not contain ":"')
    return found


def _mode(value: Value) -> int:
    found = word(value)
    match = _MODE.fullmatch(found)
    if match is None:
        raise value.invalid(f'must be a mode in octal such as "0440", not {value.shown()}')
    return int(match[1], 8)


USE: Final[dict[str, Any]] = {
    "source": _name,
    "target": word,
    "uid": integer(0, _MAX_ID),
    "gid": integer(0, _MAX_ID),
    "mode": _mode,
}


def definitions(kind: str) -> Callable[[Value], Contents]:
    """A reader of the top-level `configs` or `secrets`: the content of each, by name."""

    def read(value: Value) -> Contents:
        found: Contents = {}
        for name, child in value.entries(f"a mapping of {kind}s").items():
            content = None
            with child.collect():
                _check_name(name, child)
                content = _content(kind, child)
            found[name] = (child, content)
        _check_sizes(value, found)
        return found

    return read


def _check_name(name: str, value: Value) -> None:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", name):
        raise value.refused("a name is letters, digits, dashes and dots, 63 at most")


def _check_sizes(value: Value, found: Contents) -> None:
    if sum(len(content.value) for _, content in found.values() if content) > _MAX_FILES:
        raise value.invalid("the contents are larger than 2 MB together")


def _content(kind: str, value: Value) -> EnvValue:
    entries = value.entries(f"a mapping with file, environment or content: where the {kind} is")
    read = fields(value.without_extensions(), SOURCES, refused=REFUSED)
    if any(key in REFUSED for key in entries):
        raise value.already_reported()
    return _one_source(kind, value, read)


def _one_source(kind: str, value: Value, read: Mapping[str, Any]) -> EnvValue:
    """The content, from the one key that says where it is."""
    entries = value.entries()
    given = [key for key in SOURCES if key in entries and not entries[key].null]
    if any(key not in read for key in given):
        raise value.already_reported()
    if len(given) != 1:
        raise value.invalid("must have one of file, environment and content")
    content: EnvValue = read[given[0]]
    at = entries[given[0]]
    if _UNWRITABLE.search(content.value):
        raise at.invalid("is not text: it holds a zero byte")
    if len(content.value) > _MAX_FILE:
        raise at.invalid(f"is larger than {_MAX_FILE // 1024} KB")
    return EnvValue(content.value, sensitive=kind == SECRET or content.sensitive)


def _of_file(value: Value) -> EnvValue:
    path = beside(value)
    found = value.reading.files.get(path)
    if found is None:
        raise value.invalid(f"the file {quote(path)} was not found")
    return EnvValue(found, sensitive=True)


def _of_variable(value: Value) -> EnvValue:
    name = _variable(value)
    found = value.reading.variables.get(name)
    if found is None:
        shown = "" if value.interpolated else f" {name}"
        raise value.invalid(f"the variable{shown} is not set")
    return EnvValue(found, sensitive=True)


def _literal(value: Value) -> EnvValue:
    return EnvValue(value.text(), sensitive=value.interpolated)


_ELSEWHERE: Final = "is not supported: there is no Swarm that could keep it"
SOURCES: Final[dict[str, Any]] = {
    "file": _of_file,
    "environment": _of_variable,
    "content": _literal,
}
REFUSED: Final = {
    **dict.fromkeys(("external", "name", "driver", "driver_opts", "template_driver"), _ELSEWHERE),
    "labels": "is not supported: they would be put nowhere",
}


def inline_definitions(use_list: Uses, kind: str) -> Contents:
    """What the services of a file define where they use it."""
    own = [(value, use) for value, use in use_list if use.kind == kind and use.content]
    return {use.source: (value, use.content) for value, use in own}


def filled(use_list: Uses, defined: Mapping[str, Contents]) -> list[tuple[Value, File]]:
    """The files of a service; a name that is not defined is recorded."""
    found = []
    for value, use in use_list:
        contents = defined[use.kind]
        if use.content is not None:
            found.append((value, use.file(use.content)))
        elif use.source not in contents:
            shown = "this" if value.interpolated else quote(use.source)
            guess = nearest(value, use.source, list(contents))
            text = f"nothing says what the {use.kind} {shown} holds"
            advice = guess or f": add it under {use.kind}s at the top of the file"
            value.reading.problems.add(value.node.at, value.path, text + advice)
        elif (content := contents[use.source][1]) is not None:
            found.append((value, use.file(content)))
    return found
