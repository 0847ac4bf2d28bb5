"""The records of rollouts: the app's lock, the journal, the history. Imported within the package.

A rollout without an outcome holds its app's lock, across restarts of the agent too.
"""

from __future__ import annotations

import sqlite3

from cove.adapters.sqlite.happenings import HappeningRecords, append
from cove.errors import Locked, NotFound
from cove.model.events import Outcome, Rollout, RolloutKind
from cove.model.happenings import begun
from cove.ports import Journal, Step

# Without the plan, which is large.
_SELECT = "SELECT id, app, kind, started_by, started_at, ended_at, release, outcome FROM rollouts"
KEPT_ROLLOUTS = 200  # per app, with their events: months of history in a few megabytes

_BEING: dict[str, str] = {
    "deploy": "deployed",
    "rollback": "rolled back",
    "restart": "restarted",
    "stop": "stopped",
    "start": "started",
    "remove": "removed",
}


class RolloutRecords(HappeningRecords):
    """The store's part about rollouts and their journal."""

    def open_rollout(self, app: str, kind: RolloutKind, by: str) -> Rollout:
        """Takes the app's lock and drops its oldest history. Raises Locked, naming the holder."""
        with self._db.write() as db:
            query = "SELECT * FROM rollouts WHERE app = ? AND outcome IS NULL"
            holder = db.execute(query, (app,)).fetchone()
            if holder is not None:
                raise _locked(read_rollout(holder), self._now())
            started_at = self._now()
            cursor = db.execute(
                "INSERT INTO rollouts (app, kind, started_by, started_at) VALUES (?, ?, ?, ?)",
                (app, kind, by, started_at),
            )
            _prune(db, app)
            number = cursor.lastrowid or 0
            rollout = Rollout(id=number, app=app, kind=kind, by=by, started_at=started_at)
            append(db, begun(rollout))
        self.tell()
        return rollout

    def save_plan(self, rollout: Rollout, plan: bytes) -> None:
        """Records what the rollout will do, before it does it. Raises NotFound."""
        with self._db.write() as db:
            statement = "UPDATE rollouts SET plan = ? WHERE id = ?"
            if db.execute(statement, (plan, rollout.id)).rowcount == 0:
                raise _unknown(rollout)

    def save_step(self, rollout: Rollout, step: Step) -> None:
        """Records how far one operation has come; the last word on it counts."""
        with self._db.write() as db:
            db.execute(
                "INSERT INTO steps (rollout, place, state) VALUES (?, ?, ?)"
                " ON CONFLICT (rollout, place) DO UPDATE SET state = excluded.state",
                (rollout.id, step.index, step.state),
            )

    def steps(self, rollout_id: int) -> tuple[Step, ...]:
        """The last state of each journalled operation, in the plan's order."""
        query = "SELECT place, state FROM steps WHERE rollout = ? ORDER BY place"
        return tuple(Step(row["place"], row["state"]) for row in self._db.rows(query, rollout_id))

    def close_rollout(self, rollout: Rollout, outcome: Outcome) -> Rollout:
        """Ends the rollout and its lock; the first outcome stays. Raises NotFound."""
        with self._db.write() as db:
            db.execute(
                "UPDATE rollouts SET outcome = ?, ended_at = ? WHERE id = ? AND outcome IS NULL",
                (outcome, self._now(), rollout.id),
            )
        closed = self.rollout(rollout.id)
        if closed is None:
            raise _unknown(rollout)
        return closed

    def rollout(self, rollout_id: int) -> Rollout | None:
        """One rollout; None where it never was or is no longer kept."""
        row = self._db.row(f"{_SELECT} WHERE id = ?", rollout_id)
        return None if row is None else read_rollout(row)

    def rollouts(self, app: str = "", limit: int = 20) -> tuple[Rollout, ...]:
        """The newest rollouts of one app, or of all, newest first."""
        chosen, values = (" WHERE app = ?", (app,)) if app else ("", ())
        query = f"{_SELECT}{chosen} ORDER BY id DESC LIMIT ?"
        return tuple(read_rollout(row) for row in self._db.rows(query, *values, limit))

    def interrupted(self) -> tuple[Journal, ...]:
        """Rollouts without an outcome, oldest first."""
        rows = self._db.rows("SELECT * FROM rollouts WHERE outcome IS NULL ORDER BY id")
        return tuple(
            Journal(rollout=read_rollout(row), plan=row["plan"], steps=self.steps(row["id"]))
            for row in rows
        )


def _prune(db: sqlite3.Connection, app: str) -> None:
    db.execute(
        "DELETE FROM rollouts WHERE app = ? AND id NOT IN"
        " (SELECT id FROM rollouts WHERE app = ? ORDER BY id DESC LIMIT ?)",
        (app, app, KEPT_ROLLOUTS),
    )


def read_rollout(row: sqlite3.Row) -> Rollout:
    """A rollout from its row."""
    return Rollout(
        id=row["id"],
        app=row["app"],
        kind=row["kind"],
        by=row["started_by"],
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        release=row["release"],
        outcome=row["outcome"],
    )


def _unknown(rollout: Rollout) -> NotFound:
    return NotFound(f"there is no rollout {rollout.id}", hint=f"cove history {rollout.app}")


def _locked(holder: Rollout, now: float) -> Locked:
    who = f" by {holder.by}" if holder.by else ""
    since = _duration(now - holder.started_at)
    return Locked(
        f"{holder.app} is being {_BEING[holder.kind]}{who} since {since} (rollout {holder.id})",
        hint=f"watch it: cove attach {holder.app}",
    )


def _duration(seconds: float) -> str:
    whole = max(0, int(seconds))  # the clock may have been set back meanwhile
    for unit, size in (("h", 3600), ("min", 60)):
        if whole >= size:
            return f"{whole // size} {unit}"
    return f"{whole} s"
