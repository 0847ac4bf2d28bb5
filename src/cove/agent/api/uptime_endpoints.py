"""Whether routes answer, and for how long they did. Imported inside `cove.agent.api`."""

from __future__ import annotations

from aiohttp import web

from cove.agent.api.answers import answer
from cove.agent.api.endpoint import endpoint
from cove.agent.platform import Parts
from cove.errors import NotFound
from cove.model.suggestions import nearest
from cove.model.uptime import RouteUptime


class UptimeEndpoints:
    """Everything under /v1/uptime."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    @endpoint("GET", "/v1/uptime", {"routes": list[RouteUptime]})
    async def uptime(self, request: web.Request) -> web.StreamResponse:
        """Every route, or those of an app: state, availability, last outage, a figure per day."""
        app = request.query.get("app", "")
        store = self._parts.store
        if app and store.app(app) is None:
            near = nearest(app, [record.name for record in store.apps()])
            raise NotFound(f"there is no app {app[:80]}{near}", hint="see them all: cove status")
        return answer({"routes": await self._parts.observation.uptime.views(app)})
