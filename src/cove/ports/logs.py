"""What keeping and searching logs needs of the world.

Imported by observation, by adapters and by the agent. Apart from what rollouts need: serving
depends on nothing of this.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Protocol

from msgspec import Struct

from cove.model.logs import Cursor, LogCount, LogPolicy, LogQuery, LogService, Record, Stream


class LogSearch(Iterator[Record], Protocol):
    """Answers as they are found. Iterated by one thread at a time."""

    def close(self) -> None:
        """Ends the search and frees what it holds, from any thread; again is fine."""


class LogStore(Protocol):
    """Kept records. Every method blocks and may be called from any thread.

    Reading never waits for writing. Each raises PlatformError (`state`, `disk-full`, `data-dir`).
    """

    def seal(
        self, app: str, service: str, records: Sequence[Record], cursors: Sequence[Cursor]
    ) -> None:
        """Keeps a service's records, oldest first, and how far its streams are read, at once."""

    def cursors(self) -> tuple[Cursor, ...]:
        """How far each stream of every container is kept."""

    def forget(self, containers: AbstractSet[str]) -> None:
        """Drops the cursors of these containers, which are gone for good."""

    def search(self, query: LogQuery, unsealed: Sequence[Record] = ()) -> LogSearch:
        """Hits, newest first, each found as it is asked for; its context follows, oldest first.

        What is sealed after this call has returned is not found. `unsealed` are records that are
        not kept yet, each service's oldest first; they are searched as if they were. A search
        that is not read to its end must be closed. Reading on raises `Refused` (`log-pattern`)
        for a regular expression that cannot be compiled or takes too long.
        """

    def counts(self, query: LogQuery) -> tuple[LogCount, ...]:
        """Records by minute, service and level, oldest first. Raises as `search` does.

        The query's limit and context say nothing here.
        """

    def services(self) -> tuple[LogService, ...]:
        """Whose records are kept, by app and service."""

    def retain(self, policy: LogPolicy, now: int) -> int:
        """Deletes what is too old or too much, oldest first; returns the bytes given back."""

    def compact(self, now: int) -> None:
        """Merges small neighbours into larger chunks."""


# A line as Docker has it: its stream, nanoseconds since the epoch, its text, and whether it ends
# there; Docker cuts long ones in pieces. A tuple, since there may be thousands a second.
LogEntry = tuple[Stream, int, str, bool]


class LogContainer(Struct, frozen=True, kw_only=True):
    """A container whose output is kept. Without an app it is the proxy's."""

    id: str
    app: str
    service: str  # as the file calls it
    release: int  # 0: no release owns it
    name: str  # the Compose service
    running: bool


class LogConnection(Protocol):
    """A container's output on its way. Raises PlatformError when Docker fails."""

    async def read(self, timeout: float) -> Sequence[LogEntry] | None:
        """What has come, as much as fits into a little memory; empty at its end.

        None when nothing came for `timeout` seconds. Nothing is lost by waiting between two reads.
        """

    def close(self) -> None:
        """Hangs up."""


class LogEngine(Protocol):
    """Docker, as far as logs go: the containers of this instance's apps, and its proxy."""

    async def containers(self) -> tuple[LogContainer, ...]:
        """All of them, in any state."""

    async def look(self, container_id: str) -> LogContainer | None:
        """One of them; None where it is gone."""

    def starts(self, since: int) -> AsyncGenerator[LogContainer, None]:
        """Those that start, from a time on, until the iterator is closed."""

    async def open(
        self, container_id: str, *, since: int = 0, tail: int = -1, follow: bool = False
    ) -> LogConnection:
        """Its output from a time on, inclusive, or the last `tail` lines; with `follow` to its end.

        Raises NotFound where the container is gone.
        """
