"""The endpoints, in one table that also makes the OpenAPI document. Imported by the agent."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from aiohttp import web
from msgspec import Struct

from cove import __version__
from cove.agent import following, status
from cove.agent.api.answers import Handler, answer, errors, stream
from cove.agent.platform import Parts
from cove.errors import NotFound, PlatformError
from cove.model.events import Event, Rollout
from cove.model.requests import DeployRequest, PlanView
from cove.model.views import AppStatus, AuthorityView, CertView, ReleaseView, VersionView
from cove.ports import LogLine

_LARGEST_REQUEST = 4 << 20  # bytes: an app file of 256 KB with its env files, and room
_MAX_TAIL = 100_000
_T = TypeVar("_T")


class Act(Struct, forbid_unknown_fields=True):
    """Who asks for a change."""

    by: str = ""


class RollbackRequest(Struct, forbid_unknown_fields=True):
    """Which release to go back to; none means the one before."""

    release: int | None = None
    by: str = ""


class RemoveRequest(Struct, forbid_unknown_fields=True):
    """Whether the data goes too."""

    volumes: bool = False
    by: str = ""


class ShutdownRequest(Struct, forbid_unknown_fields=True):
    """What ends beside the agent."""

    proxy: bool = False
    apps: bool = False


class Endpoint(Struct, frozen=True):
    """One line of the API's table. `body` and `answer` name types for the document."""

    method: str
    path: str
    summary: str
    handler: Handler
    answer: dict[str, Any]
    body: Any = None
    streams: bool = False


