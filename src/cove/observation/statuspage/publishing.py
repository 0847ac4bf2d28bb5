"""`Publisher`: documents made at most once in some seconds, however many ask for them.

Imported by the agent. It says nothing of domains that are no page's, and never raises for them.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from cove.errors import CoveError, PlatformError
from cove.model.statuspage import Board, Content, StatusPage
from cove.observation.statuspage import feeds, markup
from cove.observation.statuspage.board import Facts, board

_log = logging.getLogger(__name__)
FRESH: Final = 10.0  # seconds
# A cache in between may keep what cannot be fetched anew: the page then outlives its server.
_CACHE: Final = "Cache-Control: public, max-age=15, stale-if-error=3600"
_OPEN: Final = ("Access-Control-Allow-Origin: *", "Cross-Origin-Resource-Policy: cross-origin")
_PAGE: Final = (
    f"Content-Security-Policy: {markup.POLICY}",
    "Cross-Origin-Opener-Policy: same-origin",
    "Cross-Origin-Resource-Policy: same-origin",
)
_COMMON: Final = (_CACHE, "X-Content-Type-Options: nosniff", "Referrer-Policy: no-referrer")

Documents = Mapping[str, Content]


class Publisher:
    """`gather` reads what is known now; `url_of` says where a page is."""

    def __init__(
        self,
        gather: Callable[[], Awaitable[Facts]],
        url_of: Callable[[str], str],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._gather = gather
        self._url_of = url_of
        self._now = now
        self._pages: dict[str, StatusPage] = {}
        self._facts: Facts | None = None
        self._tried = -FRESH
        self._made: dict[str, tuple[Facts, Documents]] = {}
        self._turn = asyncio.Lock()

    def show(self, pages: Mapping[str, StatusPage]) -> None:
        """From now on these pages, by domain, are there."""
        self._pages = dict(pages)
        self._made = {}

    async def answer(self, domain: str, path: str) -> Content | None:
        """A document; None where there is none. Raises PlatformError while nothing is known."""
        if domain not in self._pages:
            return None
        async with self._turn:  # whoever comes meanwhile is answered by what this one makes
            await self._look()
            if self._facts is None:
                raise PlatformError("nothing is known yet", code="starting")
            page = self._pages.get(domain)
            if page is None:
                return None
            facts, documents = self._made.get(domain, (None, {}))
            if facts is not self._facts:
                facts = self._facts
                found = board(page, self._url_of(domain), facts)
                documents = await asyncio.to_thread(rendered, found)
                self._made[domain] = facts, documents
        return documents.get(path)

    async def _look(self) -> None:
        """Looks again where the last look is too old; what cannot be read stays as it was."""
        if 0 <= self._now() - self._tried < FRESH:
            return
        try:
            self._facts = await self._gather()
        except CoveError as error:
            _log.warning("status pages are not up to date: %s", error.message)
        self._tried = self._now()


def rendered(found: Board) -> Documents:
    """Every document of a page, by its path."""
    return {
        "/": _content("text/html; charset=utf-8", markup.page(found).encode(), _PAGE),
        "/status.json": _content("application/json", feeds.document(found), _OPEN),
        "/feed.atom": _content("application/atom+xml; charset=utf-8", feeds.feed(found), _OPEN),
    }


def _content(media: str, body: bytes, headers: tuple[str, ...]) -> Content:
    return Content(
        media=media,
        body=body,
        packed=gzip.compress(body, 6, mtime=0),
        etag=f'W/"{hashlib.sha256(body).hexdigest()[:16]}"',
        headers=(*_COMMON, *headers),
    )
