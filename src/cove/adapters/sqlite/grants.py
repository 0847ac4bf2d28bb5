"""The powers over the host that apps were given. Imported within the package only."""

from __future__ import annotations

from cove.adapters.sqlite.connection import Records
from cove.ports import Grant


class GrantRecords(Records):
    """The store's part about grants, which stay when the app itself is removed and comes back."""

    def grants(self, app: str) -> tuple[Grant, ...]:
        """The app's powers, in the order of their names."""
        rows = self._db.rows("SELECT * FROM grants WHERE app = ? ORDER BY power", app)
        return tuple(
            Grant(app=row["app"], power=row["power"], by=row["given_by"], at=row["at"])
            for row in rows
        )

    def grant(self, app: str, power: str, by: str) -> None:
        """Gives a power; who gave it first, and when, is kept."""
        with self._db.write() as db:
            db.execute(
                "INSERT INTO grants (app, power, given_by, at) VALUES (?, ?, ?, ?)"
                " ON CONFLICT DO NOTHING",
                (app, power, by, self._now()),
            )

    def revoke(self, app: str, power: str) -> bool:
        """Takes a power away; whether there was one."""
        with self._db.write() as db:
            gone = db.execute("DELETE FROM grants WHERE app = ? AND power = ?", (app, power))
            return gone.rowcount > 0
