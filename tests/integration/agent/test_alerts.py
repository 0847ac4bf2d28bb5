"""Alerts from their real causes to real receivers: each once, none lost."""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.agent import Agent, running
from support.appfiles import app_file, host
from support.engine import docker
from support.pebble import Pebble, use
from support.polling import until
from support.receivers import HttpReceiver, http_receiver, smtp_receiver

KILLS = 5  # of each kind
LONG = 180.0  # seconds; a dead port is noticed within 70
DAY = 86400


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    """Where the webhook leads."""
    with http_receiver() as receiver:
        yield receiver


def add_channel(agent: Agent, name: str, url: str, **more: Any) -> None:
    """One more channel."""
    agent.api("POST", "/v1/alerts/channels", {"name": name, "url": url, **more})


def set_rule(agent: Agent, rule: str, **more: Any) -> None:
    """A rule's settings."""
    agent.api("POST", "/v1/alerts/rules", {"rule": rule, **more})


def firing(agent: Agent) -> list[str]:
    """The rules that fire."""
    found = agent.api("GET", "/v1/alerts")["alerts"]
    return [alert["rule"] for alert in found if alert["phase"] == "firing"]


def route(agent: Agent, app: str) -> dict[str, Any]:
    """The uptime of an app's only route."""
    (found,) = agent.api("GET", "/v1/uptime", app=app)["routes"]
    return dict(found)


def await_items(receiver: HttpReceiver, *items: tuple[str, str, str]) -> None:
    """Exactly these have arrived, in this order."""
    until(lambda: len(receiver.items()) >= len(items), f"{items} arrive", LONG)
    assert receiver.items() == list(items)
    assert len(set(receiver.ids())) == len(receiver.ids())


def await_delivered(agent: Agent) -> None:
    """The agent has noted that everything arrived: only then may nothing come twice."""

    def done() -> bool:
        return not any(c["waiting"] for c in agent.api("GET", "/v1/alerts/channels")["channels"])

    until(done, "everything is delivered", LONG)


def test_a_dead_port_fires_and_recovers(agent: Agent, images, receiver: HttpReceiver):
    """By webhook and by mail; over a kill of the agent nothing is repeated and nothing lost."""
    with smtp_receiver() as mailbox:
        add_channel(agent, "hook", receiver.url())
        mail = f"smtp://127.0.0.1:{mailbox.port}/?from=cove@example.com&to=owner@example.com"
        add_channel(agent, "mail", mail)
        set_rule(agent, "down", wait=0, keep=0)
        agent.deploy(app_file("dead", images.hello)).expect("live")
        until(lambda: route(agent, "dead")["state"] == "up", "it is seen up", LONG)
        (name,) = agent.owned.containers("dead")
        # It runs, but answers nothing any more.
        docker("pause", name)
        until(lambda: "down" in firing(agent), "it fires", LONG)
        assert route(agent, "dead")["state"] == "app-down"
        await_items(receiver, ("fired", "down", "dead"))
        await_delivered(agent)
        agent.kill9()
        agent.start()
        assert "down" in firing(agent)
        docker("unpause", name)
        await_items(receiver, ("fired", "down", "dead"), ("recovered", "down", "dead"))
        until(lambda: len(mailbox.mails) >= 2, "both mails arrive", LONG)
        assert [m["Message-ID"] for m in mailbox.mails] == list(
            dict.fromkeys(m["Message-ID"] for m in mailbox.mails)
        )
        assert "down dead" in str(mailbox.mails[0]["Subject"])
        assert set(mailbox.recipients) == {"owner@example.com"}
    found = route(agent, "dead")
    assert found["state"] == "up"
    assert found["outage"]["ended"] > found["outage"]["began"]
    kinds = [e["transition"]["kind"] for e in agent.api("GET", "/v1/alerts/history")["history"]]
    assert kinds.count("fired") == kinds.count("recovered") == 1
    agent.act("dead", "remove")
    for channel in ("hook", "mail"):
        agent.api("POST", "/v1/alerts/channels/remove", {"name": channel})


def test_a_lack_of_memory_fires(agent: Agent, images, receiver: HttpReceiver):
    """The kernel kills the process; the alert is over when the rule's window has passed."""
    add_channel(agent, "hook", receiver.url(), apps=["greedy"])
    set_rule(agent, "oom", app="greedy", window=40)
    for rule in ("down", "restart-loop"):
        set_rule(agent, rule, app="greedy", enabled=False)
    agent.deploy(app_file("greedy", images.hello, mem_limit="64m")).expect("live")
    (name,) = agent.owned.containers("greedy")

    def later() -> bool:
        command = "x = bytearray(200 << 20)"
        subprocess.run(
            ["docker", "exec", name, "python3", "-c", command], check=False, capture_output=True
        )
        return bool(receiver.items())

    # What falls into the seconds after a rollout counts as the rollout's own.
    until(later, "the lack of memory is told", LONG, pause=3)
    until(lambda: len(receiver.items()) >= 2, "it is over", LONG)
    assert receiver.items()[:2] == [("fired", "oom", "greedy"), ("recovered", "oom", "greedy")]
    assert "memory" in receiver.taken[0].json["alerts"][0]["text"]
    agent.act("greedy", "remove")
    agent.api("POST", "/v1/alerts/channels/remove", {"name": "hook"})


