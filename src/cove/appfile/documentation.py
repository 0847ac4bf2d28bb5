"""What each key of the app file means, by its path. `cove schema` and completion import it.

Quick to load: it reads the annotated reference, not the catalogue.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from cove.appfile.reference import HEALTH, KEYS, ROLLOUT, ROUTES, Entry
from cove.appfile.reference_compose import TABLES

_LINK: Final = re.compile(r"\[([^\]]+)\]\([^)]*\)")


def words(entry: Entry) -> str:
    """An entry's text without links, for places where none can be followed."""
    return _LINK.sub(r"\1", entry.text)


class Key(NamedTuple):
    """A key as `cove schema KEY` shows it: its path, its words, and a file that uses it."""

    path: str
    text: str
    example: str
    grant: str


def documentation() -> dict[str, Key]:
    """Every documented key by its path, those of the short form first."""
    found: dict[str, Key] = {}
    for prefix, entries in (
        ("", KEYS),
        ("health.", HEALTH),
        ("rollout.", ROLLOUT),
        ("routes[].", ROUTES),
        *((f"{table.path}." if table.path else "", table.keys) for table in TABLES),
    ):
        for name, entry in entries.items():
            path = prefix + name
            found.setdefault(path, Key(path, words(entry), entry.example, entry.grant))
    return found
