from __future__ import annotations

import asyncio
import ssl
from itertools import pairwise
from pathlib import Path

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from cove.adapters.probe.der import read
from cove.adapters.uptimestore import SqliteUptimeStore
from cove.adapters.uptimestore.hours import empty, pack, unpack
from cove.errors import PlatformError
from cove.model.app import Health
from cove.model.uptime import Change, Minute
from cove.observation.uptime import course as courses
from cove.observation.uptime.counting import DAY, KEPT, MINUTE, SPANS, minutes, outages, summed
from cove.observation.uptime.course import Course, Watched
from cove.observation.uptime.looking import look
from cove.observation.uptime.targets import targets_of
from cove.observation.uptime.watching import Uptime

from support.alerting import Moments
from support.pems import Maker
from support.releases import app, release, route, web
from support.uptime import TARGET, Containers, Through, seen, target

START = 1_700_000_000.0


def follow(*states: str, every: float = 10.0) -> tuple[Course, list[Change], list[Watched]]:
    """Looks one after the other: the course at the end, its changes and the watched time."""
    course, changes, watched = Course(), [], []
    for number, state in enumerate(states):
        turn = courses.looked(course, TARGET, seen(START + number * every, state))
        course = turn.course
        changes += [turn.change] if turn.change else []
        watched += [turn.watched] if turn.watched else []
    return course, changes, watched


def test_one_failed_look_is_no_outage() -> None:
    """It is looked at again soon, and counts as up."""
    course, changes, watched = follow("up", "app-down", "up")
    assert [change.state for change in changes] == ["up"]
    assert not any(one.down for one in watched)
    assert course.state == "up"


def test_two_are_one_from_the_first_on() -> None:
    """And one good look ends it; the time between counts as down."""
    course, changes, watched = follow("up", "app-down", "app-down", "route-down", "up", "up")
    assert [(c.state, c.at - START) for c in changes] == [("up", 0), ("app-down", 10), ("up", 40)]
    assert [one.down for one in watched] == [False, True, True, True, False]
    assert course.since == START + 40


def test_it_is_looked_at_more_often_while_it_fails() -> None:
    """From the first failed look on."""
    course, _, _ = follow("up")
    assert courses.due(course) == START + courses.WELL_EVERY
    course, _, _ = follow("up", "app-down")
    assert courses.due(course) == START + 10 + courses.FAILING_EVERY


def test_time_in_which_nobody_looked_counts_as_nothing() -> None:
    """As when the agent was away, or the machine asleep."""
    _, _, watched = follow("up", "up", every=3600)
    assert watched == []


@given(st.lists(st.sampled_from(["up", "app-down", "route-down"]), max_size=30))
def test_up_and_down_follow_each_other(states: list[str]) -> None:
    """No change to what it already is; and down needs two failed looks."""
    _, changes, watched = follow(*states)
    kinds = [change.state == "up" for change in changes]
    assert all(a != b for a, b in pairwise(kinds))
    assert len(watched) == max(0, len(states) - 1)
    if not any("up" not in pair for pair in pairwise(states)):
        assert all(kinds)


def test_a_restarted_agent_goes_on_where_the_last_one_was() -> None:
    """An outage stays the same one, and needs no second failed look."""
    _, changes, _ = follow("up", "app-down", "app-down")
    course = courses.recalled(changes[-1])
    turn = courses.looked(course, TARGET, seen(START + 500, "app-down"))
    assert turn.change is None
    assert turn.watched is None
    assert turn.course.since == START + 10
    turn = courses.looked(turn.course, TARGET, seen(START + 510))
    assert turn.change
    assert turn.change.state == "up"


def test_a_stopped_app_rests() -> None:
    """It is told once, and no time is watched; afterwards it begins anew."""
    course, _, _ = follow("up")
    turn = courses.rested(course, target(paused="stopped"), START + 5)
    assert turn.change
    assert (turn.change.state, turn.change.detail) == ("paused", "stopped")
    assert courses.rested(turn.course, target(paused="stopped"), START + 9).change is None
    turn = courses.looked(turn.course, TARGET, seen(START + 20))
    assert turn.watched is None
    assert outages([turn.change] if turn.change else []) == []


@pytest.mark.parametrize(
    ("through", "containers", "state", "words"),
    [
        (Through(), Containers(), "up", ""),
        (Through(status=404), Containers(**{"10_0_0_2": 404}), "up", ""),
        (Through(status=404), Containers(), "route-down", "route is missing"),
        (Through(status=401), Containers(), "up", ""),
        (Through(status=502), Containers(**{"10_0_0_2": 0}), "app-down", "nothing listens"),
        (Through(status=502), Containers(), "route-down", "answered 502"),
        (Through(status=500), Containers(**{"10_0_0_2": 500}), "app-down", "answered 500"),
        (Through(status=0, problem="TLS: expired"), Containers(), "route-down", "TLS: expired"),
        (Through(), Containers(**{"10_0_0_2": 0}), "up", "readiness check fails"),
    ],
)
async def test_a_look_tells_the_app_from_the_way_to_it(through, containers, state, words) -> None:
    """The same question is put to the containers where the proxy gave no good answer."""
    found = await look(TARGET, through, containers, START)
    assert (found.state, words in found.detail) == (state, True)
    assert bool(found.detail) == bool(words)


