"""Files that mean harm, given to a real agent: each is refused, or what runs of it is harmless."""

from __future__ import annotations

import re
from typing import Any

import pytest

from support.agent import Agent, ApiError
from support.appfiles import app_file, host
from support.engine import get
from support.hostile_case import FOLDER, Hostile
from support.hostile_files import CASES
from support.images import Images

NEIGHBOUR = "neighbour"
QUICK = "    x-cove: {rollout: {settle: 0s, drain: 0s}}\n"
APP = "shop"
REFUSED = [case for case in CASES if case.place]
HARMLESS = [case for case in CASES if not case.place]
# What Docker says of a container that was given nothing.
NOTHING: dict[str, Any] = {
    "Privileged": False,
    "Devices": [],
    "DeviceRequests": None,
    "DeviceCgroupRules": None,
    "PidMode": "",
    "UTSMode": "",
    "UsernsMode": "",
    "CgroupParent": "",
    "VolumesFrom": None,
    "Sysctls": None,
    "PortBindings": {},
}
# What Docker gives every container by itself, or takes away.
FREE_CAPS = {"CHOWN", "SETUID", "CAP_CHOWN", "CAP_SETUID"}
FREE_OPTIONS = {"no-new-privileges:true"}


@pytest.fixture(scope="module")
def served(agent: Agent, images: Images) -> Agent:
    """An agent with an app that serves, which nothing of this may disturb."""
    agent.deploy(app_file(NEIGHBOUR, images.hello)).expect("live")
    return agent


def begun(agent: Agent, case: Hostile, text: str) -> dict[str, Any]:
    """The rollout that a file begins. Raises ApiError for one that is refused."""
    powers = {"powers": list(case.granted)}
    if case.granted:
        agent.api("POST", f"/v1/apps/{APP}/powers/grant", powers)
    try:
        return agent.begin(
            text,
            name=f"{APP}.yml",
            folder=FOLDER,
            files=dict(case.files),
            env_files=dict(case.files),
            variables=dict(case.variables),
        )
    finally:
        if case.granted:
            agent.api("POST", f"/v1/apps/{APP}/powers/revoke", powers)


def test_every_hostile_file_is_refused(served):
    """Each with exit code 2 and findings in the file; afterwards nothing is different."""
    before = served.world()
    accepted = []
    for case in REFUSED:
        with pytest.raises(ApiError) as caught:
            accepted.append((case.reason, begun(served, case, case.text)))
        assert caught.value.exit_code == 2, (case.reason, caught.value)
        assert caught.value.body["problems"], case.reason
    assert accepted == []
    assert len(REFUSED) > 200
    assert served.world() == before
    assert served.web.get(host(NEIGHBOUR)).status == 200


@pytest.mark.parametrize("case", HARMLESS, ids=lambda case: case.reason)
def test_what_runs_of_a_hostile_file_is_harmless(served, images, case):
    """Its containers have no power over the host, and nothing of another app's."""
    neighbour = served.world(NEIGHBOUR)
    text = re.sub(r"image: (acme/\w+:\d+|[xy]\b)", f"image: {images.hello}", case.text)
    assert images.hello in text
    text = text.replace(f"    image: {images.hello}\n", f"    image: {images.hello}\n{QUICK}")
    ended = served.follow(begun(served, case, text))
    ended.expect("live")
    found = served.owned.containers(APP)
    assert found
    for entry in found.values():
        check(served, get(f"/containers/{entry['Id']}/json"))
    assert served.world(NEIGHBOUR) == neighbour
    assert served.web.get(host(NEIGHBOUR)).status == 200
    assert served.version()["proxy"]["problem"] == ""
    served.act(APP, "remove", volumes=True).expect("done")


def check(agent: Agent, container: dict[str, Any]) -> None:
    """What Docker says a container may do."""
    config = container["HostConfig"]
    assert {key: config.get(key) or NOTHING[key] for key in NOTHING} == NOTHING
    assert {c.upper() for c in config["CapAdd"] or ()} <= FREE_CAPS
    assert set(config["SecurityOpt"] or ()) <= FREE_OPTIONS
    assert config["IpcMode"] == "private"
    (neighbour,) = agent.owned.containers(NEIGHBOUR).values()
    usual = get(f"/containers/{neighbour['Id']}/json")["HostConfig"]
    assert config["CgroupnsMode"] in ("private", usual["CgroupnsMode"])
    own = f"{agent.instance}-{APP}"
    for mount in container["Mounts"]:
        folder = f"{agent.data_dir.resolve()}/apps/{APP}/files/"
        name = mount.get("Name", "")
        assert name.startswith(f"{own}_") or mount["Source"].startswith(folder), mount
        assert mount["Type"] == "volume" or not mount["RW"]
    networks = set(container["NetworkSettings"]["Networks"])
    assert networks == {"none"} or all(n.startswith(own) for n in networks), networks
