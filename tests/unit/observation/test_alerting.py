from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cove.adapters.sqlite import SqliteStore
from cove.errors import PlatformError
from cove.model.alerts import Channel, RuleChange, Silence, Window
from cove.observation.alerts.alerting import Alerting
from cove.observation.alerts.announcing import GATHER
from cove.observation.alerts.delivering import (
    FIRST_PAUSE,
    KEPT,
    LONGEST_PAUSE,
    Deliveries,
    backoff,
)
from cove.observation.alerts.muting import is_open

from support.alerting import Moments, Notes, Values, alerting
from support.store import opened

HOOK = Channel(name="hook", kind="webhook", url="https://example.com/x")


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    """A store with one channel."""
    with opened() as found:
        found.put_channel(HOOK)
        yield found


@pytest.fixture
def clock() -> Moments:
    """The time."""
    return Moments()


@pytest.fixture
def values() -> Values:
    """What is read."""
    return Values()


def pass_time(alerts: Alerting, clock: Moments, seconds: float, step: float = 5.0) -> None:
    """Evaluations as the agent makes them."""
    end = clock.at + seconds
    while clock.at < end:
        clock.at += step
        alerts.evaluate()


def told(store: SqliteStore) -> list[tuple[str, str, str]]:
    """Everything queued: (rule, subject, status), in order."""
    return [
        (item.rule, item.subject, item.status)
        for delivery in store.waiting()
        for item in delivery.message.items
    ]


def test_what_comes_together_is_one_message(store, clock, values) -> None:
    """And what comes after it another one."""
    alerts = alerting(store, values, clock)
    values.set("oom", 1, about="web")
    alerts.evaluate()
    values.set("oom", 1, app="blog", about="blog")
    pass_time(alerts, clock, GATHER)
    assert len(store.waiting()) == 1
    assert told(store) == [("oom", "blog", "fired"), ("oom", "web", "fired")]
    values.set("oom", 0, about="web")
    pass_time(alerts, clock, 2 * GATHER)
    assert told(store)[2:] == [("oom", "web", "recovered")]
    assert len(store.waiting()) == 2


def test_nothing_is_repeated_however_long_it_lasts(store, clock, values) -> None:
    """An alert is told when it begins and when it ends."""
    alerts = alerting(store, values, clock)
    values.set("oom", 1)
    pass_time(alerts, clock, 3600)
    assert told(store) == [("oom", "x", "fired")]


def test_a_silence_keeps_quiet_and_its_end_tells(store, clock, values) -> None:
    """Of what began and ended within it nobody hears; what was told before is told to its end."""
    alerts = alerting(store, values, clock)
    values.set("oom", 1, about="before")
    pass_time(alerts, clock, 20)
    store.add_silence(Silence(id=0, app="shop", until=clock.at + 600))
    store._now = clock
    alerts.reload()
    values.set("oom", 1, about="within")
    values.set("oom", 1, about="beyond")
    pass_time(alerts, clock, 60)
    values.set("oom", 0, about="before")
    values.set("oom", 0, about="within")
    pass_time(alerts, clock, 60)
    assert told(store) == [("oom", "before", "fired"), ("oom", "before", "recovered")]
    pass_time(alerts, clock, 600)
    assert told(store)[2:] == [("oom", "beyond", "fired")]
    muted = [e.transition.muted for e in store.alert_history(10)]
    assert [bool(text) for text in muted] == [False, True, True, True, True]


@pytest.mark.parametrize(
    ("window", "at", "expected"),
    [
        # 2030-01-01 is a Tuesday
        (Window(id=1, start=120, minutes=60), 1893456000 + 125 * 60, True),
        (Window(id=1, start=120, minutes=60), 1893456000 + 180 * 60, False),
        (Window(id=1, start=120, minutes=60, days=(0,)), 1893456000 + 125 * 60, False),
        (Window(id=1, start=1380, minutes=120, days=(0,)), 1893456000 + 30 * 60, True),
        (Window(id=1, start=1380, minutes=120, days=(0,)), 1893456000 + 90 * 60, False),
        (Window(id=1, start=0, minutes=1440, days=(1,)), 1893456000 + 1439 * 60, True),
    ],
)
def test_a_maintenance_window_comes_back_every_week(window, at, expected) -> None:
    """In UTC; one that began yesterday may reach into today."""
    assert is_open(window, float(at)) is expected


def test_a_channel_hears_only_of_its_apps(store, clock, values) -> None:
    """Channels that see the same share a message."""
    store.put_channel(Channel(name="twin", kind="webhook", url="https://example.com/t"))
    store.put_channel(Channel(name="blogs", kind="webhook", url="https://e.com/b", apps=("blog",)))
    alerts = alerting(store, values, clock)
    values.set("oom", 1, app="shop")
    values.set("oom", 1, app="blog")
    pass_time(alerts, clock, 20)
    seen = {d.channel: [i.app for i in d.message.items] for d in store.waiting()}
    assert seen == {"hook": ["blog", "shop"], "twin": ["blog", "shop"], "blogs": ["blog"]}
    assert len({d.message.id for d in store.waiting()}) == 2


