"""The records of releases, from pending to superseded. Imported within the package only.

A spec lies in the clear but for its secrets, or, where values of variables may be anywhere in it,
sealed as a whole: as a blob.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterable, Mapping

import msgspec

from cove.adapters.sqlite import claims
from cove.adapters.sqlite.addresses import choose, held_by, occupied, occupy, vacate
from cove.adapters.sqlite.cipher import Cipher
from cove.adapters.sqlite.connection import Records
from cove.errors import NotFound, PlatformError
from cove.model.app import App
from cove.model.events import Rollout
from cove.model.release import Image, Placement, Release, names_for

_log = logging.getLogger(__name__)
_Secrets = dict[str, dict[str, str]]


class ReleaseRecords(Records):
    """The store's part about releases, their claims and their addresses."""

    _cipher: Cipher

    def release(self, app: str, number: int) -> Release | None:
        """One release with its secrets; None where there is none of that number."""
        row = self._db.row("SELECT * FROM releases WHERE app = ? AND number = ?", app, number)
        return None if row is None else self._release(row)

    def releases(self, app: str) -> tuple[Release, ...]:
        """Every release with its secrets, newest first."""
        rows = self._db.rows("SELECT * FROM releases WHERE app = ? ORDER BY number DESC", app)
        return tuple(self._release(row) for row in rows)

    def create_release(
        self,
        rollout: Rollout,
        *,
        spec: App,
        images: Mapping[str, Image],
        why: str,
        source: str,
        hold: bool,
    ) -> tuple[Release, dict[str, str]]:
        """Numbers a pending release, claims its routes and gives its replicas addresses.

        With `hold`, the second value names one more address per routed service. Raises NotFound
        for an app without a subnet, Refused (`route-taken`, `addresses-exhausted`).
        """
        app = rollout.app
        wanted = claims.of_spec(spec)
        with self._db.write() as db:
            subnet, number = _subnet(db, app), _next_number(db, app)
            claims.refuse_taken(db, app, wanted)
            held = [service.name for service in spec.routed()] if hold else []
            free = choose(db, app, subnet, sum(_replicas(spec)) + len(held))
            placements = _place(spec, number, free)
            release = Release(
                app=app,
                number=number,
                spec=spec,
                images=dict(images),
                placements=placements,
                created_at=self._now(),
                by=rollout.by,
                why=why,
                source=source,
            )
            self._insert(db, release)
            claims.take(db, app, number, wanted)
            occupy(db, app, number, free)
            _attach(db, rollout, number)
        return release, dict(zip(held, free[len(placements) :], strict=True))

    def confirm(self, app: str, release: int) -> None:
        """Makes the release live and its predecessor superseded; repeating it is fine.

        Raises PlatformError (`state`) for a release that failed, was superseded or never was.
        """
        with self._db.write() as db:
            status = _status(db, app, release)
            if status not in ("pending", "live"):
                raise PlatformError(
                    f"release {release} of {app} cannot become live: it is {status}", code="state"
                )
            # The predecessor first: an index allows one live release an app.
            db.execute(
                "UPDATE releases SET status = 'superseded'"
                " WHERE app = ? AND status = 'live' AND number <> ?",
                (app, release),
            )
            db.execute(
                "UPDATE releases SET status = 'live' WHERE app = ? AND number = ?", (app, release)
            )
            db.execute("UPDATE apps SET stopped = 0 WHERE name = ?", (app,))
            claims.drop_all_but(db, app, release)

    def fail_release(self, app: str, release: int, error: str) -> None:
        """Marks a pending release failed, drops its claims and frees its addresses.

        A release that is not pending is left alone.
        """
        with self._db.write() as db:
            if _status(db, app, release) != "pending":
                return
            db.execute(
                "UPDATE releases SET status = 'failed', error = ? WHERE app = ? AND number = ?",
                (error, app, release),
            )
            claims.drop(db, app, release)
            vacate(db, app, held_by(db, app, release))

    def free_addresses(self, app: str, addresses: Iterable[str]) -> None:
        """Gives addresses back, to be used again as late as possible; free ones are fine."""
        with self._db.write() as db:
            vacate(db, app, addresses)

    def keep_addresses(self, app: str, addresses: Iterable[str]) -> None:
        """Gives back every address of the app but these; an unknown app has none."""
        kept = set(addresses)
        with self._db.write() as db:
            vacate(db, app, [held for held in occupied(db, app) if held not in kept])

    def seal_old(self) -> None:
        """Encrypts what an older version wrote in the clear; that waits for a key and room."""
        rows = self._db.rows("SELECT rowid, spec, secrets FROM releases WHERE unsealed")
        if not rows:
            return
        try:
            for row in rows:
                if row["secrets"] is not None:
                    self._cipher.open(row["secrets"])  # with another key it would be lost for good
                    break
            sealed = [(self._cipher.seal(row["spec"].encode()), row["rowid"]) for row in rows]
            with self._db.overwriting() as db:
                db.executemany("UPDATE releases SET spec = ?, unsealed = 0 WHERE rowid = ?", sealed)
        except PlatformError as error:
            _log.error("records of releases are not encrypted yet: %s", error.message)

    def _insert(self, db: sqlite3.Connection, release: Release) -> None:
        db.execute(
            "INSERT INTO releases (app, number, spec, secrets, images, placements, created_at,"
            " made_by, why, source) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                release.app,
                release.number,
                self._spec(release.spec),
                self._sealed(release.spec),
                _json(release.images),
                _json(release.placements),
                release.created_at,
                release.by,
                release.why,
                release.source,
            ),
        )

    def _spec(self, spec: App) -> str | bytes:
        plain = _json(spec.without_secrets())
        return self._cipher.seal(plain.encode()) if spec.hidden else plain

    def _sealed(self, spec: App) -> bytes | None:
        secrets = {service: values for service, values in spec.secrets().items() if values}
        return self._cipher.seal(msgspec.json.encode(secrets)) if secrets else None

    def _release(self, row: sqlite3.Row) -> Release:
        try:
            sealed = row["secrets"]
            secrets = {} if sealed is None else _secrets(self._cipher.open(sealed))
            spec = row["spec"]
            plain = self._cipher.open(spec) if isinstance(spec, bytes) else spec
            return Release(
                app=row["app"],
                number=row["number"],
                spec=msgspec.json.decode(plain, type=App).with_secrets(secrets),
                images=msgspec.json.decode(row["images"], type=dict[str, Image]),
                placements=msgspec.json.decode(row["placements"], type=tuple[Placement, ...]),
                status=row["status"],
                created_at=row["created_at"],
                by=row["made_by"],
                why=row["why"],
                source=row["source"],
                error=row["error"],
            )
        except msgspec.MsgspecError as error:
            # Not the error's text: it may quote what was being decoded, secrets included.
            raise PlatformError(
                f"the record of release {row['number']} of {row['app']} cannot be read",
                code="state",
                hint="restore the data from a backup",
            ) from error


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _secrets(plain: bytes) -> _Secrets:
    return msgspec.json.decode(plain, type=_Secrets)


