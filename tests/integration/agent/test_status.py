"""One screen says how apps do: real requests, their errors, and the alerts they set off."""

from __future__ import annotations

from typing import Any

from support.agent import Agent
from support.appfiles import app_file, host
from support.polling import until

LONG = 120.0  # seconds; measured every ten, judged every five, over twenty
BURST = 60  # requests, more than the rule asks for


def set_rule(agent: Agent, rule: str, **more: Any) -> None:
    """A rule's settings."""
    agent.api("POST", "/v1/alerts/rules", {"rule": rule, **more})


def firing(agent: Agent, app: str) -> list[str]:
    """The rules that fire of an app."""
    found = agent.api("GET", "/v1/alerts")["alerts"]
    return [a["rule"] for a in found if a["phase"] == "firing" and a["app"] == app]


def test_status_shows_what_the_proxy_measured(agent: Agent, images):
    """Requests a second, durations, processor, memory and its limit, the last change."""
    agent.deploy(app_file("fast", images.hello, mem_limit="128m")).expect("live")

    def asked() -> bool:
        for _ in range(5):
            assert agent.web.get(host("fast")).status == 200
        found = agent.app("fast")
        return found["p95"] is not None and found["availability"] is not None

    until(asked, "requests are measured, and the route was looked at", LONG, 0.5)
    found = agent.app("fast")
    assert found["rate"] > 0
    assert 0 < found["p95"] < 10
    assert (found["failed"], found["changed"]["kind"]) == (0, "deploy")
    assert found["expires"] > 0
    (route,), (replica,) = found["routes"], found["replicas"]
    assert (route["uptime"], route["expires"]) == ("up", found["expires"])
    assert (replica["memory_limit"], found["memory"]) == (128 << 20, replica["memory"])
    assert replica["cpu"] is not None
    shown = agent.cove("status").out
    assert "REQ/S" in shown
    assert "deploy" in shown
    deep = agent.cove("status", "fast").out
    assert "P95" in deep
    assert "/134.2 MB" in deep
    said = agent.cove("status", "--json").json
    assert said["v"] == 1
    assert said["alerts"] == agent.api("GET", "/v1/apps")["alerts"]
    agent.act("fast", "remove")


def test_failing_requests_fire_and_recover(agent: Agent, images):
    """5xx answers set off `errors`, and what the app writes `log-pattern`; both are over later."""
    short = {"app": "failing", "window": 20, "wait": 0, "keep": 0}
    # There is no such folder: counting answers 500, and says so in the log.
    text = app_file("failing", images.hello, environment={"DATA_DIR": "/no/such/folder"})
    agent.deploy(text).expect("live")
    set_rule(agent, "errors", **short)
    set_rule(agent, "log-pattern", app="failing", window=20, pattern="/no such file.*folder/i")

    def fires() -> bool:
        for _ in range(BURST):
            assert agent.web.get(host("failing"), "/count", method="POST").status == 500
        return set(firing(agent, "failing")) >= {"errors", "log-pattern"}

    until(fires, "both fire", LONG, 1.0)
    shown = agent.cove("status").out
    assert "answers of failing:8000 within" in shown
    assert "failing: log-pattern: " in shown
    assert agent.app("failing")["failed"] > 0.5
    until(lambda: not firing(agent, "failing"), "both are over", LONG, 1.0)
    history = agent.api("GET", "/v1/alerts/history", app="failing")["history"]
    ends = {(e["transition"]["key"]["rule"], e["transition"]["kind"]) for e in history}
    assert {("errors", "recovered"), ("log-pattern", "recovered")} <= ends
    agent.act("failing", "remove")


def test_a_pattern_that_cannot_be_meant_is_refused(agent: Agent):
    """With the reason, and nothing is set."""
    said = agent.cove("alerts", "set", "log-pattern", "--pattern", "/a*/")
    assert said.code == 2
    assert "true of every line" in said.err
    rules = agent.api("GET", "/v1/alerts/rules")["rules"]
    assert not any(view["rule"]["pattern"] for view in rules if not view["app"])


def test_a_killed_agent_counts_what_was_written_before(agent: Agent, images):
    """Each record once: those before the kill, those while no agent runs, those behind it."""
    text = app_file("counted", images.hello, environment={"DATA_DIR": "/no/such/folder"})
    agent.deploy(text).expect("live")
    pattern = "no such file or directory"
    change = {"app": "counted", "window": 600, "threshold": 70, "pattern": f"/{pattern}/i"}

    def fail(times: int) -> None:
        for _ in range(times):
            assert agent.web.get(host("counted"), "/count", method="POST").status == 500

    def written() -> int:
        with agent.stream("/v1/apps/counted/logs", tail=-1, text=pattern, ignore_case=1) as lines:
            return sum(1 for _ in lines)

    def told() -> str:
        found = agent.api("GET", "/v1/alerts")["alerts"]
        return " ".join(
            a["text"] for a in found if a["phase"] == "firing" and a["app"] == "counted"
        )

    fail(20)
    set_rule(agent, "log-pattern", **change)
    fail(20)
    until(lambda: written() >= 40, "what was written is kept", LONG, 0.5)
    agent.kill9()
    fail(20)
    agent.start()
    assert not told()
    fail(20)
    until(lambda: f"{written()} lines have" in told(), "each record is counted once", LONG, 1.0)
    agent.act("counted", "remove")
