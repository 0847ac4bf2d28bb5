"""Some deploys, broken here and there; tests/integration/rollout breaks all of them everywhere."""

from __future__ import annotations

import pytest

from support import sweep as at
from support.scenarios import SCENARIOS
from support.sweep import cancels, fails, killed, sweep

orders = pytest.mark.parametrize(
    "scenario",
    [
        s
        for s in SCENARIOS
        if s.name in ("start-first", "stop-first", "siblings", "a command before")
    ],
    ids=lambda s: s.name,
)
EVERY = 5  # moments


@orders
def test_killed(tmp_path, scenario):
    """The next agent ends what the killed one began."""
    sweep(tmp_path, scenario, at.after_any, killed(), EVERY)


@orders
def test_killed_while_docker_is_at_work(tmp_path, scenario):
    """What Docker was asked for it does, though the agent is dead: its successor waits for that."""
    sweep(tmp_path, scenario, at.sent_any, killed(), EVERY)


@orders
def test_failed_while_docker_is_at_work(tmp_path, scenario):
    """The same when only Compose dies, or a connection breaks: the agent waits before it undoes."""
    sweep(tmp_path, scenario, at.sent_any, fails("sent"), EVERY)


@orders
def test_failed(tmp_path, scenario):
    """A change that is refused, or a record that cannot be written, loses and leaves nothing."""
    sweep(tmp_path, scenario, at.before_any, fails("before"), EVERY)


@orders
def test_cancelled(tmp_path, scenario):
    """To cancel is to undo, or to go on where it is too late; impatience changes nothing."""
    sweep(tmp_path, scenario, at.change, cancels(again=True), EVERY)
