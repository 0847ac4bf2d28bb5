"""Searches beside each other, while records come, are merged and are deleted."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import cycle

import pytest

from cove.adapters.logstore import ChunkStore
from cove.model.logs import LogPolicy, LogQuery, Record, Source

from support import logs

ROUNDS = 120
BATCH = 100  # records
EACH = 10**6  # nanoseconds from one to the next
KEPT = 5000  # records that no deletion reaches
QUERIES = (
    LogQuery(app="shop", text="key=3"),
    LogQuery(app="shop", text=r"(?i)KEY=[3-5]\d*$", regex=True),
    LogQuery(app="shop", text=r"^ {2}at \d*7$", regex=True),  # in records of several lines
    LogQuery(app="shop", text=r"(?m)^ {2}at \d*7$", regex=True),
    LogQuery(app="shop", service="web", level=3),
)


class Beside:
    """A store that is written to and searched at the same time."""

    def __init__(self, store: ChunkStore) -> None:
        self.store = store
        self.offered: list[Record] = []  # what may be found
        self.written: list[Record] = []  # what must be, from `floor` on
        self.floor = 0
        self.done = threading.Event()

    def write(self) -> None:
        """Batch by batch; deletes and merges now and then."""
        try:
            for number, service in zip(range(ROUNDS), cycle(("web", "db", "web")), strict=False):
                batch = [_record(number * BATCH + one, service) for one in range(BATCH)]
                self.offered += batch
                self.store.seal("shop", service, batch, ())
                self.written += batch
                if number % 7 == 0:
                    self.store.compact(0)
                if number % 10 == 0 and len(self.written) > KEPT:
                    # What is being deleted may be found or not.
                    self.floor = self.written[-KEPT].at
                    self.store.retain(LogPolicy(days=1e-9), self.floor)
        finally:
            self.done.set()

    def read(self, queries: Iterator[LogQuery]) -> int:
        """Searches until everything is written; how often."""
        for count, query in enumerate(queries):
            if self.done.is_set():
                return count
            before = len(self.written)
            with closing(self.store.search(query)) as search:
                found = [record.at for record in search]
            assert found == sorted(set(found), reverse=True)
            wanted = {
                record.at
                for record in self.written[:before]
                if record.at >= self.floor and _is_hit(query, record)
            }
            assert wanted <= set(found) <= {r.at for r in self.offered if _is_hit(query, r)}
        raise AssertionError("there is always a next query")


def _record(number: int, service: str) -> Record:
    text = f"key={number}\n  at {number}" if number % 5 == 0 else f"key={number}"
    source = Source(app="shop", service=service)
    return Record(logs.T0 + number * EACH, source, text, number % 5)


def _is_hit(query: LogQuery, record: Record) -> bool:
    """By the meaning of each query, without any expression."""
    number = int(record.text.split()[0].removeprefix("key="))
    match QUERIES.index(query):
        case 0:
            return str(number).startswith("3")
        case 1:
            return "\n" not in record.text and str(number)[0] in "345"
        case 2:
            return False
        case 3:
            return "\n" in record.text and str(number).endswith("7")
        case _:
            return record.source.service == "web" and record.level >= query.level


@pytest.mark.parametrize("order", [1, -1])
def test_searches_beside_writers_are_whole(tmp_path, order):
    """Nothing is missing that was there before, nothing twice, nothing that is no hit."""
    with closing(ChunkStore(tmp_path / "logs.db", LogPolicy(days=1e5))) as store:
        beside = Beside(store)
        with ThreadPoolExecutor(3) as threads:
            reading = [
                threads.submit(beside.read, cycle(queries[::order]))
                for queries in (QUERIES, QUERIES[2:] + QUERIES[:2])
            ]
            threads.submit(beside.write).result()
            assert all(one.result() > 0 for one in reading)
