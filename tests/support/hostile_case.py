"""What a hostile app file is: `support.hostile_files` has all of them.

`place` is the line and the path of the finding that must be among what is found, `words` a part
of it. A file without a place loads, and what it loads into must be harmless. Integration tests
may deploy those.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

FOLDER: Final = "/srv/shop"
NEEDS: Final = "needs a grant of the server's owner"
_NONE: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True)
class Hostile:
    """One file and what must come of it."""

    reason: str
    text: str
    place: tuple[int, str] | None
    words: str = ""
    granted: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=lambda: _NONE)
    files: Mapping[str, str] = field(default_factory=lambda: _NONE)


def web(lines: str, beside: str = "") -> str:
    """A Compose file with one service; its further keys begin in line 4."""
    keys = "".join(f"    {line}\n" for line in lines.splitlines())
    return f"services:\n  web:\n    image: acme/shop:1\n{keys}{beside}"


def key_case(key: str, value: str, reason: str, words: str, **more: object) -> Hostile:
    """A key of a service that must be refused at that key."""
    text = web(f"{key}: {value}")
    return Hostile(reason, text, (4, f"services.web.{key}"), words, **more)  # type: ignore[arg-type]
