"""What an app writes: the last lines, the lines since, and lines as they come, none twice."""

from __future__ import annotations

import json
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from support.agent import Agent, ApiError
from support.appfiles import app_file, host
from support.engine import docker
from support.images import Images
from support.polling import until

OURS = "GET /line-"  # cove's own looks at the app are logged by it as well
MARK = re.compile(r"GET /(line-\w+)")


def marks(lines: list[dict[str, Any]]) -> list[str]:
    """Which of the requests made by `write` are among the lines, in order."""
    return [found[1] for line in lines if (found := MARK.search(line["text"]))]


def write(agent: Agent, name: str, *words: str) -> None:
    """Make the app write a line for each word: it logs every request."""
    for word in words:
        agent.web.get(host(name), f"/line-{word}")


def read(agent: Agent, name: str, **query: Any) -> list[dict[str, Any]]:
    """The log as it is now."""
    with agent.stream(f"/v1/apps/{name}/logs", **query) as lines:
        return list(lines)


def settled(agent: Agent, name: str, last: str) -> None:
    """Wait until a line has arrived in Docker's log."""
    until(lambda: f"line-{last}" in marks(read(agent, name, tail=-1)), f"line {last}")


def talking(name: str, images: Images, version: str = "1") -> str:
    """An app that writes a line for each request."""
    return app_file(name, images.hello, env={"ACCESS_LOG": "1", "VERSION": version}, health=None)


@contextmanager
def following(agent: Agent, name: str, **query: Any) -> Iterator[list[dict[str, Any]]]:
    """The lines that arrive while the block lasts."""
    lines: list[dict[str, Any]] = []
    with agent.stream(f"/v1/apps/{name}/logs", follow=1, **query) as stream:

        def collect() -> None:
            try:
                for line in stream:
                    lines.append(line)  # noqa: PERF402 - seen by the other thread at once
            except (OSError, ValueError, AttributeError):
                return

        threading.Thread(target=collect, daemon=True).start()
        yield lines


@pytest.fixture(scope="module")
def spoken(agent: Agent, images: Images) -> tuple[str, float]:
    """An app that has written six lines, and a moment after the third."""
    name = "spoken"
    agent.deploy(talking(name, images)).expect("live")
    write(agent, name, "a", "b", "c")
    settled(agent, name, "c")
    between = time.time()
    write(agent, name, "d", "e", "f")
    settled(agent, name, "f")
    return name, between


def test_tail_gives_the_last_lines_in_order(agent, spoken):
    """The last N lines, oldest first, each with its time, service, release and stream."""
    name, _ = spoken
    lines = read(agent, name, tail=2, text=OURS)
    assert marks(lines) == ["line-e", "line-f"]
    assert marks(read(agent, name, tail=-1)) == [f"line-{c}" for c in "abcdef"]
    assert [line["at"] for line in lines] == sorted(line["at"] for line in lines)
    last = lines[-1]
    assert (last["service"], last["name"], last["release"]) == (name, f"{name}-r1", 1)
    assert last["stream"] == "stderr"


def test_since_gives_what_came_after(agent, spoken):
    """Only lines from that moment on."""
    name, between = spoken
    assert marks(read(agent, name, since=between, tail=-1)) == ["line-d", "line-e", "line-f"]
    assert read(agent, name, since=time.time() + 60, tail=-1) == []


def test_the_command_prints_the_lines(agent, spoken):
    """`cove logs -n` prints text, `--json` one object a line."""
    name, _ = spoken
    said = agent.cove("logs", name, "-n", "2", "-g", OURS)
    assert [MARK.search(line)[1] for line in said.out.splitlines()] == ["line-e", "line-f"]  # type: ignore[index]
    said = agent.cove("logs", name, "-n", "1", "-g", OURS, "--json")
    assert marks([json.loads(said.out)]) == ["line-f"]


def test_following_continues_where_the_past_ends(agent, images):
    """The lines before and the lines after, none missing and none twice."""
    name = "continues"
    agent.deploy(talking(name, images)).expect("live")
    write(agent, name, "a", "b")
    settled(agent, name, "b")
    with following(agent, name, tail=100) as lines:
        until(lambda: "line-b" in marks(lines), "the past")
        write(agent, name, "c", "d")
        until(lambda: "line-d" in marks(lines), "the present")
    assert marks(lines) == ["line-a", "line-b", "line-c", "line-d"]


