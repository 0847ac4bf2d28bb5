from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cove.model.alerts import AlertState, Key, Reading, RuleChange, Transition
from cove.observation.alerts.evaluating import LOST, evaluate
from cove.observation.alerts.rules import Rules, is_bad, is_well

APPS = frozenset({"shop"})
KEY = Key("memory", "shop", "x")
RULES = Rules({("memory", ""): RuleChange(threshold=90, clear=80, wait=30, keep=20)})
# Seconds until the next evaluation, and a value; None: absent.
STEPS = st.lists(
    st.tuples(st.integers(1, 40), st.none() | st.sampled_from([10.0, 80.0, 85.0, 90.0, 99.0])),
    max_size=60,
)


class Course:
    """Evaluations of one key, one after the other; `restarting` goes through JSON each time."""

    def __init__(self, rules: Rules = RULES, *, restarting: bool = False) -> None:
        self.rules = rules
        self.restarting = restarting
        self.now = 1000.0
        self.states: dict[Key, AlertState] = {}
        self.seen: list[Transition] = []

    def step(self, seconds: float, value: float | None, *, hold: bool = False) -> None:
        """One evaluation later; what ended is told at once."""
        self.now += seconds
        readings = (
            []
            if value is None
            else [
                Reading(rule="memory", app="shop", subject="x", value=value, text="much", hold=hold)
            ]
        )
        found = evaluate(self.rules, readings, self.states, APPS, self.now)
        again = evaluate(self.rules, readings, found.states, APPS, self.now)
        assert again.transitions == ()
        self.seen += found.transitions
        states = {k: s for k, s in found.states.items() if s.phase != "ended"}
        if self.restarting:
            text = msgspec.json.encode(list(states.values()))
            states = {s.key: s for s in msgspec.json.decode(text, type=list[AlertState])}
        self.states = states

    @property
    def kinds(self) -> list[str]:
        """What happened so far."""
        return [transition.kind for transition in self.seen]


@given(STEPS)
def test_an_alert_fires_and_ends_in_turn(steps: list[tuple[int, float | None]]) -> None:
    """Never twice in a row, whatever the values; and one end has the id of its beginning."""
    course = Course()
    for seconds, value in steps:
        course.step(seconds, value)
    assert all((kind == "fired") == (n % 2 == 0) for n, kind in enumerate(course.kinds))
    for begun, ended in zip(course.seen[::2], course.seen[1::2], strict=False):
        assert begun.id == ended.id
    assert len({t.id for t in course.seen if t.kind == "fired"}) == len(course.seen[::2])


@given(STEPS)
def test_a_restart_between_any_two_evaluations_changes_nothing(
    steps: list[tuple[int, float | None]],
) -> None:
    """What is kept of a state is all that the next evaluation needs."""
    one, other = Course(), Course(restarting=True)
    for seconds, value in steps:
        one.step(seconds, value)
        other.step(seconds, value)
    assert one.seen == other.seen


@given(STEPS)
def test_it_fires_only_after_it_was_bad_for_long_enough(
    steps: list[tuple[int, float | None]],
) -> None:
    """At every evaluation of that time, without a gap; and it ends only after as much of well."""
    course = Course()
    bad_since: float | None = None
    well_since: float | None = None
    for seconds, value in steps:
        before = len(course.seen)
        course.step(seconds, value)
        bad = value is not None and value >= 90
        well = value is not None and value <= 80
        bad_since = (bad_since or course.now) if bad else None
        well_since = (well_since or course.now) if well else (well_since if value is None else None)
        for transition in course.seen[before:]:
            if transition.kind == "fired":
                assert bad_since is not None
                assert course.now - bad_since >= 30
            elif transition.kind == "recovered":
                assert well_since is not None
                assert course.now - well_since >= 20


def test_between_the_thresholds_nothing_changes() -> None:
    """Neither begins there nor ends."""
    course = Course()
    for _ in range(10):
        course.step(30, 85.0)
    assert course.kinds == []
    for value in (95.0, 95.0, 85.0, 85.0, 85.0):
        course.step(30, value)
    assert course.kinds == ["fired"]


def test_what_nobody_can_say_any_more_ends_as_gone() -> None:
    """After ten minutes without a reading, and not before."""
    course = Course()
    course.step(1, 95.0)
    course.step(31, 95.0)
    course.step(LOST - 1, None)
    assert course.kinds == ["fired"]
    course.step(1, None)
    assert course.kinds == ["fired", "gone"]


@pytest.mark.parametrize("way", ["app", "rule"])
def test_a_removed_app_and_a_rule_switched_off_end_at_once(way: str) -> None:
    """As gone, so that whoever was told knows."""
    course = Course()
    course.step(1, 95.0)
    course.step(31, 95.0)
    off = Rules({("memory", ""): RuleChange(enabled=False)})
    reading = Reading(rule="memory", app="shop", subject="x", value=99, text="")
    found = evaluate(
        off if way == "rule" else RULES,
        [reading],
        course.states,
        frozenset() if way == "app" else APPS,
        course.now + 1,
    )
    assert [t.kind for t in found.transitions] == ["gone"]


def test_a_held_reading_neither_begins_nor_ends() -> None:
    """As while a rollout is under way, however long."""
    course = Course()
    for _ in range(5):
        course.step(60, 99.0, hold=True)
    assert course.kinds == []
    course.step(1, 99.0)
    course.step(30, 99.0)
    for _ in range(20):
        course.step(60, 10.0, hold=True)
    assert course.kinds == ["fired"]


def test_an_app_has_its_own_threshold() -> None:
    """Before that for all apps, and each part by itself."""
    rules = Rules(
        {
            ("memory", ""): RuleChange(threshold=50, wait=5),
            ("memory", "shop"): RuleChange(threshold=70, clear=60),
        }
    )
    assert (rules.of("memory").threshold, rules.of("memory", "blog").threshold) == (50, 50)
    assert (rules.of("memory", "shop").threshold, rules.of("memory", "shop").wait) == (70, 5)


@given(st.floats(0, 100), st.sampled_from(["memory", "certificate"]))
def test_no_value_is_bad_and_well_at_once(value: float, name: str) -> None:
    """On whichever side the rule looks."""
    rule = Rules().of("memory" if name == "memory" else "certificate")
    assert not (is_bad(rule, value) and is_well(rule, value))


def test_a_clock_that_was_set_back_delays_nothing_for_ever() -> None:
    """What is bad since a time to come is bad since now."""
    course = Course()
    course.step(1, 95.0)
    course.step(-500, 95.0)
    course.step(30, 95.0)
    assert course.kinds == ["fired"]
