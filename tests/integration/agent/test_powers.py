"""Powers over the host: given before the first deploy, shown, taken, and kept over restarts."""

from __future__ import annotations

import pytest

from support.agent import ApiError
from support.appfiles import app_file


def test_powers_are_given_shown_and_taken(agent, images):
    """What is given stands in status, and is there after the agent was killed; then it goes."""
    said = agent.cove("allow", "given", "host-bind=/srv/data", "privileged")
    assert (said.code, said.out.splitlines()) == (
        0,
        ["given may use host-bind=/srv/data", "given may use privileged"],
    )
    agent.deploy(app_file("given", images.hello)).expect("live")
    agent.kill9()
    agent.start()
    shown = agent.cove("status", "given").out
    assert "host-bind=/srv/data  (given, not used)" in shown
    assert agent.cove("allow", "given", "--revoke", "privileged").code == 0
    listed = agent.cove("allow", "given", "--json").json["powers"]
    assert [(one["power"], one["granted"], one["used"]) for one in listed] == [
        ("host-bind=/srv/data", True, False)
    ]


@pytest.mark.parametrize("verb", ["grant", "revoke"])
@pytest.mark.parametrize("powers", [[], ["Not A Power"], [1]])
def test_bad_powers_change_nothing(agent, verb, powers):
    """422, and the list is as it was."""
    before = agent.api("GET", "/v1/apps/bad/powers")
    with pytest.raises(ApiError) as caught:
        agent.api("POST", f"/v1/apps/bad/powers/{verb}", {"powers": powers, "by": "test"})
    assert (caught.value.status, caught.value.exit_code) == (422, 2)
    assert agent.api("GET", "/v1/apps/bad/powers") == before == {"powers": []}
