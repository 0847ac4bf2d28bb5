"""Keeps the agent running: as a systemd unit where systemd runs, else under a tiny supervisor.

`up`, `down` and `doctor` import it. Writing the unit needs root; the supervisor needs a writable
data directory.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from msgspec import Struct

from cove.cli.options import DEFAULT_DATA_DIR
from cove.errors import PlatformError

SYSTEMD = Path("/run/systemd/system")  # exists where systemd is the init: sd_booted(3)
UNITS = Path("/etc/systemd/system")
SCRIPT = Path(__file__).with_name("supervise.sh")
DIED = "supervise: the agent ended"  # how the script reports a crash
TAIL_LINES = 15
_END = 30.0  # seconds an agent that fails to start has to end
_LARGEST_LOG = 10_000_000  # bytes; then the log starts anew, with one old one kept

_UNIT = """\
[Unit]
Description=cove, the comfortable minimum for running containers ({data_dir})
Wants=network-online.target docker.service
After=network-online.target docker.service
StartLimitIntervalSec=0

[Service]
ExecStart={command}
{environment}Restart=always
# `cove down` ends the agent with status 0: that is meant to last.
RestartPreventExitStatus=0
RestartSec=1
KillMode=mixed
TimeoutStopSec=120
UMask=0077

[Install]
WantedBy=multi-user.target
"""


class AgentOptions(Struct, frozen=True, kw_only=True):
    """What an agent is started with."""

    data_dir: Path
    http_port: int | None = None  # None: as the last time, or 80
    https_port: int | None = None  # None: as the last time, or 443
    bind: str = ""  # empty: as the last time, or every address
    pool: str = ""  # CIDR; empty: as the last time, or the agent's default
    # What of logs is kept; None: as the last time, or the agent's default
    log_days: float | None = None
    log_bytes: int | None = None
    log_bytes_per_app: int | None = None
    access_log: str = ""  # empty: as the last time, or errors
    metrics_port: int | None = None  # None: as the last time; 0: none

    def argv(self) -> list[str]:
        """The agent's command. `-P`: the current folder is no place to import from."""
        command = [sys.executable, "-P", "-m", "cove.agent", "--data-dir", str(self.data_dir)]
        ports = {"--http-port": self.http_port, "--https-port": self.https_port}
        for option, port in ports.items():
            command += [option, str(port)] if port else []
        command += ["--bind", self.bind] if self.bind else []
        command += ["--access-log", self.access_log] if self.access_log else []
        if self.metrics_port is not None:
            command += ["--metrics-port", str(self.metrics_port)]
        command += ["--pool", self.pool] if self.pool else []
        kept = {
            "--log-days": self.log_days,
            "--log-bytes": self.log_bytes,
            "--log-bytes-per-app": self.log_bytes_per_app,
        }
        for option, most in kept.items():
            command += [option, str(most)] if most else []
        return command


def systemd_runs() -> bool:
    """Whether this machine was booted with systemd."""
    return SYSTEMD.is_dir()


class Systemd:
    """The agent as a unit."""

    def __init__(self, data_dir: Path) -> None:
        self.unit = unit_name(data_dir)
        self._path = UNITS / self.unit

    @property
    def exists(self) -> bool:
        """Whether the unit has been written."""
        return self._path.exists()

    def start(self, options: AgentOptions) -> None:
        """Writes, enables and (re)starts the unit. Raises PlatformError."""
        try:
            self._path.write_text(unit_text(options), encoding="utf-8")
        except OSError as error:
            raise PlatformError(
                f"cannot write {self._path}: {error.strerror}",
                hint="root is needed: sudo cove up -d",
            ) from None
        self._control("daemon-reload")
        self._control("enable", self.unit)
        self._control("restart", self.unit)

    def stop(self) -> None:
        """Stops the unit and removes it, so that no boot starts it. Raises PlatformError."""
        self._control("disable", "--now", self.unit)
        self._path.unlink(missing_ok=True)
        self._control("daemon-reload")

    def died(self) -> bool:
        """Whether the agent has ended since it was started."""
        shown = _run("systemctl", "show", self.unit, "-p", "NRestarts", "-p", "ActiveState").stdout
        facts = dict(line.partition("=")[::2] for line in shown.splitlines())
        return facts.get("ActiveState") == "failed" or facts.get("NRestarts", "0") != "0"

    def tail(self) -> tuple[str, ...]:
        """The last lines the agent wrote."""
        lines = ("journalctl", "-u", self.unit, "-n", str(TAIL_LINES), "-o", "cat", "--no-pager")
        return tuple(_run(*lines).stdout.splitlines())

    def _control(self, *words: str) -> None:
        done = _run("systemctl", *words)
        if done.returncode:
            reason = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
            raise PlatformError(f"systemctl {' '.join(words)} failed: {''.join(reason)}")


