"""Commands inside an app's containers. Imported inside `cove.agent.api`."""

from __future__ import annotations

from typing import Annotated, Any

from aiohttp import web
from msgspec import Meta, Struct, field

from cove.agent.api.answers import answer
from cove.agent.api.endpoint import endpoint, read_body
from cove.agent.execution import Executions, Place
from cove.agent.platform import Parts
from cove.model.requests import Who
from cove.ports import CommandRequest

_LARGEST_ARGUMENT = 128 * 1024  # bytes; Linux, MAX_ARG_STRLEN
_Text = Annotated[str, Meta(max_length=_LARGEST_ARGUMENT, pattern=r"^[^\x00]*$")]
_Name = Annotated[str, Meta(max_length=256, pattern=r"^[^\x00=]+$")]
_Short = Annotated[str, Meta(max_length=4096, pattern=r"^[^\x00]*$")]
_Side = Annotated[int, Meta(ge=0, le=10_000)]


class ExecRequest(Struct, forbid_unknown_fields=True):
    """What to run where. `replica` 0: any that runs; `rows` and `columns`: the terminal's size."""

    command: Annotated[tuple[_Text, ...], Meta(min_length=1, max_length=10_000)]
    service: Annotated[str, Meta(max_length=256)] = ""
    replica: Annotated[int, Meta(ge=0, le=1000)] = 0
    tty: bool = False
    stdin: bool = True
    user: _Short = ""
    workdir: _Short = ""
    environment: dict[_Name, _Text] = field(default_factory=dict)
    rows: _Side = 0
    columns: _Side = 0
    by: Who = ""


class ExecView(Struct, frozen=True, kw_only=True):
    """A prepared command: attach to it by its id, within a minute."""

    id: str
    service: str  # of Compose, the release's suffix included
    container: str


class ExecEndpoints:
    """A command is prepared by one request and run by a second, which becomes a websocket."""

    def __init__(self, parts: Parts) -> None:
        self._executions = Executions(parts)

    @endpoint("POST", "/v1/apps/{app}/exec", {"exec": ExecView}, body=ExecRequest)
    async def prepare(self, request: web.Request) -> web.StreamResponse:
        """Prepare a command in a running container of an app."""
        body = await read_body(request, ExecRequest)
        wanted = CommandRequest(
            command=body.command,
            tty=body.tty,
            stdin=body.stdin,
            user=body.user,
            workdir=body.workdir,
            environment=dict(body.environment),
        )
        token, facts = await self._executions.prepare(
            request.match_info["app"],
            Place(body.service, body.replica),
            wanted,
            (body.rows, body.columns),
            body.by,
        )
        view = ExecView(id=token, service=facts.service, container=facts.name)
        return answer({"exec": view}, 202)

    @endpoint("GET", "/v1/exec/{id}", {"": dict[str, Any]})
    async def attach(self, request: web.Request) -> web.StreamResponse:
        """Run a prepared command; the connection becomes a websocket (RFC 6455)."""
        return await self._executions.attach(request.match_info["id"], request)
