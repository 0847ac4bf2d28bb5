"""Commands inside running containers, by the Engine's exec. Imported by the composition roots.

Nothing is buffered beyond a socket's worth: whoever reads slowly makes the command wait.
"""

from __future__ import annotations

import asyncio
import struct
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, Final

from cove.adapters.docker.client import DockerClient, EngineError
from cove.adapters.docker.hijack import BUFFER, upgrade
from cove.errors import CoveError, NotFound, PlatformError, Refused
from cove.ports import CommandRequest, Output

_HEADER: Final = struct.Struct(">BxxxI")  # stream, payload size: the Engine API's attach format
_STDERR: Final = 2
_CONFLICT: Final = 409
_GONE: Final = 404
# What a shell answers for a command that cannot be run, and for one that is not there; the Engine
# answers one of them.
_NOT_RUNNABLE: Final = 126
_NOT_FOUND: Final = 127
# How the Engine begins to say, in the place of output, that a command could not be run.
_SAYS: Final = (b"OCI runtime exec failed", b"unable to find user ", b"unable to find group ")
_TRIES: Final = 20  # the Engine answers before the terminal of the command exists
_PAUSE: Final = 0.1  # seconds
_PID_TRIES: Final = 60  # a minute, in all but the first moments one a second


class DockerCommands:
    """Fulfils `cove.ports.Commands`."""

    def __init__(self, client: DockerClient) -> None:
        self._client = client

    async def prepare(self, container_id: str, request: CommandRequest) -> str:
        """The exec's id at the Engine."""
        body = {
            "AttachStdin": request.stdin,
            "AttachStdout": True,
            "AttachStderr": True,
            "Tty": request.tty,
            "Cmd": list(request.command),
            "Env": [f"{name}={value}" for name, value in request.environment.items()],
            "User": request.user,
            "WorkingDir": request.workdir,
        }
        try:
            answer = await self._client.post(f"/containers/{container_id}/exec", body)
        except EngineError as error:
            raise _refused(error) from error
        return str(answer["Id"])

    async def start(self, prepared: str, *, tty: bool) -> DockerCommand:
        """Starts it; its first output may already be there."""
        path = await self._client.path(f"/exec/{prepared}/start")
        try:
            reader, writer = await upgrade(self._client.socket, path, {"Detach": False, "Tty": tty})
        except EngineError as error:
            raise _refused(error) from error
        except OSError as error:
            raise self._client.down(error) from error
        return DockerCommand(self._client, prepared, reader, writer, tty=tty)


