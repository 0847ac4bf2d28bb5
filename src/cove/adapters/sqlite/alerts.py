"""Alerts: what the owner has set, what fires, what is still to be delivered.

Imported within the package only.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from cove.adapters.sqlite.cipher import Cipher
from cove.adapters.sqlite.connection import Records
from cove.model.alerts import (
    AlertSettings,
    AlertState,
    Channel,
    ChannelRecord,
    Delivery,
    HistoryEntry,
    Key,
    Message,
    Progress,
    RuleChange,
    Silence,
    Transition,
    Window,
)

KEPT_TRANSITIONS = 5000  # about a megabyte


class _Secrets(Struct, frozen=True):
    url: str
    key: str = ""


class AlertRecords(Records):
    """The store's part about alerts."""

    _cipher: Cipher

    def alert_settings(self) -> AlertSettings:
        """What the owner has decided. A rule or window that cannot be read counts as not set."""
        changes = {
            (row["rule"], row["app"]): msgspec.json.decode(row["change"], type=RuleChange)
            for row in self._db.rows("SELECT * FROM alert_rules")
        }
        query = "SELECT * FROM alert_silences WHERE until > ? ORDER BY id"
        silences = [dict(row) for row in self._db.rows(query, self._now())]
        windows = [
            dict(row) | {"days": msgspec.json.decode(row["days"])}
            for row in self._db.rows("SELECT * FROM alert_windows ORDER BY id")
        ]
        return AlertSettings(
            changes=changes,
            silences=msgspec.convert(silences, tuple[Silence, ...]),
            windows=msgspec.convert(windows, tuple[Window, ...]),
        )

    def set_alert_rule(self, rule: str, app: str, change: RuleChange | None) -> None:
        """Replaces what was set of a rule; None: nothing is."""
        with self._db.write() as db:
            db.execute("DELETE FROM alert_rules WHERE rule = ? AND app = ?", (rule, app))
            if change is not None and change != RuleChange():
                db.execute("INSERT INTO alert_rules VALUES (?, ?, ?)", (rule, app, _json(change)))

    def add_silence(self, silence: Silence) -> Silence:
        """Gives it its number; those that are over are dropped."""
        with self._db.write() as db:
            db.execute("DELETE FROM alert_silences WHERE until <= ?", (self._now(),))
            cursor = db.execute(
                "INSERT INTO alert_silences (rule, app, until, reason, by, at)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (
                    *(silence.rule, silence.app, silence.until),
                    *(silence.reason, silence.by, silence.at),
                ),
            )
        return replace(silence, id=cursor.lastrowid or 0)

    def end_silence(self, number: int) -> bool:
        """Whether there was one."""
        with self._db.write() as db:
            cursor = db.execute("DELETE FROM alert_silences WHERE id = ?", (number,))
        return cursor.rowcount > 0

    def add_window(self, window: Window) -> Window:
        """Gives it its number."""
        with self._db.write() as db:
            cursor = db.execute(
                "INSERT INTO alert_windows (rule, app, days, start, minutes, reason)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (
                    *(window.rule, window.app, _json(window.days)),
                    *(window.start, window.minutes, window.reason),
                ),
            )
        return replace(window, id=cursor.lastrowid or 0)

    def remove_window(self, number: int) -> bool:
        """Whether there was one."""
        with self._db.write() as db:
            cursor = db.execute("DELETE FROM alert_windows WHERE id = ?", (number,))
        return cursor.rowcount > 0

    def channels(self) -> tuple[ChannelRecord, ...]:
        """By name. Raises PlatformError (`secret-key`)."""
        rows = self._db.rows("SELECT * FROM alert_channels ORDER BY name")
        return tuple(self._channel(row) for row in rows)

    def put_channel(self, channel: Channel) -> None:
        """Keeps a channel, its secrets encrypted; one of that name is replaced."""
        sealed = self._cipher.seal(msgspec.json.encode(_Secrets(channel.url, channel.key)))
        with self._db.write() as db:
            # Not replaced as a row: what waits for the channel would go with it.
            db.execute(
                "INSERT INTO alert_channels (name, kind, apps, sealed) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (name) DO UPDATE SET kind = excluded.kind, apps = excluded.apps,"
                " sealed = excluded.sealed",
                (channel.name, channel.kind, _json(channel.apps), sealed),
            )

    def remove_channel(self, name: str) -> bool:
        """With everything that is still to be delivered to it."""
        with self._db.write() as db:
            cursor = db.execute("DELETE FROM alert_channels WHERE name = ?", (name,))
            _tidy(db)
        return cursor.rowcount > 0

    def alert_states(self) -> tuple[AlertState, ...]:
        """What fires, is about to, or has ended without everybody knowing yet."""
        rows = self._db.rows("SELECT state FROM alert_states ORDER BY rule, app, subject")
        return tuple(msgspec.json.decode(row["state"], type=AlertState) for row in rows)

    def save_alerts(self, progress: Progress) -> None:
        """States, history and messages in one transaction."""
        with self._db.write() as db:
            _save_states(db, progress.save, progress.drop)
            for transition in progress.history:
                _append(db, transition)
            for message, names in progress.messages:
                _queue(db, message, names)

    def alert_history(self, limit: int, app: str = "") -> tuple[HistoryEntry, ...]:
        """The newest, oldest first."""
        rows = self._db.rows(
            "SELECT * FROM alert_history WHERE ? IN ('', app) ORDER BY seq DESC LIMIT ?",
            *(app, limit),
        )
        return tuple(
            HistoryEntry(
                seq=row["seq"],
                transition=msgspec.json.decode(row["transition"], type=Transition),
            )
            for row in reversed(rows)
        )

    def waiting(self) -> tuple[Delivery, ...]:
        """Every delivery that is not done, oldest first."""
        rows = self._db.rows(
            "SELECT d.*, m.body FROM alert_deliveries d JOIN alert_messages m ON m.id = d.message"
            " ORDER BY m.seq"
        )
        return tuple(
            Delivery(
                message=msgspec.json.decode(row["body"], type=Message),
                channel=row["channel"],
                attempts=row["attempts"],
                next_try=row["next_try"],
                error=row["error"],
            )
            for row in rows
        )

    def delivered(self, message: str, channel: str) -> None:
        """It arrived."""
        with self._db.write() as db:
            _forget(db, message, channel)
            db.execute(
                "UPDATE alert_channels SET delivered_at = ? WHERE name = ?", (self._now(), channel)
            )

    def postponed(self, delivery: Delivery) -> None:
        """It did not; when to try next, and why."""
        with self._db.write() as db:
            db.execute(
                "UPDATE alert_deliveries SET attempts = ?, next_try = ?, error = ?"
                " WHERE message = ? AND channel = ?",
                (
                    *(delivery.attempts, delivery.next_try, delivery.error),
                    *(delivery.message.id, delivery.channel),
                ),
            )

    def abandoned(self, message: str, channel: str) -> None:
        """It is given up."""
        with self._db.write() as db:
            _forget(db, message, channel)

    def _channel(self, row: sqlite3.Row) -> ChannelRecord:
        secrets = msgspec.json.decode(self._cipher.open(row["sealed"]), type=_Secrets)
        channel = Channel(
            name=row["name"],
            kind=row["kind"],
            url=secrets.url,
            key=secrets.key,
            apps=msgspec.json.decode(row["apps"], type=tuple[str, ...]),
        )
        return ChannelRecord(channel=channel, delivered_at=row["delivered_at"])


