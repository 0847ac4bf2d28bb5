"""A process that may use so much memory, its page cache counted. For bench/; as root."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.lab.instance import BenchError

V1 = Path("/sys/fs/cgroup/memory")
V2 = Path("/sys/fs/cgroup")
END_LIMIT = 30.0  # seconds


class Confinement:
    """A control group of its own. Everything in it has ended when the block has."""

    def __init__(self, name: str, limit: int) -> None:
        """Make the group; `limit` in bytes. Raise BenchError."""
        self._old = (V1 / "memory.limit_in_bytes").exists()
        self.folder = (V1 if self._old else V2) / f"cove-bench-{name}-{os.getpid()}"
        self.process: subprocess.Popen[bytes] | None = None
        try:
            self.folder.mkdir()
            self._write("memory.limit_in_bytes" if self._old else "memory.max", limit)
        except OSError as error:
            raise BenchError(f"no memory control group can be made: {error}") from error

    def start(self, argv: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:
        """Starts a program inside."""
        procs = self.folder / "cgroup.procs"
        self.process = subprocess.Popen(
            argv,
            preexec_fn=lambda: procs.write_text(str(os.getpid())),  # noqa: PLW1509 - one thread
            **options,
        )
        return self.process

    def cpu_seconds(self) -> float:
        """The processor's time of the program so far."""
        assert self.process
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def rss(self) -> int:
        """The most bytes of the program that were in memory at a time."""
        assert self.process
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024

    def peak(self) -> int:
        """The most bytes of everything, page cache counted; the limit when that was reached."""
        names = ("memory.max_usage_in_bytes",) if self._old else ("memory.peak",)
        return int((self.folder / names[0]).read_text())

    def forget_pages(self, data: Path) -> None:
        """Leaves nothing of a folder in the page cache."""
        os.sync()
        with contextlib.suppress(OSError):
            if self._old:
                self._write("memory.force_empty", 0)
            else:
                self._write("memory.reclaim", 1 << 30)
        for path in data.rglob("*"):
            if path.is_file():
                descriptor = os.open(path, os.O_RDONLY)
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
                os.close(descriptor)

    def stop(self) -> None:
        """Ends the program; killed if it does not."""
        if not self.process:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(END_LIMIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def close(self) -> None:
        """Ends everything and removes the group."""
        self.stop()
        deadline = time.monotonic() + END_LIMIT
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                self.folder.rmdir()
                return
            for pid in (self.folder / "cgroup.procs").read_text().split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
            time.sleep(0.1)

    def _write(self, name: str, value: int) -> None:
        (self.folder / name).write_text(str(value))
