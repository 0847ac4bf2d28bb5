"""`Search`: what a caller holds of a search, in this process or in a child.

Imported within the package only.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Final

from cove.adapters.logstore import telling
from cove.adapters.logstore.database import Database
from cove.adapters.logstore.matching import plain_matcher
from cove.adapters.logstore.scanning import Bodies
from cove.adapters.logstore.searching import hits
from cove.errors import PlatformError, Refused
from cove.model.logs import LogCount, LogQuery, Record

LONGEST: Final = 4096  # bytes of a text; a longer expression is no mistake of a person
SECONDS: Final = 30  # of the processor's time, for one regular expression
_CHILD: Final = "cove.adapters.logstore.child"
_KILLED: Final = (-signal.SIGXCPU, -signal.SIGKILL)


class Search:
    """Records as they are found. Ends by itself, or when it is closed."""

    def __init__(
        self, answers: Callable[[Search], Iterator[Record]], on_end: Callable[[Search], None]
    ) -> None:
        self._on_end = on_end
        self._ended = threading.Event()
        self._running = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._answers = answers(self)

    def __iter__(self) -> Iterator[Record]:
        return self

    def __next__(self) -> Record:
        with self._running:
            try:
                return next(self._answers)
            except BaseException:
                self._over()
                raise

    def close(self) -> None:
        """Ends it, from any thread: within one chunk, a child at once."""
        self._ended.set()
        if self._child:
            self._child.kill()
        with self._running:
            self._answers.close()  # type: ignore[attr-defined]  # it is a generator
            self._over()

    def ended(self) -> bool:
        """Whether it has been closed."""
        return self._ended.is_set()

    def begin(self, child: subprocess.Popen[bytes]) -> None:
        """Tells of the child that is to be killed with it."""
        self._child = child
        if self.ended():
            child.kill()

    def _over(self) -> None:
        self._ended.set()
        self._on_end(self)


def in_process(
    database: Database, query: LogQuery, ceiling: int, unsealed: Sequence[Record]
) -> Callable[[Search], Iterator[Record]]:
    """A search for plain text or none."""

    def answers(search: Search) -> Iterator[Record]:
        bodies = Bodies(database, ceiling, unsealed)
        yield from hits(database, query, plain_matcher(query), bodies, search.ended)

    return answers


def in_child(
    database: Database, query: LogQuery, ceiling: int, unsealed: Sequence[Record]
) -> Callable[[Search], Iterator[Record]]:
    """A search for a regular expression."""

    def answers(search: Search) -> Iterator[Record]:
        request = _request(database, query, ceiling, unsealed)
        for found in told(request, search.begin, search.ended):
            assert isinstance(found, Record)  # noqa: S101 - only counting is told in counts
            yield found

    return answers


def counted_in_child(database: Database, query: LogQuery, ceiling: int) -> Iterator[LogCount]:
    """Counts of a regular expression's matches."""
    for found in told(_request(database, query, ceiling, (), counting=True)):
        assert isinstance(found, LogCount)  # noqa: S101
        yield found


def _request(
    database: Database,
    query: LogQuery,
    ceiling: int,
    unsealed: Sequence[Record],
    *,
    counting: bool = False,
) -> bytes:
    if len(query.text) > LONGEST:
        raise _refused(f"it is longer than {LONGEST} characters")
    return telling.request(
        str(database.path), query, ceiling, unsealed, counting=counting, seconds=SECONDS
    )


def told(
    request: bytes,
    begin: Callable[[subprocess.Popen[bytes]], None] = lambda _: None,
    ended: Callable[[], bool] = lambda: False,
) -> Iterator[Record | LogCount]:
    """What the child says. Raises Refused and PlatformError for what it could not do."""
    child = _started()
    begin(child)
    assert child.stdin  # noqa: S101 - they are pipes
    assert child.stdout  # noqa: S101
    try:
        with contextlib.suppress(BrokenPipeError):
            child.stdin.write(request)
            child.stdin.close()
        while answer := _read(child.stdout):
            if isinstance(answer, telling.Failed):
                raise _failed(answer)
            yield answer
        if not ended() and child.wait() != 0:
            raise _died(child)
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
        with contextlib.suppress(BrokenPipeError):
            child.stdin.close()


def _read(from_: IO[bytes]) -> telling.Answer | None:
    try:
        return telling.read(from_)
    except EOFError:
        return None


def _started() -> subprocess.Popen[bytes]:
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
            env={"PATH": os.environ.get("PATH", os.defpath)},
        )
    except OSError as error:
        raise PlatformError(
            f"no child process could be started: {error.strerror}", code="platform"
        ) from error


def _failed(answer: telling.Failed) -> Refused | PlatformError:
    if answer.code == "pattern":
        return _refused(answer.reason)
    return PlatformError(answer.reason, code=answer.code)


def _died(child: subprocess.Popen[bytes]) -> Refused | PlatformError:
    if child.returncode in _KILLED:
        return _refused(f"it takes more than {SECONDS} s of the processor's time")
    return PlatformError(f"the search ended with status {child.returncode}", code="platform")


def _refused(reason: str) -> Refused:
    return Refused(
        f"the regular expression cannot be searched for: {reason}",
        code="log-pattern",
        hint="write it as Python's `re` has it, or search a shorter time",
    )
