"""A machine that does not do its part: said clearly, waited for where it may pass, nothing lost."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cove.errors import EXIT_FAILED, EXIT_KEPT_OLD

from support import engine
from support.agent import BIN, Agent, ApiError, running
from support.appfiles import app_file, host
from support.old_engine import old_engine
from support.polling import until
from support.relay import relay
from support.traffic import Traffic


@pytest.fixture
def idle() -> Iterator[Agent]:
    """An agent that is not started yet."""
    agent = Agent()
    try:
        yield agent
    finally:
        agent.tear_down()


def run(agent: Agent, *argv: str) -> subprocess.CompletedProcess[str]:
    """Run a program in the agent's environment to its end."""
    return subprocess.run(
        argv, check=False, capture_output=True, text=True, timeout=60, env=agent.environment
    )


def up(agent: Agent) -> subprocess.CompletedProcess[str]:
    """`cove up` in the foreground, with this agent's settings."""
    return run(agent, str(BIN / "cove"), "up", *agent.argv()[5:])


def test_without_docker_the_agent_waits_and_says_so(idle, tmp_path: Path):
    """Docker may come after the agent: until then it answers what it waits for."""
    place = tmp_path / "docker.sock"
    idle.env["DOCKER_HOST"] = f"unix://{place}"
    idle.launch()
    until(idle.version, "the agent answers")
    version = idle.version()
    assert version
    assert (version["ready"], version["docker"]) == (False, "")

    def said() -> bool:
        with pytest.raises(ApiError) as caught:
            idle.api("GET", "/v1/apps")
        assert caught.value.code == "starting"
        return str(place) in str(caught.value.body["message"])

    until(said, "the agent says what it waits for")
    assert f"Docker does not answer on {place}" in idle.said()
    doctor = idle.cove("doctor", "--json")
    assert doctor.code == EXIT_FAILED
    checks = {check["name"]: check for check in doctor.json["checks"]}
    assert checks["docker"]["state"] == "fail"
    assert str(place) in checks["docker"]["what"]
    place.symlink_to(engine.socket_path())
    idle.await_ready()


def test_a_docker_behind_a_socket_that_is_silent(idle, tmp_path: Path):
    """systemd may hold the socket while no Docker runs: the agent says so, and takes it later."""
    place = tmp_path / "docker.sock"
    idle.env["DOCKER_HOST"] = f"unix://{place}"
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(place))
        silent.listen(8)
        idle.launch()
        until(lambda: "Docker has not answered within 10 s" in idle.said(), "the agent says so", 60)
    place.unlink()
    place.symlink_to(engine.socket_path())
    idle.await_ready()


def test_a_docker_that_goes_away_costs_no_request(images, tmp_path: Path):
    """A deploy without Docker is refused with its reason; the app serves, a later deploy works."""
    place = tmp_path / "docker.sock"
    place.symlink_to(engine.socket_path())
    name = "lone"
    with running(Agent(env={"DOCKER_HOST": f"unix://{place}"})) as agent:
        agent.deploy(app_file(name, images.hello)).expect("live")
        before = agent.world()
        with Traffic(agent.web, host(name)) as traffic:
            place.unlink()
            ended = agent.deploy(app_file(name, images.second)).expect("kept")
            assert ended.error["code"] == "docker-down", ended.error
            assert ended.data["exit_code"] == EXIT_KEPT_OLD
            place.symlink_to(engine.socket_path())
            traffic.more(10)
        traffic.assert_lossless()
        until(lambda: agent.world()["containers"] == before["containers"], "all is as before")
        agent.deploy(app_file(name, images.second)).expect("live")
        assert len(agent.owned.containers(name)) == 1


def test_what_serves_while_docker_is_away(images, tmp_path: Path):
    """The proxy is asked, and it is said that it was; an app without a domain stays unknown."""
    place = tmp_path / "docker.sock"
    with (
        relay(place, str(engine.socket_path())) as docker,
        running(Agent(env={"DOCKER_HOST": f"unix://{place}"})) as agent,
    ):
        agent.deploy(app_file("seen", images.hello)).expect("live")
        agent.deploy(app_file("inner", images.hello, domain=None, health=None)).expect("live")
        docker.cut()
        ended = agent.deploy(app_file("seen", images.second)).expect("kept")
        assert ended.error["code"] == "docker-down", ended.error
        assert (ended.data["serves"], ended.data["seen_by"]) == ("yes", "proxy")
        for words in (["status"], ["status", "seen"]):
            said = agent.cove(*words).out
            assert "Docker does not answer" in said
            assert "the proxy leads to release 1 and it answers" in said
        states = {app["name"]: app["state"] for app in agent.cove("status", "--json").json["apps"]}
        assert states == {"seen": "degraded", "inner": "unknown"}
        docker.mend()
        until(lambda: "running" in agent.cove("status", "seen").out, "Docker is asked again")
        agent.act("seen", "remove").expect("done")


