"""cove's log store in a process of its own: `python -m bench.lab.logkeeper FILE`. For bench/.

One JSON request on a line, one answer on a line.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from bench.lab import loglines
from cove.adapters.logstore import ChunkStore
from cove.model.logs import LogPolicy, LogQuery, Record, Source

CHUNK = 512 << 10  # bytes of text at which the collector seals


def ingest(store: ChunkStore, lines: str) -> int:
    """Seals everything as the collector would; returns how many records."""
    sources = [
        Source(app="bench", service=name, release=1, container=f"{number:064x}", name=f"{name}-r1")
        for number, name in enumerate(loglines.SERVICES)
    ]
    waiting: list[list[Record]] = [[] for _ in sources]
    sizes, count = [0] * len(sources), 0
    with Path(lines).open("rb", buffering=1 << 20) as file:
        for service, level, at, text in loglines.read(file):
            waiting[service].append(Record(at, sources[service], text, level))
            sizes[service] += len(text) + 1
            count += 1
            if sizes[service] >= CHUNK:
                store.seal("bench", sources[service].service, waiting[service], ())
                waiting[service], sizes[service] = [], 0
    for source, some in zip(sources, waiting, strict=True):
        store.seal("bench", source.service, some, ())
    store.compact(time.time_ns())
    return count


def answer(store: ChunkStore, asked: dict[str, Any]) -> dict[str, Any]:
    """What one request found, and how long it took in milliseconds."""
    begun = time.perf_counter()
    match asked["do"]:
        case "ingest":
            found = ingest(store, asked["lines"])
        case "search":
            found = sum(1 for _ in store.search(LogQuery(**asked["query"])))
        case "counts":
            found = sum(one.records for one in store.counts(LogQuery(**asked["query"])))
        case _:
            now = time.time_ns()
            found = store.retain(LogPolicy(days=(now - asked["before"]) / 86_400e9), now)
    return {"found": found, "ms": (time.perf_counter() - begun) * 1e3}


def main() -> None:
    """Answers until nobody asks."""
    store = ChunkStore(Path(sys.argv[1]), LogPolicy(total=1 << 40, per_app=1 << 40))
    for line in sys.stdin:
        print(json.dumps(answer(store, json.loads(line))), flush=True)
    store.close()


if __name__ == "__main__":
    main()
