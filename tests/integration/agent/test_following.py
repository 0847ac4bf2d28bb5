"""Rollouts go on without whoever began them; they can be followed again, cancelled, not doubled."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from cove.errors import EXIT_INTERRUPTED, EXIT_LOCKED

from support.agent import BIN, Agent, ApiError, Ended
from support.appfiles import app_file, host
from support.polling import until
from support.traffic import Traffic

# Waits for readiness until it is cancelled: far beyond what a test takes.
SLOW = {"env": {"START_DELAY": "50"}, "rollout": {"timeout": "60s"}}
Events = list[dict[str, Any]]


def read_until(agent: Agent, rollout: dict[str, Any], seen: Callable[[Events], bool]) -> Events:
    """Follow a rollout until something was seen, and hang up."""
    events: Events = []
    with agent.stream(f"/v1/rollouts/{rollout['id']}/events") as stream:
        for event in stream:
            events.append(event)
            if seen(events):
                return events
    raise AssertionError(events)


def operations(events: Events) -> list[str]:
    """The titles of the plan."""
    plan = next(event for event in events if event["kind"] == "plan")
    return [operation["title"] for operation in plan["data"]["operations"]]


def at(kind: str, title: str) -> Callable[[Events], bool]:
    """Whether an operation whose title begins so has reached a state."""

    def seen(events: Events) -> bool:
        last = events[-1]
        if last["kind"] != kind or last["index"] < 0:
            return False
        return operations(events)[last["index"]].startswith(title)

    return seen


def cancel(agent: Agent, rollout: dict[str, Any]) -> None:
    """Ask for the end of a rollout."""
    agent.api("POST", f"/v1/rollouts/{rollout['id']}/cancel", {})


@pytest.mark.parametrize("order", ["start-first", "stop-first"])
def test_a_cancelled_rollout_is_undone(agent, images, order):
    """Cancelled while it waits for readiness, nothing of it is left and no request was lost."""
    name = f"cancel-{order}"
    order_of = {"order": order}
    agent.deploy(app_file(name, images.hello, rollout=order_of)).expect("live")
    before = agent.world(name)
    slow = app_file(name, images.hello, env=SLOW["env"], rollout=SLOW["rollout"] | order_of)
    with Traffic(agent.web, host(name)) as traffic:
        rollout = agent.begin(slow)
        read_until(agent, rollout, at("started", "wait until"))
        cancel(agent, rollout)
        ended = agent.follow(rollout).expect("cancelled")
        traffic.more(10)
    traffic.assert_lossless()
    assert ended.data["exit_code"] == EXIT_INTERRUPTED
    assert ended.data["serving"] == 1
    after = agent.world(name)
    assert after == before | {"apps": after["apps"]}
    assert agent.app(name)["release"] == 1


def test_a_cancelled_first_deploy_leaves_nothing(agent, images):
    """Cancelled before anything served, nothing is left."""
    before = agent.world()
    rollout = agent.begin(app_file("never", images.hello, **SLOW))
    read_until(agent, rollout, at("started", "wait until"))
    cancel(agent, rollout)
    agent.follow(rollout).expect("cancelled")
    after = agent.world()
    after["apps"] = [app for app in after["apps"] if app["name"] != "never"]
    assert after == before


def test_a_cancel_after_the_pivot_is_ignored(agent, images):
    """Once the new release is recorded as live, the rollout goes on to its end."""
    name = "too-late"
    # The old release ignores its stop signal: retiring it takes the whole grace period.
    lingering = {"stop_signal": "SIGURG", "stop_grace_period": "2s"}
    agent.deploy(app_file(name, images.hello, **lingering)).expect("live")
    rollout = agent.begin(app_file(name, images.second))
    read_until(agent, rollout, at("started", "remove the containers"))
    cancel(agent, rollout)
    agent.follow(rollout).expect("live")
    assert agent.web.get(host(name)).version == "second"
    assert len(agent.owned.containers(name)) == 1


def test_a_cancel_of_what_has_ended_changes_nothing(agent, images):
    """An ended rollout answers a cancel with how it ended."""
    ended = agent.deploy(app_file("ended", images.hello)).expect("live")
    answer = agent.api("POST", f"/v1/rollouts/{ended.rollout['id']}/cancel", {})
    assert answer["rollout"]["outcome"] == "live"
    assert agent.web.get(host("ended")).status == 200


def command(agent: Agent, text: str) -> subprocess.Popen[bytes]:
    """`cove deploy -`, under way."""
    process = subprocess.Popen(
        [str(BIN / "cove"), "deploy", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=agent.environment,
    )
    assert process.stdin
    process.stdin.write(text.encode())
    process.stdin.close()
    return process


def newest(agent: Agent, name: str) -> dict[str, Any]:
    """The app's last rollout; empty before there is one."""
    found = agent.api("GET", "/v1/rollouts", app=name)["rollouts"]
    return dict(found[0]) if found else {}


