from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cove.cli import background
from cove.cli.background import AgentOptions, Supervisor


def until(condition: Callable[[], object]) -> None:
    """Polls."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


class Supervised:
    """The script around a small program that stands in for the agent."""

    def __init__(self, folder: Path, program: str) -> None:
        self.pid_file = folder / "supervisor.pid"
        self.runs = folder / "runs"
        self.log = folder / "log"
        code = f"import os; open({str(self.runs)!r}, 'a').write(f'{{os.getpid()}}\\n')\n{program}"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                ["/bin/sh", background.SCRIPT, self.pid_file, sys.executable, "-c", code],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def pids(self) -> list[int]:
        """The agents so far."""
        text = self.runs.read_text() if self.runs.exists() else ""
        return [int(line) for line in text.splitlines()]


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Callable[[str], Supervised]]:
    """Starts supervisors; ends what is left of them."""
    started: list[Supervised] = []

    def start(program: str) -> Supervised:
        started.append(Supervised(tmp_path, program))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            os.killpg(one.process.pid, signal.SIGKILL)
            one.process.wait()


Supervise = Callable[[str], Supervised]


def test_it_ends_with_an_agent_that_ends_well(supervise: Supervise) -> None:
    """Exit code 0 is meant: nothing is restarted, and the pid file is gone."""
    supervised = supervise("")
    assert supervised.process.wait(30) == 0
    assert len(supervised.pids()) == 1
    assert not supervised.pid_file.exists()
    assert supervised.log.read_text() == ""


def test_it_restarts_a_crashed_agent(supervise: Supervise) -> None:
    """After kill -9 there is a new one, and the log says why."""
    supervised = supervise("import time; time.sleep(60)")
    until(supervised.pids)
    os.kill(supervised.pids()[0], signal.SIGKILL)
    until(lambda: len(supervised.pids()) == 2)
    assert "ended with status 137; starting it again in 1 s" in supervised.log.read_text()
    assert int(supervised.pid_file.read_text()) == supervised.process.pid


def test_it_waits_longer_after_each_crash(supervise: Supervise) -> None:
    """An agent that cannot start does not burn the processor."""
    supervised = supervise("raise SystemExit(3)")
    until(lambda: "again in 2 s" in supervised.log.read_text())
    assert "status 3; starting it again in 1 s" in supervised.log.read_text()


def test_it_hands_term_on_and_waits_for_the_agents_end(
    supervise: Supervise, tmp_path: Path
) -> None:
    """The agent gets its time to end; only then is the supervisor gone, with exit code 0."""
    last = tmp_path / "last-words"
    supervised = supervise(
        "import signal, sys, time\n"
        "def end(*_):\n"
        "    time.sleep(0.3)\n"
        f"    open({str(last)!r}, 'w').write('bye')\n"
        "    sys.exit(1)\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "print('ready', flush=True)\n"
        "time.sleep(60)"
    )
    until(lambda: "ready" in supervised.log.read_text())
    supervised.process.terminate()
    assert supervised.process.wait(30) == 0
    assert last.read_text() == "bye"
    assert len(supervised.pids()) == 1


def test_term_ends_it_while_it_waits_to_restart(supervise: Supervise) -> None:
    """Between two attempts it can be ended, too, and starts none after."""
    supervised = supervise("raise SystemExit(3)")
    until(lambda: "again in 2 s" in supervised.log.read_text())
    runs = len(supervised.pids())
    supervised.process.terminate()
    assert supervised.process.wait(30) == 0
    assert len(supervised.pids()) == runs


def test_a_hangup_does_not_end_it(supervise: Supervise) -> None:
    """Closing the terminal leaves it running."""
    supervised = supervise("import time; time.sleep(60)")
    until(supervised.pids)
    supervised.process.send_signal(signal.SIGHUP)
    os.kill(supervised.pids()[0], signal.SIGKILL)
    until(lambda: len(supervised.pids()) == 2)


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    """A supervisor over the data directory, ended after the test."""
    one = Supervisor(tmp_path)
    yield one
    one.stop()
    until(lambda: one.pid() == 0)


def test_a_supervisor_that_dies_at_once_tells_what_it_wrote(
    supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end is noticed, its last lines are at hand, and the log is private."""
    supervisor.log.write_text("old line\n")
    supervisor.log.chmod(0o600)
    words = [sys.executable, "-c", "import sys; sys.exit('port 80 is taken')"]
    monkeypatch.setattr(AgentOptions, "argv", lambda _: words)
    supervisor.start(AgentOptions(data_dir=tmp_path))
    until(supervisor.died)
    assert supervisor.tail() == ("port 80 is taken",)
    assert stat.S_IMODE(supervisor.log.stat().st_mode) == 0o600
    assert supervisor.pid() > 0


def test_a_pid_that_another_process_has_by_now_is_left_alone(tmp_path: Path) -> None:
    """A stale pid file must not end a stranger."""
    (tmp_path / "supervisor.pid").write_text(str(os.getpid()))
    one = Supervisor(tmp_path)
    assert one.pid() == 0
    one.stop()


def test_a_log_that_grew_too_large_starts_anew(
    supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One old log is kept; the disk does not fill up."""
    monkeypatch.setattr(background, "_LARGEST_LOG", 3)
    monkeypatch.setattr(AgentOptions, "argv", lambda _: ["/bin/echo", "new"])
    supervisor.log.write_text("old\n")
    supervisor.start(AgentOptions(data_dir=tmp_path))
    until(lambda: supervisor.log.read_text() == "new\n")
    assert (tmp_path / "agent.log.1").read_text() == "old\n"
