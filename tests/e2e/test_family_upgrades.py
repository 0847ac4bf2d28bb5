"""Ten upgrades of a whole family under full load, over HTTP/2 and HTTP/1.1."""

from __future__ import annotations

import pytest

from support.engine import get
from support.family import beats, container, upgraded

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
RATE = 300
UPGRADES = 10


def test_ten_upgrades_of_a_family(agent, figures):
    """No request fails, no row is lost, and the database's container is never restarted."""
    name = "ten"
    traffic = upgraded(agent, name, UPGRADES, RATE)
    figures(f"{UPGRADES} upgrades: {traffic.report}")
    traffic.assert_lossless()
    database = get(f"/containers/{container(agent, name, 'db')['Id']}/json")
    assert database["RestartCount"] == 0
    assert agent.app(name)["release"] == UPGRADES + 1
    assert {failed for _, failed in beats(agent, name).values()} == {0}
    rows = int(agent.web.get("ten.localhost", "/rows").text)
    assert rows >= traffic.report.ok * 0.1  # a fifth of the load are POSTs, each a row