async def test_one_of_several_containers_may_fail() -> None:
    """The route is up, and it is told."""
    two = target(addresses=("10.0.0.2", "10.0.0.3"))
    found = await look(two, Through(), Containers(**{"10_0_0_3": 0}), START)
    assert (found.state, found.answering, found.replicas) == ("up", 1, 2)
    assert found.detail.startswith("1 of 2 containers fail")


@pytest.mark.parametrize(
    ("path", "strip", "health", "expected"),
    [
        ("/", False, "/healthz", ("/healthz", "/healthz", True)),
        ("/", False, "", ("/", "/", False)),
        ("/api", False, "/healthz", ("/api", "/api", False)),
        ("/api", False, "/api/healthz", ("/api/healthz", "/api/healthz", True)),
        ("/api", False, "/apis", ("/api", "/api", False)),
        ("/api", True, "/healthz", ("/api/healthz", "/healthz", True)),
        ("/api", True, "", ("/api", "/", False)),
    ],
)
def test_the_health_path_is_asked_where_the_route_leads_to_it(path, strip, health, expected):
    """Else the route's own beginning, where every answer but 5xx counts."""
    checked = Health(path=health, status=((200, 204),))
    spec = app(web(health=checked), routes=(route(path=path, strip_path=strip),))
    (found,) = targets_of(release(1, spec), {})
    asked = found.status == ((200, 204),)
    assert (found.path, found.inner, asked) == expected


def test_a_health_check_on_another_port_is_not_asked_through_the_proxy() -> None:
    """The route does not lead there."""
    spec = app(web(health=Health(path="/healthz", port=9000)))
    (found,) = targets_of(release(1, spec), {})
    assert (found.path, found.health.port) == ("/", 9000)


@given(st.floats(0, 7200), st.floats(0.1, 90), st.booleans())
def test_watched_time_is_divided_without_loss(begin: float, length: float, down: bool) -> None:
    """At full minutes; never more than one has."""
    found = list(minutes("a", "r", Watched(began=begin, ended=begin + length, down=down), 0.5))
    assert sum(m.up + m.down for m in found) == pytest.approx(length)
    assert all(0 <= m.up + m.down <= MINUTE + 1e-6 for m in found)
    assert all(bool(m.down) == down for m in found)
    assert summed(found) == found


def test_an_hour_comes_back_as_it_was() -> None:
    """Added to in two goes; the slowest answer is the slower one."""
    hour = empty()
    hour.add(Minute(app="a", route="r", minute=61, up=20.0, slowest=0.25))
    hour = unpack(pack(hour))
    hour.add(Minute(app="a", route="r", minute=61, up=30.0, down=10.0, slowest=0.1))
    assert (hour.up[1], hour.down[1], hour.slowest[1]) == (500, 100, 250)
    assert hour.seconds() == (50.0, 10.0)
    assert hour.seconds(2) == (0.0, 0.0)
    with pytest.raises(ValueError, match=r"."):
        unpack(b"no hour")


