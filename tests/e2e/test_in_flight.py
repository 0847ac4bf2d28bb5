"""Whoever replaces a database dies while Docker stops it: Docker goes on, and nothing is lost."""

from __future__ import annotations

import logging

import pytest

from support.engine import docker
from support.family import container
from support.faults import Ending, Family, interrupted
from support.polling import until
from support.traffic import FULL, Traffic

pytestmark = [pytest.mark.slow, pytest.mark.fault, pytest.mark.timeout(600)]
_log = logging.getLogger(__name__)

RATE = 40  # requests per second
PATIENCE = 120.0  # seconds a request may wait for a database that is replaced, and put back
STOPS_WITHIN = 1.5  # seconds; longer than an agent takes to begin to undo
MOMENTS: tuple[tuple[str, Ending], ...] = (
    ("create", "compose dies"),
    ("kill", "compose dies"),
    ("kill", "cancelled"),
    ("destroy", "agent dies"),
    ("kill", "agent dies"),
)


@pytest.fixture(scope="module")
def victim(agent):
    """A family whose database takes its time to stop."""
    made = Family(agent, "in-flight", "database", STOPS_WITHIN)
    made.deploy()
    return made


def test_a_database_that_stops_although_nobody_waits_for_it(agent, victim, figures):
    """What is taken back is taken back for good: no request fails, and no data is lost."""
    found = []
    with Traffic(agent.web, victim.host, RATE, "h1s", FULL, timeout=PATIENCE) as traffic:
        for action, ending in MOMENTS:
            outcome = interrupted(victim, action, ending)
            problems = victim.problems()
            _log.info("%s at %s: %s, %s", ending, action, outcome, problems or "ok")
            found += [f"{ending} at {action}: {problem}" for problem in problems]
            if outcome != "live":  # the next try is for the same version
                victim.skip()
    figures(traffic.report)
    assert found == []
    traffic.assert_lossless()


def test_a_database_that_somebody_stopped(agent, victim):
    """It comes back by itself, and those that Docker lets wait for longer and longer with it."""
    docker("stop", container(agent, victim.name, "db")["Id"])
    until(lambda: not victim.problems(), "everything runs", 60, pause=0.5)