def test_a_docker_that_is_too_old(idle, tmp_path: Path):
    """The agent ends and names the version it needs; the doctor says the same."""
    place = tmp_path / "docker.sock"
    idle.env["DOCKER_HOST"] = f"unix://{place}"
    with old_engine(place):
        doctor = idle.cove("doctor")
        assert doctor.code == EXIT_FAILED
        assert "Docker Engine 19.03.15 is older than 20.10" in doctor.out
        assert idle.launch().exit_code() == EXIT_FAILED
    assert "Docker 19.03.15 is too old; cove needs 20.10 or newer" in idle.said()


@pytest.mark.parametrize("which", ["http_port", "https_port"])
def test_a_taken_port_is_named_with_its_holder(idle, which):
    """`up` ends with exit code 1, the port, who holds it, and what to do."""
    port = getattr(idle, which)
    with socket.create_server(("127.0.0.1", port)):
        done = up(idle)
        doctor = idle.cove(
            "doctor", "--http-port", str(idle.http_port), "--https-port", str(idle.https_port)
        )
    assert done.returncode == EXIT_FAILED
    assert f"port {port} is taken by " in done.stderr
    assert str(os.getpid()) in done.stderr
    assert "--http-port" in done.stderr
    assert doctor.code == EXIT_FAILED
    assert str(port) in doctor.out


def test_a_second_agent_on_the_same_directory_is_refused(agent, images):
    """The first goes on undisturbed; the second ends at once and says why."""
    agent.deploy(app_file("first", images.hello)).expect("live")
    before = agent.world()
    done = run(agent, *agent.argv())
    assert done.returncode != 0
    assert f"another agent runs on {agent.data_dir}" in done.stderr
    assert agent.world() == before
    assert agent.web.get(host("first")).status == 200
    again = agent.cove("up")
    assert (again.code, "already running" in again.out) == (0, True), again


def test_a_data_directory_that_cannot_be_one(idle):
    """A file in its place: both ways to start say so, with exit code 1."""
    idle.data_dir.write_text("not a directory")
    for done in (run(idle, *idle.argv()), up(idle)):
        assert done.returncode == EXIT_FAILED
        assert str(idle.data_dir) in done.stderr
        assert "File exists" in done.stderr or "Not a directory" in done.stderr
        assert "Traceback" not in done.stderr
    idle.data_dir.unlink()


def test_a_data_directory_whose_socket_would_have_too_long_a_path(idle, tmp_path: Path):
    """A path that no socket can have is refused before anything is made."""
    deep = tmp_path / ("d" * 100)
    argv = [str(deep) if word == str(idle.data_dir) else word for word in idle.argv()]
    done = run(idle, *argv)
    assert done.returncode == EXIT_FAILED
    assert "too long a path for a socket" in done.stderr
    assert not deep.exists()


@pytest.fixture
def cramped(tmp_path: Path) -> Iterator[Agent]:
    """An agent whose data directory is a file system of its own, of 8 MB."""
    assert os.geteuid() == 0, "this test mounts a small file system, as root"
    agent = Agent()
    agent.data_dir.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m,mode=0700", "cove-test", str(agent.data_dir)]
    subprocess.run(mount, check=True)
    try:
        yield agent.start()
    finally:
        try:
            if agent.process is not None:
                agent.kill9()
            agent.owned.remove_all()
        finally:
            subprocess.run(["umount", "--lazy", str(agent.data_dir)], check=True)
            agent.tear_down()


def fill(folder: Path) -> Path:
    """A file that takes all the space there is."""
    path = folder / "filling"
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 4096)
        except OSError:
            pass
    return path


def test_a_full_disk_changes_nothing(cramped, images):
    """With no space left a deploy is refused as such; with space again it works."""
    name = "cramped"
    cramped.deploy(app_file(name, images.hello)).expect("live")
    before = cramped.world()
    with Traffic(cramped.web, host(name)) as traffic:
        filling = fill(cramped.data_dir)
        said = cramped.cove("deploy", "-", "--json", input=app_file(name, images.second))
        traffic.more(5)
        filling.unlink()
    error = said.json["error"]
    assert error["code"] == "disk-full", error
    assert said.code in (EXIT_FAILED, EXIT_KEPT_OLD), said
    traffic.assert_lossless()
    assert cramped.world() == before
    cramped.deploy(app_file(name, images.second)).expect("live")
    assert cramped.web.get(host(name)).version == "second"
