"""From rules, readings and what was known to what is known now. Pure. Imported in this package.

A reading that is bad begins an alert, which fires once it was bad for the rule's `wait`, at every
evaluation. It ends once the value was beyond `clear` for `keep`. So a key fires and ends in turn,
whatever happens between, also over a restart: all of it is in the states.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from cove.model.alerts import AlertState, Key, Reading, Rule, Transition, TransitionKind
from cove.observation.alerts.rules import Rules, is_bad, is_well

LOST: Final = 600.0  # seconds without a reading after which nobody knows any more
States = Mapping[Key, AlertState]


class Evaluated(Struct, frozen=True, kw_only=True):
    """The states after an evaluation, and what began and ended."""

    states: dict[Key, AlertState]
    transitions: tuple[Transition, ...] = ()


def evaluate(
    rules: Rules,
    readings: Iterable[Reading],
    states: States,
    apps: Collection[str],
    now: float,
) -> Evaluated:
    """`apps` are those that there are; what is about another has ended."""
    found = {Key(r.rule, r.app, r.subject): r for r in readings if not r.app or r.app in apps}
    after: dict[Key, AlertState] = {}
    transitions: list[Transition] = []
    for key in sorted({*states, *found}):
        rule, before = rules.of(key.rule, key.app), states.get(key)
        reading = found.get(key) if rule.enabled else None
        if before is not None and before.phase == "ended":
            after[key] = before  # until it was told
            continue
        if reading is not None:
            state = _judged(rule, key, before, reading, now)
        else:
            watched = rule.enabled and (not key.app or key.app in apps)
            state = _unseen(before, now, lost_after=LOST if watched else 0.0)
        if state is None:
            continue
        after[key] = state
        kind = _kind(before, state)
        if kind:
            transitions.append(_transition(kind, state, rule, now))
    return Evaluated(states=after, transitions=tuple(transitions))


def _judged(
    rule: Rule, key: Key, before: AlertState | None, reading: Reading, now: float
) -> AlertState | None:
    if reading.hold:
        return replace(before, seen_at=now) if before else None
    bad = is_bad(rule, reading.value)
    if before is None or before.phase == "pending":
        return _pending(rule, key, before, reading, now) if bad else None
    state = replace(before, seen_at=now)
    if not is_well(rule, reading.value):
        text = reading.text if bad else before.text
        return replace(state, well_since=0.0, value=reading.value, text=text)
    well = min(before.well_since or now, now)
    state = replace(state, well_since=well)
    if now - well < rule.keep:
        return state
    return replace(state, phase="ended", ended_at=now, value=reading.value)


def _pending(
    rule: Rule, key: Key, before: AlertState | None, reading: Reading, now: float
) -> AlertState:
    since = min(before.since, now) if before else now
    fires = now - since >= rule.wait
    return AlertState(
        key=key,
        id=_id(key, since),
        phase="firing" if fires else "pending",
        since=since,
        fired_at=now if fires else 0.0,
        seen_at=now,
        value=reading.value,
        text=reading.text,
    )


def _unseen(before: AlertState | None, now: float, lost_after: float) -> AlertState | None:
    if before is None or before.phase != "firing":
        return None
    if 0 <= now - before.seen_at < lost_after:
        return before
    return replace(before, phase="ended", ended_at=now, gone=True)


def _id(key: Key, since: float) -> str:
    """The same for the same alert, so that a restart in between makes no second one."""
    text = "\0".join((key.rule, key.app, key.subject, f"{since:.6f}"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _kind(before: AlertState | None, after: AlertState) -> TransitionKind | None:
    was = before.phase if before else None
    if after.phase in (was, "pending"):
        return None
    if after.phase == "firing":
        return "fired"
    return "gone" if after.gone else "recovered"


def _transition(kind: TransitionKind, state: AlertState, rule: Rule, now: float) -> Transition:
    return Transition(
        at=now,
        kind=kind,
        key=state.key,
        id=state.id,
        value=state.value,
        text=state.text,
        severity=rule.severity,
    )
