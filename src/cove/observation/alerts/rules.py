"""The rules there are, with their defaults, and what the owner has set of them. Pure.

Imported in this package and by the agent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec.structs import asdict, fields, replace

from cove.errors import InvalidFile
from cove.model.alerts import Rule, RuleChange, RuleName, RuleView
from cove.model.suggestions import nearest
from cove.observation.alerts.patterns import asked

_MINUTE: Final = 60.0
_HOUR: Final = 3600.0
LONGEST: Final = 7 * 86400.0  # seconds of any duration of a rule
_IN_MEMORY: Final = frozenset({"errors", "latency"})  # what they count is kept for an hour

_ALL: Final = (
    # Uptime itself waits for a second failed look; half a minute more lets a restart pass.
    Rule(
        name="down",
        text="a route does not answer",
        unit="",
        worse="above",
        threshold=1,
        clear=0,
        wait=30,
        keep=_MINUTE,
        severity="critical",
    ),
    Rule(
        name="unhealthy",
        text="Docker's own check of a container fails",
        unit="",
        worse="above",
        threshold=1,
        clear=0,
        wait=_MINUTE,
        keep=_MINUTE,
    ),
    Rule(
        name="restart-loop",
        text="a container ends again and again",
        unit="times",
        worse="above",
        threshold=3,
        clear=0,
        window=10 * _MINUTE,
        severity="critical",
    ),
    Rule(
        name="oom",
        text="a process was killed for lack of memory",
        unit="times",
        worse="above",
        threshold=1,
        clear=0,
        window=15 * _MINUTE,
        severity="critical",
    ),
    # cove renews 30 days before the end: at 14 it has tried for two weeks.
    Rule(
        name="certificate",
        text="a certificate ends soon",
        unit="days",
        worse="below",
        threshold=14,
        clear=15,
    ),
    Rule(
        name="disk",
        text="a disk is nearly full",
        unit="%",
        worse="above",
        threshold=85,
        clear=80,
        wait=5 * _MINUTE,
    ),
    Rule(
        name="memory",
        text="memory is nearly used up, of the server or of a container's limit",
        unit="%",
        worse="above",
        threshold=92,
        clear=85,
        wait=5 * _MINUTE,
        keep=_MINUTE,
    ),
    Rule(
        name="errors",
        text="a share of a route's answers are 5xx",
        unit="%",
        worse="above",
        threshold=5,
        clear=1,
        wait=5 * _MINUTE,
        keep=_MINUTE,
        window=5 * _MINUTE,
    ),
    Rule(
        name="latency",
        text="95 of 100 answers of a route take up to so long",
        unit="ms",
        worse="above",
        threshold=2000,
        clear=1500,
        wait=10 * _MINUTE,
        keep=2 * _MINUTE,
        window=5 * _MINUTE,
    ),
    Rule(
        name="log-pattern",
        text="a text of yours stands in an app's logs",
        unit="lines",
        worse="above",
        threshold=1,
        clear=0,
        window=10 * _MINUTE,
    ),
    Rule(
        name="failed-rollout",
        text="an app's last rollout failed",
        unit="",
        worse="above",
        threshold=1,
        clear=0,
    ),
    Rule(
        name="failed-update",
        text="a new image could not be rolled out",
        unit="",
        worse="above",
        threshold=1,
        clear=0,
    ),
    Rule(
        name="failed-job",
        text="a job's last run failed",
        unit="",
        worse="above",
        threshold=1,
        clear=0,
    ),
    # A day, and room for one that takes long.
    Rule(
        name="backup",
        text="the last good backup is old",
        unit="hours",
        worse="above",
        threshold=26,
        clear=26,
        wait=10 * _MINUTE,
    ),
)
DEFAULTS: Final[Mapping[RuleName, Rule]] = {rule.name: rule for rule in _ALL}
_COUNTING: Final = frozenset(rule.name for rule in _ALL if rule.window)
Changes = Mapping[tuple[str, str], RuleChange]


class Rules:
    """The rules as they are in effect; `changes` are keyed by rule and app, "" for all apps."""

    def __init__(self, changes: Changes | None = None) -> None:
        self.changes: dict[tuple[str, str], RuleChange] = dict(changes or {})

    def of(self, name: RuleName, app: str = "") -> Rule:
        """The rule for an app: its own settings before those for all, those before the default."""
        rule = _changed(DEFAULTS[name], self.changes.get((name, "")))
        return _changed(rule, self.changes.get((name, app))) if app else rule

    def apps(self, name: RuleName) -> tuple[str, ...]:
        """The apps that have settings of their own for a rule."""
        return tuple(sorted(app for rule, app in self.changes if rule == name and app))

    def views(self) -> tuple[RuleView, ...]:
        """Every rule, and below it what is different for an app."""
        found = []
        for name in DEFAULTS:
            for app in ("", *self.apps(name)):
                change = self.changes.get((name, app), RuleChange())
                given = tuple(k for k, v in asdict(change).items() if v is not None)
                found.append(RuleView(app=app, rule=self.of(name, app), set=given))
        return tuple(found)


def is_bad(rule: Rule, value: float) -> bool:
    """Whether a value is one to fire for."""
    return value >= rule.threshold if rule.worse == "above" else value < rule.threshold


def is_well(rule: Rule, value: float) -> bool:
    """Whether a value ends an alert: beyond `clear`, and not bad whatever that is."""
    beyond = value <= rule.clear if rule.worse == "above" else value >= rule.clear
    return beyond and not is_bad(rule, value)


def named(name: str) -> RuleName:
    """The rule's name. Raises InvalidFile (`alert-rule`) for what is none."""
    for known in DEFAULTS:
        if known == name:
            return known
    raise InvalidFile(
        f"there is no rule {name[:40]}{nearest(name, list(DEFAULTS))}",
        code="alert-rule",
        hint="cove alerts rules",
    )


