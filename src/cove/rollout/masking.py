"""Values of variables kept out of what people are told. Imported inside `cove.rollout`.

A value that is too short to be told apart from ordinary words is left as it is: a mask over every
"web" or "80" would hide what is said and no secret.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from cove.errors import CoveError, PlatformError
from cove.model.events import EventKind
from cove.ports import Store
from cove.rollout.work import Emit

MASK: Final = "•••"
_SHOWN: Final = frozenset({"pending", "live"})  # releases that something may still be said of
# What of an event's data, a plan and an error is for people; the rest programs compare.
_TEXTS: Final = frozenset({"cause", "title", "notes", "message", "hint", "log", "problems"})
_LEAST: Final = 4  # characters
_LEAST_DIGITS: Final = 6  # ports, years and sizes have fewer


def hidden_values(app: str, store: Store) -> tuple[str, ...]:
    """The values that nobody is shown, of what an app runs or is about to run."""
    try:
        found = [release for release in store.releases(app) if release.status in _SHOWN]
    except PlatformError:  # what cannot be read is told elsewhere, and says nothing
        found = []
    return tuple({value for release in found for value in release.spec.hidden})


def masked(value: Any, hidden: Iterable[str]) -> Any:
    """The same text, list or mapping, with every hidden value in what is for people replaced."""
    words = _words(hidden)
    return _replaced(value, words) if words else value


def masked_error(error: CoveError, hidden: Iterable[str]) -> CoveError:
    """The same error, its texts masked in place."""
    words = _words(hidden)
    error.message = _replaced(error.message, words)
    error.hint = _replaced(error.hint, words)
    error.log = _replaced(error.log, words)
    error.problems = _replaced(error.problems, words)
    return error


def masking(emit: Emit, hidden: Iterable[str]) -> Emit:
    """An emitter whose events hold no hidden value."""
    words = _words(hidden)
    if not words:
        return emit

    def emit_masked(
        kind: EventKind, index: int = -1, text: str = "", data: dict[str, Any] | None = None
    ) -> None:
        if kind != "finished":  # its text is the outcome, which programs compare
            text = _replaced(text, words)
        emit(kind, index=index, text=text, data=_replaced(data, words))

    return emit_masked


def _words(hidden: Iterable[str]) -> list[str]:
    """Those that are long enough, the longest first: one may be a part of another."""
    wanted = {w for w in hidden if len(w) >= (_LEAST_DIGITS if w.isdecimal() else _LEAST)}
    return sorted(wanted, key=lambda word: (-len(word), word))


def _replaced(value: Any, words: list[str]) -> Any:
    if isinstance(value, str):
        for word in words:
            value = value.replace(word, MASK)
        return value
    if isinstance(value, dict):
        return {
            key: _replaced(item, words) if key in _TEXTS or not _plain(item) else item
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return type(value)(_replaced(item, words) for item in value)
    return value


def _plain(value: Any) -> bool:
    """Whether it holds nothing under a name of its own."""
    if isinstance(value, list | tuple):
        return all(_plain(item) for item in value)
    return not isinstance(value, dict)
