"""What keeps records, in memory: the fake beside the real store."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from collections.abc import Set as AbstractSet

from cove.errors import PlatformError
from cove.model.logs import Cursor, LogCount, LogPolicy, LogQuery, LogService, Record
from cove.observation.logs.matching import matcher

_MINUTE = 60_000_000_000


class MemorySearch(Iterator[Record]):
    """A search that may be closed."""

    def __init__(self, found: Generator[Record, None, None]) -> None:
        self._found = found
        self._running = threading.Lock()

    def __next__(self) -> Record:
        with self._running:
            return next(self._found)

    def close(self) -> None:
        with self._running:
            self._found.close()


def _hits(every: list[Record], query: LogQuery) -> Generator[Record, None, None]:
    wanted = matcher(query)
    pattern = re.compile(query.text) if query.regex else None
    hits = (r for r in every if wanted(r) and (not pattern or pattern.search(r.text)))
    for number, hit in enumerate(hits, start=1):
        yield hit
        if number == query.limit:
            return


class MemoryLogStore:
    """Fulfils `cove.ports.logs.LogStore`. `fault` fails every write while it is set."""

    def __init__(self) -> None:
        self.chunks: list[tuple[Record, ...]] = []
        self.fault: PlatformError | None = None
        self._cursors: dict[tuple[str, str], Cursor] = {}
        self._lock = threading.Lock()

    @property
    def records(self) -> list[Record]:
        """All that is kept, in the order of its writing."""
        return [record for chunk in self.chunks for record in chunk]

    def seal(
        self, app: str, service: str, records: Sequence[Record], cursors: Sequence[Cursor]
    ) -> None:
        assert all((r.source.app, r.source.service) == (app, service) for r in records)
        assert [r.at for r in records] == sorted(r.at for r in records)
        with self._lock:
            if self.fault is not None:
                raise self.fault
            if records:
                self.chunks.append(tuple(records))
            self._cursors |= {(c.container, c.stream): c for c in cursors}

    def cursors(self) -> tuple[Cursor, ...]:
        with self._lock:
            return tuple(self._cursors.values())

    def forget(self, containers: AbstractSet[str]) -> None:
        with self._lock:
            known = self._cursors.items()
            self._cursors = {key: cursor for key, cursor in known if key[0] not in containers}

    def search(self, query: LogQuery, unsealed: Sequence[Record] = ()) -> MemorySearch:
        with self._lock:
            every = sorted([*self.records, *unsealed], key=lambda record: -record.at)
        return MemorySearch(_hits(every, query))

    def counts(self, query: LogQuery) -> tuple[LogCount, ...]:
        found = Counter((r.at // _MINUTE, r.source.service, r.level) for r in self.search(query))
        return tuple(LogCount(*key, number) for key, number in sorted(found.items()))

    def services(self) -> tuple[LogService, ...]:
        found: dict[tuple[str, str], list[Record]] = {}
        for record in self.records:
            found.setdefault((record.source.app, record.source.service), []).append(record)
        return tuple(_service(key, records) for key, records in sorted(found.items()))

    def retain(self, policy: LogPolicy, now: int) -> int:
        oldest = now - int(policy.days * 86_400e9)
        with self._lock:
            self.chunks = [chunk for chunk in self.chunks if chunk[-1].at >= oldest]
        return 0

    def compact(self, now: int) -> None:
        """Nothing: chunks cost nothing here."""


def _service(key: tuple[str, str], records: list[Record]) -> LogService:
    size = sum(len(record.text) + 1 for record in records)
    times = [record.at for record in records]
    return LogService(
        app=key[0],
        service=key[1],
        first=min(times),
        last=max(times),
        records=len(records),
        raw=size,
        stored=size,
    )
