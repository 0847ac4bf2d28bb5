"""Commands in running containers: bytes, terminals, exit codes, and what cannot be run."""

from __future__ import annotations

import fcntl
import hashlib
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from support.agent import BIN, Agent, ApiError
from support.appfiles import app_file
from support.polling import until

NAME = "runs"
PYTHON = "python3"


@pytest.fixture(scope="module", autouse=True)
def app(agent, images) -> None:
    """An app of one service with two replicas."""
    agent.deploy(app_file(NAME, images.hello, replicas=2)).expect("live")


def piped(agent: Agent, *words: str, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """`cove exec` between pipes."""
    return subprocess.run(
        [str(BIN / "cove"), "exec", NAME, *words],
        check=False,
        capture_output=True,
        input=data,
        timeout=60,
        env=agent.environment,
    )


def python(code: str) -> list[str]:
    """A program for the interpreter that the container has."""
    return ["--", PYTHON, "-c", code]


class Terminal:
    """`cove exec` on a terminal of its own."""

    def __init__(self, agent: Agent, *words: str, rows: int = 24, columns: int = 80) -> None:
        self._master, slave = pty.openpty()
        self.slave = slave
        self.resize(rows, columns, tell=False)
        self.before = termios.tcgetattr(slave)
        self.process = subprocess.Popen(
            [str(BIN / "cove"), "exec", NAME, *words],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=agent.environment,
            start_new_session=True,
        )
        self.seen = b""

    def resize(self, rows: int, columns: int, *, tell: bool = True) -> None:
        """Gives the terminal another size, as a window's edge does."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        if tell:
            self.process.send_signal(signal.SIGWINCH)

    def type(self, data: bytes) -> None:
        """Presses keys."""
        os.write(self._master, data)

    def read(self) -> bytes:
        """All that was shown until now."""
        while select.select([self._master], [], [], 0)[0]:
            try:
                self.seen += os.read(self._master, 65536)
            except OSError:
                break
        return self.seen

    def shows(self, text: bytes) -> None:
        """Waits until it is shown."""
        until(lambda: text in self.read(), f"{text!r} is shown; so far {self.seen!r}")

    def wait(self) -> int:
        """The exit code."""
        until(lambda: (self.read(), self.process.poll())[1] is not None, "cove exec ends")
        return self.process.returncode

    def close(self) -> None:
        """Everything of it goes."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for descriptor in (self._master, self.slave):
            with suppress(OSError):
                os.close(descriptor)


@contextmanager
def terminal(agent: Agent, *words: str, rows: int = 24, columns: int = 80) -> Iterator[Terminal]:
    """A terminal that is closed again."""
    found = Terminal(agent, *words, rows=rows, columns=columns)
    try:
        yield found
    finally:
        found.close()


def test_bytes_pass_unchanged_in_both_directions(agent):
    """5 MB of any bytes through a copying process come back equal, and it sees their end."""
    data = os.urandom(5 << 20)
    copy = "import shutil, sys; shutil.copyfileobj(sys.stdin.buffer, sys.stdout.buffer)"
    done = piped(agent, *python(copy), data=data)
    assert (done.returncode, done.stderr) == (0, b"")
    assert hashlib.sha256(done.stdout).digest() == hashlib.sha256(data).digest()


def test_output_and_errors_stay_apart(agent):
    """What is written to each arrives at each."""
    done = piped(agent, *python("import sys; print('out'); print('err', file=sys.stderr)"))
    assert (done.returncode, done.stdout, done.stderr) == (0, b"out\n", b"err\n")


@pytest.mark.parametrize("code", [0, 1, 42, 255])
def test_the_exit_code_is_the_commands(agent, code):
    """Whatever it is."""
    assert piped(agent, *python(f"raise SystemExit({code})")).returncode == code


def test_input_that_is_not_read_does_no_harm(agent):
    """A command may end before it has read all; the rest is dropped."""
    done = piped(agent, *python("print('done')"), data=bytes(3 << 20))
    assert (done.returncode, done.stdout) == (0, b"done\n")


def test_user_folder_and_variables(agent):
    """Each of the options reaches the command; a variable's value is in no command line."""
    code = (
        "import os; print(os.getuid(), os.getcwd(), os.environ['GIVEN'], os.environ['MINE'], "
        "'NOT' in os.environ)"
    )
    agent.env["MINE"] = "of-mine"
    try:
        words = ["-u", "65534", "-w", "/tmp", "-e", "GIVEN=a=b c", "-e", "MINE", "-e", "NOT"]
        done = piped(agent, *words, *python(code))
    finally:
        del agent.env["MINE"]
    assert done.stdout.decode().split("\n")[0] == "65534 /tmp a=b c of-mine False"


def test_values_of_variables_are_in_no_command_line(agent):
    """While the command runs, no process but the one that the person typed shows the value."""
    mark = f"hidden-{os.getpid()}-value"
    with terminal(agent, "-e", f"TOKEN={mark}", *python("print('up'); input()")) as shown:
        shown.shows(b"up")
        lines = {
            path.parent.name: path.read_bytes()
            for path in Path("/proc").glob("[0-9]*/cmdline")
            if path.parent.name != str(shown.process.pid)
        }
        shown.type(b"\r")
        assert shown.wait() == 0
    assert [pid for pid, line in lines.items() if mark.encode() in line] == []


def test_a_replica_is_chosen_by_its_number(agent):
    """Each has a container of its own."""
    code = "import socket; print(socket.gethostname())"
    names = {piped(agent, "--replica", n, *python(code)).stdout for n in ("1", "2")}
    assert len(names) == 2
    done = piped(agent, "--replica", "3", *python(code))
    assert done.returncode == 2
    assert b"has 2 replicas" in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--", "no-such-command"], 127, b"no such command in the container"),
        (["--", "/no/such/command"], 127, b"no such command in the container"),
        (["--", "/etc"], 126, b"may not be executed"),
        (["-w", "/nowhere", "--", PYTHON], 126, b"working folder does not exist"),
        (["-u", "nobody-at-all", "--", PYTHON], 126, b"no such user"),
        (["--service", "wbe", "--", PYTHON], 2, b"has no service wbe"),
        (["--"], 2, b"which command"),
        (["-e", "=x", "--", PYTHON], 2, b"has no name"),
    ],
)
def test_what_cannot_be_run_is_said(agent, words, code, said):
    """With the code of a shell where it is the command's fault, and nothing on the output."""
    done = piped(agent, *words)
    assert said in done.stderr
    assert (done.returncode, done.stdout) == (code, b"")