class DockerCommand:
    """Fulfils `cove.ports.RunningCommand`."""

    def __init__(
        self,
        client: DockerClient,
        exec_id: str,
        reader: StreamReader,
        writer: StreamWriter,
        *,
        tty: bool,
    ) -> None:
        self._client = client
        self._path = f"/exec/{exec_id}"
        self._reader = reader
        self._writer = writer
        self._tty = tty
        self._complaint = b""  # of the runtime, which stands where output would
        self._code: int | None = None

    async def output(self) -> AsyncIterator[Output]:
        """What it writes, in the order it came, until it has closed its output."""
        pieces = self._terminal() if self._tty else self._streams()
        first = True
        async for piece in pieces:
            if first and piece.data.startswith(_SAYS) and not self._complaint:
                self._complaint = piece.data
                continue
            first = False
            if self._complaint:  # it was output after all
                yield Output("stdout", self._complaint)
                self._complaint = b""
            yield piece
        if self._complaint and await self.exit_code() not in (_NOT_RUNNABLE, _NOT_FOUND):
            yield Output("stdout", self._complaint)
            self._complaint = b""

    async def _terminal(self) -> AsyncIterator[Output]:
        while data := await self._read(BUFFER):
            yield Output("stdout", data)

    async def _streams(self) -> AsyncIterator[Output]:
        while True:
            try:
                head = await self._reader.readexactly(_HEADER.size)
            except (asyncio.IncompleteReadError, ConnectionError):
                return
            stream, left = _HEADER.unpack(head)
            while left:
                data = await self._read(min(left, BUFFER))
                if not data:
                    return
                left -= len(data)
                yield Output("stderr" if stream == _STDERR else "stdout", data)

    async def _read(self, size: int) -> bytes:
        try:
            return await self._reader.read(size)
        except ConnectionError:
            return b""

    async def write(self, data: bytes) -> None:
        """Gives it input, as fast as it takes it; one that reads no more is fine."""
        with suppress(ConnectionError):
            self._writer.write(data)
            await self._writer.drain()

    async def end_input(self) -> None:
        """It will read an end of file."""
        with suppress(OSError):
            await self._writer.drain()
            if self._writer.can_write_eof():
                self._writer.write_eof()

    async def resize(self, rows: int, columns: int) -> None:
        """Its terminal's size; what cannot be done is left."""
        for _ in range(_TRIES):
            try:
                await self._client.post(f"{self._path}/resize", h=rows, w=columns)
            except EngineError as error:
                if error.status == _GONE:
                    return
                await asyncio.sleep(_PAUSE)
            else:
                return

    async def pid(self) -> int:
        """Its process as the Engine's machine numbers it; 0 when there is none.

        A command runs, and may have written, before the Engine knows its number; and an Engine
        that does not answer at once may do so later.
        """
        pause = _PAUSE / 10
        for _ in range(_PID_TRIES):
            try:
                about: dict[str, Any] = await self._client.get(f"{self._path}/json")
            except EngineError as error:
                if error.status == _GONE:
                    return 0
                about = {}
            except PlatformError:
                about = {}
            if about.get("Running") and about.get("Pid"):
                return int(about["Pid"])
            if about and not about.get("Running") and about.get("ExitCode") is not None:
                return 0
            await asyncio.sleep(pause)
            pause = min(2 * pause, 10 * _PAUSE)
        return 0

    async def exit_code(self) -> int | None:
        """How it ended; None where that cannot be known, the container being gone."""
        pause = _PAUSE / 10
        while self._code is None:
            try:
                about: dict[str, Any] = await self._client.get(f"{self._path}/json")
            except (EngineError, PlatformError):
                return None
            if not about.get("Running") and about.get("ExitCode") is not None:
                self._code = int(about["ExitCode"])
                break
            await asyncio.sleep(pause)  # it has closed its output before it ended
            pause = min(2 * pause, 10 * _PAUSE)
        return self._code

    def failure(self) -> CoveError | None:
        """From what the runtime said of a command that it could not run."""
        if not self._complaint or self._code is None:
            return None
        return _cannot_run(self._complaint.decode("utf-8", "replace").strip())

    async def close(self) -> None:
        """Leaves it alone; it may go on, without input."""
        # A plain close would wait until the last input is read, which may be never.
        self._writer.transport.abort()
        with suppress(OSError):
            await self._writer.wait_closed()


def _refused(error: EngineError) -> CoveError:
    low = error.message.lower()
    if error.status == _GONE:
        return NotFound(f"the container is gone: {error.message}", code="not-running")
    if error.status == _CONFLICT:
        return Refused(f"the container does not run: {error.message}", code="not-running")
    if "unable to find" in low or "no matching entries" in low:
        return _cannot_run(error.message)
    return error.translated()


def _cannot_run(complaint: str) -> CoveError:
    low = complaint.lower()
    code = _NOT_RUNNABLE
    hint = "what the container has: cove exec APP -- ls /bin /usr/bin"
    if "chdir to cwd" in low:
        reason, hint = "its working folder does not exist in the container", ""
    elif "unable to find" in low or "no matching entries" in low:
        reason, hint = "the container knows no such user or group", ""
    elif "executable file not found" in low or "no such file or directory" in low:
        reason = "there is no such command in the container"
        code = _NOT_FOUND
    elif "permission denied" in low:
        reason = "it may not be executed: it is no program, or the user may not run it"
    else:
        reason, hint = complaint, ""
    error = PlatformError(f"the command cannot be run: {reason}", code="cannot-run", hint=hint)
    error.exit_code = code
    return error
