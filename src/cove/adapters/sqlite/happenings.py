"""What happened on this server, numbered over everything. Imported within the package only."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

import msgspec

from cove.adapters.sqlite.connection import Records
from cove.model.happenings import LONGEST, Happening, HappeningKind

KEPT_HAPPENINGS = 10_000  # a few megabytes
_KEPT_SECONDS = 180 * 86_400.0
_AGE_EVERY = 100  # happenings between two looks at their age


class HappeningRecords(Records):
    """The store's part about happenings."""

    _listeners: set[Callable[[], None]]

    def add_happening(
        self, kind: HappeningKind, text: str, app: str = "", data: dict[str, Any] | None = None
    ) -> None:
        """Appends one; it is durable once this returns, and listeners have been called."""
        with self._db.write() as db:
            append(
                db,
                Happening(seq=0, at=self._now(), kind=kind, text=text, app=app, data=data or {}),
            )
        self.tell()

    def happenings(
        self, *, after: int = 0, app: str = "", since: float = 0.0, limit: int = 500
    ) -> tuple[Happening, ...]:
        """The oldest `limit` whose `seq` is greater than `after`, in order."""
        rows = self._db.rows(
            "SELECT * FROM happenings WHERE seq > ? AND ? IN ('', app) AND at >= ?"
            " ORDER BY seq LIMIT ?",
            *(after, app, since, limit),
        )
        return tuple(_happening(row) for row in rows)

    def last_happenings(
        self, limit: int, *, app: str = "", since: float = 0.0
    ) -> tuple[Happening, ...]:
        """The newest, in order."""
        rows = self._db.rows(
            "SELECT * FROM happenings WHERE ? IN ('', app) AND at >= ? ORDER BY seq DESC LIMIT ?",
            *(app, since, limit),
        )
        return tuple(_happening(row) for row in reversed(rows))

    def last_with(self, key: str) -> Happening | None:
        """The newest whose data has the key."""
        query = "SELECT * FROM happenings WHERE instr(data, ?) ORDER BY seq DESC LIMIT 1"
        row = self._db.row(query, f'"{key}":')
        return None if row is None else _happening(row)

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Has it called after each happening; returns what ends that."""
        self._listeners.add(listener)
        return lambda: self._listeners.discard(listener)

    def tell(self) -> None:
        """Calls the listeners; something was appended."""
        for listener in tuple(self._listeners):
            listener()


def append(db: sqlite3.Connection, happening: Happening) -> None:
    """Within a transaction: gives it the next number, and drops what is too much or too old."""
    text = happening.text
    short = text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
    data = msgspec.json.encode(happening.data).decode()
    cursor = db.execute(
        "INSERT INTO happenings (at, app, kind, rollout, text, data) VALUES (?, ?, ?, ?, ?, ?)",
        (happening.at, happening.app, happening.kind, happening.rollout, short, data),
    )
    seq = cursor.lastrowid or 0
    db.execute("DELETE FROM happenings WHERE seq <= ?", (seq - KEPT_HAPPENINGS,))
    if seq % _AGE_EVERY == 0:
        db.execute("DELETE FROM happenings WHERE at < ?", (happening.at - _KEPT_SECONDS,))


def _happening(row: sqlite3.Row) -> Happening:
    return Happening(
        seq=row["seq"],
        at=row["at"],
        kind=row["kind"],
        text=row["text"],
        app=row["app"],
        rollout=row["rollout"],
        data=msgspec.json.decode(row["data"]),
    )