def test_an_unknown_service_brings_the_nearest_name(agent):
    """A typing error is told with what was probably meant."""
    done = piped(agent, "--service", "rusn", *python("0"))
    assert b"did you mean runs?" in done.stderr


def test_a_terminal_has_the_size_of_the_persons(agent):
    """At the start and after the window has changed."""
    code = (
        "import os\nprint(os.get_terminal_size(0))\n"
        "while input() != 'q': print(os.get_terminal_size(0))"
    )
    with terminal(agent, *python(code), rows=33, columns=101) as shown:
        settled(shown, b"columns=101, lines=33")
        shown.resize(44, 77)
        settled(shown, b"columns=77, lines=44")
        shown.type(b"q\r")
        assert shown.wait() == 0
        assert termios.tcgetattr(shown.slave) == shown.before


def settled(shown: Terminal, text: bytes) -> None:
    """Asks until the size is there: it reaches the container a moment after its command."""

    def there() -> bool:
        shown.type(b"\r")
        return text in shown.read()

    until(there, f"{text!r}", pause=0.2)


def test_ctrl_c_goes_to_the_command(agent):
    """cove lives on, and ends with what the command made of it."""
    code = (
        "import time\nprint('up', flush=True)\n"
        "try:\n time.sleep(60)\nexcept KeyboardInterrupt:\n print('caught')\n raise SystemExit(7)"
    )
    with terminal(agent, *python(code)) as shown:
        shown.shows(b"up")
        shown.type(b"\x03")
        assert shown.wait() == 7
        assert b"caught" in shown.read()
        assert termios.tcgetattr(shown.slave) == shown.before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_leaves_the_terminal_as_it_was(agent, number):
    """Whatever ends cove from outside, keys are echoed again, and the command has ended."""
    mark = f"mark{number}"
    with terminal(agent, *python(f"print('up', flush=True); input('{mark}')")) as shown:
        shown.shows(mark.encode())
        shown.process.send_signal(number)
        assert shown.wait() == 128 + number
        assert termios.tcgetattr(shown.slave) == shown.before
    until(lambda: not running(mark), "the command ends")