class Api:
    """The handlers. `ready` turns true once recovery has ended; until then only reads of the
    agent's own state are answered.
    """

    def __init__(self, parts: Parts, shutdown: Callable[[ShutdownRequest], None]) -> None:
        self.parts = parts
        self.ready = False
        self.waiting_for = "the agent is starting"
        self._shutdown = shutdown
        self._begun = time.monotonic()

    def application(self) -> web.Application:
        """The application to serve."""
        app = web.Application(middlewares=[errors, self._gate], client_max_size=_LARGEST_REQUEST)
        for endpoint in self.table():
            app.router.add_route(endpoint.method, endpoint.path, endpoint.handler)
        return app

    def table(self) -> list[Endpoint]:
        """Every endpoint of version 1."""
        rollout, apps = {"rollout": Rollout}, "/v1/apps/{app}"
        return [
            Endpoint("GET", "/v1/version", "The agent, Docker and the proxy", self.version, {"": VersionView}),
            Endpoint("GET", "/v1/openapi.json", "This document", self.openapi, {}),
            Endpoint("POST", "/v1/plan", "What a deploy would do", self.plan, {"": PlanView}, DeployRequest),
            Endpoint("POST", "/v1/rollouts", "Begin a deploy", self.deploy, rollout, DeployRequest),
            Endpoint("GET", "/v1/rollouts", "Rollouts, newest first", self.rollouts, {"rollouts": list[Rollout]}),
            Endpoint("GET", "/v1/rollouts/{id}", "One rollout", self.rollout, rollout),
            Endpoint("GET", "/v1/rollouts/{id}/events", "Its events, stored then live", self.events, {"": Event}, None, True),
            Endpoint("POST", "/v1/rollouts/{id}/cancel", "Undo it, before its pivot", self.cancel, rollout),
            Endpoint("GET", "/v1/apps", "Every app", self.apps, {"apps": list[AppStatus]}),
            Endpoint("GET", apps, "One app", self.app, {"app": AppStatus}),
            Endpoint("GET", f"{apps}/releases", "Its releases, newest first", self.releases, {"releases": list[ReleaseView]}),
            Endpoint("GET", f"{apps}/logs", "Its lines", self.logs, {"": LogLine}, None, True),
            Endpoint("POST", f"{apps}/rollback", "Make an earlier release live", self.rollback, rollout, RollbackRequest),
            Endpoint("POST", f"{apps}/restart", "Replace its containers with equal ones", self.restart, rollout, Act),
            Endpoint("POST", f"{apps}/stop", "Stop and keep it", self.stop, rollout, Act),
            Endpoint("POST", f"{apps}/start", "Start it as it was", self.start, rollout, Act),
            Endpoint("POST", f"{apps}/remove", "Remove it", self.remove, rollout, RemoveRequest),
            Endpoint("GET", "/v1/certs", "Certificates and the local authority", self.certs, {"certs": list[CertView], "ca": AuthorityView}),
            Endpoint("POST", "/v1/shutdown", "End the agent", self.shutdown, {}, ShutdownRequest),
        ]  # fmt: skip

    async def version(self, _: web.Request) -> web.StreamResponse:
        options = self.parts.options
        try:
            docker = (await self.parts.engine.info()).version
        except PlatformError:
            docker = ""
        view = VersionView(
            version=__version__,
            api="v1",
            pid=os.getpid(),
            instance=self.parts.naming.prefix,
            data_dir=str(options.data_dir),
            http_port=options.http_port,
            https_port=options.https_port,
            docker=docker,
            proxy=self.parts.proxy.view,
            uptime=time.monotonic() - self._begun,
            ready=self.ready,
        )
        return answer(view)

    async def openapi(self, _: web.Request) -> web.StreamResponse:
        from cove.agent.api.openapi import document

        return answer(document(self.table()))

    async def plan(self, request: web.Request) -> web.StreamResponse:
        return answer(await self.parts.rollouts.plan(await _body(request, DeployRequest)))

    async def deploy(self, request: web.Request) -> web.StreamResponse:
        return _begun(self.parts.rollouts.deploy(await _body(request, DeployRequest)))

    async def rollouts(self, request: web.Request) -> web.StreamResponse:
        limit = min(int(request.query.get("limit", "20")), 200)
        found = self.parts.store.rollouts(request.query.get("app", ""), limit)
        return answer({"rollouts": found})

    async def rollout(self, request: web.Request) -> web.StreamResponse:
        return answer({"rollout": self._rollout(request)})

    async def events(self, request: web.Request) -> web.StreamResponse:
        rollout = self._rollout(request)
        after = int(request.query.get("after", "0"))
        return await stream(request, self.parts.rollouts.events.follow(rollout.id, after))

    async def cancel(self, request: web.Request) -> web.StreamResponse:
        return answer({"rollout": self.parts.rollouts.cancel(self._rollout(request).id)})

    async def apps(self, _: web.Request) -> web.StreamResponse:
        return answer({"apps": await status.all_statuses(self.parts)})

    async def app(self, request: web.Request) -> web.StreamResponse:
        return answer({"app": await status.app_status(self.parts, request.match_info["app"])})

    async def releases(self, request: web.Request) -> web.StreamResponse:
        return answer({"releases": status.release_views(self.parts, request.match_info["app"])})

    async def logs(self, request: web.Request) -> web.StreamResponse:
        app = request.match_info["app"]
        if self.parts.store.app(app) is None:
            raise NotFound(f"there is no app {app}", hint="see them all: cove status")
        since = float(request.query.get("since", "0"))
        tail = min(int(request.query.get("tail", "100")), _MAX_TAIL)
        engine = self.parts.engine
        if request.query.get("follow") == "1":
            return await stream(request, following.follow(engine, app, since=since, tail=tail))
        lines = await following.recent(engine, app, since=since, tail=tail)
        return await stream(request, _each(lines))

    async def rollback(self, request: web.Request) -> web.StreamResponse:
        body = await _body(request, RollbackRequest)
        app = request.match_info["app"]
        return _begun(self.parts.rollouts.rollback(app, body.release, body.by))

    async def restart(self, request: web.Request) -> web.StreamResponse:
        body = await _body(request, Act)
        return _begun(self.parts.rollouts.restart(request.match_info["app"], body.by))

    async def stop(self, request: web.Request) -> web.StreamResponse:
        body = await _body(request, Act)
        return _begun(self.parts.rollouts.stop(request.match_info["app"], body.by))

    async def start(self, request: web.Request) -> web.StreamResponse:
        body = await _body(request, Act)
        return _begun(self.parts.rollouts.start(request.match_info["app"], body.by))

    async def remove(self, request: web.Request) -> web.StreamResponse:
        body = await _body(request, RemoveRequest)
        app = request.match_info["app"]
        return _begun(self.parts.rollouts.remove(app, body.by, volumes=body.volumes))

    async def certs(self, _: web.Request) -> web.StreamResponse:
        authority = self.parts.authority
        view = AuthorityView(
            pem=authority.root_pem(), path=str(authority.root_path), trusted=authority.trusted()
        )
        return answer({"certs": status.cert_views(self.parts), "ca": view})

    async def shutdown(self, request: web.Request) -> web.StreamResponse:
        self._shutdown(await _body(request, ShutdownRequest))
        return answer({}, 202)

    def _rollout(self, request: web.Request) -> Rollout:
        number = int(request.match_info["id"])
        found = self.parts.store.rollout(number)
        if found is None:
            raise NotFound(f"there is no rollout {number}")
        return found

    @property
    def _gate(self) -> Any:
        @web.middleware
        async def gate(request: web.Request, handler: Handler) -> web.StreamResponse:
            always = ("/v1/version", "/v1/openapi.json", "/v1/shutdown")
            if not self.ready and request.path not in always:
                raise PlatformError(self.waiting_for, code="starting", hint="try again in a moment")
            return await handler(request)

        return gate


async def _each(lines: list[LogLine]) -> Any:
    for line in lines:
        yield line


async def _body(request: web.Request, kind: type[_T]) -> _T:
    return msgspec.json.decode(await request.read() or b"{}", type=kind)


def _begun(rollout: Rollout) -> web.Response:
    return answer({"rollout": rollout}, 202)
