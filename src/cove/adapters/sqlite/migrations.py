"""The schema, as the ordered scripts that lead to it. Imported within the package only.

A script that has been released is never changed; a change of the schema is a new script.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from cove.errors import PlatformError

_FIRST = """
CREATE TABLE apps (
    name TEXT NOT NULL PRIMARY KEY,
    source TEXT NOT NULL,
    subnet TEXT NOT NULL UNIQUE,
    stopped INTEGER NOT NULL DEFAULT 0 CHECK (stopped IN (0, 1)),
    created_at REAL NOT NULL
);

CREATE TABLE releases (
    app TEXT NOT NULL REFERENCES apps (name) ON DELETE CASCADE,
    number INTEGER NOT NULL CHECK (number > 0),
    status TEXT NOT NULL DEFAULT 'pending'
        CHECK (status IN ('pending', 'live', 'superseded', 'failed')),
    spec TEXT NOT NULL,
    secrets BLOB,
    images TEXT NOT NULL,
    placements TEXT NOT NULL,
    created_at REAL NOT NULL,
    made_by TEXT NOT NULL,
    why TEXT NOT NULL,
    source TEXT NOT NULL,
    error TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (app, number)
);
CREATE UNIQUE INDEX one_live_release ON releases (app) WHERE status = 'live';

CREATE TABLE claims (
    claim TEXT NOT NULL,
    app TEXT NOT NULL,
    release INTEGER NOT NULL,
    PRIMARY KEY (claim, app, release),
    FOREIGN KEY (app, release) REFERENCES releases (app, number) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX claims_by_release ON claims (app, release);
CREATE TRIGGER one_app_per_claim BEFORE INSERT ON claims
WHEN EXISTS (SELECT 1 FROM claims WHERE claim = NEW.claim AND app <> NEW.app)
BEGIN
    SELECT RAISE(ABORT, 'two apps claim the same route');
END;

CREATE TABLE addresses (
    app TEXT NOT NULL REFERENCES apps (name) ON DELETE CASCADE,
    address TEXT NOT NULL,
    release INTEGER,
    freed INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (app, address),
    FOREIGN KEY (app, release) REFERENCES releases (app, number)
) WITHOUT ROWID;

CREATE TABLE rollouts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    app TEXT NOT NULL,
    kind TEXT NOT NULL,
    started_by TEXT NOT NULL,
    started_at REAL NOT NULL,
    ended_at REAL NOT NULL DEFAULT 0,
    release INTEGER NOT NULL DEFAULT 0,
    outcome TEXT,
    plan BLOB NOT NULL DEFAULT x''
);
CREATE UNIQUE INDEX one_active_rollout ON rollouts (app) WHERE outcome IS NULL;
CREATE INDEX rollouts_by_app ON rollouts (app, id);

CREATE TABLE steps (
    rollout INTEGER NOT NULL REFERENCES rollouts (id) ON DELETE CASCADE,
    place INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('started', 'done', 'undone')),
    PRIMARY KEY (rollout, place)
) WITHOUT ROWID;

CREATE TABLE events (
    rollout INTEGER NOT NULL REFERENCES rollouts (id) ON DELETE CASCADE,
    seq INTEGER NOT NULL CHECK (seq > 0),
    at REAL NOT NULL,
    kind TEXT NOT NULL,
    place INTEGER NOT NULL,
    text TEXT NOT NULL,
    data TEXT NOT NULL,
    PRIMARY KEY (rollout, seq)
) WITHOUT ROWID;
"""

# Grants belong to a name, not to a record: the owner gives them before the first deploy.
_GRANTS = """
CREATE TABLE grants (
    app TEXT NOT NULL,
    power TEXT NOT NULL,
    given_by TEXT NOT NULL,
    at REAL NOT NULL,
    PRIMARY KEY (app, power)
) WITHOUT ROWID;
"""

# The default network's range stands with its app.
_NETWORKS = """
CREATE TABLE networks (
    app TEXT NOT NULL REFERENCES apps (name) ON DELETE CASCADE,
    name TEXT NOT NULL,
    subnet TEXT NOT NULL UNIQUE,
    PRIMARY KEY (app, name)
) WITHOUT ROWID;
"""

# AUTOINCREMENT: a number that was told to a follower is never given again.
_HAPPENINGS = """
CREATE TABLE happenings (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at REAL NOT NULL,
    app TEXT NOT NULL,
    kind TEXT NOT NULL,
    rollout INTEGER NOT NULL DEFAULT 0,
    text TEXT NOT NULL,
    data TEXT NOT NULL
);
CREATE INDEX happenings_by_app ON happenings (app, seq);
"""

_CERTIFICATES = """
CREATE TABLE settings (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL,
    secret BLOB
) WITHOUT ROWID;

