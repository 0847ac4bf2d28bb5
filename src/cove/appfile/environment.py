"""Readers of environments: `environment`, `env` and `env_file`. Imported by this package alone.

What came from outside the file (variables, env files) counts as secret.
"""

from __future__ import annotations

import re
from typing import Any, Final

from cove.appfile.envfile import EnvFileError, read_env_file
from cove.appfile.paths import beside
from cove.appfile.problems import quote
from cove.appfile.scalars import boolean
from cove.appfile.value import CONTROL, Value, each, fields
from cove.model.app import EnvValue

# Names that images really use go beyond the shell's: discovery.type, JAVA-OPTS.
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*", re.ASCII)
_MAX_ENTRY: Final = 128 * 1024 - 1  # bytes of NAME=value; Linux, MAX_ARG_STRLEN
_MOST_ENV_FILES: Final = 20
_MAX_ENV_FILE: Final = 1024 * 1024  # characters
# Of all files of an app together: Linux takes no more than 2 MB with a command (execve(2)), and
# reading must not keep the agent from everything else.
_MAX_ENV_FILES: Final = 2 * _MAX_ENV_FILE

Found = dict[str, tuple[EnvValue, Value]]


def environment(value: Value) -> Found:
    """A mapping of names to values, or a list of `NAME=value`."""
    if value.is_list:
        return _listed(value)
    found: Found = {}
    for name, child in value.entries('a mapping or a list of "NAME=value"').items():
        with child.collect():
            _check_name(name, child)
            text = _passed_through(name, child) if child.null else _plain(child)
            found[name] = (_checked(name, text, child), child)
    return found


def _listed(value: Value) -> Found:
    found: Found = {}
    for child, text in each(value.items(), lambda item: item.text('text such as "NAME=value"')):
        with child.collect():
            name, sign, rest = text.partition("=")
            _check_name(name, child)
            if name in found:
                raise child.invalid(f"{name} was given before, by {found[name][1].path}")
            plain = EnvValue(rest, sensitive=child.interpolated)
            result = plain if sign else _passed_through(name, child)
            found[name] = (_checked(name, result, child), child)
    return found


def _plain(value: Value) -> EnvValue:
    return EnvValue(value.text(), sensitive=value.interpolated)


def _passed_through(name: str, value: Value) -> EnvValue:
    found = value.reading.variables.get(name)
    if found is None:
        raise value.refused(f"has no value here, and the variable {name} is not set")
    return EnvValue(found, sensitive=True)


def _check_name(name: str, value: Value) -> None:
    if not _NAME.fullmatch(name):
        shown = "this" if value.interpolated else quote(name)
        raise value.refused(f"{shown} is no name of an environment variable")


def _checked(name: str, found: EnvValue, value: Value) -> EnvValue:
    _check_entry(name, found.value, value)
    return found


def _check_entry(name: str, text: str, value: Value) -> None:
    if CONTROL.search(text):
        raise value.invalid(f"the value of {name} must not contain control characters")
    if len(name) + len(text.encode(errors="replace")) + 1 > _MAX_ENTRY:
        raise value.invalid(f"the value of {name} is longer than the 128 KB that Linux passes on")


def merged(first: Found, second: Found) -> Found:
    """`env` and `environment` as one; a name in both is a finding."""
    for name, (_, child) in second.items():
        if name in first:
            text = f"{name} was given before, by {first[name][1].path}"
            child.reading.problems.add(child.key_at, child.path, text)
    return {**first, **second}


def env_files(value: Value) -> dict[str, EnvValue]:
    """The values of one file or several; a later file wins."""
    items = value.items() if value.is_list else (value,)
    if len(items) > _MOST_ENV_FILES:
        raise value.invalid(f"names {len(items)} files; {_MOST_ENV_FILES} is the most")
    _check_sizes(items, value)
    values: dict[str, EnvValue] = {}
    for _, found in each(items, _env_file):
        values |= found
    return values


def _check_sizes(items: tuple[Value, ...], value: Value) -> None:
    texts = value.reading.env_files
    paths = [item.entries().get("path", item) if item.is_mapping else item for item in items]
    named = [path.text() for path in paths if not (path.is_list or path.is_mapping or path.null)]
    if len(set(named)) < len(named):
        raise value.invalid("names a file twice")
    if sum(len(texts.get(name, "")) for name in named) > _MAX_ENV_FILES:
        raise value.invalid("the files are larger than 2 MB together")


def _env_file(value: Value) -> dict[str, EnvValue]:
    entry = fields(value, _FIELDS, required=("path",)) if value.is_mapping else {"path": value}
    if "path" not in entry:
        return {}
    path = beside(entry["path"])
    text = value.reading.env_files.get(path)
    if text is not None:
        return _read(path, text, entry["path"])
    if entry.get("required", True):
        raise entry["path"].invalid(f"the file {quote(path)} was not found")
    return {}


_FIELDS: Final[dict[str, Any]] = {"path": lambda value: value, "required": boolean}


def _read(path: str, text: str, value: Value) -> dict[str, EnvValue]:
    if len(text) > _MAX_ENV_FILE:
        raise value.invalid(f"the file {quote(path)} is larger than 1 MB")
    known = value.reading.parsed
    if path not in known:  # services often share one
        if sum(len(value.reading.env_files[other]) for other in known) > _MAX_ENV_FILES:
            raise value.invalid("the files of all services are larger than 2 MB together")
        known[path] = _parsed(path, text, value)
    for name, content in known[path].items():
        _check_entry(name, content, value)
    return {name: EnvValue(content, sensitive=True) for name, content in known[path].items()}


def _parsed(path: str, text: str, value: Value) -> dict[str, str]:
    try:
        return read_env_file(text, value.reading.variables.get)
    except EnvFileError as error:
        value.reading.problems.add_elsewhere(path, error.line, error.text)
        return {}
