from __future__ import annotations

import io
import time
from typing import Any

import pytest

from support.calling import Cove
from support.fake_agent import FakeAgent

ALERT: dict[str, Any] = {
    "id": "a1",
    "rule": "down",
    "app": "shop",
    "subject": "shop.example.com/",
    "phase": "firing",
    "severity": "critical",
    "since": time.time() - 300,
    "fired_at": time.time() - 240,
    "value": 1.0,
    "text": "it does not answer",
    "muted": "",
}
CHANNEL: dict[str, Any] = {
    "name": "chat",
    "kind": "slack",
    "url": "https://hooks.slack.com/•••",
    "signed": False,
    "apps": [],
    "waiting": 0,
    "error": "",
    "next_try": 0.0,
    "delivered_at": 0.0,
}
RULE: dict[str, Any] = {
    "app": "",
    "set": ["threshold"],
    "rule": {
        "name": "disk",
        "text": "a disk is nearly full",
        "unit": "%",
        "worse": "above",
        "threshold": 90.0,
        "clear": 85.0,
        "wait": 300.0,
        "keep": 0.0,
        "window": 0.0,
        "severity": "warning",
        "enabled": True,
        "pattern": "",
        "paths": ["/srv"],
    },
}


def shown(**given: Any) -> dict[str, Any]:
    """The answer of /v1/alerts."""
    return {"alerts": [], "silences": [], "windows": [], "channels": [CHANNEL], **given}


def test_what_fires_is_shown_with_its_text(cove: Cove, agent: FakeAgent) -> None:
    """And a channel that takes no messages is warned of."""
    broken = {**CHANNEL, "error": "it answered 404"}
    agent.answers["GET", "/v1/alerts"] = (200, shown(alerts=[ALERT], channels=[broken]))
    assert cove("alerts") == 0
    assert "firing" in cove.out
    assert "it does not answer" in cove.out
    assert "it answered 404" in cove.err


def test_without_alerts_it_says_so(cove: Cove, agent: FakeAgent) -> None:
    """And without a channel, that nobody would be told."""
    agent.answers["GET", "/v1/alerts"] = (200, shown(channels=[]))
    assert cove("alerts") == 0
    assert cove.out == "nothing fires\n"
    assert "cove alerts channel add NAME" in cove.err


def test_silences_and_windows_are_shown(cove: Cove, agent: FakeAgent) -> None:
    """With their numbers, to end them by."""
    silence = {"id": 3, "rule": "", "app": "shop", "until": time.time() + 60, "reason": "move"}
    window = {
        "id": 4, "rule": "down", "app": "", "days": [5, 6], "start": 120, "minutes": 60,
        "reason": "",
    }  # fmt: skip
    answer = shown(silences=[silence], windows=[window])
    agent.answers["GET", "/v1/alerts"] = (200, answer)
    assert cove("alerts") == 0
    assert "silence 3: shop until" in cove.out
    assert "maintenance 4: down sat, sun 02:00 to 03:00 UTC" in cove.out
    assert cove("alerts", "--json") == 0
    assert cove.answer == {"v": 1, **answer}