def test_following_goes_on_across_a_rollout(agent, images):
    """Lines of the new release arrive without asking again; no line comes twice."""
    name = "across"
    agent.deploy(talking(name, images)).expect("live")
    write(agent, name, "a")
    settled(agent, name, "a")
    with following(agent, name, tail=100) as lines:
        until(lambda: "line-a" in marks(lines), "the past")
        write(agent, name, "b")
        agent.deploy(talking(name, images, "2")).expect("live")
        write(agent, name, "c", "d")
        until(lambda: "line-d" in marks(lines), "the new release's lines")
    assert Counter(marks(lines)) == Counter(["line-a", "line-b", "line-c", "line-d"])
    began = [line for line in lines if "version 2 listens" in line["text"]]
    assert [line["release"] for line in began] == [2]
    stopped = [line for line in lines if "stopped after" in line["text"]]
    assert [line["release"] for line in stopped] == [1]


def test_following_with_no_past_shows_only_what_comes(agent, images):
    """With a tail of 0 nothing old is shown."""
    name = "fresh"
    agent.deploy(talking(name, images)).expect("live")
    write(agent, name, "old")
    settled(agent, name, "old")
    with following(agent, name, tail=0) as lines:

        def arrived() -> bool:
            write(agent, name, "new")
            return bool(marks(lines))  # the app also tells of requests, cove's own looks among them

        until(arrived, "a new line")
    assert set(marks(lines)) == {"line-new"}


def test_the_last_lines_of_a_replaced_container_are_kept(agent, images):
    """A rollout removes the old containers once what they wrote at their end is in the store."""
    name = "replaced"
    agent.deploy(talking(name, images)).expect("live")
    for version in "234":
        agent.deploy(talking(name, images, version)).expect("live")
        found = read(agent, name, tail=-1, release=int(version) - 1)
        assert "stopped after" in found[-1]["text"], version
        services = agent.api("GET", "/v1/logs/services")["logs"]["services"]
        assert any(s["app"] == name and s["stored"] for s in services)


def test_a_candidates_last_words_are_kept(agent, images):
    """What a release wrote that never became live stays, though its container is gone."""
    name = "candidate"
    agent.deploy(talking(name, images)).expect("live")
    bad = app_file(name, images.hello, env={"ACCESS_LOG": "1", "FAULT": "exit"}, health=None)
    assert agent.deploy(bad).outcome != "live"
    assert len(agent.owned.containers(name)) == 1
    assert read(agent, name, tail=-1, release=2)


def test_the_log_of_a_removed_app_stays(agent, images):
    """Its lines can be read and searched after nothing else of it is left."""
    name = "gone"
    agent.deploy(talking(name, images)).expect("live")
    write(agent, name, "before")
    agent.act(name, "remove").expect("done")
    found = read(agent, name, tail=-1)
    assert marks(found) == ["line-before"]
    assert "stopped after" in found[-1]["text"]
    assert agent.cove("logs", name, "--grep", "line-before").code == 0


def test_lines_written_while_no_agent_ran_are_kept(agent, images):
    """Of containers that run on, and of those that ended meanwhile; none comes twice."""
    name, resting = "meanwhile", "ended-meanwhile"
    for app in (name, resting):
        agent.deploy(talking(app, images)).expect("live")
    write(agent, name, "a")
    settled(agent, name, "a")
    agent.kill9()
    write(agent, name, "b")
    write(agent, resting, "c")
    (container,) = agent.owned.containers(resting)
    docker("stop", container)
    agent.start()
    settled(agent, name, "b")
    settled(agent, resting, "c")
    assert marks(read(agent, name, tail=-1)) == ["line-a", "line-b"]
    assert marks(read(agent, resting, tail=-1)) == ["line-c"]