def test_a_certificate_that_ends_soon_fires(agent: Agent, images, tmp_path: Path, receiver):
    """Seen in the handshake; over once the renewed one is shown."""
    short = Pebble(tmp_path / "short", agent.http_port, agent.https_port, lifetime=2 * DAY)
    usual = Pebble(tmp_path / "usual", agent.http_port, agent.https_port)
    add_channel(agent, "hook", receiver.url(), apps=["brief"])
    try:
        use(agent, short.start())
        agent.deploy(app_file("brief", images.hello, domain="brief.example.com")).expect("live")
        await_items(receiver, ("fired", "certificate", "brief"))
        assert receiver.taken[0].json["alerts"][0]["subject"] == "brief.example.com"
        use(agent, usual.start())
        agent.api("POST", "/v1/certs/renew", {"domain": "brief.example.com"})
        await_items(
            receiver, ("fired", "certificate", "brief"), ("recovered", "certificate", "brief")
        )
    finally:
        short.stop()
        usual.stop()
    agent.act("brief", "remove")
    agent.api("POST", "/v1/alerts/channels/remove", {"name": "hook"})


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MB, in memory."""
    place = tmp_path / "disk"
    place.mkdir()
    options = ["-t", "tmpfs", "-o", "size=8m", "none", str(place)]
    subprocess.run(["mount", *options], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def end_disk(agent: Agent, small_disk: Path, receiver: HttpReceiver) -> None:
    """The disk's alert is over, and told: nothing of it is left for the next test."""
    (small_disk / "filling").write_bytes(b"")
    over = [("fired", "disk", ""), ("recovered", "disk", "")]
    until(lambda: receiver.items()[-2:] == over, "the end is told", LONG)
    await_delivered(agent)
    agent.api("POST", "/v1/alerts/channels/remove", {"name": "hook"})
    set_rule(agent, "disk", reset=True)


def test_a_full_disk_fires(agent: Agent, small_disk: Path, receiver: HttpReceiver):
    """Over once there is room; what lies between the two thresholds changes nothing."""
    add_channel(agent, "hook", receiver.url())
    set_rule(agent, "disk", paths=[str(small_disk)], wait=0)
    filling = small_disk / "filling"
    filling.write_bytes(b"x" * (7 << 20))
    await_items(receiver, ("fired", "disk", ""))
    filling.write_bytes(b"x" * (1 << 20))
    await_items(receiver, ("fired", "disk", ""), ("recovered", "disk", ""))
    set_rule(agent, "disk", reset=True)
    agent.api("POST", "/v1/alerts/channels/remove", {"name": "hook"})


def test_a_failed_rollout_fires_until_one_goes_well(agent: Agent, images, receiver):
    """While the next is under way nothing changes."""
    add_channel(agent, "hook", receiver.url(), apps=["bad"])
    agent.deploy(app_file("bad", images.hello)).expect("live")
    agent.deploy(app_file("bad", images.hello, env={"FAULT": "exit"})).expect("kept")
    await_items(receiver, ("fired", "failed-rollout", "bad"))
    agent.deploy(app_file("bad", images.hello, env={"A": "1"})).expect("live")
    await_items(
        receiver, ("fired", "failed-rollout", "bad"), ("recovered", "failed-rollout", "bad")
    )
    agent.act("bad", "remove")
    agent.api("POST", "/v1/alerts/channels/remove", {"name": "hook"})


def test_a_message_waits_for_its_receiver(agent: Agent, small_disk: Path):
    """The channel refuses, the agent is killed: it arrives once, when the channel takes it."""
    with http_receiver() as receiver:
        receiver.status = 503
        add_channel(agent, "hook", receiver.url())
        set_rule(agent, "disk", paths=[str(small_disk)], wait=0)
        (small_disk / "filling").write_bytes(b"x" * (7 << 20))
        until(lambda: receiver.refused, "it was tried", LONG)
        agent.kill9()
        receiver.status = 200
        agent.start()
        await_items(receiver, ("fired", "disk", ""))
        assert receiver.ids()[0] == receiver.refused[0].json["id"]
        end_disk(agent, small_disk, receiver)


