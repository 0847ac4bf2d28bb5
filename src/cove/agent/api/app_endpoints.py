"""Looking at apps and changing what runs of them. Imported inside `cove.agent.api`."""

from __future__ import annotations

from typing import Annotated

from aiohttp import web
from msgspec import Meta, Struct

from cove.agent import status
from cove.agent.api.answers import answer, begun
from cove.agent.api.endpoint import endpoint, read_body
from cove.agent.platform import Parts
from cove.model.events import Rollout
from cove.model.requests import Who
from cove.model.views import AppStatus, OutlineView, ReleaseView

_APP = "/v1/apps/{app}"
_ROLLOUT = {"rollout": Rollout}
ServiceName = Annotated[str, Meta(max_length=512)]


class Act(Struct, forbid_unknown_fields=True):
    """Who asks for a change."""

    by: Who = ""


class RollbackRequest(Struct, forbid_unknown_fields=True):
    """Which release to go back to; none means the one before."""

    release: int | None = None
    by: Who = ""


class RestartRequest(Struct, forbid_unknown_fields=True):
    """Which services; none means what the routes lead to."""

    services: tuple[ServiceName, ...] = ()
    by: Who = ""


class RemoveRequest(Struct, forbid_unknown_fields=True):
    """Whether the data goes too."""

    volumes: bool = False
    by: Who = ""


class AppEndpoints:
    """Everything under /v1/apps."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    @endpoint("GET", "/v1/apps", {"apps": list[AppStatus], "alerts": list[str]})
    async def apps(self, _: web.Request) -> web.StreamResponse:
        """Every app, and what fires of the server itself, in words."""
        apps = await status.all_statuses(self._parts)
        return answer({"apps": apps, "alerts": self._parts.observation.alerting.firing("")})

    @endpoint("GET", "/v1/outline", {"apps": list[OutlineView]})
    async def outline(self, _: web.Request) -> web.StreamResponse:
        """Names alone, from the record: for completion, which must not wait for Docker."""
        return answer({"apps": status.outline(self._parts)})

    @endpoint("GET", _APP, {"app": AppStatus})
    async def app(self, request: web.Request) -> web.StreamResponse:
        """One app."""
        return answer({"app": await status.app_status(self._parts, request.match_info["app"])})

    @endpoint("GET", f"{_APP}/releases", {"releases": list[ReleaseView]})
    async def releases(self, request: web.Request) -> web.StreamResponse:
        """An app's releases, newest first."""
        return answer({"releases": status.release_views(self._parts, request.match_info["app"])})

    @endpoint("POST", f"{_APP}/rollback", _ROLLOUT, body=RollbackRequest)
    async def rollback(self, request: web.Request) -> web.StreamResponse:
        """Make an earlier release live again, by its digest and configuration."""
        body = await read_body(request, RollbackRequest)
        app = request.match_info["app"]
        return begun(self._parts.rollouts.rollback(app, body.release, body.by))

    @endpoint("POST", f"{_APP}/restart", _ROLLOUT, body=RestartRequest)
    async def restart(self, request: web.Request) -> web.StreamResponse:
        """Replace an app's containers with equal ones, or those of some services."""
        body = await read_body(request, RestartRequest)
        app = request.match_info["app"]
        return begun(self._parts.rollouts.restart(app, body.by, body.services))

    @endpoint("POST", f"{_APP}/stop", _ROLLOUT, body=Act)
    async def stop(self, request: web.Request) -> web.StreamResponse:
        """Stop an app and keep everything of it."""
        body = await read_body(request, Act)
        return begun(self._parts.rollouts.stop(request.match_info["app"], body.by))

    @endpoint("POST", f"{_APP}/start", _ROLLOUT, body=Act)
    async def start(self, request: web.Request) -> web.StreamResponse:
        """Start a stopped app as it was."""
        body = await read_body(request, Act)
        return begun(self._parts.rollouts.start(request.match_info["app"], body.by))

    @endpoint("POST", f"{_APP}/remove", _ROLLOUT, body=RemoveRequest)
    async def remove(self, request: web.Request) -> web.StreamResponse:
        """Remove an app; its volumes only when asked."""
        body = await read_body(request, RemoveRequest)
        app = request.match_info["app"]
        return begun(self._parts.rollouts.remove(app, body.by, volumes=body.volumes))
