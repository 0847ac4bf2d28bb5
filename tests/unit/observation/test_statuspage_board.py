"""From what was seen to what the public is told."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cove.model.alerts import Window
from cove.model.statuspage import DAYS, ShownApp
from cove.observation.alerts.muting import is_open
from cove.observation.statuspage.board import board, chosen

from support.boards import DAY, NOW, SECRET, URL, facts, page, route, told

HOUR = 3600.0
SUNDAY = 6


@pytest.mark.parametrize(
    ("found", "level"),
    [
        (route(), "operational"),
        (route(detail="1 of 2 containers fail: " + SECRET), "degraded"),
        (route(state="app-down", detail=SECRET), "down"),
        (route(state="route-down", detail=SECRET), "down"),
        (route(state="paused", detail="stopped"), "paused"),
        (route(state="unknown"), "unknown"),
        (route(checked=NOW - 301), "unknown"),
        (route(state="app-down", checked=0.0), "unknown"),
    ],
)
def test_what_is_said_of_a_service(found, level):
    """What was not looked at for minutes is not said to be up, nor down."""
    shown = told(found)
    assert [one.level for one in shown.components] == [level]
    assert shown.level == level


def test_a_service_is_down_only_as_a_whole():
    """Where a part of it answers it is degraded; a stopped part counts for nothing."""
    down = route(state="app-down")
    up = route(name="shop.example.com/api")
    assert told(down, up).components[0].level == "degraded"
    assert told(down, route(name="shop.example.com/x", state="paused")).level == "down"
    assert told(down, route(name="shop.example.com/x", state="app-down")).level == "down"


def test_the_worst_service_stands_for_all():
    """And without any service nothing is known."""
    blog = route("blog", "blog.example.com/", "app-down")
    assert told(route(), blog).level == "down"
    assert told(route(), route("blog", "blog.example.com/", "paused")).level == "operational"
    assert told().level == "unknown"


def test_only_what_was_chosen_is_shown():
    """In the page's order, by its labels; an app that is gone is left out."""
    shop, blog, third = (route(app, f"{app}.example.com/") for app in ("shop", "blog", "admin"))
    labelled = (ShownApp(app="shop", label="Web shop"), ShownApp(app="gone"), ShownApp(app="blog"))
    some = board(page(every=False, apps=labelled), URL, facts(blog, shop, third))
    assert [one.name for one in some.components] == ["Web shop", "blog"]
    every = board(page(every=True, apps=labelled), URL, facts(blog, shop, third))
    assert [one.name for one in every.components] == ["Web shop", "blog", "admin"]


def test_an_app_without_routes_is_not_shown():
    """There is nothing to say of it, though it counts as chosen."""
    known = facts(route(), apps=["worker"])
    assert [one.app for one in chosen(page(), known.apps)] == ["shop", "worker"]
    assert [one.name for one in board(page(), URL, known).components] == ["shop"]


def test_nothing_but_names_levels_shares_and_times_is_told():
    """No domain unless it is wished, no text of an error, no address, no container."""
    found = route(state="app-down", detail=SECRET, outages=[(NOW - 60, 0.0)])
    window = Window(id=1, start=0, minutes=60, reason=SECRET)
    quiet = msgspec.json.encode(told(found, windows=[window], maintenance=True)).decode()
    for secret in ("example.com/", "10.201", "502", "healthz", "app-down", "registry"):
        assert secret not in quiet.replace(URL, "")
    named = told(found, domains=True)
    assert [one.name for one in named.components[0].routes] == ["shop.example.com"]
    assert named.incidents[0].routes == ("shop.example.com",)


def test_a_service_is_as_available_as_the_least_of_its_routes():
    """On each day and over each span; a day on which nobody looked is none."""
    one = route(shares={0: 1.0, 1: 0.9, 200: 0.1}, availability=0.99)
    other = route(name="shop.example.com/x", shares={0: 0.5}, availability=None)
    (shown,) = told(one, other).components
    assert len(shown.days) == DAYS
    assert shown.days[-3:] == (None, 0.9, 0.5)
    assert set(shown.availability.values()) == {0.99}