class TestStore:
    """History on disk."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> SqliteUptimeStore:
        """An empty one."""
        return SqliteUptimeStore(tmp_path / "uptime.db")

    def fill(self, store: SqliteUptimeStore, days: int, now: float, down: float = 0.0) -> None:
        """Minutes of so many days, all up; `down` seconds of each hour's first minute down."""
        first = int((now - days * DAY) // MINUTE)
        for hour in range(first, int(now // MINUTE), 60):
            found = [
                Minute(app="shop", route="r", minute=m, up=60.0) for m in range(hour + 1, hour + 60)
            ]
            found.append(Minute(app="shop", route="r", minute=hour, up=60.0 - down, down=down))
            store.add_minutes(found, now)

    def test_sums_reach_back_to_the_minute(self, store: SqliteUptimeStore) -> None:
        """A span that begins within an hour leaves out what was before."""
        now = START
        self.fill(store, 3, now)
        sums = store.sums(now, (DAY, 7 * DAY))["r"]
        assert sums[DAY][0] == pytest.approx(DAY, abs=2 * MINUTE)
        assert sums[7 * DAY][0] == pytest.approx(3 * DAY, abs=60 * MINUTE)
        days = store.days(now)["r"]
        assert [day.up for day in days[1:-1]] == [DAY] * (len(days) - 2)

    def test_what_is_old_goes(self, store: SqliteUptimeStore) -> None:
        """After 90 days, but for the last change of a route."""
        old = Change(at=START - KEPT - 500, app="shop", route="r", state="up")
        store.add_change(old)
        store.add_change(Change(at=START - KEPT - 400, app="shop", route="s", state="up"))
        store.add_change(Change(at=START - KEPT - 100, app="shop", route="s", state="app-down"))
        self.fill(store, 1, START - KEPT - DAY)
        assert store.days(START - KEPT)
        store.add_minutes([Minute(app="shop", route="r", minute=int(START // 60), up=1)], START)
        assert [day.up for day in store.days(START)["r"]] == [1.0]
        assert [change.state for change in store.latest()] == ["up", "app-down"]
        assert len(store.changes("s")) == 1

    def test_a_damaged_file_is_moved_aside(self, store: SqliteUptimeStore, tmp_path: Path) -> None:
        """And history begins anew; nothing fails for it but the call that found out."""
        store.add_change(Change(at=START, app="shop", route="r", state="up"))
        store.close()
        (tmp_path / "uptime.db").write_bytes(b"this is not a database at all" * 400)
        store.add_change(Change(at=START, app="shop", route="r", state="paused"))
        assert [change.state for change in store.changes("r")] == ["paused"]
        assert (tmp_path / "uptime.db.damaged").exists()

    def test_a_folder_that_is_gone_is_told(self, tmp_path: Path) -> None:
        """As an error of the platform, whatever SQLite or the system said."""
        with pytest.raises(PlatformError):
            SqliteUptimeStore(tmp_path / "no" / "uptime.db").latest()


class TestWatching:
    """The loop, turn by turn."""

    def watcher(self, tmp_path: Path, clock: Moments, proxy: Through) -> Uptime:
        """Over one route."""
        self.targets = [TARGET]
        store = SqliteUptimeStore(tmp_path / "uptime.db")
        return Uptime(lambda: self.targets, proxy, Containers(), store, clock)

    async def turn(self, uptime: Uptime) -> None:
        """One turn, and the end of what it began."""
        uptime._turn()
        while uptime._looking:
            await asyncio.gather(*uptime._looking)

    async def test_a_route_is_looked_at_when_it_is_due(self, tmp_path: Path) -> None:
        """Once a minute, and at once when something happened to its app."""
        clock, proxy = Moments(START), Through()
        uptime = self.watcher(tmp_path, clock, proxy)
        for _ in range(3):
            await self.turn(uptime)
        assert proxy.asked == 1
        clock.at += courses.WELL_EVERY
        await self.turn(uptime)
        assert proxy.asked == 2
        uptime.hurry("blog")
        await self.turn(uptime)
        uptime.hurry("shop")
        await self.turn(uptime)
        assert proxy.asked == 3

    async def test_views_have_figures_for_what_was_watched(self, tmp_path: Path) -> None:
        """A minute up and ten seconds down; nothing for a route that was never seen."""
        clock, proxy = Moments(START), Through()
        uptime = self.watcher(tmp_path, clock, proxy)
        assert (await uptime.views())[0].availability["24h"] is None
        await self.turn(uptime)
        clock.at += 60
        await self.turn(uptime)
        proxy.outside = Through(status=502).outside
        for _ in range(2):
            clock.at += 60
            uptime.hurry("shop")
            await self.turn(uptime)
        await uptime.flush()
        (view,) = await uptime.views("shop")
        assert view.state == "route-down"
        assert view.availability == dict.fromkeys(SPANS, pytest.approx(2 / 3))
        assert view.outage
        assert (view.outage.began, view.outage.ended) == (START + 120, 0.0)
        assert await uptime.views("blog") == []

    async def test_the_end_of_a_rollout_is_looked_at(self, tmp_path: Path) -> None:
        """As are containers at other addresses."""
        clock, proxy = Moments(START), Through()
        uptime = self.watcher(tmp_path, clock, proxy)
        await self.turn(uptime)
        self.targets = [target(rolling=True)]
        await self.turn(uptime)
        assert proxy.asked == 1
        self.targets = [target(addresses=("10.0.0.9",))]
        await self.turn(uptime)
        assert proxy.asked == 2

    async def test_history_that_cannot_be_kept_stops_nothing(self, tmp_path: Path) -> None:
        """Looking goes on."""
        clock, proxy = Moments(START), Through()
        uptime = self.watcher(tmp_path / "gone", clock, proxy)
        await self.turn(uptime)
        clock.at += 60
        await self.turn(uptime)
        await uptime.flush()
        assert uptime.current()[0][1].state == "up"


def test_a_certificate_is_read_from_its_bytes() -> None:
    """Its life and its names, as the library for it says."""
    chain, _ = Maker().leaf("shop.example.com", "*.shop.example.com")
    shown = read(
        ssl.PEM_cert_to_DER_cert(chain.partition("-----END")[0] + "-----END CERTIFICATE-----\n")
    )
    whole = x509.load_pem_x509_certificate(chain.encode())
    assert shown.names == ("shop.example.com", "*.shop.example.com")
    assert shown.not_after == whole.not_valid_after_utc.timestamp()
    assert shown.not_before == whole.not_valid_before_utc.timestamp()


@given(st.binary(max_size=200))
def test_what_is_no_certificate_is_refused(data: bytes) -> None:
    """Never with anything but ValueError."""
    with pytest.raises(ValueError, match=r"^"):
        read(data)
