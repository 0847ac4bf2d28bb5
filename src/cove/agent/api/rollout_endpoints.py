"""Planning, beginning, following and cancelling rollouts. Imported inside `cove.agent.api`."""

from __future__ import annotations

from aiohttp import web

from cove.agent.api.answers import answer, begun, stream
from cove.agent.api.endpoint import LARGEST, endpoint, read_body, whole
from cove.agent.platform import Parts
from cove.errors import NotFound
from cove.model.events import Event, Rollout
from cove.model.requests import DeployRequest, PlanView

_MOST = 200


class RolloutEndpoints:
    """Everything under /v1/rollouts, and /v1/plan."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    @endpoint("POST", "/v1/plan", {"": PlanView}, body=DeployRequest)
    async def plan(self, request: web.Request) -> web.StreamResponse:
        """What a deploy of the file would do, and why."""
        return answer(await self._parts.rollouts.plan(await read_body(request, DeployRequest)))

    @endpoint("POST", "/v1/rollouts", {"rollout": Rollout}, body=DeployRequest)
    async def deploy(self, request: web.Request) -> web.StreamResponse:
        """Begin to make the file's app live."""
        return begun(self._parts.rollouts.deploy(await read_body(request, DeployRequest)))

    @endpoint("GET", "/v1/rollouts", {"rollouts": list[Rollout]})
    async def rollouts(self, request: web.Request) -> web.StreamResponse:
        """Rollouts of one app or of all, newest first."""
        limit = min(whole(request, "limit", 20, least=1), _MOST)
        found = self._parts.store.rollouts(request.query.get("app", ""), limit)
        return answer({"rollouts": found})

    @endpoint("GET", "/v1/rollouts/{id}", {"rollout": Rollout})
    async def rollout(self, request: web.Request) -> web.StreamResponse:
        """One rollout."""
        return answer({"rollout": self._find(request)})

    @endpoint("GET", "/v1/rollouts/{id}/events", {"": Event}, streams=True)
    async def events(self, request: web.Request) -> web.StreamResponse:
        """A rollout's events, the stored ones and then the live ones, up to its end."""
        rollout = self._find(request)
        after = whole(request, "after", 0)
        return await stream(request, self._parts.rollouts.events.follow(rollout.id, after))

    @endpoint("POST", "/v1/rollouts/{id}/cancel", {"rollout": Rollout})
    async def cancel(self, request: web.Request) -> web.StreamResponse:
        """Undo a rollout, unless it is past the point from which it only goes forward."""
        return answer({"rollout": self._parts.rollouts.cancel(self._find(request).id)})

    def _find(self, request: web.Request) -> Rollout:
        number = int(request.match_info["id"])
        found = self._parts.store.rollout(number) if 0 < number <= LARGEST else None
        if found is None:
            raise NotFound(f"there is no rollout {number}")
        return found
