"""What was measured, and what is just now. Imported inside `cove.agent.api`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Final

from aiohttp import web

from cove import __version__
from cove.agent.api.answers import answer, stream
from cove.agent.api.endpoint import endpoint, seconds, whole
from cove.agent.platform import Parts
from cove.errors import NotFound, PlatformError
from cove.model.metrics import TIERS
from cove.model.suggestions import nearest
from cove.model.views import MetricsView
from cove.observation.metrics.exposition import CONTENT_TYPE, exposition
from cove.observation.metrics.views import now, step_for

_HOUR: Final = 3600.0
_POINTS: Final = 60
_MOST_POINTS: Final = 5000
_SLOWEST: Final = 60


class MetricEndpoints:
    """Charts, the present, and Prometheus' text."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    @endpoint("GET", "/v1/metrics", {"": MetricsView})
    async def metrics(self, request: web.Request) -> web.StreamResponse:
        """Figures over time, of an app or of the machine and all apps."""
        app = request.query.get("app", "")
        until = seconds(request, "until") or time.time()
        since = seconds(request, "since") or until - _HOUR
        since = max(since, until - TIERS[-1].keep)
        points = min(whole(request, "points", _POINTS, least=1), _MOST_POINTS)
        step = step_for(max(1, int(until - since)), points)
        views = self._parts.measuring.views
        view = await asyncio.to_thread(views.chart, app, int(since), int(until), step)
        if app and not view.series:
            self._check(app)
        return answer(view)

    @endpoint("GET", "/v1/metrics/live", {"": MetricsView}, streams=True)
    async def live(self, request: web.Request) -> web.StreamResponse:
        """What happens, told every so many seconds until the client goes."""
        every = min(whole(request, "every", 2, least=1), _SLOWEST)
        return await stream(request, self._live(every))

    @endpoint("GET", "/metrics", {"": str}, text=True)
    async def prometheus(self, _: web.Request) -> web.StreamResponse:
        """Every counter in Prometheus' text format."""
        look = self._parts.measuring.sampler.look
        if look is None:
            raise PlatformError("nothing was measured yet", code="starting", hint="wait 10 s")
        text = exposition(look, __version__)
        return web.Response(body=text.encode(), headers={"Content-Type": CONTENT_TYPE})

    async def _live(self, every: int) -> AsyncIterator[MetricsView]:
        sampler = self._parts.measuring.sampler
        async for rows in sampler.live(every, asyncio.sleep, time.time):
            yield now(rows, int(time.time()))

    def _check(self, app: str) -> None:
        """An app that was removed has a past; one that never was is a typing error."""
        store = self._parts.store
        if store.app(app) is not None or store.last_happenings(1, app=app):
            return
        near = nearest(app, [record.name for record in store.apps()])
        raise NotFound(f"there is no app {app[:80]}{near}", hint="see them all: cove status")