def _save_states(db: sqlite3.Connection, save: Iterable[AlertState], drop: Iterable[Key]) -> None:
    for key in drop:
        db.execute(
            "DELETE FROM alert_states WHERE rule = ? AND app = ? AND subject = ?",
            (key.rule, key.app, key.subject),
        )
    for state in save:
        key = state.key
        db.execute(
            "INSERT OR REPLACE INTO alert_states VALUES (?, ?, ?, ?)",
            (key.rule, key.app, key.subject, _json(state)),
        )


def _append(db: sqlite3.Connection, transition: Transition) -> None:
    cursor = db.execute(
        "INSERT INTO alert_history (app, transition) VALUES (?, ?)",
        (transition.key.app, _json(transition)),
    )
    seq = cursor.lastrowid or 0
    db.execute("DELETE FROM alert_history WHERE seq <= ?", (seq - KEPT_TRANSITIONS,))


def _queue(db: sqlite3.Connection, message: Message, names: Iterable[str]) -> None:
    db.execute(
        "INSERT OR IGNORE INTO alert_messages (id, body) VALUES (?, ?)",
        (message.id, _json(message)),
    )
    for name in names:
        db.execute(
            "INSERT OR IGNORE INTO alert_deliveries (message, channel) VALUES (?, ?)",
            (message.id, name),
        )


def _forget(db: sqlite3.Connection, message: str, channel: str) -> None:
    db.execute("DELETE FROM alert_deliveries WHERE message = ? AND channel = ?", (message, channel))
    _tidy(db)


def _tidy(db: sqlite3.Connection) -> None:
    db.execute("DELETE FROM alert_messages WHERE id NOT IN (SELECT message FROM alert_deliveries)")


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
