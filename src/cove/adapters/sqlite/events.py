"""The events of rollouts, as they can be followed again later. Imported within the package only."""

from __future__ import annotations

from typing import Any

import msgspec

from cove.adapters.sqlite.connection import Records
from cove.model.events import Event, EventKind


class EventRecords(Records):
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
        return Event(seq=seq, at=at, kind=kind, index=index, text=text, data=data)

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
