from __future__ import annotations

from pathlib import Path

import pytest

from cove.cli import follow

from support.calling import Cove
from support.fake_agent import ROLLOUT, FakeAgent, Hang, event, finished, planned


@pytest.fixture
def file(tmp_path: Path) -> str:
    """An app file."""
    path = tmp_path / "shop.yml"
    path.write_text("image: shop:1\ndomain: shop.example\n", encoding="utf-8")
    return str(path)


def test_a_deploy_shows_each_operation_with_its_cause(
    cove: Cove, agent: FakeAgent, file: str
) -> None:
    """Operations go to stderr as they end; the URL alone is the result."""
    agent.script([
        planned("start shop-r12"),
        event(2, "started", 0),
        event(0, "progress", 0, done=5, total=10),
        event(3, "done", 0, seconds=0.8),
        event(4, "notice", text="the tag moved"),
        finished(5),
    ])  # fmt: skip
    assert cove("deploy", file) == 0
    assert cove.out == "https://shop.example\n"
    assert cove.err.splitlines() == [
        "✓ start shop-r12  0.8s  — because the cause of start shop-r12",
        "• the tag moved",
        "✓ release 12 is live (5.9 s)",
    ]


def test_quiet_leaves_the_url_alone(cove: Cove, agent: FakeAgent, file: str) -> None:
    """With --quiet nothing but the result is said."""
    agent.script([planned("start"), event(2, "started", 0), event(3, "done", 0), finished(4)])
    assert cove("-q", "deploy", file) == 0
    assert (cove.out, cove.err) == ("https://shop.example\n", "")


def test_json_gives_one_object_at_the_end(cove: Cove, agent: FakeAgent, file: str) -> None:
    """The outcome, for scripts."""
    agent.script([planned("start"), finished(2)])
    assert cove("deploy", file, "--json") == 0
    assert cove.answer == {
        "v": 1,
        "rollout": ROLLOUT,
        "outcome": "live",
        "release": 12,
        "serving": 12,
        "serves": "yes",
        "seen_by": "docker",
        "urls": ["https://shop.example"],
        "seconds": 5.9,
        "exit_code": 0,
        "error": None,
    }


_ERROR = {
    "code": "not-ready",
    "message": "shop-r12 was not ready within 60 s",
    "hint": "cove logs shop",
    "log": ["no module named flask", "\x1b[2Jbye"],
    "problems": [],
    "exit_code": 3,
}


def test_a_failure_tells_reason_log_what_serves_and_what_next(
    cove: Cove, agent: FakeAgent, file: str
) -> None:
    """Everything a person needs after a failed deploy, in that order."""
    agent.script([
        planned("wait until shop-r12 is ready"),
        event(2, "started", 0),
        event(3, "failed", 0, "not ready", seconds=60.0),
        event(4, "undone", 0),
        finished(5, "kept", 3, error=_ERROR),
    ])  # fmt: skip
    assert cove("deploy", file) == 3
    assert cove.out == ""
    assert cove.err.splitlines() == [
        "✗ wait until shop-r12 is ready  1m00s",
        "↩ undone: wait until shop-r12 is ready",
        "error: shop-r12 was not ready within 60 s",
        "  │ no module named flask",
        "  │ bye",
        "release 11 still serves https://shop.example",
        "→ cove logs shop",
    ]


def test_a_failure_in_json_carries_the_error(cove: Cove, agent: FakeAgent, file: str) -> None:
    """One object, with what serves now and why."""
    agent.script([planned("wait"), finished(2, "kept", 3, error=_ERROR)])
    assert cove("deploy", file, "--json") == 3
    assert cove.answer["serving"] == 11
    assert cove.answer["error"] == _ERROR


def test_the_first_release_failing_leaves_nothing_serving(
    cove: Cove, agent: FakeAgent, file: str
) -> None:
    """Where nothing served before, that is said, and the code is the agent's."""
    error = {**_ERROR, "exit_code": 1}
    agent.script([planned("wait"), finished(2, "failed", 1, error=error, serving=0, urls=[])])
    assert cove("deploy", file) == 1
    assert "nothing serves now" in cove.err


@pytest.mark.parametrize(
    ("serves", "says"),
    [
        ("unknown", "whether it runs could not be checked"),
        ("no", "not all of it runs: cove status"),
    ],
)
def test_what_was_not_seen_to_serve_is_not_said_to(
    cove: Cove, agent: FakeAgent, file: str, serves: str, says: str
) -> None:
    """The record alone is no proof that requests are answered."""
    agent.script([planned("wait"), finished(2, "kept", 3, error=_ERROR, serves=serves)])
    assert cove("deploy", file) == 3
    assert "still serves" not in cove.err
    assert says in cove.err


def test_events_of_a_newer_agent_are_passed_over(cove: Cove, agent: FakeAgent, file: str) -> None:
    """An unknown kind of event does not end the following."""
    agent.script([planned("start"), event(2, "sparkle"), finished(3)])
    assert cove("deploy", file) == 0