@pytest.mark.slow
def test_kills_at_any_moment_lose_and_repeat_nothing(agent: Agent, small_disk: Path, receiver):
    """A disk fills and empties while the agent is killed again and again.

    What arrives twice carries the id it had before; without that, everything came once, in turn.
    """
    add_channel(agent, "hook", receiver.url())
    set_rule(agent, "disk", paths=[str(small_disk)], wait=0)
    filling = small_disk / "filling"
    wanted: list[tuple[str, str, str]] = []

    def distinct() -> list[tuple[str, str, str]]:
        by_id = {one.json["id"]: one.json["alerts"] for one in receiver.taken}
        return [(i["status"], i["rule"], i["app"]) for items in by_id.values() for i in items]

    for size, kind in [(7, "fired"), (1, "recovered")] * KILLS:
        filling.write_bytes(b"x" * (size << 20))
        # From before it is noticed until after it was told.
        pause = random.uniform(0, 20)  # noqa: S311 - a moment to die at
        until(pause_of(pause), "a moment passes")
        agent.kill9()
        agent.start()
        wanted.append((kind, "disk", ""))
        until(lambda: len(distinct()) >= len(wanted), f"{kind} arrives", LONG)
        assert distinct() == wanted
    set_rule(agent, "disk", reset=True)
    agent.api("POST", "/v1/alerts/channels/remove", {"name": "hook"})


def pause_of(seconds: float) -> Callable[[], bool]:
    """True once so much time has passed."""
    end = time.monotonic() + seconds
    return lambda: time.monotonic() > end


def test_what_is_silenced_is_told_when_the_silence_ends(agent: Agent, small_disk: Path, receiver):
    """It fires meanwhile, and is in the history with the reason why nobody was told."""
    add_channel(agent, "hook", receiver.url())
    assert agent.cove("alerts", "silence", "disk", "--for", "1h", "--reason", "tests").code == 0
    set_rule(agent, "disk", paths=[str(small_disk)], wait=0)
    (small_disk / "filling").write_bytes(b"x" * (7 << 20))
    until(lambda: "disk" in firing(agent), "it fires", LONG)
    assert "tests" in agent.cove("alerts").out
    assert receiver.taken == []
    (silence,) = agent.api("GET", "/v1/alerts")["silences"]
    assert agent.cove("alerts", "unsilence", str(silence["id"])).code == 0
    await_items(receiver, ("fired", "disk", ""))
    end_disk(agent, small_disk, receiver)


def test_no_secret_of_a_channel_is_shown_or_kept_in_the_clear(agent: Agent, receiver):
    """Neither in the API nor in any file of the data directory nor in the log."""
    secret = "s3cr3t-part-of-the-address"
    said = agent.cove("alerts", "channel", "add", "hidden", input=receiver.url(f"/{secret}") + "\n")
    assert said.code == 0, said.err
    assert agent.cove("alerts", "test", "hidden").code == 0
    assert receiver.taken[0].path == f"/{secret}"
    receiver.status = 500
    failed = agent.cove("alerts", "test", "hidden")
    assert failed.code == 1
    shown = said.out + said.err + failed.out + failed.err
    shown += agent.cove("alerts", "channel", "list").out + agent.said()
    assert secret not in shown
    files = [path for path in agent.data_dir.rglob("*") if path.is_file()]
    assert not [path for path in files if secret.encode() in path.read_bytes()]
    agent.api("POST", "/v1/alerts/channels/remove", {"name": "hidden"})


def test_a_stopped_app_rests(agent: Agent, images):
    """It is paused, and up again when it is started; neither is an outage."""
    agent.deploy(app_file("resting", images.hello)).expect("live")
    until(lambda: route(agent, "resting")["state"] == "up", "it is seen up", LONG)
    agent.act("resting", "stop").expect("done")
    until(lambda: route(agent, "resting")["state"] == "paused", "it is paused", LONG)
    agent.act("resting", "start").expect("live")
    until(lambda: route(agent, "resting")["state"] == "up", "it is up again", LONG)
    assert route(agent, "resting")["outage"] is None
    assert host("resting") in agent.cove("uptime").out
    agent.act("resting", "remove")


def test_a_missing_route_is_told_from_a_dead_app(images):
    """The proxy is gone, the app answers directly."""
    with running(Agent()) as agent:
        set_rule(agent, "down", wait=0)
        agent.deploy(app_file("led", images.hello)).expect("live")
        until(lambda: route(agent, "led")["state"] == "up", "it is seen up", LONG)
        # It is there and listens, and says nothing: so it is not simply started again.
        proxy = f"{agent.instance}_proxy-proxy-1"
        docker("kill", "--signal", "STOP", proxy)
        try:
            until(lambda: route(agent, "led")["state"] == "route-down", "it is noticed", LONG)
            assert "down" in until(lambda: firing(agent), "it fires", LONG)
        finally:
            docker("kill", "--signal", "CONT", proxy)
