"""What containers did of late, counted for alerts. Imported inside `cove.agent` only.

Every change that nobody intended comes here, also those that `cove events` leaves out because
there are too many alike.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final, Literal

from cove.model.alerts import Reading, RuleName
from cove.model.happenings import Happening
from cove.ports import ContainerChange, ContainerFacts
from cove.ports.watching import RuleBook

_NANO: Final = 1_000_000_000
_MOST: Final = 100  # times of one kind and service
_SAME: Final = 15.0  # seconds within which it is the same death, from another source
_KEPT: Final = 7 * 86400.0  # seconds, as the longest window of a rule

What = Literal["die", "oom"]


class ContainerLog:
    """Deaths and lacks of memory by service, and who is unhealthy: a source of readings."""

    def __init__(self) -> None:
        self._times: dict[tuple[What, str, str], deque[float]] = {}
        self._unhealthy: dict[tuple[str, str], bool] = {}

    def recall(self, happenings: Iterable[Happening], present: Iterable[ContainerFacts]) -> None:
        """What an earlier agent recorded, and the health of what is there."""
        for one in happenings:
            service, action = str(one.data.get("service", "")), one.data.get("action")
            if one.kind == "container" and action == "die":
                self._append("die", one.app, service, one.at)
                if one.data.get("oom"):
                    self._append("oom", one.app, service, one.at)
        for facts in present:
            if facts.health:
                self._unhealthy[facts.app, facts.service] = facts.health == "unhealthy"

    def see(self, change: ContainerChange, *, intended: bool) -> None:
        """A change; one that was intended only ends what was known."""
        key = change.app, change.service
        if change.action == "unhealthy" and not intended:
            self._unhealthy[key] = True
        elif change.action in ("healthy", "die", "destroy") and key in self._unhealthy:
            self._unhealthy[key] = False
        if not intended and change.action == "die":
            self._append("die", *key, change.nano / _NANO)
        elif not intended and change.action == "oom":
            self.starved(*key, change.nano / _NANO)

    def starved(self, app: str, service: str, at: float) -> None:
        """A process was killed for lack of memory; several may tell of the same."""
        times = self._times.get(("oom", app, service))
        if not times or abs(at - times[-1]) > _SAME:
            self._append("oom", app, service, at)

    def read(self, rules: RuleBook, now: float) -> Iterator[Reading]:
        """How often within each rule's window, for every service of which there is something."""
        for (what, app, service), times in tuple(self._times.items()):
            while times and times[0] < now - _KEPT:
                times.popleft()
            name: RuleName = "oom" if what == "oom" else "restart-loop"
            window = rules.of(name, app).window
            count = sum(at > now - window for at in times)
            text = _words(what, service, count, window)
            yield Reading(rule=name, app=app, subject=service, value=count, text=text)
            if not times:
                del self._times[what, app, service]
        for (app, service), bad in self._unhealthy.items():
            yield Reading(
                rule="unhealthy",
                app=app,
                subject=service,
                value=float(bad),
                text=f"Docker's own check of {service} fails",
            )

    def _append(self, what: What, app: str, service: str, at: float) -> None:
        self._times.setdefault((what, app, service), deque(maxlen=_MOST)).append(at)


def _words(what: What, service: str, count: int, window: float) -> str:
    within = f"within {window / 60:g} min"
    if what == "oom":
        times = "" if count == 1 else f" {count} times"
        return f"a process of {service} was killed for lack of memory{times} {within}"
    return f"{service} ended {count} times {within}"