def test_outages_that_overlap_are_one_incident():
    """Of the whole service only where all of its routes were down at one moment."""
    a = route(outages=[(NOW - 500, NOW - 400), (NOW - 100, NOW - 60)])
    b = route(name="shop.example.com/x", outages=[(NOW - 450, NOW - 300), (NOW - 50, 0.0)])
    now, middle, first = told(a, b).incidents
    assert (first.began, first.ended, first.whole) == (NOW - 500, NOW - 300, True)
    assert (middle.began, middle.ended, middle.whole) == (NOW - 100, NOW - 60, False)
    assert (now.began, now.ended, now.whole) == (NOW - 50, 0.0, False)
    assert len({first.id, middle.id, now.id}) == 3


def test_an_incident_that_ends_keeps_its_name():
    """So that a reader of the feed sees it once."""
    (open_one,) = told(route(outages=[(NOW - 60, 0.0)])).incidents
    (over,) = told(route(outages=[(NOW - 60, NOW - 5)])).incidents
    assert open_one.id == over.id


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(1, 500), st.integers(1, 300)), max_size=12)
)
def test_incidents_cover_exactly_the_outages(spans):
    """Whatever overlaps what: the same moments are down, and no two incidents touch."""
    by_route: dict[int, list[tuple[float, float]]] = {}
    for number, ago, lasts in spans:
        by_route.setdefault(number, []).append((NOW - 1000 - ago, NOW - 1000 - ago + lasts))
    histories = [
        route(name=f"shop.example.com/{number}", outages=sorted(found))
        for number, found in by_route.items()
    ]
    incidents = told(*histories).incidents if histories else ()
    covered = {second for one in incidents for second in range(int(one.began), int(one.ended))}
    down = {
        second
        for found in by_route.values()
        for began, ended in found
        for second in range(int(began), int(ended))
    }
    assert covered == down
    ordered = sorted(incidents, key=lambda one: one.began)
    assert all(a.ended < b.began for a, b in pairwise(ordered))


def test_windows_are_announced_only_if_wished():
    """Those about what is shown, and about being down; the same times are one line."""
    windows = [
        Window(id=1, app="shop", days=(SUNDAY,), start=11 * 60, minutes=120, reason=SECRET),
        Window(id=2, app="blog", days=(SUNDAY,), start=11 * 60, minutes=120),
        Window(id=3, app="admin", start=0, minutes=60),
        Window(id=4, rule="errors", start=0, minutes=60),
        Window(id=5, start=60, minutes=60),
    ]
    down = route(state="app-down", outages=[(NOW - 60, 0.0)])
    routes = (down, route("blog", "blog.example.com/"), route("admin", "admin.example.com/"))
    silent = board(page("shop", "blog"), URL, facts(*routes, windows=windows))
    assert silent.maintenance == ()
    assert silent.components[0].level == "down"
    shown = board(page("shop", "blog", maintenance=True), URL, facts(*routes, windows=windows))
    assert [one.names for one in shown.maintenance] == [("shop", "blog"), ()]
    assert [one.open for one in shown.maintenance] == [True, False]
    assert shown.maintenance[1].begins == NOW + 13 * HOUR
    assert shown.components[0].level == "maintenance"
    assert shown.incidents[0].maintenance


@given(
    st.sets(st.integers(0, 6)), st.integers(0, 1439), st.integers(1, 1440), st.integers(0, 7 * DAY)
)
def test_a_window_is_announced_as_alerts_understand_it(days, start, minutes, later):
    """It is open when they are silent, and the time that is told is the next one."""
    window = Window(id=1, days=tuple(sorted(days)), start=start, minutes=minutes)
    now = NOW + later
    known = facts(route(checked=now), windows=[window])
    shown = board(page(maintenance=True), URL, msgspec.structs.replace(known, at=now))
    (one,) = shown.maintenance
    assert one.open == is_open(window, now)
    assert one.ends > now
    assert is_open(window, one.begins)
    assert one.open or one.begins > now
