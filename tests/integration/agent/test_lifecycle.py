"""An app's life after its first deploy: back, stopped, started, removed, its data kept."""

from __future__ import annotations

import pytest

from support.agent import Agent, ApiError
from support.appfiles import app_file, host
from support.images import Images
from support.polling import until


def version(agent: Agent, name: str) -> str:
    """The version that answers now; empty where nothing serves."""
    return agent.web.get(host(name)).version


def statuses(agent: Agent, name: str) -> list[tuple[int, str]]:
    """An app's history, newest first."""
    return [(release["number"], release["status"]) for release in agent.releases(name)]


def deploy_versions(agent: Agent, images: Images, name: str, *versions: str, **keys) -> None:
    """Deploy an app several times."""
    for number in versions:
        text = app_file(name, images.hello, env={"VERSION": number}, **keys)
        agent.deploy(text).expect("live")


def test_rollback_goes_to_the_release_before(agent, images):
    """Without a number the last release that served is made live again, as a new release."""
    deploy_versions(agent, images, "undo", "1", "2")
    said = agent.cove("rollback", "undo", "--json")
    assert said.code == 0, said
    assert said.json["outcome"] == "live"
    assert version(agent, "undo") == "1"
    assert statuses(agent, "undo") == [(3, "live"), (2, "superseded"), (1, "superseded")]


def test_rollback_to_a_number(agent, images):
    """A numbered release comes back with its own configuration."""
    deploy_versions(agent, images, "numbered", "1", "2", "3")
    ended = agent.act("numbered", "rollback", release=1).expect("live")
    assert (ended.data["release"], version(agent, "numbered")) == (4, "1")


def test_rollback_skips_what_never_served(agent, images):
    """A refused release is no place to go back to."""
    deploy_versions(agent, images, "skips", "1", "2")
    agent.deploy(app_file("skips", images.hello, env={"FAULT": "exit"})).expect("kept")
    agent.act("skips", "rollback").expect("live")
    assert version(agent, "skips") == "1"
    assert statuses(agent, "skips")[1] == (3, "failed")


@pytest.mark.parametrize(
    ("number", "says"), [("1", "is live already"), ("9", "never served, or does not exist")]
)
def test_rollback_to_what_cannot_be(agent, images, number, says):
    """The live release and an unknown one are refused, with exit code 2."""
    name = f"cannot-{number}"
    deploy_versions(agent, images, name, "1")
    before = agent.world(name)
    said = agent.cove("rollback", name, number)
    assert (said.code, says in said.err) == (2, True), said
    assert agent.world(name) == before


def test_rollback_without_an_earlier_release(agent, images):
    """An app with one release has nowhere to go, and stays."""
    deploy_versions(agent, images, "first", "1")
    with pytest.raises(ApiError) as caught:
        agent.act("first", "rollback")
    assert caught.value.code == "no-earlier"
    assert version(agent, "first") == "1"


def test_restart_serves_the_same_configuration(agent, images):
    """A restart makes a new release that equals the one before."""
    deploy_versions(agent, images, "same", "1")
    assert agent.cove("restart", "same").code == 0
    assert version(agent, "same") == "1"
    assert statuses(agent, "same") == [(2, "live"), (1, "superseded")]


def test_a_stopped_app_stays_stopped_over_a_restart_of_the_agent(agent, images):
    """Stop withdraws the route and keeps everything; start serves the same containers again."""
    deploy_versions(agent, images, "rests", "1")
    before = agent.owned.containers("rests").keys()
    assert agent.cove("stop", "rests").code == 0
    assert agent.app("rests")["state"] == "stopped"
    assert {c["State"] for c in agent.owned.containers("rests").values()} == {"exited"}
    assert agent.web.plain(host("rests")).status == 404
    agent.restart()
    assert agent.app("rests")["state"] == "stopped"
    assert {c["State"] for c in agent.owned.containers("rests").values()} == {"exited"}
    assert agent.cove("start", "rests").code == 0
    assert version(agent, "rests") == "1"
    assert agent.owned.containers("rests").keys() == before
    assert statuses(agent, "rests") == [(1, "live")]


def test_serving_apps_survive_a_restart_of_the_agent(agent, images):
    """The agent's end and its start touch no container."""
    deploy_versions(agent, images, "stays", "1")
    before = agent.owned.containers("stays")
    agent.kill9()
    assert version(agent, "stays") == "1"
    agent.start()
    after = agent.owned.containers("stays")
    assert {n: c["Id"] for n, c in after.items()} == {n: c["Id"] for n, c in before.items()}
    assert version(agent, "stays") == "1"
    until(lambda: agent.app("stays")["state"] == "running", "the app is seen as running")