def merged(before: RuleChange | None, change: RuleChange) -> RuleChange:
    """What was set, with what is set now."""
    given = {k: v for k, v in asdict(change).items() if v is not None}
    return replace(before or RuleChange(), **given)


def checked(name: RuleName, change: RuleChange, base: Rule) -> None:
    """Raises InvalidFile (`alert-rule`) for settings that cannot be meant; `base` has none."""
    rule = _changed(base, change)
    low = rule.worse == "below"
    findings = (
        (
            any(not 0 <= t <= LONGEST for t in (rule.wait, rule.keep, rule.window)),
            "a duration is at least 0 and at most 7 days",
        ),
        (
            not (0 <= rule.threshold <= 1e9 and 0 <= rule.clear <= 1e9),  # noqa: PLR2004 - of no unit
            "a threshold is a number from 0 to a thousand million",
        ),
        (
            rule.clear < rule.threshold if low else rule.clear > rule.threshold,
            f"--clear {rule.clear:g} is on the wrong side of the threshold {rule.threshold:g}",
        ),
        (
            change.window is not None and (name not in _COUNTING or not change.window),
            f"the rule {name} counts nothing over a time"
            if name not in _COUNTING
            else "the time to count over cannot be 0",
        ),
        (
            name in _IN_MEMORY and rule.window > _HOUR,
            f"the rule {name} counts over at most an hour",
        ),
        (change.pattern is not None and name != "log-pattern", f"{name} has no pattern"),
        (change.paths is not None and name != "disk", f"{name} has no paths"),
        (
            any(not path.startswith("/") or "\0" in path for path in rule.paths),
            'a path must start with "/"',
        ),
    )
    for wrong, text in findings:
        if wrong:
            raise InvalidFile(text, code="alert-rule", hint="cove alerts set --help")
    if change.pattern:
        asked(change.pattern)


def fitted(name: RuleName, change: RuleChange, base: Rule) -> RuleChange:
    """The change, with a `clear` that keeps its distance where only the threshold was given."""
    if change.threshold is None or change.clear is not None:
        return change
    default = DEFAULTS[name]
    distance = default.clear - default.threshold
    clear = max(0.0, change.threshold + distance)
    if base.worse == "above" and clear > change.threshold:
        clear = change.threshold
    return replace(change, clear=clear)


def _changed(rule: Rule, change: RuleChange | None) -> Rule:
    if change is None:
        return rule
    given = {f.name: getattr(change, f.name) for f in fields(RuleChange)}
    return replace(rule, **{k: v for k, v in given.items() if v is not None})
