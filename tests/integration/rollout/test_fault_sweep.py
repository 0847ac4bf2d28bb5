"""Every moment of every kind of rollout, failed, cancelled, starved of disk or killed."""

from __future__ import annotations

import pytest

from support import sweep as at
from support.scenarios import SCENARIOS
from support.sweep import cancels, fails, fills_up, killed, sweep

each_scenario = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.name)


@each_scenario
def test_killed_at_any_moment(tmp_path, scenario):
    """The next agent ends what the killed one began."""
    sweep(tmp_path, scenario, at.after_any, killed())


@each_scenario
def test_killed_while_docker_is_at_work(tmp_path, scenario):
    """What Docker was asked for it does, though the agent is dead: its successor waits for that."""
    sweep(tmp_path, scenario, at.sent_any, killed())


@each_scenario
def test_a_failure_while_docker_is_at_work(tmp_path, scenario):
    """The same when only Compose dies, or a connection breaks: the agent waits before it undoes."""
    sweep(tmp_path, scenario, at.sent_any, fails("sent"))


@each_scenario
def test_a_failure_before_any_change(tmp_path, scenario):
    """A change that is refused, or a record that cannot be written, loses and leaves nothing."""
    sweep(tmp_path, scenario, at.before_any, fails("before"))


@each_scenario
def test_a_failure_after_any_change(tmp_path, scenario):
    """A change that took effect and then reports failure loses and leaves nothing."""
    sweep(tmp_path, scenario, at.after_change, fails("after"))


@pytest.mark.fault
@each_scenario
@pytest.mark.parametrize("again", [False, True], ids=["once", "again and again"])
def test_cancelled_at_any_moment(tmp_path, scenario, again):
    """To cancel is to undo, or to go on where it is too late; impatience changes nothing."""
    sweep(tmp_path, scenario, at.change, cancels(again=again))


@pytest.mark.fault
@each_scenario
def test_a_full_disk_from_any_moment_on(tmp_path, scenario):
    """A disk that stays full for a while is survived without a new agent."""
    sweep(tmp_path, scenario, at.before_write, fills_up)


@pytest.mark.fault
@each_scenario
def test_killed_again_in_recovery(tmp_path, scenario):
    """Recovery may be killed as well."""
    sweep(tmp_path, scenario, at.after_any, killed(again_after=45))


@pytest.mark.fault
@each_scenario
def test_the_machine_restarts_at_any_moment(tmp_path, scenario):
    """After a power cut the containers have lost their second addresses; the end is the same."""
    sweep(tmp_path, scenario, at.after_any, killed(reboot=True))
