"""The last minutes of measurements: what alerts and the status read of them."""

from __future__ import annotations

from typing import Any

from cove.agent.metric_readings import MetricReadings
from cove.model.alerts import AlertState, Key, Reading, RuleChange
from cove.model.metrics import BUCKETS, FIELDS, INDEX, Kind, Row, Series
from cove.observation.alerts.evaluating import evaluate
from cove.observation.alerts.rules import Rules
from cove.observation.metrics.gathering import Look
from cove.observation.metrics.recent import LONGEST, SHOWN, Recent, cores, together

KEY = ("shop", "web", "80 shop.test/")
OTHER = ("shop", "web", "80 shop.test/api")
MIB = 1 << 20
States = dict[Key, AlertState]


class Clock:
    """The time, and a `Recent` that goes by it."""

    def __init__(self) -> None:
        self.at = 1000.0
        self.recent = Recent(lambda: self.at)
        self.source = MetricReadings(self.recent)
        self.rules = Rules()
        self.beside: dict[tuple[str, str, str], tuple[int, ...]] = {}

    def tick(self, *rows: Row, answers: bool = True) -> None:
        """Ten seconds later; the proxy knows the service."""
        self.at += 10
        routes = {KEY: (0,) * len(FIELDS["route"]), **self.beside} if answers else None
        look = Look(
            moment=self.at,
            machine=None,
            file_systems=(),
            containers={},
            complete=True,
            routes=routes,
        )
        self.recent.take(rows, look)

    def ticks(self, count: int, *rows: Row) -> None:
        """Several alike."""
        for _ in range(count):
            self.tick(*rows)

    def readings(self) -> dict[str, Reading]:
        """By rule."""
        return {r.rule: r for r in self.source.read(self.rules, 0.0)}


def row(kind: Kind, name: str = "80", **given: int) -> Row:
    """Ten seconds of the service `web`."""
    values = [0] * len(FIELDS[kind])
    for field, value in given.items():
        values[INDEX[kind][field]] = value
    return Row(Series(kind=kind, app="shop", service="web", name=name), 0, 10_000, tuple(values))


def answers(count: int, failed: int = 0, bucket: int = 0, name: str = KEY[2]) -> Row:
    """So many answers in ten seconds, all as slow."""
    given: dict[str, Any] = {BUCKETS[bucket]: count}
    return row("route", name, requests=count, server_errors=failed, **given)


def test_nothing_is_said_before_anything_was_measured() -> None:
    """Nor after measuring has stopped, nor while the proxy does not answer."""
    clock = Clock()
    assert clock.readings() == {}
    clock.tick(answers(5))
    assert clock.readings()
    clock.at += 61
    assert clock.readings() == {}
    clock.tick(answers=False)
    assert clock.readings() == {}


