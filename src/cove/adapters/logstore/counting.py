"""How many records there are of each level in each minute.

Imported within the package only. The table `minute` is kept with every seal and every deletion;
only what it does not know is counted by looking through chunks.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from typing import Final

import msgspec

from cove.adapters.logstore.database import Database
from cove.adapters.logstore.listing import Listing
from cove.adapters.logstore.matching import Matcher
from cove.adapters.logstore.scanning import Bodies, Scanner, Tally, tallier
from cove.model.logs import LEVELS, LogCount, LogQuery

MINUTE: Final = 60 * 10**9  # nanoseconds
Counts = Counter[tuple[int, str, str, int]]  # by minute, app, service and level
_LEVELS: Final = tuple(bytes([level]) for level in range(len(LEVELS)))


def by_minute(times: array[int], levels: bytes) -> Iterator[tuple[int, list[int]]]:
    """Each minute, and how many of its records are of each level. Oldest first."""
    begin = 0
    while begin < len(times):
        minute = times[begin] // MINUTE
        end = bisect_left(times, (minute + 1) * MINUTE, begin)
        yield minute, [levels.count(level, begin, end) for level in _LEVELS]
        begin = end


def answer(counts: Counts) -> tuple[LogCount, ...]:
    """As the port gives them."""
    return tuple(
        LogCount(minute, service, level, records, app)
        for (minute, app, service, level), records in sorted(counts.items())
        if records
    )


def tabled(query: LogQuery) -> bool:
    """Whether the table knows what is asked for, at least for whole minutes."""
    return not (query.text or query.release or query.container or query.stream)


def edges(query: LogQuery) -> tuple[list[LogQuery], int, int]:
    """What of a time range is no whole minute; and the whole ones, the last not counted."""
    first = -(-query.since // MINUTE)
    last = query.until // MINUTE if query.until else _FOREVER
    if first > last:  # within one minute
        return [query], 0, 0
    partial = []
    if query.since % MINUTE:
        partial.append(msgspec.structs.replace(query, until=first * MINUTE))
    if query.until % MINUTE:
        partial.append(msgspec.structs.replace(query, since=last * MINUTE))
    return partial, first, last


_FOREVER: Final = (1 << 62) // MINUTE


def from_table(database: Database, query: LogQuery, first: int, last: int) -> Iterator[LogCount]:
    """Of whole minutes, service by service."""
    services = database.rows(
        "SELECT id, app, name FROM service WHERE ? IN ('', app) AND ? IN ('', name)"
        " ORDER BY app, name",
        (query.app, query.service),
    )
    for number, app, name in services:
        for minute, *records in database.rows(_MINUTES, (number, first, last)):
            for level in range(query.level, len(LEVELS)):
                if records[level]:
                    yield LogCount(minute, name, level, records[level], app)


_MINUTES: Final = (
    "SELECT minute, n0, n1, n2, n3, n4, n5, n6 FROM minute"
    " WHERE service = ? AND minute >= ? AND minute < ?"
)


def scanned(database: Database, query: LogQuery, matcher: Matcher, bodies: Bodies) -> Counts:
    """By looking through every chunk."""
    listing = Listing(database, query, bodies.ceiling, matcher.wanted)
    scanning: Scanner[Tally] = Scanner(iter(listing), bodies, tallier(query, matcher), ahead=True)
    counts: Counts = Counter()
    try:
        while scanning.upcoming():
            tally = scanning.take()
            if tally is None:
                continue
            app, service = listing.services[tally.row.service]
            for minute, records in by_minute(tally.times, tally.levels):
                for level, number in enumerate(records):
                    counts[minute, app, service, level] += number
    finally:
        scanning.close()
    return counts
