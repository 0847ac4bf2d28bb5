"""What watching needs of the world: probes, alerts, channels.

Imported by observation, by adapters and by the agent. Apart from what rollouts need: serving
depends on nothing of this.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from cove.model.alerts import (
    AlertSettings,
    AlertState,
    Channel,
    ChannelRecord,
    Delivery,
    HistoryEntry,
    Message,
    Reading,
    Rule,
    RuleChange,
    RuleName,
    Silence,
    Window,
)
from cove.model.alerts import Progress as AlertProgress
from cove.model.uptime import Change, Day, Minute, Outside, Target


class RouteProbe(Protocol):
    """A look at a route as a visitor sees it."""

    async def look(self, target: Target) -> Outside:
        """What comes back through the proxy. Never raises."""


class UptimeStore(Protocol):
    """What was seen of routes. Every method blocks and may be called from any thread.

    Each raises PlatformError (`state`, `disk-full`, `data-dir`).
    """

    def add_change(self, change: Change) -> None:
        """Keeps a change; it is durable once this returns."""

    def add_minutes(self, minutes: Sequence[Minute], now: float) -> None:
        """Adds watched time to what is kept, and drops what is too old."""

    def latest(self) -> tuple[Change, ...]:
        """The last change of every route."""

    def changes(self, route: str, limit: int = 200) -> tuple[Change, ...]:
        """A route's newest changes, oldest first."""

    def sums(
        self, now: float, spans: Sequence[float]
    ) -> Mapping[str, Mapping[float, tuple[float, float]]]:
        """By route and span before now: the seconds up and down, to the minute."""

    def days(self, now: float) -> Mapping[str, tuple[Day, ...]]:
        """By route, every day of which something is kept, oldest first."""


class AlertStore(Protocol):
    """Rules, silences, channels, states and what is still to be delivered. Every write is durable.

    Called from the thread of the event loop.
    """

    def alert_settings(self) -> AlertSettings:
        """What the owner has decided."""

    def set_alert_rule(self, rule: str, app: str, change: RuleChange | None) -> None:
        """Replaces what was set of a rule; None: nothing is."""

    def add_silence(self, silence: Silence) -> Silence:
        """Gives it its number."""

    def end_silence(self, number: int) -> bool:
        """Whether there was one."""

    def add_window(self, window: Window) -> Window:
        """Gives it its number."""

    def remove_window(self, number: int) -> bool:
        """Whether there was one."""

    def channels(self) -> tuple[ChannelRecord, ...]:
        """By name. Raises PlatformError (`secret-key`)."""

    def put_channel(self, channel: Channel) -> None:
        """Keeps a channel, its secrets encrypted; one of that name is replaced."""

    def remove_channel(self, name: str) -> bool:
        """With everything that is still to be delivered to it."""

    def alert_states(self) -> tuple[AlertState, ...]:
        """What fires, is about to, or has ended without everybody knowing yet."""

    def save_alerts(self, progress: AlertProgress) -> None:
        """States, history and messages in one transaction."""

    def alert_history(self, limit: int, app: str = "") -> tuple[HistoryEntry, ...]:
        """The newest, oldest first."""

    def waiting(self) -> tuple[Delivery, ...]:
        """Every delivery that is not done, oldest first."""

    def delivered(self, message: str, channel: str) -> None:
        """It arrived."""

    def postponed(self, delivery: Delivery) -> None:
        """It did not; when to try next, and why."""

    def abandoned(self, message: str, channel: str) -> None:
        """It is given up."""


class Notifier(Protocol):
    """Carries a message to a channel."""

    async def send(self, channel: Channel, message: Message) -> str:
        """Why it did not arrive; empty: it did. Never raises, and takes a limited time."""


class Readings(Protocol):
    """A source of readings. What it cannot say now is absent."""

    def read(self, rules: RuleBook, now: float) -> Iterable[Reading]:
        """The latest values, for every rule it knows, without waiting for anything.

        May raise PlatformError: then all of its readings are absent.
        """


class RuleBook(Protocol):
    """The rules as they are in effect, as a source may ask them."""

    def of(self, name: RuleName, app: str = "") -> Rule:
        """The rule for an app, or for the server."""

    def apps(self, name: RuleName) -> tuple[str, ...]:
        """The apps that have settings of their own for a rule."""
