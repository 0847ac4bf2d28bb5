from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from cove.cli.commands import events

from support.calling import Cove
from support.fake_agent import FakeAgent, Hang, Step

PATH = "/v1/events"


def happening(seq: int, text: str, app: str = "shop", kind: str = "notice") -> dict[str, Any]:
    """One line of the stream."""
    return {"seq": seq, "at": 1_000.0, "kind": kind, "app": app, "text": text, "rollout": 0}


def test_happenings_are_lines_with_time_and_app(cove: Cove, agent: FakeAgent) -> None:
    """The server's own have no app; the last 50 are asked for."""
    agent.streams[PATH] = [[happening(1, "release 2 is live"), happening(2, "ready", app="")]]
    assert cove("events") == 0
    lines = [line.split(maxsplit=2)[2] for line in cove.out.splitlines()]
    assert [" ".join(line.split()) for line in lines] == ["shop release 2 is live", "- ready"]
    assert agent.bodies("GET", PATH) == [{"tail": "50"}]


def test_of_one_app_the_name_is_left_out(cove: Cove, agent: FakeAgent) -> None:
    """It was given already. With --since all are wanted."""
    agent.streams[PATH] = [[happening(1, "release 2 is live")]]
    assert cove("events", "shop", "--since", "1h") == 0
    assert cove.out.endswith("  release 2 is live\n")
    assert "shop" not in cove.out
    (query,) = agent.bodies("GET", PATH)
    assert (query["app"], query["tail"]) == ("shop", "-1")


def test_with_json_each_is_an_object(cove: Cove, agent: FakeAgent) -> None:
    """As the agent sent it, with the form's version."""
    agent.streams[PATH] = [[happening(1, "a"), happening(2, "b")]]
    assert cove("events", "--json") == 0
    assert [json.loads(line) for line in cove.out.splitlines()] == [
        {"v": 1, **happening(1, "a")},
        {"v": 1, **happening(2, "b")},
    ]


def test_following_goes_on_after_the_last_number(
    cove: Cove, agent: FakeAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the agent is gone and comes back, it is asked for the rest alone."""
    monkeypatch.setattr(events, "RETRY", 0.01)

    def leave() -> None:
        raise KeyboardInterrupt

    real = events._show

    def show(out: Any, one: dict[str, Any], *, named: bool) -> None:
        real(out, one, named=named)
        if one["seq"] == 3:
            leave()

    monkeypatch.setattr(events, "_show", show)
    first: list[Step] = [happening(2, "b"), Hang]
    second: list[Step] = [happening(3, "c"), threading.Event()]
    agent.streams[PATH] = [[happening(1, "a")], [happening(1, "a")], first, second]
    assert cove("events", "-f") == 0
    assert [line[-1] for line in cove.out.splitlines()] == ["a", "b", "c"]
    assert agent.bodies("GET", PATH) == [
        {"tail": "1"},
        {"tail": "50"},
        {"after": "1", "follow": "1"},
        {"after": "2", "follow": "1"},
    ]
    assert "waiting for it to come back" in cove.err


def test_following_where_no_agent_is_fails_at_once(cove: Cove) -> None:
    """There is nothing to wait for."""
    assert cove("events", "-f") == 4
    assert "cove up -d" in cove.err


def test_foreign_text_cannot_move_the_terminals_cursor(cove: Cove, agent: FakeAgent) -> None:
    """A text of several lines stays one."""
    agent.streams[PATH] = [[happening(1, "two\nlines")]]
    assert cove("events") == 0
    assert cove.out.endswith("two lines\n")
