from __future__ import annotations

import time
from typing import Any

from support.calling import Cove
from support.fake_agent import FakeAgent

PATH = "/v1/apps/shop/powers"


def power(name: str, *, granted: bool = True, used: bool = False) -> dict[str, Any]:
    """One power as the agent tells it."""
    return {"power": name, "granted": granted, "used": used, "by": "ann@desk", "at": time.time()}


def test_powers_are_given(cove: Cove, agent: FakeAgent) -> None:
    """They go to the agent with who gives them; those that are new are told."""
    powers = [power("host-bind=/srv"), power("privileged")]
    answer = {"powers": powers, "changed": ["host-bind=/srv"]}
    agent.answers["POST", f"{PATH}/grant"] = (200, answer)
    assert cove("allow", "shop", "host-bind=/srv", "privileged") == 0
    (body,) = agent.bodies("POST", f"{PATH}/grant")
    assert body["powers"] == ["host-bind=/srv", "privileged"]
    assert body["by"]
    assert cove.out.splitlines() == ["shop may use host-bind=/srv"]
    agent.answers["POST", f"{PATH}/grant"] = (200, {**answer, "changed": []})
    assert cove("allow", "shop", "privileged") == 0
    assert cove.out == "shop had it already\n"


def test_taking_a_power_in_use_says_how_long_it_lasts(cove: Cove, agent: FakeAgent) -> None:
    """The containers keep it; the next start will be refused."""
    answer = {"powers": [power("privileged", granted=False, used=True)], "changed": ["privileged"]}
    agent.answers["POST", f"{PATH}/revoke"] = (200, answer)
    assert cove("allow", "shop", "--revoke", "privileged") == 0
    assert cove.out == "shop may no longer use privileged\n"
    assert "keep privileged until they end" in cove.err


def test_without_powers_they_are_listed(cove: Cove, agent: FakeAgent) -> None:
    """Who gave each and whether it is used; one that is missing has its command."""
    powers = [power("host-bind=/srv", used=True), power("privileged", granted=False, used=True)]
    agent.answers["GET", PATH] = (200, {"powers": powers})
    assert cove("allow", "shop") == 0
    _, first, second = (line.split() for line in cove.out.splitlines())
    assert first == ["host-bind=/srv", "0", "s", "ago", "ann@desk", "yes"]
    assert second[:2] == ["privileged", "no"]
    assert "cove allow shop privileged" in cove.err


def test_the_list_is_json_when_wanted(cove: Cove, agent: FakeAgent) -> None:
    """The agent's own words, with the app."""
    agent.answers["GET", PATH] = (200, {"powers": []})
    assert cove("allow", "shop", "--json") == 0
    assert cove.answer == {"v": 1, "app": "shop", "powers": []}


def test_revoking_nothing_is_an_error(cove: Cove, agent: FakeAgent) -> None:
    """It is not taken for a list, nor for everything."""
    assert cove("allow", "shop", "--revoke") == 2
    assert agent.asked == []


def test_status_shows_powers(cove: Cove, agent: FakeAgent) -> None:
    """Those in use, those that are not, and those that are no longer given."""
    powers = [power("pid"), power("host-bind=/srv", used=True)]
    powers.append(power("privileged", granted=False, used=True))
    app = {"name": "shop", "state": "running", "release": 1, "image": "a:1", "powers": powers}
    agent.answers["GET", "/v1/apps/shop"] = (200, {"app": app})
    assert cove("status", "shop") == 0
    lines = [line.strip() for line in cove.out.splitlines() if "power" in line]
    assert lines == [
        "power     pid  (given, not used)",
        "power     host-bind=/srv",
        "power     privileged  (no longer given; the next start will be refused)",
    ]
