"""`Search`: what a caller holds of a search.

Imported within the package only.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Final

from cove.adapters.logstore.database import Database
from cove.adapters.logstore.matching import matcher
from cove.adapters.logstore.scanning import Bodies
from cove.adapters.logstore.searching import hits
from cove.errors import PlatformError
from cove.model.logs import LogQuery, Record

_BROKEN: Final = "the log store was closed or moved aside while it was searched"
_HINT: Final = "search again; cove logs --usage says what is kept"


class Search:
    """Records as they are found. Ends by itself, or when it is closed."""

    def __init__(
        self,
        answers: Callable[[Callable[[], bool]], Generator[Record, None, None]],
        on_end: Callable[[Search], None],
    ) -> None:
        """`answers` is given what says whether the search has been closed."""
        self._on_end = on_end
        self._ended = threading.Event()
        self._broken = False  # its store is gone
        self._running = threading.Lock()
        self._answers = answers(self._ended.is_set)

    def __iter__(self) -> Iterator[Record]:
        return self

    def __next__(self) -> Record:
        with self._running:
            try:
                return next(self._answers)
            except StopIteration:
                self._over()
                if self._broken:
                    raise PlatformError(_BROKEN, code="logs-away", hint=_HINT) from None
                raise
            except BaseException:
                self._over()
                raise

    def close(self) -> None:
        """Ends it, from any thread: within one chunk."""
        self._ended.set()
        with self._running:
            self._answers.close()
            self._over()

    def break_off(self) -> None:
        """Ends it because its store is no more: whoever reads on is told that this is not all."""
        self._broken = True
        self.close()

    def _over(self) -> None:
        self._ended.set()
        self._on_end(self)


def found(
    database: Database,
    query: LogQuery,
    ceiling: int,
    unsealed: Sequence[Record],
    ended: Callable[[], bool],
) -> Generator[Record, None, None]:
    """Hits among the chunks up to `ceiling` and the records not sealed yet."""
    bodies = Bodies(database, ceiling, unsealed)
    yield from hits(database, query, matcher(query, ended), bodies, ended)
