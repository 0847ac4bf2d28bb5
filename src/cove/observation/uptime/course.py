"""How looks become a route's state: suspicion, confirmation, recovery, and watched time. Pure.

Imported in this package. A route is down after two failed looks in a row, from the first of them
on, and up again after one that went well. What lies between two looks counts as watched only if
it is not longer than a look can be late; the rest nobody knows.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from cove.model.uptime import DOWN, Change, Look, Target, UptimeState

FAILURES: Final = 2  # in a row: one may be a lost packet or a busy moment
WELL_EVERY: Final = 60.0  # seconds between two looks
FAILING_EVERY: Final = 10.0
# A look may start late and take as long as its limit.
LONGEST_GAP: Final = WELL_EVERY + 30.0


class Course(Struct, frozen=True, kw_only=True):
    """What is known of a route. `suspect` is when the first failed look began; 0: none."""

    state: UptimeState = "unknown"
    since: float = 0.0
    detail: str = ""
    suspect: float = 0.0
    failures: int = 0
    watched: float = 0.0  # until then, without a gap; 0: not watched
    look: Look | None = None


class Watched(Struct, frozen=True, kw_only=True):
    """A time between two looks, and what it counts as."""

    began: float
    ended: float
    down: bool


class Turn(Struct, frozen=True, kw_only=True):
    """What one look made of a course."""

    course: Course
    change: Change | None = None
    watched: Watched | None = None


def looked(course: Course, target: Target, look: Look) -> Turn:
    """The course after a look."""
    failing = look.state in DOWN
    failures = course.failures + 1 if failing else 0
    suspect = (course.suspect or look.at) if failing else 0.0
    if not failing:
        state, since = look.state, look.at
    elif course.state in DOWN or failures >= FAILURES:
        state, since = look.state, suspect
    else:
        state, since = course.state, course.since
    # A cause that changes while it is down is told as the detail of the same outage.
    same = state == course.state or (state in DOWN and course.state in DOWN)
    after = replace(
        course,
        state=state,
        since=course.since if same else since,
        detail=look.detail,
        suspect=suspect,
        failures=failures,
        watched=look.at,
        look=look,
    )
    change = None if same else _change(after, target)
    return Turn(course=after, change=change, watched=_watched(course, after, look.at))


def rested(course: Course, target: Target, now: float) -> Turn:
    """The course of a route that is not looked at, for the target's reason."""
    if course.state == "paused":
        return Turn(course=replace(course, detail=target.paused))
    after = Course(state="paused", since=now, detail=target.paused)
    return Turn(course=after, change=_change(after, target))


def due(course: Course) -> float:
    """When to look next."""
    if course.look is None:
        return 0.0
    return course.look.at + (FAILING_EVERY if course.failures else WELL_EVERY)


def recalled(change: Change) -> Course:
    """What an earlier agent knew. Since its last look nobody watched."""
    state = change.state
    down = state in DOWN
    return Course(
        state=state,
        since=change.at,
        detail=change.detail,
        suspect=change.at if down else 0.0,
        failures=FAILURES if down else 0,
    )


def _watched(before: Course, after: Course, now: float) -> Watched | None:
    began = before.watched
    if not began or not 0 < now - began <= LONGEST_GAP:
        return None
    down = before.state in DOWN or after.state in DOWN
    return Watched(began=began, ended=now, down=down)


def _change(course: Course, target: Target) -> Change:
    return Change(
        at=course.since,
        app=target.app,
        route=target.route,
        state=course.state,
        detail=course.detail,
        rolling=target.rolling,
    )
