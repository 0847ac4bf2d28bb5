"""No line is lost or told twice, however often the agent is killed."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator

import pytest

from support.agent import Agent, running
from support.log_writer import account, writer_app
from support.polling import until

KILLS = int(os.environ.get("COVE_TEST_KILLS", "15"))
RATE = 5000  # lines a second
# Rotates every few seconds, and keeps longer than an agent takes to come back.
LOGGING = {"driver": "json-file", "options": {"max-size": "4m", "max-file": "6"}}


@pytest.fixture
def killed() -> Iterator[Agent]:
    """An agent that will not live long."""
    with running(Agent()) as agent:
        yield agent


@pytest.mark.timeout(300 + 10 * KILLS)
def test_kills_lose_and_repeat_nothing(killed, images, figures):
    """The agent dies at random moments, even while it starts; each line is kept once."""
    agent = killed
    moments = random.Random(os.environ.get("COVE_TEST_SEED"))  # noqa: S311 - dice
    agent.deploy(writer_app("busy", images.hello, RATE, logging=LOGGING)).expect("live")
    for kill in range(KILLS):
        # What is random here is when it dies, not what is waited for.
        time.sleep(moments.uniform(0.05, 3.0))
        agent.kill9()
        agent.launch()
        if kill % 3:
            agent.await_ready()
    agent.await_ready()
    agent.act("busy", "stop").expect("done")
    found = account(_kept(agent))
    figures(f"{KILLS} kills: {found}")
    assert found.written > RATE
    assert (found.lost, found.repeated, found.disordered) == (0, 0, 0), found


def _kept(agent: Agent) -> Iterator[dict[str, object]]:
    def ended() -> bool:
        with agent.stream("/v1/apps/busy/logs", tail=1, text="ended ") as lines:
            return bool(list(lines))

    until(ended, "the last line is kept")
    with agent.stream("/v1/apps/busy/logs", tail=-1) as lines:
        yield from lines
