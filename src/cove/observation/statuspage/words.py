"""Levels, shares, times and durations in the words of a page. Pure. Imported in this package."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from cove.model.statuspage import Announcement, Component, Incident, Level

LEVELS: Final[Mapping[Level, str]] = {
    "operational": "Operational",
    "paused": "Not in service",
    "unknown": "Not known",
    "maintenance": "Maintenance",
    "degraded": "Degraded",
    "down": "Down",
}
_TOGETHER: Final[Mapping[Level, str]] = {
    "operational": "All services are operational",
    "paused": "Nothing is in service",
    "unknown": "The state of some services is not known",
    "maintenance": "Maintenance is under way",
    "degraded": "Some services are degraded",
    "down": "All services are down",
}
_DAYS: Final = ("Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays")
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_DAY_MINUTES: Final = 24 * 60


def together(level: Level, components: Sequence[Component]) -> str:
    """What is said of all services at once."""
    if not components:
        return "No service is shown yet"
    if level == "down" and any(one.level not in ("down", "paused") for one in components):
        return "Some services are down"
    return _TOGETHER[level]


def share(value: float | None) -> str:
    """Never rounded up to 100: an outage must be seen."""
    if value is None:
        return "–"
    return "100 %" if value >= 1 else f"{int(value * 10_000) / 100:.2f} %"


def moment(at: float) -> str:
    """A time in UTC, to the minute, without its zone."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M}"


def machine(at: float) -> str:
    """A time as programs read it (RFC 3339)."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"


def lasted(seconds: float) -> str:
    """A duration with its two largest units."""
    whole = max(0, int(seconds))
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min"
    if whole < _DAY:
        hours, minutes = whole // _HOUR, whole % _HOUR // _MINUTE
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = whole // _DAY, whole % _DAY // _HOUR
    unit = "day" if days == 1 else "days"
    return f"{days} {unit} {hours} h" if hours else f"{days} {unit}"


def happened(incident: Incident) -> str:
    """What an incident was, in one or two words."""
    if incident.maintenance:
        return "Down during maintenance" if incident.whole else "Partly down during maintenance"
    return "Down" if incident.whole else "Partly down"


def duration(incident: Incident, now: float) -> str:
    """How long an incident took, or takes."""
    if incident.ended:
        return lasted(incident.ended - incident.began)
    return f"{lasted(now - incident.began)} so far"


def weekly(one: Announcement) -> str:
    """When a window comes back."""
    days = ", ".join(_DAYS[day] for day in one.days) if one.days else "Every day"
    return f"{days}, {_clock(one.start)} to {_clock(one.start + one.minutes)}"


def _clock(minutes: int) -> str:
    within = minutes % _DAY_MINUTES
    return f"{within // 60:02}:{within % 60:02}"
