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
# Many apps take longer to read (20: 0.07 s, 100: 0.35 s): never more than a fiftieth of the time.
_SHARE: Final = 50
_OLDEST: Final = 60.0  # seconds
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
        self._rest = FRESH
        self._made: dict[str, tuple[Facts, StatusPage, Documents]] = {}
        self._turn = asyncio.Lock()

    def show(self, pages: Mapping[str, StatusPage]) -> None:
        """From now on these pages, by domain, are there."""
        self._pages = dict(pages)
        self._made = {domain: made for domain, made in self._made.items() if domain in pages}

    async def answer(self, domain: str, path: str) -> Content | None:
        """A document; None where there is none. Raises PlatformError while nothing is known."""
        if domain not in self._pages:
            return None
        async with self._turn:  # whoever comes meanwhile is answered by what this one makes
            await self._look()
            if self._facts is None:
                raise PlatformError("nothing is known yet", code="starting")
            page = self._pages.get(domain)
            return None if page is None else (await self._of(page, self._facts)).get(path)

    async def _of(self, page: StatusPage, facts: Facts) -> Documents:
        """The page as it is set now, of what is known now; made anew where either has changed."""
        made = self._made.get(page.domain)
        if made is None or made[0] is not facts or made[1] != page:
            found = board(page, self._url_of(page.domain), facts)
            made = facts, page, await asyncio.to_thread(rendered, found)
            self._made[page.domain] = made
        return made[2]

    async def _look(self) -> None:
        """Looks again where the last look is too old; what cannot be read stays as it was."""
        began = self._now()
        if 0 <= began - self._tried < self._rest:
            return
        try:
            self._facts = await self._gather()
        except CoveError as error:
            _log.warning("status pages are not up to date: %s", error.message)
        self._tried = self._now()
        self._rest = min(max(FRESH, _SHARE * (self._tried - began)), _OLDEST)


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