def test_without_a_channel_nothing_waits(store, clock, values) -> None:
    """One that is added later is not told of what was."""
    store.remove_channel("hook")
    alerts = alerting(store, values, clock)
    values.set("oom", 1)
    pass_time(alerts, clock, 20)
    store.put_channel(HOOK)
    alerts.reload()
    pass_time(alerts, clock, 60)
    assert store.waiting() == ()


def test_a_source_that_fails_is_absent(store, clock, values) -> None:
    """Its alerts stay as they are; the others go on."""
    other = Values()
    alerts = alerting(store, values, clock)
    alerts.add(other)
    values.set("oom", 1)
    pass_time(alerts, clock, 20)
    values.broken = True
    other.set("oom", 1, app="blog")
    pass_time(alerts, clock, 20)
    assert told(store) == [("oom", "x", "fired"), ("oom", "x", "fired")]
    assert len(alerts.views()) == 2


def test_what_cannot_be_kept_has_not_happened(store, clock, values, monkeypatch) -> None:
    """On a full disk nothing is told; once there is room, all of it, and once."""
    alerts = alerting(store, values, clock)
    heard: list[str] = []
    alerts.listen(lambda transition: heard.append(transition.kind))
    keep = store.save_alerts

    def full(_: object) -> None:
        raise PlatformError("the disk is full", code="disk-full")

    monkeypatch.setattr(store, "save_alerts", full)
    values.set("oom", 1)
    for _ in range(5):
        clock.at += 5
        with pytest.raises(PlatformError):
            alerts.evaluate()
    monkeypatch.setattr(store, "save_alerts", keep)
    pass_time(alerts, clock, 20)
    assert told(store) == [("oom", "x", "fired")]
    assert heard == ["fired"]


def test_without_the_key_nothing_is_told_until_it_is_back(store, clock, values, monkeypatch):
    """Channels that cannot be read are not taken for none."""
    read = store.channels

    def sealed() -> None:
        raise PlatformError("the key is missing", code="secret-key")

    alerts = alerting(store, values, clock)
    monkeypatch.setattr(store, "channels", sealed)
    alerts.reload()
    values.set("oom", 1)
    pass_time(alerts, clock, 60)
    assert told(store) == []
    monkeypatch.setattr(store, "channels", read)
    pass_time(alerts, clock, 10)
    assert told(store) == [("oom", "x", "fired")]


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("set"), st.sampled_from(["a", "b"]), st.sampled_from([0, 1, None])),
        st.tuples(st.just("pass"), st.integers(1, 100), st.none()),
        st.tuples(st.just("restart"), st.none(), st.none()),
        st.tuples(st.just("deliver"), st.booleans(), st.none()),
    ),
    max_size=40,
)


class Life:
    """A store over the lives of several agents, and a receiver that tells messages apart by id."""

    def __init__(self, store: SqliteStore) -> None:
        self.store = store
        self.clock, self.values = Moments(), Values()
        store._now = self.clock
        store.put_channel(HOOK)
        store.set_alert_rule("oom", "", RuleChange(window=600))
        self.alerts = alerting(store, self.values, self.clock)
        self.ids: list[str] = []
        self.arrived: list[tuple[str, str, str]] = []

    def do(self, kind: str, one: Any, two: Any) -> None:
        """One of the things that can happen."""
        if kind == "set":
            self.values.set("oom", two, about=one)
        elif kind == "pass":
            pass_time(self.alerts, self.clock, one)
        elif kind == "restart":
            self.alerts = alerting(self.store, self.values, self.clock)
        else:
            self.deliver(noted=one)

    def deliver(self, *, noted: bool) -> None:
        """Sends what waits; unless it is noted, the agent dies after the first."""
        for delivery in self.store.waiting():
            message = delivery.message
            if message.id not in self.ids:
                self.ids.append(message.id)
                self.arrived += [(i.id, i.subject, i.status) for i in message.items]
            if not noted:
                return
            self.store.delivered(message.id, delivery.channel)


@settings(max_examples=60)
@given(EVENTS)
def test_nothing_is_lost_and_nothing_repeated_whenever_the_agent_dies(
    events: list[tuple[str, Any, Any]],
) -> None:
    """Every transition of the history is told exactly once, under one id each.

    A delivery that was made but not noted before the death is made again, under the same id.
    """
    with opened() as store:
        life = Life(store)
        for event in events:
            life.do(*event)
        pass_time(life.alerts, life.clock, 30)
        life.deliver(noted=True)
        history = [e.transition for e in store.alert_history(1000)]
        # What began and ended while it waited for company is told as ended alone.
        begun = {i for i, _, status in life.arrived if status == "fired"}
        wanted = [
            (t.id, t.key.subject, t.kind) for t in history if t.kind != "fired" or t.id in begun
        ]
        assert sorted(life.arrived) == sorted(wanted)
        assert {t.id for t in history} == {i for i, _, _ in life.arrived}
        assert store.waiting() == ()


