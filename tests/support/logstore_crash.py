"""A log store whose process dies at any moment: `python -m support.logstore_crash FILE WHAT`.

`seal`: seals batches of ten records with their cursor, and says each one's number once it is
kept. `retain`: deletes batch by batch, merges, gives back, over and over.
"""

from __future__ import annotations

import sys
from itertools import count
from pathlib import Path

from cove.adapters.logstore import ChunkStore
from cove.model.logs import Cursor, LogPolicy, Record

from support import logs

BATCH = 10  # records


def batch(number: int) -> list[Record]:
    """The records of a batch; each tells its number."""
    return list(logs.lines(BATCH, at=logs.T0 + number * BATCH * 10**9, size=2000))


def main() -> None:
    """Works until it is killed."""
    store = ChunkStore(Path(sys.argv[1]), LogPolicy(days=1e5))
    if sys.argv[2] == "seal":
        first = max((cursor.count for cursor in store.cursors()), default=0)
        for number in count(first):
            cursor = Cursor("c1", "stdout", logs.T0 + number, number + 1)
            store.seal("shop", "web", batch(number), [cursor])
            sys.stdout.write(f"{number}\n")
            sys.stdout.flush()
            if number % 20 == 19:
                store.compact(0)
    for now in count(logs.T0, BATCH * 10**9):
        store.retain(LogPolicy(days=1e-9), now)
        store.compact(0)
        sys.stdout.write(f"{now}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