def unit_name(data_dir: Path) -> str:
    """`cove.service` for the default data directory, a name of its own for any other."""
    if data_dir == Path(DEFAULT_DATA_DIR):
        return "cove.service"
    readable = re.sub(r"[^A-Za-z0-9]+", "-", data_dir.name).strip("-")[:40]
    distinct = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:6]
    return "-".join(part for part in ("cove", readable, distinct) if part) + ".service"


def unit_text(options: AgentOptions) -> str:
    """The unit's file."""
    docker = os.environ.get("DOCKER_HOST")
    return _UNIT.format(
        data_dir=str(options.data_dir).replace("%", "%%"),
        command=" ".join(_quoted(word) for word in options.argv()),
        environment=f"Environment={_quoted(f'DOCKER_HOST={docker}')}\n" if docker else "",
    )


def _quoted(word: str) -> str:
    """A word of systemd's command lines (systemd.service(5), systemd.syntax(7))."""
    word = word.replace("%", "%%").replace("$", "$$")
    if re.fullmatch(r"[A-Za-z0-9_./:@%$=+,-]+", word):
        return word
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _run(*argv: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            argv, capture_output=True, text=True, errors="replace", check=False, timeout=180
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PlatformError(f"{argv[0]} could not be run: {error}") from None


class Supervisor:
    """The agent under `supervise.sh`, its output in `agent.log`."""

    def __init__(self, data_dir: Path) -> None:
        self._pid_file = data_dir / "supervisor.pid"
        self.log = data_dir / "agent.log"
        self._offset = 0
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, options: AgentOptions) -> None:
        """Starts the supervisor in a session of its own."""
        if self.log.exists() and self.log.stat().st_size > _LARGEST_LOG:
            self.log.replace(self.log.with_name("agent.log.1"))
        descriptor = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "ab") as log:
            self._offset = log.seek(0, os.SEEK_END)
            self._process = subprocess.Popen(  # it outlives this command on purpose
                ["/bin/sh", str(SCRIPT), str(self._pid_file), *options.argv()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd="/",
            )

    def pid(self) -> int:
        """The supervisor's process; 0 where there is none."""
        try:
            pid = int(self._pid_file.read_text(encoding="ascii"))
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            return 0
        # the number may belong to another process by now
        return pid if os.fsencode(self._pid_file) in command else 0

    def stop(self) -> None:
        """Asks the supervisor to end its agent and itself; waits for one this object started."""
        if pid := self.pid():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_END)

    def died(self) -> bool:
        """Whether the agent has ended since it was started."""
        return any(line.startswith(DIED) for line in self._written())

    def tail(self) -> tuple[str, ...]:
        """The last lines the agent wrote."""
        lines = [line for line in self._written() if not line.startswith("supervise:")]
        return tuple(lines[-TAIL_LINES:])

    def _written(self) -> list[str]:
        try:
            with self.log.open("rb") as log:
                log.seek(self._offset)
                return log.read().decode("utf-8", "replace").splitlines()
        except OSError:
            return []


Background = Systemd | Supervisor


def background(data_dir: Path) -> Background:
    """How an agent is kept running on this machine."""
    return Systemd(data_dir) if systemd_runs() else Supervisor(data_dir)
