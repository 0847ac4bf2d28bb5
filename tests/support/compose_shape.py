"""What a Compose file of a usual shape is: `support.compose_corpus` has all of them.

Each must load as it is; those with powers name the grants that they take. Integration tests may
deploy them with images of their own in place.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from textwrap import dedent
from typing import Final


@dataclass(frozen=True)
class Shape:
    """One file: what is typical of it, and what it draws on."""

    name: str
    reason: str
    text: str
    routed: tuple[str, ...]
    variables: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    env_files: dict[str, str] = field(default_factory=dict)
    grants: tuple[str, ...] = ()


def shape(name: str, reason: str, routed: str, text: str, **more: object) -> Shape:
    """A shape; its text may be indented."""
    return Shape(name, reason, dedent(text), tuple(routed.split()), **more)  # type: ignore[arg-type]


PASSWORD: Final = {"DB_PASSWORD": "correct-horse"}
