"""Rows are kept, merged and deleted; reading takes from each tier what it has."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cove.adapters.metricstore import SqliteMetrics
from cove.errors import PlatformError
from cove.model.metrics import FIELDS, INDEX, TIERS, Kind, MetricQuery, Row, Series

DAY = 86_400
BEGIN = 1_000 * DAY
WEB = Series(kind="container", app="shop", service="web", name="web-r1")
DB = Series(kind="container", app="shop", service="db", name="db")
ROUTE = Series(kind="route", app="shop", service="web", name="80")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteMetrics]:
    """An empty store."""
    store = SqliteMetrics(tmp_path / "metrics.db")
    yield store
    store.close()


def row(series: Series, at: int, span: int = 10_000, **given: int) -> Row:
    """A row with some fields."""
    values = [0] * len(FIELDS[series.kind])
    for name, value in given.items():
        values[INDEX[series.kind][name]] = value
    return Row(series, at, span, tuple(values))


def read(
    store: SqliteMetrics, since: int, until: int, step: int, kind: Kind = "container"
) -> tuple[Row, ...]:
    """All rows of a kind."""
    return store.read(MetricQuery(kind=kind, since=since, until=until, step=step))


def test_what_was_just_kept_can_be_read(store):
    """A tick is there at once, before anything was tidied."""
    store.add([row(WEB, BEGIN, cpu=5), row(DB, BEGIN, cpu=7), row(ROUTE, BEGIN, requests=1)])
    found = read(store, BEGIN, BEGIN + 10, 10)
    assert [(r.series, r.value("cpu")) for r in found] == [(DB, 7), (WEB, 5)]
    assert read(store, BEGIN, BEGIN + 10, 10, "route")[0].value("requests") == 1
    assert set(store.series()) == {WEB, DB, ROUTE}


def test_a_row_that_comes_again_replaces_itself(store):
    """The same tick twice is kept once, its last word."""
    store.add([row(WEB, BEGIN, cpu=5)])
    store.add([row(WEB, BEGIN, cpu=6)])
    assert [r.value("cpu") for r in read(store, BEGIN, BEGIN + 10, 10)] == [6]


def test_only_what_was_asked_for_is_read(store):
    """Another app's series, and other times, are left out."""
    other = Series(kind="container", app="blog", service="web", name="web-r1")
    store.add([row(WEB, BEGIN), row(other, BEGIN), row(WEB, BEGIN + 10)])
    query = MetricQuery(kind="container", app="shop", since=BEGIN, until=BEGIN + 10, step=10)
    assert [(r.series, r.at) for r in store.read(query)] == [(WEB, BEGIN)]


def test_fields_merge_as_they_should(store):
    """Counts add up, levels are averaged over time, peaks stay."""
    store.add([row(WEB, BEGIN, 10_000, cpu=5, memory=100, memory_peak=100)])
    store.add([row(WEB, BEGIN + 10, 30_000, cpu=7, memory=200, memory_peak=250)])
    for tidied in (False, True):
        if tidied:
            store.tidy(BEGIN + 7200)
        (merged,) = read(store, BEGIN, BEGIN + 3600, 3600)
        assert merged.span == 40_000
        found = tuple(merged.value(name) for name in ("cpu", "memory", "memory_peak"))
        assert found == (12, 175, 250)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    counts=st.lists(st.integers(0, 1000), min_size=1, max_size=120),
    tidies=st.sets(st.integers(0, 120), max_size=6),
    step=st.sampled_from([10, 60, 120, 600, 3600]),
)
def test_no_count_is_lost_or_told_twice(tmp_path_factory, counts, tidies, step):
    """Whenever it was tidied, and however it is merged, all counts are there once."""
    store = SqliteMetrics(tmp_path_factory.mktemp("store") / "metrics.db")
    for number, count in enumerate(counts):
        at = BEGIN + 10 * number
        store.add([row(WEB, at, cpu=count)])
        if number in tidies:
            store.tidy(at)
    end = BEGIN + 10 * len(counts)
    found = read(store, BEGIN, end, step)
    assert sum(one.value("cpu") for one in found) == sum(counts)
    assert sum(one.span for one in found) == 10_000 * len(counts)
    assert len({one.at for one in found}) == len(found)
    store.close()


