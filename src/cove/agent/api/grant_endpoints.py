"""Giving an app powers over the host, and taking them away. Imported inside `cove.agent.api`."""

from __future__ import annotations

from typing import Annotated

from aiohttp import web
from msgspec import Meta, Struct

from cove.agent import powers
from cove.agent.api.answers import answer
from cove.agent.api.endpoint import endpoint, read_body
from cove.agent.platform import Parts
from cove.model.requests import Who
from cove.model.views import PowerView

_POWERS = "/v1/apps/{app}/powers"
_ANSWER = {"powers": list[PowerView]}
_CHANGED = {**_ANSWER, "changed": list[str]}
_MOST = 100


class PowersRequest(Struct, forbid_unknown_fields=True):
    """Which powers, as `cove allow` spells them, and who asks."""

    powers: Annotated[tuple[str, ...], Meta(min_length=1, max_length=_MOST)]
    by: Who = ""


class GrantEndpoints:
    """Everything about powers over the host. The app need not exist yet."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    @endpoint("GET", _POWERS, _ANSWER)
    async def powers(self, request: web.Request) -> web.StreamResponse:
        """The powers an app was given, and those its live release uses."""
        return answer({"powers": powers.powers_of(self._parts, request.match_info["app"])})

    @endpoint("POST", f"{_POWERS}/grant", _CHANGED, body=PowersRequest)
    async def grant(self, request: web.Request) -> web.StreamResponse:
        """Give an app powers over the host; `changed` are those that are new."""
        body = await read_body(request, PowersRequest)
        app = request.match_info["app"]
        return self._changed(app, powers.grant(self._parts, app, body.powers, body.by))

    @endpoint("POST", f"{_POWERS}/revoke", _CHANGED, body=PowersRequest)
    async def revoke(self, request: web.Request) -> web.StreamResponse:
        """Take powers away; running containers keep them, and nothing is started with them."""
        body = await read_body(request, PowersRequest)
        app = request.match_info["app"]
        return self._changed(app, powers.revoke(self._parts, app, body.powers, body.by))

    def _changed(self, app: str, changed: tuple[str, ...]) -> web.StreamResponse:
        return answer({"powers": powers.powers_of(self._parts, app), "changed": changed})
