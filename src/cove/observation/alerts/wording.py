"""A message as people read it, in plain text. Pure. Imported in this package and by notifiers.

Names and texts come from apps, their containers and whoever they serve: control characters and
marks that change the direction of writing are taken out, and lengths are bounded. Each channel
escapes its own markup after that.
"""

from __future__ import annotations

import re
from typing import Final

from cove.model.alerts import Item, Message

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]+")
_LONGEST_TEXT: Final = 500  # characters of one alert
_LONGEST_NAME: Final = 120
MOST_ITEMS: Final = 20  # in a text; a webhook gets all


def title(message: Message) -> str:
    """One line: what it is about and where."""
    where = clean(message.server, _LONGEST_NAME)
    if message.test:
        return f"[{where}] test"
    if len(message.items) == 1:
        item = message.items[0]
        return f"[{where}] {_mark(item)}: {about(item)}"
    fired = sum(item.status == "fired" for item in message.items)
    ended = len(message.items) - fired
    counts = [f"{fired} firing"] * bool(fired) + [f"{ended} over"] * bool(ended)
    return f"[{where}] {', '.join(counts)}"


def lines(message: Message) -> list[str]:
    """One line for each alert."""
    found = [line(item) for item in message.items[:MOST_ITEMS]]
    rest = len(message.items) - MOST_ITEMS
    return [*found, f"and {rest} more: cove alerts"] if rest > 0 else found


def line(item: Item) -> str:
    """One alert."""
    text = clean(item.text, _LONGEST_TEXT)
    if item.status == "fired":
        return f"{_mark(item)}: {about(item)}: {text}" if item.rule != "test" else text
    lasted = duration(max(0.0, item.ended_at - item.since))
    return f"{_mark(item)}: {about(item)}, after {lasted} (was: {text})"


def about(item: Item) -> str:
    """Which rule, of which app and what in it."""
    subject = clean(item.subject, _LONGEST_NAME)
    what = " ".join(part for part in (item.app, subject if subject != item.app else "") if part)
    return f"{item.rule} {what}".strip()


def status(message: Message) -> str:
    """firing, recovered, or mixed."""
    fired = {item.status == "fired" for item in message.items}
    return "mixed" if len(fired) > 1 else ("firing" if fired == {True} else "recovered")


def duration(seconds: float) -> str:
    """Coarsely: `40 s`, `5 min`, `3 h 20 min`, `2 days`."""
    whole = int(seconds)
    if whole < 60:  # noqa: PLR2004 - seconds
        return f"{whole} s"
    if whole < 3600:  # noqa: PLR2004
        return f"{whole // 60} min"
    if whole < 2 * 86400:
        rest = whole % 3600 // 60
        return f"{whole // 3600} h" + (f" {rest} min" if rest else "")
    return f"{whole // 86400} days"


def clean(text: str, longest: int) -> str:
    """On one line, printable, and not too long."""
    plain = _CONTROL.sub(" ", text).strip()
    return plain if len(plain) <= longest else plain[: longest - 1] + "…"


def _mark(item: Item) -> str:
    return item.severity.upper() if item.status == "fired" else item.status.upper()
