from __future__ import annotations

import errno
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from cove.cli import client as module
from cove.cli.client import Client
from cove.cli.options import Settings
from cove.errors import InvalidFile, PlatformError, RemoteError, Unreachable

from support.fake_agent import FakeAgent, Hang, serving


@pytest.fixture
def client(data_dir: Path) -> Client:
    """A client of the agent in the data directory."""
    return Client(Settings())


def starting(times: int) -> Any:
    """An agent that recovers for that many requests, and then answers."""
    left = [times]

    def answer(_: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        left[0] -= 1
        if left[0] < 0:
            return 200, {"apps": []}
        error = PlatformError("the agent is starting", code="starting")
        return 503, {"error": error.as_dict()}

    return answer


def test_a_missing_socket_means_no_agent(client: Client) -> None:
    """The error says how to start one."""
    with pytest.raises(Unreachable) as caught:
        client.get("/v1/apps")
    assert "cove up -d" in caught.value.hint
    assert client.alive() is None


def test_a_socket_nobody_listens_on_means_no_agent(client: Client) -> None:
    """kill -9 leaves the file behind."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(client.socket_path))
    with pytest.raises(Unreachable, match="no agent is running"):
        client.get("/v1/apps")


def test_who_may_not_ask_is_told_who_may(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Permission denied says nothing about whether an agent runs, and suggests starting none."""

    def denied(*_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(module.UnixConnection, "connect", denied)
    for ask in (client.alive, lambda: client.get("/v1/apps")):
        with pytest.raises(Unreachable) as caught:
            ask()
        assert "root" in caught.value.hint


def test_a_data_directory_with_a_long_path_is_reached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A socket's address has room for 108 bytes; a path may be longer."""
    folder = tmp_path / ("x" * 120)
    folder.mkdir()
    monkeypatch.setenv("COVE_DATA_DIR", str(folder))
    monkeypatch.chdir(folder)
    with serving(FakeAgent(), Path()):
        assert Client(Settings()).get("/v1/apps") == {"apps": []}


def test_requests_wait_for_an_agent_that_is_starting(
    client: Client, agent: FakeAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Recovery after a crash takes a moment; nobody has to try again by hand."""
    monkeypatch.setattr(module, "_RETRY", 0.01)
    agent.answers["GET", "/v1/apps"] = starting(3)
    assert client.get("/v1/apps") == {"apps": []}


def test_an_agent_that_does_not_get_ready_is_given_up(
    client: Client, agent: FakeAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wait has an end, and the error says what was waited for."""
    monkeypatch.setattr(module, "_RETRY", 0.01)
    monkeypatch.setattr(module, "STARTING_SECONDS", 0.05)
    agent.answers["GET", "/v1/apps"] = starting(100_000)
    with pytest.raises(Unreachable, match="not ready yet: the agent is starting"):
        client.get("/v1/apps")


def test_an_answer_that_breaks_off_is_a_lost_connection(client: Client, agent: FakeAgent) -> None:
    """What came whole before is delivered; the end of the agent is not the end of the stream."""
    agent.streams["/v1/x"] = [[{"n": 1}, Hang]]
    stream = client.stream("/v1/x")
    assert next(stream) == {"n": 1}
    with pytest.raises(Unreachable) as caught:
        next(stream)
    assert caught.value.specific_code == "connection-lost"


def test_a_stream_may_end_with_its_reason(client: Client, agent: FakeAgent) -> None:
    """The agent's own words, code and exit code, behind what came before."""
    error = {"code": "log-pattern", "message": "too slow", "hint": "a text", "exit_code": 3}
    agent.streams["/v1/x"] = [[{"n": 1, "error": "of an item"}, {"error": error}]]
    stream = client.stream("/v1/x")
    assert next(stream)["n"] == 1
    with pytest.raises(RemoteError, match="too slow") as caught:
        next(stream)
    assert (caught.value.specific_code, caught.value.exit_code) == ("log-pattern", 3)


def test_silence_that_lasts_too_long_is_a_lost_agent(client: Client, agent: FakeAgent) -> None:
    """A stream that is not even kept alive is given up."""
    agent.streams["/v1/x"] = [[agent.wait_for("GET", "/v1/never-asked")]]
    with pytest.raises(Unreachable, match="in time"):
        next(client.stream("/v1/x", silence=0.05))
    agent.record("GET", "/v1/never-asked", {})


def test_what_is_no_json_object_is_a_lost_connection(client: Client, agent: FakeAgent) -> None:
    """Whatever listens there, it is not an agent."""
    answer: Any = (200, ["a list"])
    agent.answers["GET", "/v1/apps"] = answer
    with pytest.raises(Unreachable, match="not an object"):
        client.get("/v1/apps")


def test_parameters_are_quoted_and_missing_ones_left_out(client: Client, agent: FakeAgent) -> None:
    """A value with an ampersand stays one value."""
    client.get("/v1/apps", a="x&y=z", b=None, c=0)
    assert agent.bodies("GET", "/v1/apps") == [{"a": "x&y=z", "c": "0"}]


def test_what_is_no_text_is_refused(client: Client) -> None:
    """A byte of an argument that is not UTF-8, in a question and in what is sent."""
    with pytest.raises(InvalidFile, match="not UTF-8"):
        client.get("/v1/apps", text="a\udc80")
    with pytest.raises(InvalidFile, match="not UTF-8"):
        client.post("/v1/apps", {"text": "a\udc80"})
