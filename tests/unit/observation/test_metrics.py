"""Counters become rows, rows become figures: resets, new containers, percentiles."""

from __future__ import annotations

import random
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from cove.model.metrics import BUCKETS, FIELDS, INDEX, LATENCY_BOUNDS, MetricQuery, Row, Series
from cove.observation.metrics.exposition import exposition
from cove.observation.metrics.gathering import Look
from cove.observation.metrics.increase import RouteTotals, increase, increases
from cove.observation.metrics.percentiles import percentile
from cove.observation.metrics.rows import Killed, rows
from cove.observation.metrics.views import MetricViews, now, step_for
from cove.ports.metrics import (
    ContainerUsage,
    MachineUsage,
    MetricStore,
    RouteCounts,
    RouteScrape,
    Subject,
)

WEB = Subject(id="c1", app="shop", service="web", name="web-r1", pid=10)
WIDTH = len(FIELDS["route"])


def machine(**given: Any) -> MachineUsage:
    """A machine at its boot, but for what is given."""
    usual: dict[str, Any] = dict.fromkeys(MachineUsage.__struct_fields__, 0)
    return MachineUsage(**{**usual, "cores": 2, "disk_busy": {}, "load": 0.0, **given})


def look(moment: float, *containers: tuple[Subject, ContainerUsage], **given: Any) -> Look:
    """What was seen at a moment."""
    usual: dict[str, Any] = {"machine": None, "file_systems": (), "complete": True, "routes": None}
    found = {subject.id: (subject, usage) for subject, usage in containers}
    return Look(moment=moment, containers=found, **{**usual, **given})


def scrape(born: float, *values: int, release: int = 1) -> RouteScrape:
    """The proxy's counters of one service, the first few of its fields."""
    padded = (*values, *(0,) * (WIDTH - len(values)))
    return RouteScrape(born, (RouteCounts("shop", "web", "80", release, padded),))


@given(st.lists(st.tuples(st.integers(0, 10**9), st.booleans()), min_size=1))
def test_a_counter_that_begins_anew_loses_nothing_it_counted(steps):
    """Over any resets, the increases add up to what was counted since each beginning."""
    seen = before = total = counted = 0
    for more, reset in steps:
        # A reset shows only when the counter is lower afterwards; else it looks like growth.
        begun = reset and more < before
        counted += more
        seen = more if begun else before + more
        total += increase(before, seen)
        before = seen
    assert total == counted


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=20))
def test_counters_that_only_grow_add_up(steps):
    """Without a reset, several counters grow by their differences."""
    totals = [0, 0]
    for step in steps:
        after = [totals[0] + step, totals[1] + 2 * step]
        assert increases(totals, after) == (step, 2 * step)
        totals = after


