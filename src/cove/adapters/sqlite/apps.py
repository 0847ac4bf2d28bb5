"""The records of apps. Imported within the package only."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from ipaddress import IPv4Network

from cove.adapters.sqlite.addresses import free_subnet
from cove.adapters.sqlite.claims import BESIDE, OTHER_HOLDER
from cove.adapters.sqlite.connection import Records
from cove.errors import NotFound
from cove.ports import AppRecord

# The live release is derived, so that it cannot disagree with the releases' own status.
_SELECT = (
    "SELECT name, source, subnet, stopped, created_at, coalesce((SELECT number FROM releases"
    " WHERE app = apps.name AND status = 'live'), 0) AS live FROM apps"
)
_SUBNETS = "SELECT subnet FROM apps UNION ALL SELECT subnet FROM networks"
_NETWORKS = (
    "SELECT 'default' AS name, subnet FROM apps WHERE name = ?"
    " UNION ALL SELECT name, subnet FROM networks WHERE app = ?"
)


class AppRecords(Records):
    """The store's part about apps as such."""

    _pool: IPv4Network
    forgotten: int  # apps, since the store was opened: the next one of a name counts from 1 again

    def app(self, name: str) -> AppRecord | None:
        """The app's record; None where it is not known."""
        row = self._db.row(f"{_SELECT} WHERE name = ?", name)
        return None if row is None else _record(row)

    def apps(self) -> tuple[AppRecord, ...]:
        """Every app, by name."""
        return tuple(_record(row) for row in self._db.rows(f"{_SELECT} ORDER BY name"))

    def claimed_by_others(self, app: str, claims: Iterable[str]) -> dict[str, str]:
        """The claims that another app holds, with its name."""
        rows = ((claim, self._db.row(OTHER_HOLDER, claim, app)) for claim in claims)
        return {claim: row["app"] for claim, row in rows if row is not None}

    def claims_beside(self, app: str, domains: Iterable[str]) -> dict[str, str]:
        """Every claim of other apps on these domains, with the app's name."""
        found = [self._db.rows(BESIDE, app, domain, domain) for domain in domains]
        return {row["claim"]: row["app"] for rows in found for row in rows}

    def reserve_subnet(self, app: str, source: str, taken: Iterable[str]) -> AppRecord:
        """Records the app with a subnet of its own; a known one stays as it is.

        Raises Refused (`subnets-exhausted`).
        """
        with self._db.write() as db:
            if db.execute("SELECT 1 FROM apps WHERE name = ?", (app,)).fetchone() is None:
                recorded = [row["subnet"] for row in db.execute(_SUBNETS)]
                subnet = free_subnet(self._pool, recorded, taken)
                db.execute(
                    "INSERT INTO apps (name, source, subnet, created_at) VALUES (?, ?, ?, ?)",
                    (app, source, subnet, self._now()),
                )
            row = db.execute(f"{_SELECT} WHERE name = ?", (app,)).fetchone()
        return _record(row)

    def reserve_networks(
        self, app: str, names: Iterable[str], taken: Iterable[str]
    ) -> dict[str, str]:
        """The range of each of the app's networks; one that has a range keeps it.

        Raises NotFound for an unknown app, Refused (`subnets-exhausted`).
        """
        held = set(taken)
        with self._db.write() as db:
            known = {row["name"]: row["subnet"] for row in db.execute(_NETWORKS, (app, app))}
            if not known:
                raise NotFound(f"there is no app {app}", hint="cove status lists the apps")
            for name in names:
                if name not in known:
                    recorded = [row["subnet"] for row in db.execute(_SUBNETS)]
                    known[name] = free_subnet(self._pool, recorded, held)
                    db.execute("INSERT INTO networks VALUES (?, ?, ?)", (app, name, known[name]))
        return known

    def keep_networks(self, app: str, names: Iterable[str]) -> None:
        """Frees the range of each of the app's networks but these; the default one's stays."""
        kept = set(names)
        with self._db.write() as db:
            rows = db.execute("SELECT name FROM networks WHERE app = ?", (app,)).fetchall()
            unused = [(app, row["name"]) for row in rows if row["name"] not in kept]
            db.executemany("DELETE FROM networks WHERE app = ? AND name = ?", unused)

    def set_stopped(self, app: str, *, stopped: bool) -> None:
        """Records whether the app shall stay down. Raises NotFound."""
        self._update("UPDATE apps SET stopped = ? WHERE name = ?", stopped, app)

    def set_source(self, app: str, source: str) -> None:
        """Records where the app's file comes from. Raises NotFound."""
        self._update("UPDATE apps SET source = ? WHERE name = ?", source, app)

    def forget_app(self, app: str) -> None:
        """Deletes the app, its releases, claims and addresses; an unknown one is fine."""
        with self._db.write() as db:
            db.execute("DELETE FROM apps WHERE name = ?", (app,))
        self.forgotten += 1

    def _update(self, statement: str, value: object, app: str) -> None:
        with self._db.write() as db:
            if db.execute(statement, (value, app)).rowcount == 0:
                raise NotFound(f"there is no app {app}", hint="cove status lists the apps")


def _record(row: sqlite3.Row) -> AppRecord:
    return AppRecord(
        name=row["name"],
        source=row["source"],
        subnet=row["subnet"],
        stopped=bool(row["stopped"]),
        created_at=row["created_at"],
        live=row["live"],
    )
