"""Rollouts as a person follows them: their record and their events. Any layer may import it."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct, field

RolloutKind = Literal["deploy", "rollback", "restart", "stop", "start", "remove"]
# live: the new release serves. kept: refused or failed, what served before still serves.
# failed: refused or failed, and nothing served before. done: stop, start and remove.
Outcome = Literal["live", "kept", "failed", "cancelled", "done"]

EventKind = Literal[
    "plan",  # data: {"operations": [{"title", "cause"}]}
    "started",  # an operation began; `index` is its place in the plan
    "progress",  # transient, never stored: data {"done", "total", "text"}
    "done",  # data: {"seconds"}
    "failed",  # an operation failed; text: why
    "undone",  # an operation was taken back
    "notice",  # something worth knowing
    "finished",  # the last one; data: {"outcome", "exit_code", "urls", "error"}
]


class Event(Struct, frozen=True, kw_only=True):
    """One thing that happened in a rollout. `seq` counts from 1 within the rollout."""

    seq: int
    at: float  # seconds since the epoch
    kind: EventKind
    index: int = -1
    text: str = ""
    data: dict[str, Any] = field(default_factory=dict)


class Rollout(Struct, frozen=True, kw_only=True):
    """The act of changing what an app runs, from its lock to its outcome."""

    id: int
    app: str
    kind: RolloutKind
    by: str = ""
    started_at: float = 0.0
    ended_at: float = 0.0  # 0 while it is under way
    release: int = 0  # 0 until one is made
    outcome: Outcome | None = None