@given(st.lists(st.integers(0, 2000), min_size=1, max_size=300))
def test_percentiles_lie_in_the_bucket_of_the_true_one(milliseconds):
    """Whatever the durations were, the answer is in the same bucket as the right one."""
    durations = sorted(value / 1000 for value in milliseconds)
    counts = [0] * len(BUCKETS)
    for value in durations:
        counts[next(n for n, bound in enumerate((*LATENCY_BOUNDS, 1e9)) if value <= bound)] += 1
    for share in (0.5, 0.95, 0.99):
        true = durations[max(0, -(-int(share * 100) * len(durations) // 100) - 1)]
        found = percentile(counts, share)
        assert found is not None
        low = max((bound for bound in LATENCY_BOUNDS if bound < true), default=0.0)
        high = next(bound for bound in LATENCY_BOUNDS if bound >= true)
        assert low <= found <= high


def test_percentiles_of_nothing_and_of_the_slowest():
    """No requests have no percentile; what took longest counts as long as the last bound."""
    assert percentile([0] * len(BUCKETS), 0.5) is None
    assert percentile([0] * (len(BUCKETS) - 1) + [3], 0.5) == LATENCY_BOUNDS[-1]


def test_percentiles_can_be_merged():
    """Counts of two times, added, give the percentile of both together."""
    chance = random.Random(7)  # noqa: S311 - invented counts
    one = [chance.randrange(50) for _ in BUCKETS]
    other = [chance.randrange(50) for _ in BUCKETS]
    both = [a + b for a, b in zip(one, other, strict=True)]
    low, high = sorted((percentile(one, 0.9) or 0, percentile(other, 0.9) or 0))
    assert low <= (percentile(both, 0.9) or 0) <= high


def test_what_a_container_did_is_the_difference():
    """Processor time, bytes and kills are told for the time between two looks."""
    before = ContainerUsage(cpu=1_000_000, received=100, oom_kills=1)
    after = ContainerUsage(cpu=6_000_000, received=300, oom_kills=2, memory=50)
    (row,) = rows(look(0, (WEB, before)), look(10, (WEB, after)), 100)
    assert row.series == Series(kind="container", app="shop", service="web", name="web-r1")
    assert (row.at, row.span) == (100, 10_000)
    assert (row.value("cpu"), row.value("cpu_peak")) == (5_000_000, 500)
    assert (row.value("received"), row.value("oom_kills"), row.value("memory")) == (200, 1, 50)


def test_a_container_that_was_started_again_counts_from_nothing():
    """Its counters began anew with its process, even where they are higher than before."""
    before, after = ContainerUsage(cpu=10), ContainerUsage(cpu=500)
    again = replace(WEB, pid=11, restarts=1)
    (row,) = rows(look(0, (WEB, before)), look(10, (again, after)), 0)
    assert (row.value("cpu"), row.value("restarts")) == (500, 1)


def test_a_new_container_counts_from_its_start():
    """All it ever did was done since the last look."""
    (row,) = rows(look(0), look(10, (WEB, ContainerUsage(cpu=7))), 0)
    assert row.value("cpu") == 7


def test_what_was_not_looked_for_is_not_new():
    """Where Docker did not answer before, a container's past is no part of this tick."""
    assert rows(look(0, complete=False), look(10, (WEB, ContainerUsage(cpu=7))), 0) == ()


def test_killed_and_gone():
    """A kill that Docker told of is counted although the container's counters are gone."""
    killed = {"c1": Killed(id="c1", app="shop", service="web-r1", name="web-r1", pid=0, kills=2)}
    (row,) = rows(look(0, (WEB, ContainerUsage())), look(10), 0, killed)
    assert (row.series.service, row.value("oom_kills")) == ("web", 2)
    (row,) = rows(look(0), look(10), 0, killed)
    assert (row.series.service, row.value("oom_kills")) == ("web", 2)


def test_killed_is_not_counted_twice():
    """What both the kernel and Docker tell of is one kill."""
    killed = {"c1": Killed(id="c1", app="shop", service="web-r1", name="web-r1", pid=0)}
    before, after = ContainerUsage(oom_kills=0), ContainerUsage(oom_kills=1)
    (row,) = rows(look(0, (WEB, before)), look(10, (WEB, after)), 0, killed)
    assert row.value("oom_kills") == 1


def test_the_machine():
    """The busiest disk, and the share of all cores."""
    before = machine(cpu=0, disk_busy={"vda": 0, "vdb": 0})
    after = machine(cpu=10_000_000, disk_busy={"vda": 3, "vdb": 9}, load=1.25)
    (row,) = rows(look(0, machine=before), look(10, machine=after), 0)
    assert (row.value("cpu_peak"), row.value("disk_busy"), row.value("load")) == (500, 9, 125)


def test_requests_before_the_first_look_belong_to_no_time():
    """What the proxy had counted already is left out; what comes then is told."""
    totals = RouteTotals()
    key = ("shop", "web", "80")
    assert totals.take(scrape(1.0, 100))[key][0] == 0
    assert totals.take(scrape(1.0, 130))[key][0] == 30


def test_a_proxy_that_was_replaced():
    """Its successor counts from nothing, also where it soon has counted more."""
    totals = RouteTotals()
    totals.take(scrape(1.0, 10))
    assert totals.take(scrape(2.0, 40))["shop", "web", "80"][0] == 40


def test_a_release_that_goes_keeps_its_requests():
    """The next release's service begins at nothing, and the total goes on."""
    totals = RouteTotals()
    totals.take(scrape(1.0, 10))
    totals.take(scrape(1.0, 15))
    assert totals.take(scrape(1.0, 4, release=2))["shop", "web", "80"][0] == 9
    assert totals.take(RouteScrape(1.0, ()))["shop", "web", "80"][0] == 9


def test_what_leads_to_a_service_is_told_apart_and_together():
    """Over releases in whose files a route has another place, and beside what was shared before."""
    names = {(1, None): "80", (2, 0): "80 a.test/", (2, 1): "80 b.test/", (3, 1): "80 a.test/"}
    totals = RouteTotals(lambda one: names[one.release, one.route])
    padding = (0,) * (WIDTH - 1)

    def seen(*counts: tuple[int, int | None, int]) -> dict[str, int]:
        made = tuple(
            RouteCounts("shop", "web", "80", number, (requests, *padding), route)
            for number, route, requests in counts
        )
        return {key[2]: found[0] for key, found in totals.take(RouteScrape(1.0, made)).items()}

    seen((1, None, 5))
    assert seen((1, None, 7), (2, 0, 3), (2, 1, 1)) == {"80": 2, "80 a.test/": 3, "80 b.test/": 1}
    assert seen((2, 0, 4), (3, 1, 2)) == {"80": 2, "80 a.test/": 6, "80 b.test/": 1}


def test_requests_that_waited_belong_to_their_route():
    """Those of a hold are counted beside those of its release, under one name."""
    totals = RouteTotals(lambda _: "80 a.test/")
    padding = (0,) * (WIDTH - 1)

    def counts(requests: int, *, held: bool) -> RouteCounts:
        return RouteCounts("shop", "web", "80", 1, (requests, *padding), 0, held)

    totals.take(RouteScrape(1.0, (counts(5, held=False),)))
    found = totals.take(RouteScrape(1.0, (counts(6, held=False), counts(2, held=True))))
    assert found["shop", "web", "80 a.test/"][0] == 3


def requests_of(name: str, at: int, requests: int) -> Row:
    """A row of a route."""
    series = Series(kind="route", app="shop", service="web", name=name)
    return Row(series, at, 10_000, (requests, *(0,) * (WIDTH - 1)))


class Kept:
    """A store that holds a few rows of routes."""

    def __init__(self, *kept: Row) -> None:
        self.kept = kept

    def read(self, query: MetricQuery) -> tuple[Row, ...]:
        return self.kept if query.kind == "route" else ()


def shown(*kept: Row, app: str = "shop") -> dict[str, list[float | None]]:
    """Requests a second by route, of the time from 0 to 20; all together under ''."""
    view = MetricViews(cast("MetricStore", Kept(*kept))).chart(app, 0, 20, 10)
    return {one.route: one.values["requests"] for one in view.series}


def test_a_chart_of_an_app_tells_its_routes_apart():
    """And all of a service together, without a gap where they began to be told apart."""
    before, first = requests_of("80", 0, 10), requests_of("80 a.test/", 10, 20)
    second = requests_of("80 b.test/", 10, 40)
    assert shown(before, first, second) == {
        "": [1.0, 6.0],
        "a.test/": [None, 2.0],
        "b.test/": [None, 4.0],
    }
    assert shown(first) == {"": [None, 2.0]}
    assert shown(first, second, app="") == {"": [None, 6.0]}


def test_idle_routes_cost_no_row():
    """A route has a row only for a time in which it answered."""
    key = ("shop", "web", "80")
    nothing, some = (0,) * WIDTH, (3, *(0,) * (WIDTH - 1))
    assert rows(look(0, routes={key: some}), look(10, routes={key: some}), 0) == ()
    (row,) = rows(look(0, routes={key: nothing}), look(10, routes={key: some}), 0)
    assert row.value("requests") == 3


def test_replicas_are_shown_as_one_service():
    """What two containers of a service use is added; a rate is over the time, not twice it."""

    def row(name: str) -> Row:
        values = [0] * len(FIELDS["container"])
        values[INDEX["container"]["cpu"]] = 5_000_000
        values[INDEX["container"]["memory"]] = 10
        series = Series(kind="container", app="shop", service="web", name=name)
        return Row(series, 100, 10_000, tuple(values))

    (shown,) = now([row("web-r1-1"), row("web-r1-2")], 100).series
    assert (shown.values["cpu"], shown.values["memory"]) == ([1.0], [20.0])


@pytest.mark.parametrize(("seconds", "step"), [(600, 10), (3600, 60), (86_400, 1800)])
def test_steps_follow_the_length_asked_for(seconds, step):
    """There are never more points than asked for."""
    assert step_for(seconds, 60) == step
    assert seconds / step_for(seconds, 60) <= 60


def test_labels_are_escaped():
    """No name of a file system or app can leave its quotes in Prometheus' text."""
    odd = replace(WEB, app='a"b\\c\nd')
    text = exposition(look(0, (odd, ContainerUsage())), "1")
    assert r'app="a\"b\\c\nd"' in text
    assert all(line.startswith(("#", "cove_")) for line in text.splitlines())
