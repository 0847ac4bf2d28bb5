"""What happened on this server. Imported inside `cove.agent.api`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import TypeVar

from aiohttp import web

from cove.agent.api.answers import stream
from cove.agent.api.endpoint import endpoint, seconds, whole
from cove.agent.platform import Parts
from cove.errors import NotFound
from cove.model.happenings import Happening
from cove.model.suggestions import nearest

T = TypeVar("T")
_MOST = 10_000


class EventEndpoints:
    """Happenings, past and to come."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    @endpoint("GET", "/v1/events", {"": Happening}, streams=True)
    async def happenings(self, request: web.Request) -> web.StreamResponse:
        """What happened on this server or to an app, and with follow=1 what is to come."""
        app = request.query.get("app", "")
        self._check(app)
        since = seconds(request, "since")
        tail = min(whole(request, "tail", 100, least=-1), _MOST)
        happenings = self._parts.happenings
        if request.query.get("follow") == "1":
            after = whole(request, "after", 0) if "after" in request.query else None
            live = happenings.follow(app, after=after, since=since, tail=tail)
            return await stream(request, live)
        return await stream(request, _each(happenings.recent(app, since=since, tail=tail)))

    def _check(self, app: str) -> None:
        """An app that was removed has a past; one that never was is a typing error."""
        store = self._parts.store
        if not app or store.app(app) is not None or store.last_happenings(1, app=app):
            return
        near = nearest(app, [record.name for record in store.apps()])
        raise NotFound(f"there is no app {app[:80]}{near}", hint="see them all: cove status")


async def _each(items: Iterable[T]) -> AsyncIterator[T]:
    for item in items:
        yield item
