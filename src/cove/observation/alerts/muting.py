"""Silences and maintenance windows: who is kept quiet, and why. Pure. Imported in this package."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from cove.model.alerts import AlertSettings, Key, Silence, Window

_DAY: Final = 24 * 60  # minutes
_WEEK: Final = 7


def muted(settings: AlertSettings, key: Key, now: float) -> str:
    """Why nobody is told about an alert at a time; empty: everybody is."""
    for silence in settings.silences:
        if now < silence.until and _about(silence, key):
            return _said(f"silence {silence.id}", silence.reason)
    for window in settings.windows:
        if _about(window, key) and is_open(window, now):
            return _said(f"maintenance {window.id}", window.reason)
    return ""


def is_open(window: Window, now: float) -> bool:
    """Whether a weekly window is open; one may reach over midnight, up to a whole day."""
    moment = datetime.fromtimestamp(now, UTC)
    minute = moment.hour * 60 + moment.minute
    today = moment.weekday()
    yesterday = (today - 1) % _WEEK
    return (_opens(window, today) and window.start <= minute < window.start + window.minutes) or (
        _opens(window, yesterday) and minute + _DAY < window.start + window.minutes
    )


def current(silences: Iterable[Silence], now: float) -> tuple[Silence, ...]:
    """Those that have not ended."""
    return tuple(silence for silence in silences if now < silence.until)


def _opens(window: Window, day: int) -> bool:
    return not window.days or day in window.days


def _about(what: Silence | Window, key: Key) -> bool:
    return what.rule in ("", key.rule) and what.app in ("", key.app)


def _said(what: str, reason: str) -> str:
    return f"{what}: {reason}" if reason else what
