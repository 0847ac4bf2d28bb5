"""What happened on a server, in the order it happened. Any layer may import it.

A rollout's own events (`cove.model.events`) are numbered within the rollout; happenings are
numbered over everything, and say in words what a person wants to know of it afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from msgspec import Struct, field

from cove.model.events import Event, Rollout

HappeningKind = Literal[
    "rollout",  # one began
    "step",  # an operation of a rollout was done or undone
    "failure",  # an operation failed, or a rollout did
    "outcome",  # a rollout ended well, or was cancelled; data: {"outcome", "release"}
    "notice",  # what a rollout or the agent remarked
    "repair",  # something was not as it should be, and was mended
    "container",  # one died, was started again, became unhealthy or healthy
    "proxy",  # it has a problem, or none any more
    "power",  # one was given or taken
    "command",  # somebody ran one inside a container
    "agent",  # it began or ended
    "alert",  # one fired, or is over
]
LONGEST = 2000  # characters of a happening's text
_WORTH_TELLING = 0.1  # seconds


class Happening(Struct, frozen=True, kw_only=True):
    """One thing that happened. `seq` grows for ever and is never given twice."""

    seq: int
    at: float  # seconds since the epoch
    kind: HappeningKind
    text: str
    app: str = ""  # empty: the server
    rollout: int = 0  # 0: none
    data: dict[str, Any] = field(default_factory=dict)


def begun(rollout: Rollout) -> Happening:
    """A rollout's begin, without a number yet."""
    text = f"a {rollout.kind} began" + (f", by {rollout.by}" if rollout.by else "")
    return _of(rollout, rollout.started_at, "rollout", text)


def told(rollout: Rollout, event: Event, operations: Sequence[str]) -> Happening | None:
    """An event of a rollout as a happening; None for one that tells nothing by itself.

    `operations` are the titles of the rollout's plan.
    """
    title = operations[event.index] if 0 <= event.index < len(operations) else event.text
    if event.kind == "done":
        seconds = event.data.get("seconds")
        text = title + (f" ({seconds:.1f} s)" if seconds and seconds >= _WORTH_TELLING else "")
        return _of(rollout, event.at, "step", text)
    if event.kind == "undone":
        return _of(rollout, event.at, "step", f"undone: {title}")
    if event.kind == "failed":
        text = f"{title}: {event.text}" if title != event.text else event.text
        return _of(rollout, event.at, "failure", text)
    if event.kind == "notice":
        return _of(rollout, event.at, "notice", event.text)
    return _finished(rollout, event) if event.kind == "finished" else None


def _of(rollout: Rollout, at: float, kind: HappeningKind, text: str, **data: object) -> Happening:
    return Happening(
        seq=0, at=at, kind=kind, text=text, app=rollout.app, rollout=rollout.id, data=data
    )


_DEEDS = {"stop": "stopped", "start": "started", "remove": "removed", "restart": "restarted"}


def _finished(rollout: Rollout, event: Event) -> Happening:
    outcome, release = str(event.data.get("outcome", "")), int(event.data.get("release", 0))
    kind: HappeningKind = "outcome"
    if outcome == "live":
        text = f"release {release} is live"
    elif outcome == "done":
        text = f"it is {_DEEDS.get(rollout.kind, 'done')}"
    elif outcome == "cancelled":
        text = f"the {rollout.kind} was cancelled, and what was begun undone"
    else:
        kind, text = "failure", _failure(rollout, event)
    return _of(rollout, event.at, kind, text, outcome=outcome, release=release)


def _failure(rollout: Rollout, event: Event) -> str:
    error = event.data.get("error") or {}
    serving = int(event.data.get("serving", 0))
    why = str(error.get("message", "")).partition("\n")[0]
    seen = event.data.get("serves", "yes") == "yes"
    live = f"release {serving} {'still serves' if seen else 'is the live one'}"
    still = live if serving else "nothing serves"
    return f"the {rollout.kind} failed: {why}; {still}"
