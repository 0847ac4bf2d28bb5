"""A release that cannot serve: refused with its reason, the old one untouched, no trace left."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest

from cove.errors import EXIT_FAILED, EXIT_KEPT_OLD

from support.agent import Agent, Said
from support.appfiles import app_file, host
from support.images import Images
from support.traffic import Traffic


@dataclass(frozen=True)
class Bad:
    """What is wrong with a release, and what must be said about it."""

    code: str
    says: str  # a regular expression for message and hint together
    log: str = ""  # a regular expression for the last lines of the container
    keys: dict[str, Any] = field(default_factory=dict)
    image: str = "hello"  # an attribute of Images, or a reference


def fault(name: str, code: str, says: str, log: str, **keys: Any) -> Bad:
    """A fault that the example app acts out."""
    return Bad(code, says, log, {"env": {"FAULT": name}} | keys)


SOON = {"rollout": {"timeout": "2s"}}
SETTLING = {"rollout": {"settle": "5s"}}
CASES = {
    "exits": fault("exit", "exited", "exited with code 1", "RuntimeError: told to fail"),
    "exits-later": fault("exit-after:3", "exited", "exited with code 1", "exiting", **SETTLING),
    "exits-unheard": fault("exit-before-listen:1", "exited", "code 1", "exit-before-listen"),
    "never-listens": fault("never-listens", "not-ready", r"within 2 s", "never-listens", **SOON),
    "wrong-port": fault(
        "wrong-port", "not-ready", r"listens on port 8001.*port: 8001", "listens on", **SOON
    ),
    "loopback-only": fault(
        "loopback-only", "not-ready", r"127\.0\.0\.1:8000.*0\.0\.0\.0", "127.0.0.1", **SOON
    ),
    "health-500": fault("health-500", "not-ready", "500", "health-500", **SOON),
    "health-hangs": fault("health-hangs", "not-ready", "within 2 s", "health-hangs", **SOON),
    "oom": fault("oom", "oom", "out of memory.*48 MB", "taking memory", mem_limit="48m"),
    "no-command": Bad(
        "cannot-start", r"cannot start.*/nowhere", keys={"entrypoint": ["/nowhere/at-all"]}
    ),
    "no-image": Bad(
        "image-missing", "not on this machine", image="missing", keys={"pull_policy": "never"}
    ),
    "foreign": Bad("image-platform", r"is for linux/\w+; this machine is linux/", image="foreign"),
}


@pytest.fixture(scope="module")
def steady(agent: Agent, images: Images) -> str:
    """An app that serves, and must go on serving whatever is tried on it."""
    agent.deploy(app_file("steady", images.hello)).expect("live")
    return "steady"


def attempt(agent: Agent, images: Images, bad: Bad, name: str) -> Said:
    """Deploy it with the CLI."""
    image = getattr(images, bad.image, "cove-test/no-such-image:1")
    return agent.cove("deploy", "-", "--json", input=app_file(name, image, **bad.keys))


def assert_said(said: Said, bad: Bad) -> None:
    """The error names the reason, and what the container wrote last."""
    error = said.json["error"]
    assert error["code"] == bad.code, error
    assert re.search(bad.says, f"{error['message']} {error['hint']}", re.DOTALL), error
    assert bool(error["log"]) == bool(bad.log), error
    assert re.search(bad.log, "\n".join(error["log"])), error


@dataclass(frozen=True)
class Tried:
    """One case, tried as an upgrade and as a first deploy at once, with what it left."""

    bad: Bad
    upgrade: Said
    first: Said
    traffic: Traffic
    before: dict[str, Any]
    after: dict[str, Any]


@pytest.fixture(scope="module", params=CASES.values(), ids=list(CASES))
def tried(agent: Agent, images: Images, steady: str, request) -> Tried:
    """Each case in turn, under load on the app that serves."""
    before = agent.world()
    with Traffic(agent.web, host(steady)) as traffic, ThreadPoolExecutor() as both:
        upgrade = both.submit(attempt, agent, images, request.param, steady)
        first = both.submit(attempt, agent, images, request.param, "newcomer")
        said = upgrade.result(), first.result()
        traffic.more(5)
    return Tried(request.param, *said, traffic, before, agent.world())


def test_the_old_release_goes_on_serving(tried):
    """An upgrade is refused with exit code 3 and its reason; no request noticed."""
    assert tried.upgrade.code == EXIT_KEPT_OLD, tried.upgrade
    assert_said(tried.upgrade, tried.bad)
    tried.traffic.assert_lossless()
    assert set(tried.traffic.report.versions) == {"dev"}


def test_a_first_deploy_fails(tried):
    """A first deploy fails with exit code 1 and the same reason."""
    assert tried.first.code == EXIT_FAILED, tried.first
    assert_said(tried.first, tried.bad)


def test_nothing_is_left_behind(tried):
    """Containers, networks, volumes, tags and files are what they were, and so is the app."""
    apps = [app for app in tried.after["apps"] if app["name"] != "newcomer"]
    assert tried.after | {"apps": apps} == tried.before | {
        "apps": [app for app in tried.before["apps"] if app["name"] != "newcomer"]
    }
    states = {app["state"] for app in tried.after["apps"] if app["name"] == "newcomer"}
    assert states <= {"failed"}


def test_a_name_whose_first_deploy_failed_is_free(agent, images, steady):
    """After a failed first deploy a good one succeeds under the same name."""
    name = "second-try"
    bad = app_file(name, images.keeping, env={"FAULT": "exit"})
    agent.deploy(bad).expect("failed")
    assert not agent.owned.volumes(name)
    status = agent.cove("status", name)
    assert "its first deploy failed: " in status.out
    assert "exited with code 1" in status.out
    for said in (status, agent.cove("status"), agent.cove("history", name)):
        assert f"deploy it again, or take it away: cove remove {name}" in plain(said.err)
    agent.deploy(app_file(name, images.keeping)).expect("live")
    assert agent.web.get(host(name)).status == 200


def plain(text: str) -> str:
    """A command as somebody would type it who has but one data directory."""
    return re.sub(r"cove --data-dir \S+ ", "cove ", text)


def test_an_app_whose_first_deploy_failed_can_be_removed(agent, images):
    """It goes without a trace."""
    name = "never-was"
    agent.deploy(app_file(name, images.keeping, env={"FAULT": "exit"})).expect("failed")
    assert agent.cove("remove", name, "--yes").code == 0
    assert name not in agent.cove("status").out


def test_the_error_is_shown_to_people(agent, images, steady):
    """Without --json the reason, the last log lines and what still serves are printed."""
    said = agent.cove("deploy", "-", input=app_file(steady, images.hello, env={"FAULT": "exit"}))
    assert said.code == EXIT_KEPT_OLD
    assert "exited with code 1" in said.err
    assert "RuntimeError: told to fail at start (FAULT=exit)" in said.err
    assert "release 1 still serves" in said.err


def test_history_tells_what_was_refused(agent, images, steady):
    """A refused release stays in the history with its error, and can not be rolled back to."""
    agent.deploy(app_file(steady, images.hello, env={"FAULT": "exit"})).expect("kept")
    newest = agent.releases(steady)[0]
    assert newest["status"] == "failed"
    assert "exited with code 1" in newest["error"]
    said = agent.cove("rollback", steady, str(newest["number"]))
    assert said.code == 2
    assert "never served" in said.err
