"""kill -9 at every operation of a rollout, under load: no request fails, nothing is left over."""

from __future__ import annotations

import logging
from typing import Any, Literal

import pytest

from support.agent import Agent
from support.faults import FETCH, Family, Victim, delays, operations
from support.images import Images
from support.traffic import FULL, Traffic

pytestmark = [pytest.mark.slow, pytest.mark.fault, pytest.mark.timeout(3000)]

RATE = 150  # requests per second
ORDERS: dict[str, dict[str, Any]] = {
    "start-first": {},
    "stop-first": {"volumes": ["data:/data"]},
    "replicas": {"replicas": 2},
}
FAMILY_RATE = 40
PATIENCE = 120.0  # seconds a request may wait for a database that is replaced, and put back
FAMILIES: dict[str, Literal["code", "database"]] = {"family": "code", "database": "database"}
_log = logging.getLogger(__name__)


def check(victim: Victim, traffic: Traffic, what: str, failed: int) -> list[str]:
    """What went wrong since `failed` requests had failed, the next deploy included."""
    found = victim.problems()
    if not found:
        victim.deploy()
        found = victim.problems()
    if traffic.report.failed > failed:
        found.append(f"{traffic.report.failed - failed} requests failed")
    _log.info("%s: %s", what, found or "ok")
    return [f"{what}: {problem}" for problem in found]


def made(order: str, agent: Agent, images: Images, name: str) -> tuple[Victim, Traffic]:
    """The app of an order, deployed, and load on it that is not sent yet."""
    victim: Victim
    if order in FAMILIES:
        victim = Family(agent, name, FAMILIES[order])
        traffic = Traffic(agent.web, victim.host, FAMILY_RATE, "h1s", FULL, timeout=PATIENCE)
    else:
        victim = Victim(agent, name, images.hello, **ORDERS[order])
        traffic = Traffic(agent.web, victim.host, rate=RATE, protocol="h1", mix=FULL)
    victim.deploy()
    return victim, traffic


MOMENTS = [(order, moment) for order in ORDERS for moment in ("at once", "a little later")]
# A family's rollout is start-first or stop-first with more steps: once is enough.
MOMENTS += [("family", "at once"), ("database", "at once")]


@pytest.mark.parametrize(("order", "moment"), MOMENTS)
def test_kill9_at_every_operation(agent, images, order, moment):
    """Whenever the agent dies, its successor leaves one release that serves, and lost nothing."""
    name = f"{order}-{moment.partition(' ')[0]}".replace("_", "-")
    victim, load = made(order, agent, images, name)
    later = delays(len(name))
    found = []
    with load as traffic:
        titles = operations(victim.deploy())
        assert len(titles) > 5
        for index in range(FETCH, len(titles)):
            failed = traffic.report.failed
            delay = later() if moment != "at once" else 0
            outcome = victim.kill_at(index, delay)
            title = titles[index] if index >= 0 else "fetch"
            found += check(victim, traffic, f"{index} {title} +{delay:.3f} s: {outcome}", failed)
    _log.info("%s: %s", name, traffic.report)
    assert found == []
    traffic.assert_lossless()


@pytest.mark.parametrize("order", ["start-first", "stop-first", *FAMILIES])
def test_kill9_of_compose(agent, images, order):
    """A Compose that dies while it works fails the rollout, and leaves nothing of it."""
    victim, load = made(order, agent, images, f"compose-{order}")
    found = []
    with load as traffic:
        for index, delay in enumerate((0, 0.05, 0.1, 0.2, 0.3, 0.5)):
            failed = traffic.report.failed
            service = victim.composed[index % len(victim.composed)]
            outcome = victim.kill_compose(delay, service).outcome
            what = f"Compose killed at {service or 'first'} +{delay} s: {outcome}"
            found += check(victim, traffic, what, failed)
    _log.info("compose %s: %s", order, traffic.report)
    assert found == []
    traffic.assert_lossless()