def test_an_address_comes_from_stdin_and_never_from_the_arguments(
    cove: Cove, agent: FakeAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its key on the next line where messages are signed."""
    agent.answers["POST", "/v1/alerts/channels"] = (200, {"channels": [CHANNEL]})
    monkeypatch.setattr("sys.stdin", io.StringIO("https://example.com/x\n"))
    assert cove("alerts", "channel", "add", "chat") == 0
    assert "https://hooks.slack.com/•••" in cove.out
    monkeypatch.setattr("sys.stdin", io.StringIO("https://example.com/x\nkey\n"))
    assert cove("alerts", "channel", "add", "chat", "--signed", "--app", "shop") == 0
    first, second = agent.bodies("POST", "/v1/alerts/channels")
    assert (first["url"], first["key"]) == ("https://example.com/x", "")
    assert (second["key"], second["apps"]) == ("key", ["shop"])
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert cove("alerts", "channel", "add", "chat") == 2
    assert cove("alerts", "channel", "add", "chat", "https://example.com/x") == 2


def test_channels_are_listed_and_removed(cove: Cove, agent: FakeAgent) -> None:
    """Masked, with how the last message went."""
    agent.answers["GET", "/v1/alerts/channels"] = (200, {"channels": [CHANNEL]})
    agent.answers["POST", "/v1/alerts/channels/remove"] = (200, {"name": "chat"})
    assert cove("alerts", "channel", "list") == 0
    assert "•••" in cove.out
    assert cove("alerts", "channel", "remove", "chat") == 0
    assert agent.bodies("POST", "/v1/alerts/channels/remove") == [{"name": "chat"}]


@pytest.mark.parametrize("error", ["", "it answered 500"])
def test_a_test_says_whether_it_arrived(cove: Cove, agent: FakeAgent, error: str) -> None:
    """And fails where it did not."""
    results = {"results": [{"name": "chat", "error": error}]}
    agent.answers["POST", "/v1/alerts/test"] = (200, results)
    assert cove("alerts", "test", "chat") == (1 if error else 0)
    assert (error or "it arrived") in cove.out
    assert cove("alerts", "test", "--json") == (1 if error else 0)
    assert cove.answer == {"v": 1, **results}


def test_a_silence_is_about_an_app_or_a_rule(cove: Cove, agent: FakeAgent) -> None:
    """Which of the two the name is, the agent's rules tell."""
    agent.answers["GET", "/v1/alerts/rules"] = (200, {"rules": [RULE]})
    agent.answers["POST", "/v1/alerts/silences"] = (200, {"silence": {"id": 5}})
    agent.answers["POST", "/v1/alerts/silences/end"] = (200, {"id": 5})
    assert cove("alerts", "silence", "shop", "--for", "1h30m") == 0
    assert cove("alerts", "silence", "disk", "--app", "shop") == 0
    assert cove("alerts", "silence", "shop", "--for", "long") == 2
    assert cove("alerts", "silence", "disc", "--app", "shop") == 2
    assert cove("alerts", "unsilence", "5") == 0
    one, two = agent.bodies("POST", "/v1/alerts/silences")
    assert (one["app"], one["seconds"]) == ("shop", 5400)
    assert (two["rule"], two["app"]) == ("disk", "shop")


def test_a_maintenance_window_may_reach_over_midnight(cove: Cove, agent: FakeAgent) -> None:
    """Days are names or ranges of them."""
    agent.answers["POST", "/v1/alerts/windows"] = (200, {"window": {"id": 1}})
    agent.answers["POST", "/v1/alerts/windows/remove"] = (200, {"id": 1})
    times = ("--from", "23:30", "--to", "01:00")
    assert cove("alerts", "maintenance", "add", *times, "--days", "fri-sun,tue") == 0
    assert cove("alerts", "maintenance", "add", "--from", "25:00", "--to", "1:00") == 2
    assert cove("alerts", "maintenance", "add", *times, "--days", "someday") == 2
    assert cove("alerts", "maintenance", "remove", "1") == 0
    (body,) = agent.bodies("POST", "/v1/alerts/windows")
    assert (body["start"], body["minutes"], body["days"]) == (1410, 90, [1, 4, 5, 6])


def test_rules_are_listed_and_set(cove: Cove, agent: FakeAgent) -> None:
    """Only what was given is sent; durations as seconds."""
    agent.answers["GET", "/v1/alerts/rules"] = (200, {"rules": [RULE]})
    agent.answers["POST", "/v1/alerts/rules"] = (200, {"rules": [RULE]})
    assert cove("alerts", "rules") == 0
    assert "90 %" in cove.out
    assert "'/srv'" in cove.out
    assert cove("alerts", "set", "disk", "--threshold", "90", "--wait", "10m", "--path", "/a") == 0
    assert cove("alerts", "set", "disk", "--off") == 0
    assert cove("alerts", "set", "disk", "--reset") == 0
    assert cove("alerts", "set", "disk") == 2
    base = {"rule": "disk", "app": "", "reset": False}
    assert agent.bodies("POST", "/v1/alerts/rules") == [
        {**base, "threshold": 90.0, "wait": 600.0, "paths": ["/a"]},
        {**base, "enabled": False},
        {**base, "reset": True},
    ]


def test_the_history_tells_what_fired_and_who_was_not_told(cove: Cove, agent: FakeAgent) -> None:
    """One line each."""
    key = {"rule": "down", "app": "shop", "subject": "s/"}
    entry = {"at": 0.0, "kind": "fired", "key": key, "text": "it\nis down", "muted": "silence 1"}
    agent.answers["GET", "/v1/alerts/history"] = (200, {"history": [{"transition": entry}]})
    assert cove("alerts", "history", "shop") == 0
    assert cove.out.count("\n") == 1
    assert "down shop s/: it is down  (silence 1)" in cove.out
    agent.answers["GET", "/v1/alerts/history"] = (200, {"history": []})
    assert cove("alerts", "history") == 0
    assert "nothing has fired" in cove.out


ROUTE: dict[str, Any] = {
    "app": "shop",
    "route": "shop.example.com/",
    "url": "https://shop.example.com",
    "state": "app-down",
    "since": time.time() - 120,
    "detail": "GET / answered 502; directly: nothing listens on port 8000",
    "checked": time.time(),
    "seconds": 0.1,
    "expires": time.time() + 40.5 * 86400,
    "answering": 0,
    "replicas": 1,
    "rolling": False,
    "availability": {"24h": 0.99999, "7d": 1.0, "30d": None, "90d": 0.5},
    "outage": {
        "began": time.time() - 120, "ended": 0.0, "state": "app-down", "detail": "",
        "rolling": False,
    },
    "days": [
        {"day": int(time.time() // 86400), "up": 50.0, "down": 50.0},
        {"day": int(time.time() // 86400) - 2, "up": 100.0, "down": 0.0},
    ],
}  # fmt: skip


def test_uptime_shows_figures_outage_and_a_bar(cove: Cove, agent: FakeAgent) -> None:
    """An outage is never rounded away; where nobody looked there is no figure."""
    agent.answers["GET", "/v1/uptime"] = (200, {"routes": [ROUTE]})
    assert cove("uptime", "shop") == 0
    assert "app down" in cove.out
    assert "99.99 %" in cove.out
    assert "100 %" in cove.out
    assert "so far" in cove.out
    assert "40 days" in cove.out
    assert "directly: nothing listens" in cove.out
    bar = next(word for word in cove.out.split() if len(word) == 30)
    assert bar[-3:] in ("█·▂", "#.!")
    assert cove("uptime", "--json") == 0
    assert cove.answer["routes"][0]["route"] == "shop.example.com/"


def test_uptime_without_routes_says_so(cove: Cove, agent: FakeAgent) -> None:
    """Of an app, or of all."""
    agent.answers["GET", "/v1/uptime"] = (200, {"routes": []})
    assert cove("uptime") == 0
    assert "no routes yet" in cove.out
    assert cove("uptime", "shop") == 0
    assert "shop has no routes" in cove.out


def test_status_tells_what_fires_and_which_route_is_down(cove: Cove, agent: FakeAgent) -> None:
    """In the list of apps and in depth."""
    route = {"url": "https://s.example", "target": "web:80", "tls": "auto", "uptime": "route-down"}
    app = {
        "name": "shop", "state": "running", "urls": [], "routes": [route],
        "alerts": ["down: it does not answer"],
    }  # fmt: skip
    agent.answers["GET", "/v1/apps"] = (200, {"apps": [app]})
    agent.answers["GET", "/v1/apps/shop"] = (200, {"app": app})
    assert cove("status") == 0
    assert "shop: down: it does not answer" in cove.out
    assert cove("status", "shop") == 0
    assert "web:80  auto  route down" in cove.out
    assert "down: it does not answer" in cove.out
