"""What channels are told, and when: grouping, and each thing once. Pure. Imported in this package.

A state says itself whether it was told. It is marked so in the transaction that queues its
message; so nothing is lost between the two, and nothing is queued twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from cove.model.alerts import AlertState, Channel, Item, Key, Message, TransitionKind
from cove.observation.alerts.rules import Rules

GATHER: Final = 10.0  # seconds in which what comes together is told in one message


class Announced(Struct, frozen=True, kw_only=True):
    """The states after telling, and the messages with the names of their channels."""

    states: dict[Key, AlertState]
    messages: tuple[tuple[Message, tuple[str, ...]], ...] = ()


def announce(
    states: Mapping[Key, AlertState],
    muted: Callable[[Key], str],
    rules: Rules,
    channels: Sequence[Channel],
    *,
    server: str,
    now: float,
) -> Announced:
    """Everything that nobody was told yet, once the first of it has waited for the others."""
    after = dict(states)
    for key, state in states.items():
        # It began and ended while it was silenced: nobody has to know.
        if state.phase == "ended" and not state.told and muted(key):
            del after[key]
    untold = [state for state in after.values() if _is_untold(state, muted)]
    if not any(_waited(state, now) for state in untold):
        return Announced(states=after)
    for state in untold:
        if state.phase == "ended":
            del after[state.key]
        else:
            after[state.key] = replace(state, told=True)
    items = [_item(state, rules) for state in untold]
    return Announced(states=after, messages=_messages(items, channels, server, now))


def trial(server: str, now: float) -> Message:
    """A message that says that a channel works."""
    item = Item(
        id="test",
        rule="test",
        app="",
        subject="",
        status="fired",
        severity="warning",
        value=0.0,
        text="a test: messages of this server arrive here",
        since=now,
    )
    return Message(id=_id((item,), now), at=now, server=server, items=(item,), test=True)


def _is_untold(state: AlertState, muted: Callable[[Key], str]) -> bool:
    if state.phase == "ended":
        return True  # an end of what was told is told, silence or not; so is what nobody silenced
    return state.phase == "firing" and not state.told and not muted(state.key)


def _waited(state: AlertState, now: float) -> bool:
    at = state.ended_at or state.fired_at
    return not at <= now < at + GATHER  # nor for ever, where the clock was set back


def _item(state: AlertState, rules: Rules) -> Item:
    status: TransitionKind = "fired"
    if state.phase == "ended":
        status = "gone" if state.gone else "recovered"
    return Item(
        id=state.id,
        rule=state.key.rule,
        app=state.key.app,
        subject=state.key.subject,
        status=status,
        severity=rules.of(state.key.rule, state.key.app).severity,
        value=state.value,
        text=state.text,
        since=state.since,
        ended_at=state.ended_at,
    )


def _messages(
    items: Sequence[Item], channels: Sequence[Channel], server: str, now: float
) -> tuple[tuple[Message, tuple[str, ...]], ...]:
    """One message for all channels that are to see the same."""
    found: dict[tuple[Item, ...], list[str]] = {}
    for channel in channels:
        seen = tuple(item for item in items if not channel.apps or item.app in channel.apps)
        if seen:
            found.setdefault(seen, []).append(channel.name)
    return tuple(
        (Message(id=_id(seen), at=now, server=server, items=seen), tuple(names))
        for seen, names in found.items()
    )


def _id(items: Iterable[Item], salt: float = 0.0) -> str:
    """The same for the same news: each alert begins once and ends once."""
    text = "\0".join(f"{item.id} {item.status}" for item in items)
    return hashlib.sha256(f"{text}\0{salt}".encode()).hexdigest()[:16]