def test_figures_are_of_the_window_alone() -> None:
    """What is older counts no more, and is dropped."""
    clock = Clock()
    clock.ticks(6, answers(100, failed=50))
    clock.ticks(6, answers(10, bucket=10))
    seen = clock.recent.traffic(KEY, 60)
    assert (seen.requests, seen.failed, seen.rate, seen.whole) == (60, 0, 1, True)
    assert seen.p95 is not None
    assert 0.5 < seen.p95 <= 1
    clock.ticks(int(SHOWN) // 10)
    assert clock.recent.traffic(KEY, LONGEST).requests == 0
    assert together([]) is None
    both = together([seen, seen])
    assert both is not None
    assert (both.rate, both.failed) == (2, 0)


def test_errors_are_a_share_of_the_answers() -> None:
    """Of enough of them."""
    clock = Clock()
    clock.ticks(30, answers(10, failed=1))
    reading = clock.readings()["errors"]
    assert (reading.value, reading.hold, reading.subject) == (10, False, "web:80")
    assert "10 % of 300 answers of web:80 within 5 min were 5xx" in reading.text


def test_routes_to_one_place_are_judged_together() -> None:
    """Whichever of them the requests took; a place is what fails."""
    clock = Clock()
    clock.beside = {OTHER: (0,) * len(FIELDS["route"])}
    clock.ticks(30, answers(10, failed=1), answers(10, failed=3, name=OTHER[2]))
    reading = clock.readings()["errors"]
    assert (reading.value, reading.hold, reading.subject) == (20, False, "web:80")
    assert "20 % of 600 answers of web:80" in reading.text
    assert clock.recent.traffic(KEY).failed == 0.1
    assert clock.recent.traffic(OTHER).failed == 0.3


def test_a_few_requests_begin_nothing() -> None:
    """Nor do they end anything while one of them fails."""
    clock = Clock()
    clock.ticks(3, answers(1, failed=1, bucket=13))
    assert clock.readings()["errors"].hold
    assert clock.readings()["latency"].hold
    clock.ticks(28)
    assert clock.readings()["errors"].hold
    clock.ticks(4)
    found = clock.readings()
    assert {(r.value, r.hold) for r in found.values()} == {(0, False)}


def test_the_looks_at_a_dead_route_are_no_errors() -> None:
    """`down` tells of it: one look each ten seconds is too little for `errors`."""
    clock = Clock()
    clock.ticks(60, answers(1, failed=1))
    assert clock.readings()["errors"].hold


def test_after_a_start_nothing_is_well_before_the_window_was_watched() -> None:
    """What fired before goes on; what is bad counts at once."""
    clock = Clock()
    clock.tick()
    assert clock.readings()["errors"].hold
    clock.tick(answers(100, failed=100))
    assert (clock.readings()["errors"].value, clock.readings()["errors"].hold) == (100, False)


def test_durations_are_judged_in_milliseconds() -> None:
    """Of the app's own window, which is kept that long."""
    clock = Clock()
    clock.rules = Rules({("latency", "shop"): RuleChange(window=600)})
    clock.readings()
    clock.ticks(60, answers(10, bucket=11))
    reading = clock.readings()["latency"]
    assert 1000 < reading.value <= 2500
    assert "of 600 within 10 min" in reading.text


def test_memory_is_a_share_of_the_containers_own_limit() -> None:
    """The fullest of a service; one without a limit says nothing."""
    clock = Clock()
    clock.tick(
        row("container", "web-r1-1", memory=32 * MIB, memory_limit=64 * MIB, cpu=5_000_000),
        row("container", "web-r1-2", memory=60 * MIB, memory_limit=64 * MIB),
    )
    reading = clock.readings()["memory"]
    assert (reading.app, reading.subject, reading.value) == ("shop", "web", 93.75)
    assert reading.text == "web uses 60 of the 64 MiB that it may have"
    assert cores(clock.recent.containers()["shop", "web-r1-1"]) == 0.5
    clock.tick(row("container", "web-r1-1", memory=32 * MIB))
    assert "memory" not in clock.readings()


def test_the_default_rules_are_quiet_about_an_idle_app() -> None:
    """Looked at once a minute, one of the looks slow; and about one that is busy and well."""
    for usual in (answers(0), answers(500, failed=2, bucket=8)):
        clock, states = Clock(), States()
        for number in range(360):
            look = answers(1, bucket=13 if number == 60 else 3)
            clock.tick(look if number % 6 == 0 else usual, row("container", memory=90 * MIB))
            found = evaluate(clock.rules, clock.readings().values(), states, {"shop"}, clock.at)
            states = found.states
            assert not found.transitions


def test_errors_fire_and_recover_under_the_default_rule() -> None:
    """Once they have lasted, and once they are over for a while."""
    clock, states, kinds = Clock(), States(), []
    for number in range(300):
        clock.tick(answers(50, failed=10 if 30 <= number < 100 else 0))
        found = evaluate(clock.rules, clock.readings().values(), states, {"shop"}, clock.at)
        states = found.states
        kinds += [(t.key.rule, t.kind, number) for t in found.transitions]
    assert [(rule, kind) for rule, kind, _ in kinds] == [
        ("errors", "fired"),
        ("errors", "recovered"),
    ]
    assert 60 <= kinds[0][2] < 80
    assert 100 < kinds[1][2] < 145
