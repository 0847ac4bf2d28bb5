"""One data directory, one agent: whoever comes second is refused, whatever became of the first."""

from __future__ import annotations

import fcntl
import subprocess
from collections.abc import Iterator

import pytest

from support.agent import Agent, running
from support.appfiles import app_file, host
from support.faults import compose_of
from support.polling import until

SEVERAL = 4


@pytest.fixture
def lone() -> Iterator[Agent]:
    """An agent of this test's own, since it dies."""
    with running(Agent()) as agent:
        yield agent


def contender(agent: Agent) -> subprocess.Popen[str]:
    """One more agent on the same data directory."""
    return subprocess.Popen(
        agent.argv(), stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, env=agent.environment,
        text=True,
    )  # fmt: skip


def refused(process: subprocess.Popen[str]) -> str:
    """What an agent said that had to end by itself."""
    _, said = process.communicate(timeout=60)
    assert process.returncode != 0
    return said


def test_of_several_successors_one_takes_over(lone, images):
    """Started together right after a kill -9, one gets the directory; the others say who has it."""
    lone.deploy(app_file("heir", images.hello)).expect("live")
    lone.kill9()
    contenders = [contender(lone) for _ in range(SEVERAL)]
    try:
        until(
            lambda: sum(c.poll() is not None for c in contenders) == SEVERAL - 1,
            "all but one have ended",
        )
        lone.await_ready_of(next(c for c in contenders if c.poll() is None))
        for loser in contenders:
            if loser.poll() is not None:
                assert f"another agent runs on {lone.data_dir}" in refused(loser)
        assert lone.web.get(host("heir")).status == 200
        lone.deploy(app_file("heir", images.second)).expect("live")
        assert len(lone.owned.containers("heir")) == 1
    finally:
        for one in contenders:
            one.kill()
            one.communicate()


def test_a_compose_that_outlives_its_agent_is_waited_for(lone, images):
    """The successor recovers only once nobody works on the app; a third is refused meanwhile."""
    name = "outlived"
    lone.deploy(app_file(name, images.hello)).expect("live")
    (lock,) = lone.data_dir.glob(f"locks/*{name}.lock")
    lone.begin(app_file(name, images.second))
    assert lone.process
    pid = lone.process.pid
    until(lambda: compose_of(pid), "Compose works", pause=0.002)
    lone.kill9()
    with lock.open("w") as held:  # as a Compose does that was not killed with its agent
        until(lambda: taken(held.fileno()), "the killed one's Compose has gone")
        lone.launch()
        until(lone.version, "the successor answers")
        third = contender(lone)
        assert f"another agent runs on {lone.data_dir}" in refused(third)
        version = lone.version()
        assert version
        assert not version["ready"]
        assert lone.web.get(host(name)).status == 200
    lone.await_ready()
    assert lone.app(name)["state"] == "running"
    assert len(lone.owned.containers(name)) == 1
    lone.deploy(app_file(name, images.second)).expect("live")


def taken(descriptor: int) -> bool:
    """Whether the lock could be had now."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