def test_remove_keeps_volumes_and_frees_the_name(agent, images):
    """Containers, network, tags and records go; the data waits for the next deploy."""
    name = "leaves"
    agent.deploy(app_file(name, images.keeping)).expect("live")
    agent.web.get(host(name), "/count", "POST")
    volumes = agent.owned.volumes(name)
    assert volumes
    said = agent.cove("remove", name, "--yes")
    assert said.code == 0, said
    assert agent.owned.volumes(name) == volumes
    gone = agent.world(name)
    assert gone.pop("volumes") == volumes
    assert not any(gone.values()), gone
    assert agent.web.plain(host(name)).status == 404
    with pytest.raises(ApiError) as caught:
        agent.app(name)
    assert caught.value.code == "not-found"
    agent.deploy(app_file(name, images.keeping)).expect("live")
    assert agent.web.get(host(name), "/count").text == "1\n"


def test_remove_with_volumes_takes_the_data(agent, images):
    """With --volumes nothing at all is left."""
    name = "vanishes"
    agent.deploy(app_file(name, images.keeping, volumes=["more:/more"])).expect("live")
    assert len(agent.owned.volumes(name)) == 2
    said = agent.cove("remove", name, "--volumes", "--yes")
    assert said.code == 0, said
    assert not any(agent.world(name).values())


def test_remove_asks_first(agent, images):
    """Without a yes, and nobody to ask, nothing is removed."""
    deploy_versions(agent, images, "asked", "1")
    said = agent.cove("remove", "asked")
    assert (said.code, "--yes" in said.err) == (2, True)
    assert version(agent, "asked") == "1"


def test_an_unknown_app_is_said_to_be_unknown(agent):
    """Every verb says so, with exit code 2."""
    for verb in ("history", "rollback", "restart", "stop", "start", "logs"):
        said = agent.cove(verb, "nobody")
        assert (said.code, "no app nobody" in said.err) == (2, True), (verb, said)


def test_an_images_own_volume_is_carried_over(agent, images):
    """Data in a VOLUME of the image survives upgrade and rollback."""
    name = "counts"
    agent.deploy(app_file(name, images.keeping)).expect("live")
    agent.web.get(host(name), "/count", "POST")
    agent.deploy(app_file(name, images.keeping, env={"VERSION": "2"})).expect("live")
    assert (version(agent, name), agent.web.get(host(name), "/count").text) == ("2", "1\n")
    agent.web.get(host(name), "/count", "POST")
    agent.act(name, "rollback").expect("live")
    assert (version(agent, name), agent.web.get(host(name), "/count").text) == ("dev", "2\n")
    assert len(agent.owned.volumes(name)) == 1


def test_a_named_volume_is_carried_over(agent, images):
    """Data in a named volume survives upgrade, restart and rollback."""
    name = "named"
    keys = {"volumes": ["counter:/data"]}
    agent.deploy(app_file(name, images.keeping, **keys)).expect("live")
    agent.web.get(host(name), "/count", "POST")
    agent.deploy(app_file(name, images.keeping, env={"VERSION": "2"}, **keys)).expect("live")
    agent.act(name, "restart").expect("live")
    agent.act(name, "rollback", release=1).expect("live")
    assert agent.web.get(host(name), "/count").text == "1\n"
    assert agent.owned.volumes(name) == {f"{agent.instance}-{name}_counter"}


def test_a_volume_in_the_place_of_another_is_refused(agent, images):
    """A file that would hide data behind a new volume is refused, and the data stays in sight."""
    name = "hides"
    agent.deploy(app_file(name, images.keeping, volumes=["one:/data"])).expect("live")
    before = agent.world()
    ended = agent.deploy(app_file(name, images.keeping, volumes=["two:/data"])).expect("kept")
    assert ended.error["code"] == "volume-changed"
    assert agent.world() == before


def test_old_releases_leave_no_tags(agent, images):
    """Only the last five releases keep their images."""
    deploy_versions(agent, images, "pruned", *"1234567", domain=None, health=None)
    prefix = f"{agent.instance.replace('_', '-')}.local/pruned/pruned"
    assert agent.owned.tags("pruned") == {f"{prefix}:r{number}" for number in range(3, 8)}