class TestDeliveries:
    """The queue's way to the channels."""

    @pytest.fixture
    def queue(self, store, clock, values) -> tuple[Deliveries, Notes, Alerting]:
        """One message that waits."""
        store._now = clock
        alerts, notes = alerting(store, values, clock), Notes()
        values.set("oom", 1)
        pass_time(alerts, clock, 20)
        channels = lambda: [r.channel for r in alerts.channels]  # noqa: E731
        return Deliveries(store, notes, channels, alerts.queued, now=clock), notes, alerts

    async def test_it_is_forgotten_once_it_arrived(self, queue, store, clock) -> None:
        """And the channel knows when."""
        deliveries, notes, _ = queue
        await _settled(deliveries)
        assert [name for name, _ in notes.sent] == ["hook"]
        assert store.waiting() == ()
        assert store.channels()[0].delivered_at == clock.at

    async def test_it_is_tried_again_ever_more_rarely(self, queue, store, clock) -> None:
        """Not before its time; and the message stays the same."""
        deliveries, notes, _ = queue
        notes.error = "it answered 503"
        await _settled(deliveries)
        await _settled(deliveries)
        assert len(notes.sent) == 1
        (waiting,) = store.waiting()
        assert (waiting.attempts, waiting.error) == (1, "it answered 503")
        clock.at += FIRST_PAUSE
        await _settled(deliveries)
        assert len({message.id for _, message in notes.sent}) == 1
        assert store.waiting()[0].next_try == clock.at + 2 * FIRST_PAUSE
        notes.error = ""
        clock.at += 2 * FIRST_PAUSE
        await _settled(deliveries)
        assert store.waiting() == ()

    async def test_a_later_message_does_not_overtake(self, queue, store, clock, values) -> None:
        """An end never comes before its beginning."""
        deliveries, notes, alerts = queue
        notes.error = "away"
        await _settled(deliveries)
        values.set("oom", 0)
        pass_time(alerts, clock, 20)
        notes.error = ""
        notes.sent.clear()
        clock.at += LONGEST_PAUSE
        await _settled(deliveries)
        await _settled(deliveries)
        assert [m.items[0].status for _, m in notes.sent] == ["fired", "recovered"]

    async def test_a_channel_that_is_away_holds_up_no_other(self, queue, store, clock) -> None:
        """Each has its own queue."""
        deliveries, notes, alerts = queue

        async def send(channel: Channel, message: object) -> str:
            return "away" if channel.name == "hook" else ""

        store.put_channel(Channel(name="other", kind="webhook", url="https://example.com/o"))
        alerts.reload()
        notes.send = send
        alerts._states.clear()
        alerts.evaluate()
        pass_time(alerts, clock, 20)
        await _settled(deliveries)
        assert {d.channel for d in store.waiting()} == {"hook"}

    async def test_a_notifier_that_falls_is_tried_again_after_a_pause(
        self, queue, store, monkeypatch
    ) -> None:
        """A bug becomes no loop, and nothing is lost for it."""
        deliveries, notes, _ = queue

        async def fall(*_: object) -> str:
            raise RuntimeError("a bug")

        notes.send = fall
        monkeypatch.setattr("cove.observation.alerts.delivering.FIRST_PAUSE", 0)
        await _settled(deliveries)
        assert len(store.waiting()) == 1

    async def test_after_three_days_it_is_given_up(self, queue, store, clock) -> None:
        """So that a broken channel does not fill the disk."""
        deliveries, notes, _ = queue
        notes.error = "gone"
        clock.at += KEPT + 60
        await _settled(deliveries)
        assert store.waiting() == ()

    async def test_a_removed_channel_takes_its_messages_along(self, queue, store) -> None:
        """Nothing of it is left."""
        assert store.remove_channel("hook")
        assert store.waiting() == ()
        assert store._db.rows("SELECT * FROM alert_messages") == []


def test_the_pause_grows_and_is_bounded() -> None:
    """Whatever the number of failures."""
    assert [backoff(n) for n in (1, 2, 3)] == [10, 20, 40]
    assert backoff(10_000) == LONGEST_PAUSE


async def _settled(deliveries: Deliveries) -> None:
    """One look at what is due, and the end of what it began."""
    deliveries._start()
    while deliveries._busy:
        await asyncio.gather(*deliveries._busy.values())


def test_channels_are_sealed(tmp_path: Path) -> None:
    """Neither address nor key lies on the disk as it is."""
    with opened(tmp_path / "state.db") as store:
        store.put_channel(
            Channel(name="a", kind="webhook", url="https://e.com/s3cret", key="hmac-key")
        )
    with opened(tmp_path / "state.db") as store:
        assert store.channels()[0].channel.url == "https://e.com/s3cret"
        assert store.channels()[0].channel.key == "hmac-key"
    found = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"s3cret" not in found
    assert b"hmac-key" not in found
