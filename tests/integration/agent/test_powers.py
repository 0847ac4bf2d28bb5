"""Powers over the host: given before the first deploy, shown, taken, and kept over restarts."""

from __future__ import annotations

import pytest

from cove.errors import EXIT_KEPT_OLD

from support.agent import ApiError
from support.appfiles import app_file, host
from support.engine import docker
from support.polling import until

BACK = 90.0  # seconds: two looks, each of them ten seconds after the last


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


def test_what_may_not_be_any_more_is_not_started(agent, images, tmp_path):
    """It runs on; once gone, neither the agent nor a start brings it back, and events say why."""
    name, power = "taken", f"host-bind={tmp_path}"
    assert agent.cove("allow", name, power).code == 0
    agent.deploy(app_file(name, images.hello, volumes=[f"{tmp_path}:/data:ro"])).expect("live")
    assert agent.cove("allow", name, "--revoke", power).code == 0
    refused = agent.cove("restart", name)
    assert refused.code == EXIT_KEPT_OLD
    assert f"{name} has not been given {power}" in refused.err
    agent.kill9()
    agent.start()
    assert agent.web.get(host(name)).status == 200
    docker("rm", "--force", *agent.owned.containers(name))
    why = f"{name} could not be restored: {name} has not been given {power}"
    until(lambda: why in agent.cove("events", name).out, "the events tell", BACK)
    assert not agent.owned.containers(name)
    assert f"cove allow {name} {power}" in agent.cove("status", name).out
    assert agent.act(name, "start").error["code"] == "power-missing"
    assert not agent.owned.containers(name)
    assert agent.cove("allow", name, power).code == 0
    agent.act(name, "start").expect("live")
    assert agent.web.get(host(name)).status == 200


def test_a_path_in_another_under_a_second_name(agent, images, tmp_path):
    """Two names of one folder, both granted, of one app or of two."""
    (tmp_path / "run").mkdir()
    (tmp_path / "var").symlink_to("run")
    run, var = tmp_path / "run", tmp_path / "var"
    for name in ("outer", "inner"):
        said = agent.cove("allow", name, f"host-bind={run}", f"host-bind={var}")
        assert said.code == 0
    both = app_file("outer", images.hello, volumes=[f"{run}:/a", f"{var}/b:/b:ro"])
    assert agent.deploy(both).error["code"] == "path-nested"
    agent.deploy(app_file("outer", images.hello, volumes=[f"{run}:/a"])).expect("live")
    ended = agent.deploy(app_file("inner", images.hello, volumes=[f"{var}/b:/b:ro"]))
    assert ended.error["code"] == "path-nested"
    assert f"{var}/b lies in {run}, which the app outer may write" in ended.error["message"]
    agent.deploy(app_file("inner", images.hello, volumes=[f"{var}:/b:ro"])).expect("live")
