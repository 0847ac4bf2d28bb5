"""`Search`: what a caller holds of a search, in this process or in a child.

Imported within the package only.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from cove.adapters.logstore import telling
from cove.adapters.logstore.children import Children, Died, Process
from cove.adapters.logstore.database import Database
from cove.adapters.logstore.matching import plain_matcher
from cove.adapters.logstore.scanning import Bodies
from cove.adapters.logstore.searching import hits
from cove.errors import PlatformError, Refused
from cove.model.logs import LogCount, LogQuery, Record

LONGEST: Final = 4096  # bytes of a text; a longer expression is no mistake of a person
SECONDS: Final = 30  # of the processor's time, for one regular expression
_KILLED: Final = (-signal.SIGPROF, -signal.SIGKILL)


class Search:
    """Records as they are found. Ends by itself, or when it is closed."""

    def __init__(
        self, answers: Callable[[Search], Iterator[Record]], on_end: Callable[[Search], None]
    ) -> None:
        self._on_end = on_end
        self._ended = threading.Event()
        self._running = threading.Lock()
        self._child: Process | None = None
        self._killing = threading.Lock()  # a child that rests again must not be killed
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
        with self._killing:
            if self._child:
                self._child.kill()
        with self._running:
            self._answers.close()  # type: ignore[attr-defined]  # it is a generator
            self._over()

    def ended(self) -> bool:
        """Whether it has been closed."""
        return self._ended.is_set()

    def begin(self, child: Process | None) -> None:
        """Tells of the child that is to be killed with it; None: there is none any more."""
        with self._killing:
            self._child = child
            if child and self.ended():
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
    children: Children,
    database: Database,
    query: LogQuery,
    ceiling: int,
    unsealed: Sequence[Record],
) -> Callable[[Search], Iterator[Record]]:
    """A search for a regular expression."""

    def answers(search: Search) -> Iterator[Record]:
        request = _request(database, query, ceiling, unsealed)
        for found in _told(children, request, search.begin, search.ended):
            assert isinstance(found, Record)  # noqa: S101 - only counting is told in counts
            yield found

    return answers


def counted_in_child(
    children: Children, database: Database, query: LogQuery, ceiling: int
) -> Iterator[LogCount]:
    """Counts of a regular expression's matches."""
    for found in _told(children, _request(database, query, ceiling, (), counting=True)):
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


def _told(
    children: Children,
    request: bytes,
    begin: Callable[[Process | None], None] = lambda _: None,
    ended: Callable[[], bool] = lambda: False,
) -> Iterator[Record | LogCount]:
    """What a child says. Raises Refused and PlatformError for what it could not do."""
    try:
        for answer in children.told(request, begin):
            if isinstance(answer, telling.Failed):
                raise _failed(answer)
            yield answer
    except Died as death:
        if not ended():
            raise _died(death.status) from death


def _failed(answer: telling.Failed) -> Refused | PlatformError:
    if answer.code == "pattern":
        return _refused(answer.reason)
    return PlatformError(answer.reason, code=answer.code)


def _died(status: int) -> Refused | PlatformError:
    if status in _KILLED:
        return _refused(f"it takes more than {SECONDS} s of the processor's time")
    return PlatformError(f"the search ended with status {status}", code="platform")


def _refused(reason: str) -> Refused:
    return Refused(
        f"the regular expression cannot be searched for: {reason}",
        code="log-pattern",
        hint="write it as Python's `re` has it, or search a shorter time",
    )
