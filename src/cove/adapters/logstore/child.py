"""The child that searches for a regular expression: one query, then it ends.

Run as `python -m cove.adapters.logstore.child`; only tests import it. It can be killed at any
moment, for it only reads, and the kernel ends it when it takes too long.
"""

from __future__ import annotations

import contextlib
import re
import resource
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
from cove.adapters.logstore.telling import Answer, Failed, Request, write
from cove.errors import PlatformError
from cove.model.logs import Record

_MEMORY: Final = 512 << 20  # bytes of address space; a search takes some 60 MB of it


def main() -> int:
    """Carries out one request."""
    request = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Request)
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (request.seconds, request.seconds))
    try:
        with contextlib.suppress(BrokenPipeError):  # nobody wants to know any more
            for found in _answers(request):
                write(sys.stdout.buffer, found)
    except (re.error, RecursionError, OverflowError) as error:
        write(sys.stdout.buffer, Failed("pattern", str(error)))
    except MemoryError:
        write(sys.stdout.buffer, Failed("pattern", "it takes too much memory"))
    except PlatformError as error:
        write(sys.stdout.buffer, Failed(error.specific_code, error.message))
    return 0


def _answers(request: Request) -> Iterator[Answer]:
    query = request.query
    with warnings.catch_warnings():  # of a pattern's spelling; nobody reads them here
        warnings.simplefilter("ignore")
        pattern = Pattern(query.text, word=query.word, ignore_case=query.ignore_case)
    database = Database(Path(request.path), read_only=True)
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