def test_each_tier_is_kept_for_its_time(store, tmp_path):
    """After a day only minutes are left, after a month only hours, after a year nothing."""
    store.add([row(WEB, BEGIN + 10 * n, cpu=1) for n in range(720)])
    store.tidy(BEGIN + 7200)
    connection = sqlite3.connect(tmp_path / "metrics.db")

    def counts() -> list[int]:
        tables = [f"metric_container_{step}" for step in ("new", 10, 60, 3600)]
        queries = [f"SELECT count(*) FROM {name}" for name in tables]  # noqa: S608
        return [connection.execute(query).fetchone()[0] for query in queries]

    assert counts() == [0, 720, 120, 2]
    for tier, left in zip(TIERS, ([0, 0, 120, 2], [0, 0, 0, 2], [0, 0, 0, 0]), strict=True):
        store.tidy(BEGIN + 7200 + tier.keep)
        assert counts() == left
        if sum(left):
            found = read(store, BEGIN, BEGIN + 7200, 10)
            assert sum(one.value("cpu") for one in found) == 720
    assert store.series() == ()
    connection.close()


def test_it_is_there_after_a_restart(tmp_path):
    """What one process kept, the next one reads."""
    for at in (BEGIN, BEGIN + 10):
        store = SqliteMetrics(tmp_path / "metrics.db")
        store.add([row(WEB, at)])
        assert len(read(store, BEGIN, BEGIN + 20, 10)) == (at - BEGIN) // 10 + 1
        store.close()


def test_a_field_that_came_later(tmp_path):
    """A file of an older cove gets the columns it lacks, empty."""
    store = SqliteMetrics(tmp_path / "metrics.db")
    store.add([row(WEB, BEGIN, cpu=5)])
    store.close()
    connection = sqlite3.connect(tmp_path / "metrics.db", isolation_level=None)
    connection.execute("ALTER TABLE metric_container_new DROP COLUMN processes")
    connection.close()
    store = SqliteMetrics(tmp_path / "metrics.db")
    (found,) = read(store, BEGIN, BEGIN + 10, 10)
    assert (found.value("cpu"), found.value("processes")) == (5, 0)
    store.close()


def test_a_damaged_file_is_moved_aside(tmp_path):
    """What is no database makes room for a new one, and its place is told."""
    told: list[str] = []
    path = tmp_path / "metrics.db"
    path.write_bytes(b"this is no database" * 500)
    store = SqliteMetrics(path, told.append)
    store.add([row(WEB, BEGIN)])
    assert len(read(store, BEGIN, BEGIN + 10, 10)) == 1
    assert told == [f"{path}.damaged"]
    store.close()


def test_damage_met_later_is_told_and_mended(tmp_path):
    """A file that is spoilt under a running agent fails once, and the next tick is kept."""
    path = tmp_path / "metrics.db"
    store = SqliteMetrics(path)
    store.add([row(Series(kind="container", app=f"a{n}"), BEGIN) for n in range(500)])
    store.tidy(BEGIN + 60)
    store.close()
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    path.write_bytes(data)
    told: list[str] = []
    store = SqliteMetrics(path, told.append)
    for _ in range(2):
        try:
            store.add([row(WEB, BEGIN + 60)])
        except PlatformError as error:
            assert error.specific_code == "state"  # noqa: PT017 - either may fail
    assert told == [f"{path}.damaged"]
    assert len(read(store, BEGIN, BEGIN + 120, 10)) == 1
    store.close()


def test_a_place_that_cannot_be_written(tmp_path):
    """Where the file cannot be made, that is said in cove's words."""
    store = SqliteMetrics(tmp_path / "absent" / "metrics.db")
    with pytest.raises(PlatformError) as caught:
        store.add([row(WEB, BEGIN)])
    assert caught.value.specific_code == "data-dir"
