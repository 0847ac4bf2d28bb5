"""`rollout.before` on the real parts: a one-off container before each new release."""

from __future__ import annotations

from typing import Any

from support.agent import Agent
from support.appfiles import app_file, host
from support.engine import docker
from support.polling import until
from support.traffic import FULL, Traffic

RATE = 40
PATIENT = {"drain": "5s"}
NOTE = "import os; open('/data/notes', 'a').write(os.environ['NOTE'] + '\\n'); print('noted')"
FAILS = "import sys; print('two rows'); print('no such column'); sys.exit(3)"
SLEEPS = "import time; print('begun', flush=True); time.sleep(300)"


def text(name: str, image: str, program: str = "", limit: str = "30s", **keys: Any) -> str:
    """An app whose image runs Python, with a program to run before."""
    before = {"before": ["-c", program], "before_timeout": limit} if program else {}
    start = {"entrypoint": ["/usr/local/bin/python3"], "command": ["-I", "-u", "/app/app.py"]}
    return app_file(name, image, rollout=PATIENT | before, tls="off", **start, **keys)


def services(agent: Agent, name: str) -> list[str]:
    """The Compose services that have a container, in whatever state."""
    found = agent.owned.containers(name).values()
    return sorted(c["Labels"]["com.docker.compose.service"] for c in found)


def notes(agent: Agent, name: str) -> list[str]:
    """What the commands have left in the volume."""
    first = next(iter(agent.owned.containers(name).values()))
    read = "print(open('/data/notes').read())"
    return docker("exec", first["Id"], "/usr/local/bin/python3", "-c", read).split()


def test_a_command_before_each_deploy(agent, images):
    """It runs once a deploy with the service's volumes, user and environment, and is gone then.

    Neither a rollback nor a restart runs it.
    """
    name = "migrated-each"
    data: dict[str, Any] = {"volumes": ["kept:/data"], "user": "root", "replicas": 2}
    agent.deploy(text(name, images.hello, NOTE, env={"NOTE": "one"}, **data)).expect("live")
    assert services(agent, name) == [f"{name}-r1-1", f"{name}-r1-2"]
    ended = agent.deploy(text(name, images.second, NOTE, env={"NOTE": "two"}, **data))
    (plan,) = [event for event in ended.expect("live").events if event["kind"] == "plan"]
    titles = [step["title"] for step in plan["data"]["operations"]]
    step = f"run the before command of {name}"
    assert titles.index("stop release 1") < titles.index(step) < titles.index("start release 2")
    for verb in ("rollback", "restart"):
        agent.act(name, verb).expect("live")
    assert notes(agent, name) == ["one", "two"]
    project = (agent.data_dir / "apps" / name / "compose.yaml").read_text()
    assert "before" not in project


def test_a_plan_names_it(agent, images, tmp_path):
    """`cove plan` shows the command as an operation with its cause, and runs nothing."""
    file = tmp_path / "shop.yml"
    file.write_text(text("before-plan", images.hello, FAILS))
    said = agent.cove("plan", str(file))
    assert said.code == 0
    (line,) = [one for one in said.out.splitlines() if "run the before command" in one]
    assert line.endswith("release 1 must not start before it has ended")
    assert not agent.owned.containers("before-plan")


def test_a_failing_command_refuses_the_release(agent, images):
    """Its last words are the error; the old release has never stopped."""
    name = "before-fails"
    agent.deploy(text(name, images.hello)).expect("live")
    with Traffic(agent.web, host(name), RATE, "h1", FULL) as traffic:
        ended = agent.deploy(text(name, images.second, FAILS)).expect("kept")
        traffic.more(20)
    traffic.assert_lossless()
    assert set(traffic.report.versions) == {"dev"}
    assert ended.error["code"] == "before-failed"
    assert "code 3" in ended.error["message"]
    assert ended.error["log"] == ["two rows", "no such column"]
    assert services(agent, name) == [f"{name}-r1"]


def test_a_command_without_end(agent, images):
    """It is ended when its time has passed, and the first release leaves nothing."""
    name = "before-hangs"
    ended = agent.deploy(text(name, images.hello, SLEEPS, "1s")).expect("failed")
    assert ended.error["code"] == "before-failed"
    assert ended.error["log"] == ["begun"]
    assert services(agent, name) == []


def test_an_agent_that_dies_meanwhile(agent, images):
    """The next one ends the command and the rollout; the old release serves."""
    name = "before-dies"
    agent.deploy(text(name, images.hello)).expect("live")
    rollout = agent.begin(text(name, images.second, SLEEPS))
    until(lambda: f"{name}-r2-before" in services(agent, name), "the command runs")
    agent.kill9()
    agent.start()
    known = agent.api("GET", f"/v1/rollouts/{rollout['id']}")["rollout"]
    assert known["outcome"] == "kept"
    assert services(agent, name) == [f"{name}-r1"]
    assert agent.web.plain(host(name)).version == "dev"
    agent.deploy(text(name, images.second)).expect("live")
