"""Draining, holding and letting through, on a clock that jumps."""

from __future__ import annotations

import asyncio

import pytest

from cove.rollout.traffic import wait_idle

from support.scenarios import problems
from support.site import APP, Site
from support.virtual_time import run
from support.world import RETRY_WITHIN

STOP_FIRST = "volumes: [data:/data]\n"
ENDPOINT = ("10.9.9.9", 80)


class Connections:
    """A host whose connections end at given times."""

    def __init__(self, *until: float) -> None:
        self.until = until

    def connections(self, _: object) -> int:
        now = asyncio.get_running_loop().time()
        return sum(now < end for end in self.until)


def about(left: int, seconds: float) -> list[object]:
    """What `idle` gives, a poll more or less."""
    return [left, pytest.approx(seconds, abs=0.06)]


def idle(here: Site, limit: float, *ends: float) -> list[float]:
    """How many connections were left when the wait ended, and after how many seconds."""

    async def wait() -> list[float]:
        clock = asyncio.get_running_loop().time
        begun = clock()
        work = here.rollouts.work(APP, lambda *_, **__: None)
        host = Connections(*(begun + end for end in ends))
        object.__setattr__(work, "platform", type("P", (), {"host": host}))
        left = await wait_idle(work, [ENDPOINT], limit)
        return [left, clock() - begun]

    return run(wait())


def test_a_drain_ends_early(here):
    """It ends with the last request, not with its limit."""
    assert idle(here, 10, 1.0, 2.0) == about(0, 2.15)


def test_an_idle_drain_is_short(here):
    """A request routed just before the switch must still be able to begin."""
    assert idle(here, 10) == about(0, 0.35)


def test_a_drain_ends_late(here):
    """A connection that never ends is cut at the limit, and counted."""
    assert idle(here, 4, 1.0, 1e9) == about(1, 4.05)


def test_no_drain(here):
    """A limit of zero waits for nobody."""
    assert idle(here, 0, 1e9) == about(1, 0)


def test_what_is_cut_is_told(here):
    """A drain that ran out of time says how many connections were open."""
    run(here.deploy("rollout: {settle: 0s, drain: 1s}\n"))
    here.world.request_seconds = 60
    ended = run(here.deploy("rollout: {settle: 0s, drain: 1s}\n", image="acme/shop:2"))
    notices = [event.text for event in here.events(ended) if event.kind == "notice"]
    assert notices == ["1 connections were still open after 1 s"]


@pytest.mark.parametrize("seconds", [0.1, 1.0, 3.0])
def test_a_hold_outlasts_the_pause_between_two_tries(here, seconds):
    """The hold addresses stay until every waiting request has tried again, and has its answer."""
    here.world.request_seconds = seconds
    run(here.deploy(STOP_FIRST))
    assert run(here.deploy(STOP_FIRST, image="acme/shop:2")).outcome == "live"
    assert RETRY_WITHIN >= 0.6
    assert problems(here) == []


def test_requests_wait_where_the_new_release_will_listen(here):
    """A stop-first deploy that changes the port answers the requests that waited."""
    run(here.deploy(STOP_FIRST))
    here.world.image("acme/shop:2", 2, listens_on=9000)
    seen: list[frozenset[str]] = []
    here.world.on_moment = lambda *_: seen.append(here.world.answers(APP))
    text = STOP_FIRST + "port: 9000\n"
    assert run(here.deploy(text, image="acme/shop:2")).outcome == "live"
    assert problems(here) == []
    phases = [answers for i, answers in enumerate(seen) if i == 0 or answers != seen[i - 1]]
    assert phases == [{"r1"}, {"held"}, {"r2"}]


def test_a_refused_stop_first_brings_the_old_release_back(here):
    """Requests wait until the old release answers again; none is lost."""
    run(here.deploy(STOP_FIRST))
    before = here.world.snapshot()
    here.world.image("acme/shop:2", 2, listens_on=-1)
    assert run(here.deploy(STOP_FIRST, image="acme/shop:2")).outcome == "kept"
    assert here.world.snapshot() == before
    assert problems(here) == []


def test_a_release_that_dies_after_the_hold(here):
    """It had requests already: they finish, new ones wait, and the old release takes over."""
    text = STOP_FIRST + "rollout: {settle: 4s, timeout: 5s, drain: 5s}\n"
    run(here.deploy(text))
    here.world.image("acme/shop:2", 2, exits_after=3.0)
    ended = run(here.deploy(text, image="acme/shop:2"))
    assert (ended.outcome, here.error(ended)["code"]) == ("kept", "exited")
    assert here.world.answers(APP) == {"r1"}
