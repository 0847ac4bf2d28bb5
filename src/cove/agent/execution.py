"""A command inside a container, between its client's websocket and the Engine.

Imported inside `cove.agent` only. Each direction waits for its reader, so nothing piles up here.

    client to agent   binary: input    {"eof": true}    {"resize": [rows, columns]}
    agent to client   binary: 1 or 2 for the stream, then output
                      {"exit": code, "message": why, if it was not its own end}    {"error": …}
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from typing import Annotated, Final

import msgspec
from aiohttp import WSMsgType, web
from msgspec import Meta, Struct

from cove.agent import targets
from cove.agent.platform import Parts
from cove.errors import CoveError, NotFound, Refused
from cove.model import names
from cove.ports import CommandRequest, ContainerFacts, RunningCommand

_log = logging.getLogger(__name__)
_KEPT: Final = 60.0  # seconds within which a prepared command must be attached
_MOST: Final = 64  # prepared commands at a time
_LOOK: Final = 5.0  # seconds between two looks whether a silent client is there
_LARGEST: Final = 1 << 20  # bytes of one message
_STREAMS: Final = {"stdout": b"\x01", "stderr": b"\x02"}
_LOOKS: Final = 10  # at a container whose command was killed
_PAUSE: Final = 0.1  # seconds between them
_KILLED: Final = 137  # 128 + SIGKILL, as a shell tells it

_Side = Annotated[int, Meta(ge=1, le=10_000)]


class Place(Struct, frozen=True):
    """Which container; an empty service and replica 0 leave it to cove."""

    service: str
    replica: int


class Prepared(Struct, frozen=True, kw_only=True):
    """A command that waits for its client."""

    prepared: str
    container: ContainerFacts
    tty: bool
    rows: int
    columns: int
    until: float


class _Control(Struct, forbid_unknown_fields=True):
    eof: bool = False
    resize: tuple[_Side, _Side] | None = None


class Executions:
    """Commands from their preparation to their end."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._prepared: dict[str, Prepared] = {}

    async def prepare(
        self, app: str, place: Place, request: CommandRequest, size: tuple[int, int], by: str
    ) -> tuple[str, ContainerFacts]:
        """Finds the container; what the client attaches to. Raises NotFound and Refused."""
        facts = await self._container(app, place.service, place.replica)
        prepared = await self._parts.commands.prepare(facts.id, request)
        now = time.monotonic()
        alive = {key: one for key, one in self._prepared.items() if one.until > now}
        self._prepared = dict(list(alive.items())[-(_MOST - 1) :])
        token = secrets.token_hex(16)
        rows, columns = size
        self._prepared[token] = Prepared(
            prepared=prepared,
            container=facts,
            tty=request.tty,
            rows=rows,
            columns=columns,
            until=now + _KEPT,
        )
        # The program alone: its arguments may hold what nobody else should read.
        text = f"{by or 'somebody'} ran {request.command[0][:80]} in {facts.service}"
        self._parts.happenings.record_rarely((app, by), "command", text, app=app)
        return token, facts

    async def _container(self, app: str, service: str, replica: int) -> ContainerFacts:
        record = self._parts.store.app(app) if names.matches(names.APP, app) else None
        if record is None:
            raise NotFound(f"there is no app {app}", hint="see them all: cove status")
        release = self._parts.store.release(app, record.live) if record.live else None
        if release is None:
            raise Refused(f"no release of {app} was ever live", code="never-live")
        if record.stopped:
            hint = f"start it: cove start {app}"
            raise Refused(f"{app} is stopped", code="not-running", hint=hint)
        return targets.choose(release, await self._parts.engine.containers(app), service, replica)

    async def attach(self, token: str, request: web.Request) -> web.StreamResponse:
        """Runs what was prepared, once. Raises NotFound."""
        found = self._prepared.pop(token, None)
        if found is None or found.until < time.monotonic():
            raise NotFound("there is no such command, or its time has run out")
        socket = web.WebSocketResponse(compress=False, max_msg_size=_LARGEST)
        await socket.prepare(request)
        try:
            command = await self._parts.commands.start(found.prepared, tty=found.tty)
            try:
                last = await self._run(socket, command, found)
            finally:
                await command.close()
        except CoveError as error:
            last = {"error": error.as_dict()}
        with contextlib.suppress(ConnectionError):
            if not socket.closed:
                await socket.send_str(msgspec.json.encode(last).decode())
            await socket.close()
        return socket

    async def _run(
        self, socket: web.WebSocketResponse, command: RunningCommand, found: Prepared
    ) -> dict[str, object]:
        """To its end or the client's; the last message."""
        outward = asyncio.create_task(_outward(socket, command))
        others = [
            asyncio.create_task(_inward(socket, command)),
            asyncio.create_task(_look(socket)),
        ]
        if found.rows and found.columns:
            others.append(asyncio.create_task(_sized(command, found)))
        ended = False
        try:
            await asyncio.wait({outward, *others[:2]}, return_when=asyncio.FIRST_COMPLETED)
            ended = outward.done() and outward.result()
        finally:
            for task in (outward, *others):
                task.cancel()
            await asyncio.gather(outward, *others, return_exceptions=True)
            if not ended:  # whatever the reason, the agent's own end included
                await self._abandon(command, found)
        return await self._end(command, found.container) if ended else {}

    async def _end(self, command: RunningCommand, container: ContainerFacts) -> dict[str, object]:
        code = await command.exit_code()
        failure = command.failure()
        if failure is not None:
            return {"error": failure.as_dict()}
        if code in (None, _KILLED) and await self._stopped(container):
            message = f"{container.service} stopped while the command ran"
            return {"exit": _KILLED, "message": message}
        return {"exit": _KILLED if code is None else code, "message": ""}

    async def _stopped(self, container: ContainerFacts) -> bool:
        """Whether the container ended, which the Engine tells a moment later than its command's."""
        for _ in range(_LOOKS):
            now = await self._parts.engine.container(container.id)
            # Started again meanwhile is as good as stopped: the command went with it.
            if now is None or not now.running or now.started_at != container.started_at:
                return True
            await asyncio.sleep(_PAUSE)
        return False

    async def _abandon(self, command: RunningCommand, found: Prepared) -> None:
        """The client went away: what it ran is ended, since nobody else would."""
        pid = await command.pid()
        if pid:
            await self._parts.host.end_process(pid, found.container.id, terminal=found.tty)
            _log.info("a command in %s was ended: its client is gone", found.container.name)


async def _outward(socket: web.WebSocketResponse, command: RunningCommand) -> bool:
    """Whether the command ended, rather than the client."""
    async for piece in command.output():
        try:
            await socket.send_bytes(_STREAMS[piece.stream] + piece.data)
        except ConnectionError:
            return False
    await command.exit_code()  # it may have closed its output before its end
    return True


async def _inward(socket: web.WebSocketResponse, command: RunningCommand) -> None:
    """Ends with the client, or when it says what is not understood."""
    async for message in socket:
        if message.type is WSMsgType.BINARY:
            await command.write(message.data)
        elif message.type is WSMsgType.TEXT:
            try:
                control = msgspec.json.decode(message.data, type=_Control)
            except (msgspec.DecodeError, ValueError):
                return
            if control.resize:
                await command.resize(*control.resize)
            if control.eof:
                await command.end_input()


async def _look(socket: web.WebSocketResponse) -> None:
    """Ends when the client is gone, which nothing else shows while its input is not read."""
    while True:
        await asyncio.sleep(_LOOK)
        try:
            await socket.ping()
        except ConnectionError:
            return


async def _sized(command: RunningCommand, found: Prepared) -> None:
    await command.resize(found.rows, found.columns)
