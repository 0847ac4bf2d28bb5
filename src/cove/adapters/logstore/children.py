"""Children that search for regular expressions: started when needed, and one kept for a while.

Imported within the package only. To start one takes as long as to look through some hundred
thousand lines; whoever searches mostly searches again. A child that nobody asks ends by itself.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from cove.adapters.logstore import telling
from cove.errors import PlatformError
from cove.model.logs import LogCount, Record

_CHILD: Final = "cove.adapters.logstore.child"
_INHERITED: Final = (
    "PATH", "MALLOC_ARENA_MAX", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_",
)  # fmt: skip
Process = subprocess.Popen[bytes]


class Died(Exception):
    """The child ended before it had said everything, with this status."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Children:
    """Those of one store. Methods may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._resting: Process | None = None
        self._closed = False
        # A child ends with the thread that started it (prctl(2)); those of searches come and go.
        self._starter = ThreadPoolExecutor(1, "log-children")

    def told(
        self,
        request: bytes,
        begin: Callable[[Process | None], None] = lambda _: None,
    ) -> Iterator[Record | LogCount | telling.Failed]:
        """What a child says. Raises Died, and PlatformError where none can be started.

        `begin` is told which child is at work and, once it no longer is, None.
        """
        while True:
            child, used = self._take()
            begin(child)
            over, said, status = False, False, 0
            try:
                for answer in _answers(child, request):
                    said = True
                    if isinstance(answer, telling.Over):
                        over = True
                        return
                    yield answer
            finally:
                begin(None)
                if over:
                    self._give_back(child)
                else:
                    status = _end(child)
            # One that had rested may have ended just when it was asked.
            if said or not used or status == -signal.SIGPROF:
                raise Died(status)

    def reap(self) -> None:
        """Takes leave of a child that has ended meanwhile."""
        with self._lock:
            if self._resting and self._resting.poll() is not None:
                _end(self._resting)
                self._resting = None

    def close(self) -> None:
        """Ends what rests, and lets none rest again."""
        with self._lock:
            self._closed = True
            if self._resting:
                _end(self._resting)
                self._resting = None
        self._starter.shutdown()

    def _take(self) -> tuple[Process, bool]:
        """A child, and whether it had work before."""
        self.reap()
        with self._lock:
            child, self._resting = self._resting, None
        return (child, True) if child else (self._starter.submit(_started).result(), False)

    def _give_back(self, child: Process) -> None:
        with self._lock:
            if self._resting is None and not self._closed:
                self._resting = child
                return
        _end(child)


def _answers(child: Process, request: bytes) -> Iterator[telling.Answer | telling.Over]:
    assert child.stdin  # noqa: S101 - they are pipes
    assert child.stdout  # noqa: S101
    with contextlib.suppress(BrokenPipeError):
        telling.send(child.stdin, request)
    with contextlib.suppress(EOFError):
        while answer := telling.read(child.stdout):
            yield answer


def _end(child: Process) -> int:
    """Ends it if it has not ended; returns its status."""
    # What ended by itself a moment ago has a status of its own to tell.
    with contextlib.suppress(subprocess.TimeoutExpired):
        if child.stdin:
            with contextlib.suppress(BrokenPipeError):
                child.stdin.close()
        child.wait(_MOMENT)
    child.kill()
    if child.stdout:
        child.stdout.close()
    return child.wait()


_MOMENT: Final = 0.05  # seconds


def _started() -> Process:
    setpriv = shutil.which("setpriv")
    try:
        return subprocess.Popen(
            [
                *([setpriv, "--pdeathsig", "KILL", "--"] if setpriv else ()),
                sys.executable,
                "-P",  # nothing from the working directory
                "-m",
                _CHILD,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"PATH": os.defpath, **{k: os.environ[k] for k in _INHERITED if k in os.environ}},
        )
    except OSError as error:
        raise PlatformError(
            f"no child process could be started: {error.strerror}", code="platform"
        ) from error