CREATE TABLE cert_progress (
    domain TEXT NOT NULL PRIMARY KEY,
    obstacle TEXT NOT NULL,
    failures INTEGER NOT NULL,
    next_try REAL NOT NULL,
    last_try REAL NOT NULL,
    error TEXT NOT NULL,
    hint TEXT NOT NULL
) WITHOUT ROWID;
"""

# What older versions wrote in the clear may hold values of variables: `unsealed` marks it.
_SEALED_SPECS = """
ALTER TABLE releases ADD COLUMN unsealed INTEGER NOT NULL DEFAULT 0 CHECK (unsealed IN (0, 1));
UPDATE releases SET unsealed = 1;
"""

# A message outlives the alert it is about; it goes with its last delivery.
_ALERTS = """
CREATE TABLE alert_rules (
    rule TEXT NOT NULL,
    app TEXT NOT NULL,
    change TEXT NOT NULL,
    PRIMARY KEY (rule, app)
) WITHOUT ROWID;

CREATE TABLE alert_silences (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    rule TEXT NOT NULL,
    app TEXT NOT NULL,
    until REAL NOT NULL,
    reason TEXT NOT NULL,
    by TEXT NOT NULL,
    at REAL NOT NULL
);

CREATE TABLE alert_windows (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    rule TEXT NOT NULL,
    app TEXT NOT NULL,
    days TEXT NOT NULL,
    start INTEGER NOT NULL,
    minutes INTEGER NOT NULL,
    reason TEXT NOT NULL
);

CREATE TABLE alert_channels (
    name TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    apps TEXT NOT NULL,
    sealed BLOB NOT NULL,
    delivered_at REAL NOT NULL DEFAULT 0
) WITHOUT ROWID;

CREATE TABLE alert_states (
    rule TEXT NOT NULL,
    app TEXT NOT NULL,
    subject TEXT NOT NULL,
    state TEXT NOT NULL,
    PRIMARY KEY (rule, app, subject)
) WITHOUT ROWID;

CREATE TABLE alert_history (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    app TEXT NOT NULL,
    transition TEXT NOT NULL
);

CREATE TABLE alert_messages (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    body TEXT NOT NULL
);

CREATE TABLE alert_deliveries (
    message TEXT NOT NULL REFERENCES alert_messages (id) ON DELETE CASCADE,
    channel TEXT NOT NULL REFERENCES alert_channels (name) ON DELETE CASCADE,
    attempts INTEGER NOT NULL DEFAULT 0,
    next_try REAL NOT NULL DEFAULT 0,
    error TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (message, channel)
) WITHOUT ROWID;
CREATE INDEX alert_deliveries_by_channel ON alert_deliveries (channel);
"""

# A page's domain and the apps' routes exclude each other, whichever comes first.
_STATUS_PAGES = """
CREATE TABLE status_pages (
    domain TEXT NOT NULL PRIMARY KEY,
    page TEXT NOT NULL
) WITHOUT ROWID;
CREATE TRIGGER no_claim_on_a_page BEFORE INSERT ON claims
WHEN EXISTS (
    SELECT 1 FROM status_pages WHERE substr(NEW.claim, 1, length(domain) + 1) = domain || '/'
)
BEGIN
    SELECT RAISE(ABORT, 'an app claims the domain of a status page');
END;
CREATE TRIGGER no_page_on_a_claim BEFORE INSERT ON status_pages
WHEN EXISTS (
    SELECT 1 FROM claims WHERE substr(claim, 1, length(NEW.domain) + 1) = NEW.domain || '/'
)
BEGIN
    SELECT RAISE(ABORT, 'a status page claims the domain of an app');
END;
"""

MIGRATIONS: tuple[str, ...] = (
    _FIRST,
    _GRANTS,
    _NETWORKS,
    _HAPPENINGS,
    _CERTIFICATES,
    _SEALED_SPECS,
    _ALERTS,
    _STATUS_PAGES,
)


def migrate(connection: sqlite3.Connection, scripts: tuple[str, ...] = MIGRATIONS) -> None:
    """Brings the schema to the newest version, one transaction a script.

    Raises PlatformError (`state`) where a newer cove has written the data.
    """
    while (version := _version(connection)) != len(scripts):
        if version > len(scripts):
            raise _too_new(version, len(scripts))
        _apply(connection, scripts[version], version)


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _apply(connection: sqlite3.Connection, script: str, version: int) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Another process may have been faster: only the version read under the lock counts.
        if _version(connection) == version:
            for statement in _statements(script):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {version + 1}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _statements(script: str) -> Iterator[str]:
    """The statements one by one: Connection.executescript would commit the transaction first."""
    pending = ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""
    if pending.strip():
        yield pending


def _too_new(version: int, known: int) -> PlatformError:
    return PlatformError(
        f"this cove is older than its data: it knows schema {known}, the data has {version}",
        code="state",
        hint="run the version of cove that wrote the data, or a newer one",
    )