def test_a_lost_connection_goes_on_where_it_broke_off(
    cove: Cove, agent: FakeAgent, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the agent's restart, events continue behind the last one seen; none twice."""
    monkeypatch.setattr(follow, "RETRY", 0.01)
    agent.script(
        [planned("start"), event(2, "started", 0), Hang],
        [Hang],
        [event(3, "done", 0, seconds=1.0), finished(4)],
    )
    assert cove("deploy", file) == 0
    asked = [body["after"] for body in agent.bodies("GET", "/v1/rollouts/7/events")]
    assert asked == ["0", "2", "2"]
    assert cove.err.splitlines() == [
        "the agent is gone; waiting for it to come back…",
        "✓ start  1.0s  — because the cause of start",
        "✓ release 12 is live (5.9 s)",
    ]


def test_an_agent_that_stays_away_ends_the_waiting(
    cove: Cove, agent: FakeAgent, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 4, and how to get back to the rollout."""
    monkeypatch.setattr(follow, "RETRY", 0.01)
    monkeypatch.setattr(follow, "PATIENCE", 0.05)
    agent.script([planned("start"), Hang])
    assert cove("deploy", file) == 4
    assert "cove attach shop" in cove.err


def test_a_rollout_the_returned_agent_does_not_know_is_an_error(
    cove: Cove, agent: FakeAgent, file: str
) -> None:
    """An agent with other data says so; waiting would be in vain."""
    assert cove("deploy", file) == 2
    assert "no /v1/rollouts/7/events" in cove.err


def test_attach_follows_what_is_under_way(cove: Cove, agent: FakeAgent) -> None:
    """Without a name, the only rollout there is."""
    over = {**ROLLOUT, "id": 6, "ended_at": 2000.0, "outcome": "live"}
    agent.answers["GET", "/v1/rollouts"] = (200, {"rollouts": [ROLLOUT, over]})
    agent.script([planned("start"), finished(2)])
    assert cove("attach") == 0
    assert cove.out == "https://shop.example\n"


def test_attach_asks_which_of_several(cove: Cove, agent: FakeAgent) -> None:
    """Two apps that roll out at once have to be told apart."""
    other = {**ROLLOUT, "id": 8, "app": "blog"}
    agent.answers["GET", "/v1/rollouts"] = (200, {"rollouts": [ROLLOUT, other]})
    assert cove("attach") == 2
    assert "blog, shop" in cove.err


def test_attach_with_nothing_under_way_tells_the_last(cove: Cove, agent: FakeAgent) -> None:
    """Too late is no error."""
    over = {**ROLLOUT, "ended_at": 2000.0, "outcome": "live"}
    agent.answers["GET", "/v1/rollouts"] = (200, {"rollouts": [over]})
    assert cove("attach", "shop") == 0
    assert "nothing is under way for shop" in cove.out
    assert "deploy of shop, live" in cove.out


def test_detach_prints_the_rollout_and_returns(cove: Cove, agent: FakeAgent, file: str) -> None:
    """The number on stdout, how to follow it on stderr."""
    assert cove("deploy", file, "--detach") == 0
    assert cove.out == "7\n"
    assert "cove attach shop" in cove.err
    assert agent.bodies("GET", "/v1/rollouts/7/events") == []


@pytest.mark.parametrize(
    ("arguments", "path", "body"),
    [
        (("rollback", "shop"), "rollback", {"release": None}),
        (("rollback", "shop", "3"), "rollback", {"release": 3}),
        (("stop", "shop"), "stop", {}),
        (("start", "shop"), "start", {}),
        (("restart", "shop"), "restart", {}),
        (("restart", "shop", "db", "worker"), "restart", {"services": ["db", "worker"]}),
        (("remove", "shop", "--yes"), "remove", {"volumes": False}),
        (("remove", "shop", "--yes", "--volumes"), "remove", {"volumes": True}),
    ],
)
def test_acts_on_an_app_are_rollouts_too(
    cove: Cove,
    agent: FakeAgent,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    path: str,
    body: dict[str, object],
) -> None:
    """Each posts to its own path, says who asks, and follows to the end."""
    monkeypatch.setenv("SUDO_USER", "ann")
    agent.answers["GET", "/v1/apps/shop"] = (200, {"app": {"name": "shop", "volumes": []}})
    started = {**ROLLOUT, "kind": path}
    agent.answers["POST", f"/v1/apps/shop/{path}"] = (202, {"rollout": started})
    agent.script([planned("step"), finished(2, "done")])
    assert cove(*arguments) == 0
    (asked,) = agent.bodies("POST", f"/v1/apps/shop/{path}")
    assert asked.pop("by").startswith("ann@")
    assert asked == body


def test_remove_without_a_terminal_needs_yes(cove: Cove, agent: FakeAgent) -> None:
    """A script cannot be asked, so nothing is removed."""
    agent.answers["GET", "/v1/apps/shop"] = (200, {"app": {"name": "shop", "volumes": []}})
    assert cove("remove", "shop") == 2
    assert "--yes" in cove.err
    assert not [path for method, path, _ in agent.asked if method == "POST"]
