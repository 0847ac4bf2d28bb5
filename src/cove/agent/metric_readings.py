"""What alerts read of the measurements: errors, durations, memory.

Imported inside `cove.agent` only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from cove.model.alerts import Reading, Rule, RuleName
from cove.model.metrics import Row, parts_of
from cove.observation.metrics.recent import Recent, RouteKey, Traffic, together
from cove.ports.watching import RuleBook

_NAMES: Final[tuple[RuleName, ...]] = ("errors", "latency")
_LEAST: Final = 20  # requests: of fewer, one is a large share
# Seconds for which one more request is asked for. A route that is down is looked at every ten
# seconds: those looks alone, which the rule `down` tells of, must not be enough.
_EACH: Final = 6.0
_PERCENT: Final = 100.0
_MILLI: Final = 1000.0
_MINUTE: Final = 60.0
_MIB: Final = 1 << 20


class MetricReadings:
    """5xx and durations of what routes lead to, whichever leads; memory of limited containers."""

    def __init__(self, recent: Recent) -> None:
        self._recent = recent

    def read(self, rules: RuleBook, _: float) -> Iterator[Reading]:
        """The latest; nothing while nothing is measured."""
        self._recent.keep = max(
            rules.of(name, app).window for name in _NAMES for app in ("", *rules.apps(name))
        )
        targets: dict[tuple[str, str, str], list[RouteKey]] = defaultdict(list)
        for app, service, series in sorted(self._recent.routes() or ()):
            targets[app, service, parts_of(series)[0]].append((app, service, series))
        for target, keys in targets.items():
            for name in _NAMES:
                rule = rules.of(name, target[0])
                seen = together(self._recent.traffic(key, rule.window) for key in keys)
                if seen is not None:
                    yield _judgeable(rule, target, seen)
        yield from self._memory()

    def _memory(self) -> Iterator[Reading]:
        """One for each service: its container that is nearest to its limit."""
        fullest: dict[tuple[str, str], Row] = {}
        for row in self._recent.containers().values():
            key = row.series.app, row.series.service
            if row.value("memory_limit") and (
                key not in fullest or _share(row) > _share(fullest[key])
            ):
                fullest[key] = row
        for (app, service), row in fullest.items():
            used, limit = row.value("memory") / _MIB, row.value("memory_limit") / _MIB
            text = f"{service} uses {used:.0f} of the {limit:.0f} MiB that it may have"
            yield Reading(rule="memory", app=app, subject=service, value=_share(row), text=text)


def _judgeable(rule: Rule, target: tuple[str, str, str], seen: Traffic) -> Reading:
    """A few requests, or a time that was not watched as a whole, can begin nothing.

    Nor do they end what was bad before, unless all of them went well over the whole time.
    """
    app, service, port = target
    within = f"within {rule.window / _MINUTE:g} min"
    if rule.name == "errors":
        value = _PERCENT * (seen.failed or 0.0)
        text = f"{value:.3g} % of {seen.requests} answers of {service}:{port} {within} were 5xx"
    else:
        value = _MILLI * (seen.p95 or 0.0)
        text = (
            f"95 of 100 answers of {service}:{port} took up to {value:.0f} ms,"
            f" of {seen.requests} {within}"
        )
    few = seen.requests < max(_LEAST, rule.window / _EACH)
    hold = few and (value > rule.clear or not seen.whole)
    subject = f"{service}:{port}"
    return Reading(rule=rule.name, app=app, subject=subject, value=value, text=text, hold=hold)


def _share(row: Row) -> float:
    return _PERCENT * row.value("memory") / row.value("memory_limit")
