"""Weekly maintenance windows as they are announced. Pure. Imported in this package."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from cove.model.alerts import Window
from cove.model.statuspage import Announcement
from cove.observation.alerts.muting import is_open

_DAY_MINUTES: Final = 24 * 60
_MINUTE: Final = 60.0
_WEEK: Final = 7
# A window about another rule, as about errors, keeps a message away; it is no maintenance.
_RULES: Final = ("", "down")


def about(windows: Iterable[Window], apps: Iterable[str]) -> tuple[Window, ...]:
    """The windows that are about everything, or about one of these apps."""
    shown = {"", *apps}
    return tuple(w for w in windows if w.rule in _RULES and w.app in shown)


def any_open(windows: Iterable[Window], now: float) -> bool:
    """Whether one of them is open."""
    return any(is_open(window, now) for window in windows)


def announced(
    windows: Iterable[Window], labels: Mapping[str, str], now: float
) -> tuple[Announcement, ...]:
    """Every window with its present or next time, the next first; never why it is set."""
    found: dict[tuple[tuple[int, ...], int, int], list[str]] = {}
    for window in windows:
        names = found.setdefault((window.days, window.start, window.minutes), [])
        names.append(labels.get(window.app, "") if window.app else "")
    made = [
        _announcement(key, () if "" in names else tuple(dict.fromkeys(names)), now)
        for key, names in found.items()
    ]
    return tuple(sorted(made, key=lambda one: (one.begins, one.names)))


def _announcement(
    key: tuple[tuple[int, ...], int, int], names: tuple[str, ...], now: float
) -> Announcement:
    days, start, minutes = key
    begins = next(at for at in _beginnings(days, start, now) if at + minutes * _MINUTE > now)
    return Announcement(
        names=names,
        days=days,
        start=start,
        minutes=minutes,
        begins=begins,
        ends=begins + minutes * _MINUTE,
        open=begins <= now,
    )


def _beginnings(days: tuple[int, ...], start: int, now: float) -> Iterator[float]:
    """When it begins, from yesterday on: a window may reach over midnight."""
    midnight = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    # A window of a whole day that began a week ago is over.
    for offset in range(-1, _WEEK + 2):
        day = midnight + timedelta(days=offset)
        if not days or day.weekday() in days:
            yield (day + timedelta(minutes=start)).timestamp()
