"""The child that searches for regular expressions, one at a time.

Run as `python -m cove.adapters.logstore.child`; only tests import it. It can be killed at any
moment, for it only reads, and the kernel ends it when it takes too long.
"""

from __future__ import annotations

import contextlib
import re
import resource
import select
import signal
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from cove.adapters.logstore.counting import answer, scanned
from cove.adapters.logstore.database import Database
from cove.adapters.logstore.patterns import Pattern
from cove.adapters.logstore.scanning import Bodies
from cove.adapters.logstore.searching import hits
from cove.adapters.logstore.telling import Answer, Failed, Over, Request, received, write
from cove.errors import PlatformError
from cove.model.logs import Record

_PATIENCE: Final = 60.0  # seconds without a request after which it ends
_MEMORY: Final = 512 << 20  # bytes of address space; a search takes some 60 MB of it


def main() -> int:
    """Carries out requests, one after the other, until none has come for a while."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    with contextlib.suppress(BrokenPipeError):  # nobody wants to know any more
        while (frame := _next()) and _serve(msgspec.msgpack.decode(frame, type=Request)):
            pass
    return 0


def _next() -> bytes | None:
    if not select.select([sys.stdin.buffer], [], [], _PATIENCE)[0]:
        return None
    return received(sys.stdin.buffer)


def _serve(request: Request) -> bool:
    """Whether all went well; what did not may have left anything behind."""
    # Of the processor's time. The signal ends the process even inside a pattern, and unlike that
    # of a limit it leaves no core with lines in it.
    signal.setitimer(signal.ITIMER_PROF, request.seconds)
    failed: Failed
    try:
        for found in _answers(request):
            write(sys.stdout.buffer, found)
        write(sys.stdout.buffer, Over())
    except (re.error, RecursionError, OverflowError) as error:
        failed = Failed("pattern", str(error))
    except MemoryError:
        failed = Failed("pattern", "it takes too much memory")
    except PlatformError as error:
        failed = Failed(error.specific_code, error.message)
    else:
        return True
    write(sys.stdout.buffer, failed)
    return False


def _answers(request: Request) -> Iterator[Answer]:
    query = request.query
    with warnings.catch_warnings():  # of a pattern's spelling; nobody reads them here
        warnings.simplefilter("ignore")
        pattern = Pattern(query.text, word=query.word, ignore_case=query.ignore_case)
    with contextlib.closing(Database(Path(request.path), read_only=True)) as database:
        yield from _found(database, request, pattern)


def _found(database: Database, request: Request, pattern: Pattern) -> Iterator[Answer]:
    query = request.query
    bodies = Bodies(database, request.ceiling, request.unsealed)
    if request.counting:
        yield from answer(scanned(database, query, pattern, bodies, _never))
        return
    found: Iterator[Record] = hits(database, query, pattern, bodies, _never)
    yield from found


def _never() -> bool:
    return False


if __name__ == "__main__":
    sys.exit(main())
