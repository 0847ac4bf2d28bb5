"""The events of rollouts, as they can be followed again later. Imported within the package only."""

from __future__ import annotations

import sqlite3
from typing import Any

import msgspec

from cove.adapters.sqlite.happenings import HappeningRecords, append
from cove.adapters.sqlite.rollouts import read_rollout
from cove.model.events import Event, EventKind
from cove.model.happenings import told


class EventRecords(HappeningRecords):
    """The store's part about events."""

    def add_event(
        self, rollout_id: int, kind: EventKind, index: int, text: str, data: dict[str, Any]
    ) -> Event:
        """Appends an event; it is durable once this returns."""
        at = self._now()
        with self._db.write() as db:
            query = "SELECT coalesce(max(seq), 0) + 1 FROM events WHERE rollout = ?"
            seq = int(db.execute(query, (rollout_id,)).fetchone()[0])
            db.execute(
                "INSERT INTO events (rollout, seq, at, kind, place, text, data)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (rollout_id, seq, at, kind, index, text, msgspec.json.encode(data).decode()),
            )
            event = Event(seq=seq, at=at, kind=kind, index=index, text=text, data=data)
            _tell_of(db, rollout_id, event)
        self.tell()
        return event

    def events(self, rollout_id: int, after: int = 0) -> tuple[Event, ...]:
        """The events whose `seq` is greater than `after`, in order."""
        query = "SELECT * FROM events WHERE rollout = ? AND seq > ? ORDER BY seq"
        return tuple(
            Event(
                seq=row["seq"],
                at=row["at"],
                kind=row["kind"],
                index=row["place"],
                text=row["text"],
                data=msgspec.json.decode(row["data"]),
            )
            for row in self._db.rows(query, rollout_id, after)
        )


def _tell_of(db: sqlite3.Connection, rollout_id: int, event: Event) -> None:
    """In the same transaction, so that neither is known without the other."""
    row = db.execute("SELECT * FROM rollouts WHERE id = ?", (rollout_id,)).fetchone()
    if row is None or event.kind in ("plan", "started"):
        return
    query = "SELECT data FROM events WHERE rollout = ? AND kind = 'plan' ORDER BY seq LIMIT 1"
    plan = db.execute(query, (rollout_id,)).fetchone()
    operations = msgspec.json.decode(plan["data"]).get("operations", ()) if plan else ()
    rollout = read_rollout(row)
    found = told(rollout, event, [str(operation["title"]) for operation in operations])
    if found is not None:
        append(db, found)