@pytest.mark.parametrize("words", [[], ["--no-tty"]])
def test_a_client_that_vanishes_takes_its_command_along(agent, words):
    """kill -9 of the client: nothing of what it ran stays in the container."""
    mark = f"vanish{len(words)}"
    code = f"import time; print('up', flush=True); time.sleep(600) # {mark}"
    with terminal(agent, *words, *python(code)) as shown:
        shown.shows(b"up")
        assert running(mark)
        shown.process.kill()
        until(lambda: not running(mark), "the command ends")


def running(mark: str) -> list[str]:
    """Processes of containers whose command line has the mark."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            line = path.read_bytes()
            if mark.encode() in line and line.startswith(PYTHON.encode()):
                found.append(path.parent.name)
    return found


def test_without_a_terminal_on_both_ends_there_is_none(agent):
    """--no-tty on a terminal, and a pipe without it, both give the command none."""
    code = "import sys; print(sys.stdout.isatty(), sys.stdin.isatty())"
    assert piped(agent, *python(code)).stdout == b"False False\n"
    with terminal(agent, "-T", *python(code)) as shown:
        shown.shows(b"False False")
        assert shown.wait() == 0


def test_a_reader_that_leaves_ends_it(agent):
    """`cove exec … | head`: endless output stops, and so does the command."""
    mark = f"endless-{os.getpid()}"
    code = f"\nwhile True: print('{mark}')"
    shell = subprocess.Popen(
        [str(BIN / "cove"), "exec", NAME, *python(code)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=agent.environment,
    )
    assert shell.stdout
    assert shell.stderr
    assert shell.stdout.readline() == f"{mark}\n".encode()
    shell.stdout.close()
    assert shell.wait(60) == 1
    assert b"Traceback" not in shell.stderr.read()
    shell.stderr.close()
    until(lambda: not running(mark), "the command ends", 90)


def test_a_slow_reader_makes_the_command_wait(agent):
    """Output that nobody reads is not heaped up in the agent."""
    code = "import sys\nfor _ in range(400): sys.stdout.write('x' * 100_000)"
    shell = subprocess.Popen(
        [str(BIN / "cove"), "exec", NAME, *python(code)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        env=agent.environment,
    )
    assert shell.stdout
    shell.stdout.read(1)
    before = resident(agent)
    until(lambda: quiet(agent), "the agent waits")
    assert resident(agent) - before < 8 << 20
    assert len(shell.stdout.read()) == 40_000_000 - 1
    assert shell.wait(60) == 0
    shell.stdout.close()


def resident(agent: Agent) -> int:
    """Bytes of the agent in memory."""
    assert agent.process
    pages = Path(f"/proc/{agent.process.pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGESIZE")


def quiet(agent: Agent) -> bool:
    """Whether the agent has used no processor for a moment."""
    assert agent.process
    path = Path(f"/proc/{agent.process.pid}/stat")
    before = path.read_text().split()[13:15]
    time.sleep(0.3)
    return path.read_text().split()[13:15] == before


def test_a_container_that_stops_is_told(agent, images):
    """The command goes with it: code 137, and why."""
    agent.deploy(app_file("stops", images.hello)).expect("live")
    shell = subprocess.Popen(
        [str(BIN / "cove"), "exec", "stops", *python("print('up', flush=True); input()")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=agent.environment,
    )
    assert shell.stdout
    assert shell.stdout.readline() == b"up\n"
    agent.act("stops", "stop").expect("done")
    _, said = shell.communicate(timeout=60)
    assert shell.returncode == 137
    assert b"stopped while the command ran" in said


def test_a_stopped_app_runs_nothing(agent, images):
    """The error says how to start it; an app that is not there is said too."""
    agent.deploy(app_file("rests", images.hello)).expect("live")
    agent.act("rests", "stop").expect("done")
    said = agent.cove("exec", "rests", *python("0"))
    assert (said.code, "cove start rests" in said.err) == (3, True)
    assert agent.cove("exec", "nobody", "--json", *python("0")).json["error"]["code"] == "not-found"


def test_a_prepared_command_runs_once(agent):
    """Its id is worth nothing afterwards, nor is one that was invented."""
    body = {"command": [PYTHON, "-c", "0"]}
    token = agent.api("POST", f"/v1/apps/{NAME}/exec", body)["exec"]["id"]
    for path in (f"/v1/exec/{token}x", "/v1/exec/0"):
        with pytest.raises(ApiError, match="404"):
            agent.api("GET", path)
