"""Why a release may not serve, in words that say what to change."""

from __future__ import annotations

import asyncio

import pytest

from cove.model.app import Health
from cove.model.events import Rollout
from cove.ports import ProbeResult

from support.scenarios import problems
from support.site import APP, Site
from support.virtual_time import run

QUICK = "rollout: {settle: 0s, timeout: 3s}\n"


def refused(here: Site, text: str = QUICK, **behaviour: object) -> dict[str, object]:
    """The error of a first deploy whose containers behave like this."""
    here.world.image("acme/shop:1", 1, **behaviour)
    ended = run(here.deploy(text))
    assert ended.outcome == "failed"
    assert problems(here) == []
    return here.error(ended)


def test_an_exit(here):
    """A container that ends fails the rollout at once, with its code and last lines."""
    error = refused(here, ready_after=2, exits_after=0.5, exit_code=3, log=("a", "boom"))
    assert error["code"] == "exited"
    assert error["message"] == "shop-r1 exited with code 3"
    assert error["log"] == ["a", "boom"]


def test_an_exit_while_it_settles(here):
    """To answer once is not enough: it must stay up for the settling time."""
    error = refused(here, "rollout: {settle: 5s, timeout: 3s}\n", exits_after=4)
    assert error["code"] == "exited"


def test_out_of_memory(here):
    """The kernel's verdict is said, not an exit code."""
    error = refused(here, ready_after=2, exits_after=0.5, exit_code=137, oom=True)
    assert (error["code"], error["message"]) == (
        "oom",
        "shop-r1 ran out of memory and was killed",
    )
    assert "mem_limit" in str(error["hint"])


def test_its_own_healthcheck(here):
    """An image's HEALTHCHECK may say no although the port answers."""
    error = refused(here, unhealthy=True)
    assert error["code"] == "unhealthy"
    assert "its own HEALTHCHECK" in str(error["message"])


def test_never_listens(here):
    """What the probe saw last is the reason."""
    error = refused(here, listens_on=-1)
    assert error["code"] == "not-ready"
    assert error["message"] == ("shop-r1 was not ready within 3 s: nothing listens on port 8000")
    assert error["hint"] == "if it only needs longer, raise `rollout.timeout`"


def test_the_wrong_port(here):
    """The port it does listen on is named, with the line to write."""
    error = refused(here, listens_on=3000)
    assert str(error["message"]).endswith("; it listens on port 3000")
    assert error["hint"] == "write `port: 3000`"


def test_loopback_only(here):
    """What only the container itself reaches is no service."""
    error = refused(here, loopback=True)
    assert "127.0.0.1:8000, which only its container reaches" in str(error["message"])
    assert error["hint"] == "make the app listen on 0.0.0.0"


def test_the_last_check_is_cut_short(here, monkeypatch):
    """An app that always answers 500 is said to answer 500, not to be slow at the very end."""
    seen: list[float] = []

    async def check(address: str, port: int, health: Health, host: str) -> ProbeResult:
        seen.append(health.timeout)
        await asyncio.sleep(min(0.4, health.timeout))
        slow = health.timeout < 0.4
        return ProbeResult(ready=False, detail="no answer" if slow else "GET / answered 500")

    monkeypatch.setattr(here.rollouts.platform.probe, "check", check)
    assert str(refused(here)["message"]).endswith("GET / answered 500")
    assert min(seen) < 0.4


def test_slow_is_not_failed(here):
    """Whoever answers within the time is ready."""
    here.world.image("acme/shop:1", 1, ready_after=2.9)
    assert run(here.deploy(QUICK)).outcome == "live"


def test_the_first_failing_replica_ends_the_wait(here):
    """The others are not waited for."""
    here.world.image("acme/shop:1", 1, ready_after=2, exits_after=0.2)
    ended = run(here.deploy("replicas: 3\n" + QUICK))
    assert here.error(ended)["code"] == "exited"


@pytest.mark.parametrize(
    ("code", "restart", "ends"), [(0, "no", "live"), (3, "no", "failed"), (0, "always", "failed")]
)
def test_a_companion_may_end_well_where_its_file_lets_it(here, code, restart, ends):
    """It has done its work; an error, or an end of what shall run on, fails the rollout."""
    here.world.image("acme/seed:1", 40, exits_after=0.1, exit_code=code, listens_on=-1)
    beside = f"services: {{seed: {{image: 'acme/seed:1', restart: '{restart}'}}}}\n"
    assert run(here.deploy(beside + QUICK)).outcome == ends


def test_a_ready_release_that_dies_in_the_drain(here):
    """The old release gets the routes back when the new one dies before it is confirmed."""
    run(here.deploy(QUICK))
    here.world.request_seconds = 3
    here.world.image("acme/shop:2", 2, exits_after=1.0)
    ended = run(here.deploy("rollout: {settle: 0s, drain: 9s}\n", image="acme/shop:2"))
    assert (ended.outcome, here.error(ended)["code"]) == ("kept", "exited")
    assert here.world.answers(APP) == {"r1"}


def outcome(here: Site, rollout: Rollout) -> tuple[object, object]:
    """How it ended and what a script sees."""
    data = here.events(rollout)[-1].data
    return data["outcome"], data["exit_code"]


@pytest.mark.parametrize(("first", "code"), [(True, 1), (False, 3)])
def test_exit_codes(here, first, code):
    """1 where nothing served before, 3 where the old release still does."""
    if not first:
        run(here.deploy(QUICK))
    here.world.image("acme/shop:2", 2, listens_on=-1)
    ended = run(here.deploy(QUICK, image="acme/shop:2"))
    assert outcome(here, ended) == ("failed" if first else "kept", code)
