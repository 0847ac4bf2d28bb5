"""The public status pages. Imported within the package only."""

from __future__ import annotations

import logging
from collections.abc import Iterable

import msgspec

from cove.adapters.sqlite.claims import ON_DOMAIN, PAGE_OF, page_has
from cove.adapters.sqlite.connection import Records
from cove.errors import Refused
from cove.model.statuspage import StatusPage

_log = logging.getLogger(__name__)


class StatusPageRecords(Records):
    """The store's part about status pages."""

    def status_pages(self) -> tuple[StatusPage, ...]:
        """By domain; one that cannot be read is left out."""
        found = []
        for row in self._db.rows("SELECT domain, page FROM status_pages ORDER BY domain"):
            try:
                found.append(msgspec.json.decode(row["page"], type=StatusPage))
            except msgspec.MsgspecError:
                _log.warning("the record of the status page %s cannot be read", row["domain"])
        return tuple(found)

    def check_no_page(self, claims: Iterable[str]) -> None:
        """Raises Refused (`route-taken`) where a status page has the domain of a claim."""
        for domain in dict.fromkeys(claim.partition("/")[0] for claim in claims):
            if self._db.row(PAGE_OF, domain) is not None:
                raise page_has(domain)

    def put_status_page(self, page: StatusPage) -> None:
        """Keeps a page. Raises Refused (`route-taken`) where an app has its domain."""
        with self._db.write() as db:
            held = db.execute(ON_DOMAIN, (page.domain, page.domain)).fetchone()
            if held is not None:
                raise _taken(held["claim"], held["app"])
            db.execute(
                "INSERT OR REPLACE INTO status_pages (domain, page) VALUES (?, ?)",
                (page.domain, msgspec.json.encode(page).decode()),
            )

    def remove_status_page(self, domain: str) -> bool:
        """Whether there was one."""
        with self._db.write() as db:
            cursor = db.execute("DELETE FROM status_pages WHERE domain = ?", (domain,))
        return cursor.rowcount > 0


def _taken(claim: str, owner: str) -> Refused:
    return Refused(
        f"{claim} belongs to the app {owner}, and a status page needs its domain to itself",
        code="route-taken",
        hint=f"choose a domain that no app has, or free it with: cove remove {owner}",
    )
