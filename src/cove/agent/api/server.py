"""The API put together: its groups of endpoints, its gate, its document. Imported by the agent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiohttp import web

from cove.agent.api.agent_endpoints import AgentEndpoints, ShutdownRequest
from cove.agent.api.alert_endpoints import AlertEndpoints
from cove.agent.api.answers import Handler, answer, errors
from cove.agent.api.app_endpoints import AppEndpoints
from cove.agent.api.cert_endpoints import CertEndpoints
from cove.agent.api.endpoint import Endpoint, endpoint, endpoints_of
from cove.agent.api.event_endpoints import EventEndpoints
from cove.agent.api.exec_endpoints import ExecEndpoints
from cove.agent.api.grant_endpoints import GrantEndpoints
from cove.agent.api.log_endpoints import LogEndpoints
from cove.agent.api.metric_endpoints import MetricEndpoints
from cove.agent.api.openapi import document
from cove.agent.api.rollout_endpoints import RolloutEndpoints
from cove.agent.api.status_page_endpoints import StatusPageEndpoints
from cove.agent.api.uptime_endpoints import UptimeEndpoints
from cove.agent.platform import Parts
from cove.errors import PlatformError

_LARGEST_REQUEST = 4 << 20  # bytes: an app file of 256 KB with its env files, and room
_ALWAYS = frozenset({"/v1/version", "/v1/openapi.json", "/v1/shutdown"})


class Api:
    """Version 1. Until `ready`, while recovery runs, only the agent's own state is told."""

    def __init__(self, parts: Parts, shutdown: Callable[[ShutdownRequest], None]) -> None:
        self.ready = False
        self.waiting_for = "the agent is starting"
        self.hint = "try again in a moment"
        self._groups = (
            AgentEndpoints(parts, lambda: self.ready, shutdown),
            RolloutEndpoints(parts),
            AppEndpoints(parts),
            GrantEndpoints(parts),
            ExecEndpoints(parts),
            EventEndpoints(parts),
            LogEndpoints(parts),
            CertEndpoints(parts),
            MetricEndpoints(parts),
            UptimeEndpoints(parts),
            AlertEndpoints(parts),
            StatusPageEndpoints(parts),
            self,
        )

    def application(self) -> web.Application:
        """The application to serve."""
        app = web.Application(middlewares=[errors, self._gate()], client_max_size=_LARGEST_REQUEST)
        for found, handler in self._table():
            app.router.add_route(found.method, found.path, handler)
        return app

    def metrics_application(self) -> web.Application:
        """Prometheus' text alone, for a port of loopback."""
        app = web.Application(middlewares=[errors])
        for found, handler in self._table():
            if found.text:
                app.router.add_route(found.method, found.path, handler)
        return app

    def endpoints(self) -> list[Endpoint]:
        """Every endpoint, for the document and its test."""
        return [found for found, _ in self._table()]

    @endpoint("GET", "/v1/openapi.json", {"": dict[str, Any]})
    async def openapi(self, _: web.Request) -> web.StreamResponse:
        """This document."""
        return answer(document(self.endpoints()))

    def _table(self) -> list[tuple[Endpoint, Handler]]:
        return [pair for group in self._groups for pair in endpoints_of(group)]

    def _gate(self) -> Any:
        @web.middleware
        async def gate(request: web.Request, handler: Handler) -> web.StreamResponse:
            if not self.ready and request.path not in _ALWAYS:
                raise PlatformError(self.waiting_for, code="starting", hint=self.hint)
            return await handler(request)

        return gate