def test_an_interrupted_command_cancels_and_ends_with_130(agent, images):
    """Ctrl-C, where nobody can be asked, cancels the rollout and waits for its undoing."""
    name = "ctrl-c"
    process = command(agent, app_file(name, images.hello, **SLOW))
    try:
        rollout = until(lambda: newest(agent, name), "the rollout has begun")
        read_until(agent, rollout, at("started", "wait until"))
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == EXIT_INTERRUPTED
    finally:
        process.kill()
        process.wait()
    assert newest(agent, name)["outcome"] == "cancelled"
    assert not agent.owned.containers(name)


def test_a_client_that_goes_away_does_not_stop_a_rollout(agent, images):
    """The command dies in the middle; the release becomes live all the same."""
    name = "left-alone"
    process = command(agent, app_file(name, images.hello, env={"START_DELAY": "1"}))
    try:
        until(lambda: newest(agent, name), "the rollout has begun")
    finally:
        process.kill()
        process.wait()
    until(lambda: newest(agent, name)["outcome"], "the rollout has ended")
    assert newest(agent, name)["outcome"] == "live"
    assert agent.web.get(host(name)).status == 200


def test_events_can_be_followed_again_from_any_of_them(agent, images):
    """Whoever comes back gets what is missing, in the same order and nothing twice."""
    rollout = agent.begin(app_file("resumed", images.hello, env={"START_DELAY": "1"}))
    first = read_until(agent, rollout, at("started", "wait until"))
    rest = agent.follow(rollout, after=first[-1]["seq"]).expect("live")
    whole = agent.follow(rollout)
    stored = [event for event in first if event["seq"]] + rest.events
    assert [event["seq"] for event in whole.events] == list(range(1, len(whole.events) + 1))
    assert [event for event in stored if event["seq"]] == whole.events


def test_attach_follows_a_rollout_that_is_under_way(agent, images):
    """`cove attach` shows it to its end; with none under way it tells of the last."""
    name = "attached"
    agent.begin(app_file(name, images.hello, env={"START_DELAY": "2"}))
    said = agent.cove("attach", name, "--json")
    assert (said.code, said.json["outcome"]) == (0, "live"), said
    said = agent.cove("attach", name, "--json")
    assert (said.code, said.json["last"]["outcome"]) == (0, "live"), said


def test_a_second_rollout_of_the_same_app_is_locked_out(agent, images):
    """While one is under way another is refused with exit code 5; other apps are free."""
    name = "busy"
    agent.deploy(app_file(name, images.hello)).expect("live")
    rollout = agent.begin(app_file(name, images.hello, **SLOW))
    try:
        read_until(agent, rollout, at("started", "wait until"))
        said = agent.cove("deploy", "-", "--json", input=app_file(name, images.second))
        assert (said.code, said.json["error"]["code"]) == (EXIT_LOCKED, "locked"), said
        for verb in ("restart", "stop", "remove"):
            with pytest.raises(ApiError) as caught:
                agent.act(name, verb)
            assert (caught.value.code, caught.value.exit_code) == ("locked", EXIT_LOCKED)
        assert agent.app(name)["state"] == "rolling"
        agent.deploy(app_file("free", images.hello)).expect("live")
    finally:
        cancel(agent, rollout)
    agent.follow(rollout).expect("cancelled")
    agent.deploy(app_file(name, images.second)).expect("live")


def test_every_operation_is_told_with_its_cause_and_time(agent, images):
    """A rollout's events name what is done, why, and how long it took."""
    ended: Ended = agent.deploy(app_file("told", images.hello)).expect("live")
    plan = next(event for event in ended.events if event["kind"] == "plan")
    steps = plan["data"]["operations"]
    assert steps
    assert all(step["title"] and step["cause"] for step in steps)
    done = [e for e in ended.events if e["kind"] == "done" and e["index"] >= 0]
    assert [event["index"] for event in done] == list(range(len(steps)))
    assert all(event["data"]["seconds"] >= 0 for event in done)
