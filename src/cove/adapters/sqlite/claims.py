"""Which app holds which route. Imported within the package only.

A release holds its claims while it is pending or live; then they are dropped.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from cove.errors import Refused
from cove.model.app import App

BESIDE = (
    "SELECT claim, app FROM claims WHERE app <> ? AND substr(claim, 1, length(?) + 1) = ? || '/'"
    " ORDER BY claim"
)
# A page holds its domain as a whole.
PAGE_OF = "SELECT 1 FROM status_pages WHERE domain = ?"
ON_DOMAIN = (
    "SELECT claim, app FROM claims WHERE substr(claim, 1, length(?) + 1) = ? || '/'"
    " ORDER BY claim LIMIT 1"
)
OTHER_HOLDER = "SELECT app FROM claims WHERE claim = ? AND app <> ? LIMIT 1"


def of_spec(spec: App) -> tuple[str, ...]:
    """Everything the routes of an app claim, each once, in the file's order."""
    return tuple(dict.fromkeys(claim for route in spec.routes for claim in route.claims()))


def refuse_taken(db: sqlite3.Connection, app: str, claims: Sequence[str]) -> None:
    """Raises Refused (`route-taken`) when another app, or a status page, has one of the claims."""
    taken = {}
    for claim in claims:
        domain = claim.partition("/")[0]
        if db.execute(PAGE_OF, (domain,)).fetchone() is not None:
            raise page_has(domain)
        row = db.execute(OTHER_HOLDER, (claim, app)).fetchone()
        if row is not None:
            taken[claim] = row["app"]
    if taken:
        raise _route_taken(taken)


def take(db: sqlite3.Connection, app: str, release: int, claims: Sequence[str]) -> None:
    """Records the claims of a release."""
    db.executemany(
        "INSERT INTO claims (claim, app, release) VALUES (?, ?, ?)",
        [(claim, app, release) for claim in claims],
    )


def drop(db: sqlite3.Connection, app: str, release: int) -> None:
    """Gives up the claims of one release."""
    db.execute("DELETE FROM claims WHERE app = ? AND release = ?", (app, release))


def drop_all_but(db: sqlite3.Connection, app: str, release: int) -> None:
    """Gives up the claims of every other release of the app."""
    db.execute("DELETE FROM claims WHERE app = ? AND release <> ?", (app, release))


def page_has(domain: str) -> Refused:
    """The refusal of an app's route on the domain of a status page."""
    return Refused(
        f"{domain} belongs to the status page",
        code="route-taken",
        hint=f"choose another domain, or free it with: cove status-page remove {domain}",
    )


def _route_taken(taken: dict[str, str]) -> Refused:
    findings = tuple(f"{claim} belongs to the app {owner}" for claim, owner in taken.items())
    owner = next(iter(taken.values()))
    return Refused(
        findings[0],
        code="route-taken",
        hint=f"choose another domain or path, or free it with: cove remove {owner}",
        problems=findings if len(findings) > 1 else (),
    )
