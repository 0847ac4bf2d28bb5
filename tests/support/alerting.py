"""Alerts on a clock of the test's own: readings that are set, a notifier that remembers."""

from __future__ import annotations

from collections.abc import Iterable

from cove.adapters.sqlite import SqliteStore
from cove.errors import PlatformError
from cove.model.alerts import Channel, Item, Message, Reading, RuleName
from cove.observation.alerts.alerting import Alerting
from cove.ports.watching import RuleBook

APPS = ("shop", "blog")


class Moments:
    """The time."""

    def __init__(self, at: float = 1_000_000.0) -> None:
        self.at = at

    def __call__(self) -> float:
        return self.at


class Values:
    """Readings as they are set; a source that can fail."""

    def __init__(self) -> None:
        self.now: dict[tuple[RuleName, str, str], Reading] = {}
        self.broken = False

    def set(self, rule: RuleName, value: float | None, app: str = "shop", about: str = "x") -> None:
        """The value of a reading; None: it is absent."""
        self.now.pop((rule, app, about), None)
        if value is not None:
            self.now[rule, app, about] = Reading(
                rule=rule, app=app, subject=about, value=value, text=f"{rule} is {value:g}"
            )

    def read(self, _: RuleBook, __: float) -> Iterable[Reading]:
        if self.broken:
            raise PlatformError("the source is away")
        return list(self.now.values())


class Notes:
    """A notifier that remembers; `error` is what it answers."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Message]] = []
        self.error = ""

    async def send(self, channel: Channel, message: Message) -> str:
        self.sent.append((channel.name, message))
        return self.error


def alerting(store: SqliteStore, values: Values, clock: Moments) -> Alerting:
    """Alerts over one source, as after the start of an agent."""
    made = Alerting(store, [values], lambda: APPS, "harbour", now=clock)
    made.recall()
    return made


def item(**given: object) -> Item:
    """One alert of a message."""
    usual: dict[str, object] = {
        "id": "a1",
        "rule": "down",
        "app": "shop",
        "subject": "shop.example.com/",
        "status": "fired",
        "severity": "critical",
        "value": 1.0,
        "text": "it does not answer",
        "since": 1000.0,
    }
    return Item(**{**usual, **given})  # type: ignore[arg-type]


def message(*items: Item) -> Message:
    """A message about these, or about one."""
    return Message(id="m1", at=1000.0, server="harbour", items=items or (item(),))