def _replicas(spec: App) -> list[int]:
    return [service.replicas for service in spec.released()]


def _place(spec: App, number: int, free: list[str]) -> tuple[Placement, ...]:
    """Every replica with an address, the addresses taken in order."""
    replicas = [
        (service.name, replica, name)
        for service in spec.released()
        for replica, name in enumerate(names_for(service, number), start=1)
    ]
    return tuple(
        Placement(service=service, replica=replica, name=name, address=address)
        for (service, replica, name), address in zip(replicas, free, strict=False)
    )


def _subnet(db: sqlite3.Connection, app: str) -> str:
    row = db.execute("SELECT subnet FROM apps WHERE name = ?", (app,)).fetchone()
    if row is None:
        raise NotFound(f"there is no app {app}", hint="cove status lists the apps")
    return str(row["subnet"])


def _next_number(db: sqlite3.Connection, app: str) -> int:
    row = db.execute("SELECT max(number) AS last FROM releases WHERE app = ?", (app,)).fetchone()
    return int(row["last"] or 0) + 1


def _status(db: sqlite3.Connection, app: str, release: int) -> str:
    query = "SELECT status FROM releases WHERE app = ? AND number = ?"
    row = db.execute(query, (app, release)).fetchone()
    return "unknown" if row is None else str(row["status"])


def _attach(db: sqlite3.Connection, rollout: Rollout, number: int) -> None:
    """The rollout makes this release; only one under way may."""
    statement = "UPDATE rollouts SET release = ? WHERE id = ? AND outcome IS NULL"
    if db.execute(statement, (number, rollout.id)).rowcount == 0:
        raise PlatformError(f"rollout {rollout.id} has ended: it can make no release", code="state")