def test_lines_are_found_by_what_they_say(agent, spoken):
    """By a text, a word, a regular expression, a level, a service; newest first if asked."""
    name, _ = spoken
    assert marks(read(agent, name, text="line-b", tail=-1)) == ["line-b"]
    assert marks(read(agent, name, text="line", word=1, tail=-1)) == [f"line-{c}" for c in "abcdef"]
    assert marks(read(agent, name, text="lin", word=1, tail=-1)) == []
    found = read(agent, name, text="line-[ace]", regex=1, tail=-1, newest=1)
    assert marks(found) == ["line-e", "line-c", "line-a"]
    assert read(agent, name, level="error", tail=-1) == []
    assert read(agent, name, service="other", tail=-1) == []
    around = read(agent, name, text="line-c", before=1, after=1, tail=10)
    assert [bool(line["context"]) for line in around] == [True, False, True]
    assert marks([around[1]]) == ["line-c"]


@pytest.mark.parametrize("query", [{"tail": 10}, {"tail": 0}, {"newest": 1}, {"follow": 1}])
@pytest.mark.parametrize("pattern", ["(", "(.{0,100}e){90}"])
def test_an_impossible_pattern_is_refused(agent, spoken, pattern, query):
    """What is none, or too large, is said before the answer begins."""
    with pytest.raises(ApiError) as caught:
        agent.api("GET", f"/v1/apps/{spoken[0]}/logs", text=pattern, regex=1, **query)
    assert caught.value.code == "log-pattern"


def test_what_is_too_large_to_be_followed_can_be_searched_for(agent, spoken):
    """Each line as it comes is held against it, so that has less room."""
    name, _ = spoken
    large = "line-[abc](.{0,100}e){6}|line-a"
    assert marks(read(agent, name, text=large, regex=1, tail=-1)) == ["line-a"]
    said = agent.cove("logs", name, "-f", "--grep", f"/{large}/")
    assert said.code == 3
    assert "steps" in said.err


def test_a_long_text_of_any_script_is_looked_for(agent, spoken):
    """As many characters as a text may have, each of which takes twelve in a request's line."""
    assert read(agent, spoken[0], text="😀" * 4096, tail=-1) == []
    with pytest.raises(ApiError, match="longer than 4096 characters"):
        agent.api("GET", f"/v1/apps/{spoken[0]}/logs", text="😀" * 4097)


def test_coves_own_logs_are_kept_too(agent, spoken):
    """The agent's lines and the proxy's, each under a name that no app can have."""
    agent.restart()
    with agent.stream("/v1/logs", app="_agent", tail=-1) as lines:
        assert any(line["text"].startswith("ready:") for line in lines)
    said = agent.cove("logs", "--usage", "--json").json["logs"]
    assert {"_agent", spoken[0]} <= {service["app"] for service in said["services"]}
    assert said["problem"] == ""


def test_a_store_that_cannot_be_opened_stops_nothing(agent, images):
    """Rollouts go on, it is told, and Docker's own lines are shown."""
    name = "unkept"
    agent.stop()
    files = {path: path.read_bytes() for path in agent.data_dir.glob("logs.db*") if path.is_file()}
    for path in files:
        path.unlink()
    (agent.data_dir / "logs.db").mkdir()
    try:
        agent.start()
        agent.deploy(talking(name, images)).expect("live")
        write(agent, name, "x")
        settled(agent, name, "x")
        assert agent.api("GET", "/v1/logs/services")["logs"]["problem"]
        assert any("logs are not kept" in e["text"] for e in events(agent))
    finally:
        agent.stop()
        (agent.data_dir / "logs.db").rmdir()
        for path, data in files.items():
            path.write_bytes(data)
        agent.start()


def events(agent: Agent) -> list[dict[str, Any]]:
    """What happened of late."""
    with agent.stream("/v1/events", tail=50) as found:
        return list(found)


def test_a_stopped_apps_log_can_still_be_read(agent, images):
    """A stop keeps the containers, and so what they wrote."""
    name = "silent"
    agent.deploy(talking(name, images)).expect("live")
    write(agent, name, "last")
    agent.act(name, "stop").expect("done")
    assert marks(read(agent, name, tail=-1)) == ["line-last"]


def test_an_unknown_app_has_no_log(agent):
    """Exit code 2, and which app is unknown."""
    said = agent.cove("logs", "nobody", "--json")
    assert (said.code, said.json["error"]["code"]) == (2, "not-found")
