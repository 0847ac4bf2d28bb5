"""Alerts: rules, what they read, what became of it, who is told. Any layer may import it.

Times are seconds since the epoch, durations seconds.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field

RuleName = Literal[
    "down",
    "unhealthy",
    "restart-loop",
    "oom",
    "certificate",
    "disk",
    "memory",
    "errors",
    "latency",
    "log-pattern",
    "failed-rollout",
    "failed-update",
    "failed-job",
    "backup",
]
Severity = Literal["critical", "warning"]
Phase = Literal["pending", "firing", "ended"]
# fired: it began. recovered: what was wrong is well. gone: it is no longer watched, because the
# app was removed, the rule switched off, or the source has said nothing for long.
TransitionKind = Literal["fired", "recovered", "gone"]
ChannelKind = Literal["webhook", "slack", "discord", "telegram", "ntfy", "email", "apprise"]


class Rule(Struct, frozen=True, kw_only=True):
    """When an alert fires. A reading is bad from `threshold` on, on the side of `worse`.

    One that fires is well again only beyond `clear`, and has to stay so for `keep`; `wait` is how
    long it must be bad before it fires. `window` is the time that a count looks back over.
    """

    name: RuleName
    text: str
    unit: str
    worse: Literal["above", "below"]
    threshold: float
    clear: float
    wait: float = 0.0
    keep: float = 0.0
    window: float = 0.0  # 0: the rule counts nothing
    severity: Severity = "warning"
    enabled: bool = True
    pattern: str = ""  # log-pattern: what to look for; empty: nothing
    paths: tuple[str, ...] = ()  # disk: which places; empty: cove's own and Docker's data


class RuleChange(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the owner has set of a rule, for all apps or for one. None: as it is without."""

    threshold: float | None = None
    clear: float | None = None
    wait: float | None = None
    keep: float | None = None
    window: float | None = None
    enabled: bool | None = None
    pattern: str | None = None
    paths: tuple[str, ...] | None = None


class Reading(Struct, frozen=True, kw_only=True):
    """A value that a rule judges. `subject` tells several of an app apart: a route, a container.

    `hold`: it is neither to begin nor to end anything, as while a rollout is under way.
    """

    rule: RuleName
    app: str  # empty: the server
    subject: str
    value: float
    text: str  # what a person reads when it is bad
    hold: bool = False


class Key(Struct, frozen=True, order=True):
    """What an alert is about; there is at most one at a time for each."""

    rule: RuleName
    app: str
    subject: str


class AlertState(Struct, frozen=True, kw_only=True):
    """An alert that is about to fire, fires, or has ended without everybody knowing yet."""

    key: Key
    id: str  # the same from its first message to its last
    phase: Phase
    since: float  # bad since
    fired_at: float = 0.0
    ended_at: float = 0.0
    well_since: float = 0.0  # firing, but well since; 0: bad
    seen_at: float = 0.0  # the last reading
    told: bool = False  # whether a message about it was queued
    gone: bool = False  # ended, because nobody looks any more
    value: float = 0.0
    text: str = ""


class Transition(Struct, frozen=True, kw_only=True):
    """An alert fired or ended."""

    at: float
    kind: TransitionKind
    key: Key
    id: str
    value: float
    text: str
    severity: Severity = "warning"
    muted: str = ""  # the silence or maintenance window that kept it quiet


class Silence(Struct, frozen=True, kw_only=True):
    """No messages about a rule, an app, or both, until a time."""

    id: int
    rule: str = ""  # empty: every rule
    app: str = ""  # empty: everything
    until: float
    reason: str = ""
    by: str = ""
    at: float = 0.0


class Window(Struct, frozen=True, kw_only=True):
    """A silence that comes back every week, in UTC. `start` is minutes after midnight."""

    id: int
    rule: str = ""
    app: str = ""
    days: tuple[int, ...] = ()  # 0 is Monday; empty: every day
    start: int
    minutes: int
    reason: str = ""


class Channel(Struct, frozen=True, kw_only=True):
    """Where messages go. The URL is a secret as a whole; so is the key they are signed with."""

    name: str
    kind: ChannelKind
    url: str
    key: str = ""
    apps: tuple[str, ...] = ()  # only about these; empty: about everything

    def __repr__(self) -> str:
        return f"Channel({self.name!r}, {self.kind!r})"


class Item(Struct, frozen=True, kw_only=True):
    """One alert in a message."""

    id: str
    rule: str
    app: str
    subject: str
    status: TransitionKind
    severity: Severity
    value: float
    text: str
    since: float
    ended_at: float = 0.0


class Message(Struct, frozen=True, kw_only=True):
    """What a channel is told, once; its `id` stays the same however often it is sent."""

    id: str
    at: float
    server: str
    items: tuple[Item, ...]
    test: bool = False


class Delivery(Struct, frozen=True, kw_only=True):
    """A message on its way to a channel."""

    message: Message
    channel: str
    attempts: int = 0
    next_try: float = 0.0
    error: str = ""


class Progress(Struct, frozen=True, kw_only=True):
    """What one evaluation changes, to be kept at once or not at all."""

    save: tuple[AlertState, ...] = ()
    drop: tuple[Key, ...] = ()
    history: tuple[Transition, ...] = ()
    messages: tuple[tuple[Message, tuple[str, ...]], ...] = ()  # and the channels they are for


class HistoryEntry(Struct, frozen=True, kw_only=True):
    """A transition as it is kept."""

    seq: int
    transition: Transition


class AlertView(Struct, frozen=True, kw_only=True):
    """What fires now, or is about to."""

    id: str
    rule: RuleName
    app: str
    subject: str
    phase: Phase
    severity: Severity
    since: float
    fired_at: float
    value: float
    text: str
    muted: str  # why nobody is told; empty: everybody is


class RuleView(Struct, frozen=True, kw_only=True):
    """A rule as it is in effect, for all apps or for one, and what of it was set."""

    app: str  # empty: for all
    rule: Rule
    set: tuple[str, ...] = ()


class ChannelView(Struct, frozen=True, kw_only=True):
    """A channel without its secrets."""

    name: str
    kind: ChannelKind
    url: str  # masked
    signed: bool
    apps: tuple[str, ...]
    waiting: int  # messages that are not delivered yet
    error: str  # of the last try; empty: it went well
    next_try: float
    delivered_at: float  # 0: never


class ChannelRecord(Struct, frozen=True, kw_only=True):
    """A channel as it is kept, with how it went."""

    channel: Channel
    delivered_at: float = 0.0


class ChannelResult(Struct, frozen=True, kw_only=True):
    """How a test message went; `error` is empty where it arrived."""

    name: str
    error: str = ""


class AlertSettings(Struct, frozen=True, kw_only=True):
    """Everything the owner has decided about alerts."""

    changes: dict[tuple[str, str], RuleChange] = field(default_factory=dict)  # (rule, app)
    silences: tuple[Silence, ...] = ()
    windows: tuple[Window, ...] = ()
