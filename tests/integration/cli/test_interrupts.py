from __future__ import annotations

import contextlib
import os
import pty
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.fake_agent import FakeAgent, event, finished, planned, serving

CANCEL = ("POST", "/v1/rollouts/7/cancel")


class Call:
    """`cove deploy` as a process of its own, on a terminal or not."""

    def __init__(self, data_dir: Path, *, terminal: bool) -> None:
        (data_dir / "shop.yml").write_text("image: shop:1\n", encoding="utf-8")
        self.shown = ""
        self.screen, theirs = pty.openpty() if terminal else os.pipe()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "cove", "deploy", "shop.yml"],
            cwd=data_dir,
            env={**os.environ, "COVE_DATA_DIR": str(data_dir), "TERM": "xterm"},
            stdin=theirs if terminal else subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)

    def until(self, text: str) -> None:
        """Reads what is shown until the text has appeared."""
        deadline = time.monotonic() + 30
        while text not in self.shown:
            assert time.monotonic() < deadline, self.shown
            if select.select([self.screen], [], [], 0.2)[0]:
                data = self._read()
                assert data, f"ended without {text!r}: {self.shown}"
                self.shown += data.decode(errors="replace")

    def _read(self) -> bytes:
        try:
            return os.read(self.screen, 65536)
        except OSError:  # a terminal whose other end is closed
            return b""

    def end(self) -> int:
        """The exit code, everything shown having been read."""
        while data := self._read():
            self.shown += data.decode(errors="replace")
        return self.process.wait(30)

    def press(self, text: str) -> None:
        """Types."""
        os.write(self.screen, text.encode())

    def interrupt(self, number: int = signal.SIGINT) -> None:
        """What Ctrl-C sends."""
        self.process.send_signal(number)


@contextlib.contextmanager
def deploying(data_dir: Path, *, terminal: bool) -> Iterator[Call]:
    """A deploy that is ended whatever happens."""
    call = Call(data_dir, terminal=terminal)
    try:
        yield call
    finally:
        if call.process.poll() is None:
            call.process.kill()
            call.process.wait()
        os.close(call.screen)


@pytest.fixture
def go_on() -> Iterator[threading.Event]:
    """Lets the scripted rollout continue."""
    happened = threading.Event()
    yield happened
    happened.set()


@pytest.fixture
def agent(tmp_path: Path, go_on: threading.Event) -> Iterator[FakeAgent]:
    """A rollout that waits in its first operation."""
    with serving(FakeAgent(), tmp_path) as fake:
        fake.script([
            planned("wait for shop"),
            event(2, "started", 0),
            go_on,
            event(3, "done", 0),
            finished(4),
        ])  # fmt: skip
        yield fake


def cancellable(agent: FakeAgent) -> None:
    """Makes the rollout end once it is cancelled, its undoing being shown."""
    agent.script([
        planned("wait for shop"),
        event(2, "started", 0),
        agent.wait_for(*CANCEL),
        event(3, "failed", 0, "cancelled"),
        event(4, "undone", 0),
        finished(5, "cancelled", 130),
    ])  # fmt: skip


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_without_a_terminal_a_signal_cancels_at_once(
    agent: FakeAgent, tmp_path: Path, number: int
) -> None:
    """Nobody can be asked: the rollout is cancelled, its undoing shown, exit code 130."""
    cancellable(agent)
    # the wait ends on the request alone, so the signal comes after the display has begun
    with deploying(tmp_path, terminal=False) as call:
        agent.wait_for("GET", "/v1/rollouts/7/events")()
        call.interrupt(number)
        assert call.end() == 130
    assert "undone: wait for shop" in call.shown
    assert "release 11 still serves" in call.shown


def test_ctrl_c_asks_and_yes_cancels(agent: FakeAgent, tmp_path: Path) -> None:
    """On a terminal the person decides; y undoes what was begun."""
    cancellable(agent)
    with deploying(tmp_path, terminal=True) as call:
        call.until("wait for shop")
        call.interrupt()
        call.until("Cancel this rollout?")
        assert "cove attach shop" in call.shown
        call.press("y\n")
        assert call.end() == 130
    assert "undone: wait for shop" in call.shown


def test_a_second_ctrl_c_means_yes(agent: FakeAgent, tmp_path: Path) -> None:
    """Whoever presses twice wants out."""
    cancellable(agent)
    with deploying(tmp_path, terminal=True) as call:
        call.until("wait for shop")
        call.interrupt()
        call.until("Cancel this rollout?")
        call.interrupt()
        assert call.end() == 130
    assert len(agent.bodies(*CANCEL)) == 1


@pytest.mark.parametrize("answer", ["n\n", "\n"])
def test_anything_but_yes_goes_on(
    agent: FakeAgent, tmp_path: Path, go_on: threading.Event, answer: str
) -> None:
    """The rollout is followed to its end, and nothing was cancelled."""
    with deploying(tmp_path, terminal=True) as call:
        call.until("wait for shop")
        call.interrupt()
        call.until("Cancel this rollout?")
        call.press(answer)
        go_on.set()
        assert call.end() == 0
    assert "release 12 is live" in call.shown
    assert agent.bodies(*CANCEL) == []


def test_ctrl_c_while_it_is_undone_leaves(agent: FakeAgent, tmp_path: Path) -> None:
    """An undoing that hangs holds nobody: one more Ctrl-C leaves it to the agent."""
    with deploying(tmp_path, terminal=True) as call:
        call.until("wait for shop")
        call.interrupt(signal.SIGTERM)
        call.until("cancelling")
        call.interrupt()
        assert call.end() == 130
    assert "it goes on without you" in call.shown


def test_a_pipe_whose_reader_left_is_quiet(tmp_path: Path) -> None:
    """`cove logs shop | head -1` ends without a complaint."""
    line = {"at": 1.0, "service": "shop", "release": 1, "stream": "stdout", "text": "x" * 9000}
    fake = FakeAgent()
    fake.answers["GET", "/v1/apps/shop"] = (200, {"app": {"replicas": []}})
    fake.streams["/v1/apps/shop/logs"] = [[line] * 200]
    with serving(fake, tmp_path):
        process = subprocess.Popen(
            [sys.executable, "-m", "cove", "logs", "shop"],
            env={**os.environ, "COVE_DATA_DIR": str(tmp_path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdout
        assert process.stderr
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
        process.stderr.close()
        assert process.wait(30) == 1


def test_following_logs_ends_well_with_ctrl_c(tmp_path: Path, go_on: threading.Event) -> None:
    """Ctrl-C is the only end that following has, so it is a success."""
    line = {"at": 1.0, "service": "shop", "release": 1, "stream": "stdout", "text": "hello"}
    fake = FakeAgent()
    fake.answers["GET", "/v1/apps/shop"] = (200, {"app": {"replicas": []}})
    fake.streams["/v1/apps/shop/logs"] = [[line, go_on]]
    with serving(fake, tmp_path):
        process = subprocess.Popen(
            [sys.executable, "-m", "cove", "logs", "-f", "--raw", "shop"],
            env={**os.environ, "COVE_DATA_DIR": str(tmp_path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout
        assert process.stdout.readline() == "hello\n"
        process.send_signal(signal.SIGINT)
        _, complaint = process.communicate(timeout=30)
        assert (process.returncode, complaint) == (0, "")
