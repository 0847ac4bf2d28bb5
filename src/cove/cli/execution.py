"""The client's side of a command inside a container. `cove exec` imports it, nobody else.

aiohttp is loaded here only: it takes as long as all the rest of a command.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
from pathlib import Path
from typing import Any, Final

import aiohttp
from msgspec import Struct

from cove.cli import terminal
from cove.errors import EXIT_INTERRUPTED, CoveError, RemoteError, Unreachable

_ENDS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_CLOSE: Final = 2.0  # seconds to wait for the agent's goodbye


class Ended(Struct, frozen=True):
    """How the command ended; `message` where that was not its own doing."""

    code: int
    message: str = ""


def attach(socket_path: Path, prepared: str, *, tty: bool) -> Ended:
    """Runs the prepared command on this process's streams. Raises RemoteError, Unreachable."""
    with terminal.raw() if tty else contextlib.nullcontext():
        return asyncio.run(_attach(socket_path, prepared, tty=tty))


async def _attach(socket_path: Path, prepared: str, *, tty: bool) -> Ended:
    conversation = asyncio.create_task(_converse(socket_path, prepared, tty=tty))
    caught: list[int] = []

    def end(number: int) -> None:
        caught.append(number)
        conversation.cancel()

    loop = asyncio.get_running_loop()
    for number in _ENDS:
        # A shell starts background jobs with SIGINT ignored; that is respected.
        if signal.getsignal(number) is not signal.SIG_IGN:
            loop.add_signal_handler(number, end, number)
    try:
        return await conversation
    except asyncio.CancelledError:
        if not caught:
            raise
        return Ended(EXIT_INTERRUPTED if caught[0] == signal.SIGINT else 128 + caught[0])


async def _converse(socket_path: Path, prepared: str, *, tty: bool) -> Ended:
    connector = aiohttp.UnixConnector(str(socket_path))
    timeout = aiohttp.ClientWSTimeout(ws_close=_CLOSE)
    try:
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.ws_connect(
                f"http://cove/v1/exec/{prepared}", compress=0, max_msg_size=0, timeout=timeout
            ) as socket,
        ):
            return await _exchange(socket, tty=tty)
    except (aiohttp.ClientError, ConnectionResetError) as error:
        raise Unreachable(
            f"the connection to the agent was lost: {error}", code="connection-lost"
        ) from error


async def _exchange(socket: aiohttp.ClientWebSocketResponse, *, tty: bool) -> Ended:
    tasks = [asyncio.create_task(_send_input(socket))]
    if tty:
        tasks.append(asyncio.create_task(_send_sizes(socket)))
    try:
        async for message in socket:
            if message.type is aiohttp.WSMsgType.BINARY:
                await terminal.write(message.data[0], message.data[1:])
            elif message.type is aiohttp.WSMsgType.TEXT:
                return _last(json.loads(message.data))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    raise Unreachable(
        "the agent ended while the command ran; the command may still run",
        code="connection-lost",
        hint="cove status",
    )


def _last(said: dict[str, Any]) -> Ended:
    error = said.get("error")
    if isinstance(error, dict):
        raise RemoteError(error)
    if "exit" not in said:
        raise CoveError("the agent did not say how the command ended")
    return Ended(int(said["exit"]), str(said.get("message", "")))


async def _send_input(socket: aiohttp.ClientWebSocketResponse) -> None:
    with contextlib.suppress(ConnectionError, aiohttp.ClientError):
        while data := await terminal.read():
            await socket.send_bytes(data)
        await socket.send_str('{"eof": true}')


async def _send_sizes(socket: aiohttp.ClientWebSocketResponse) -> None:
    """The terminal's size, each time that it changes."""
    changed = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGWINCH, changed.set)
    try:
        while True:
            await changed.wait()
            changed.clear()
            rows, columns = terminal.size()
            if rows and columns:
                with contextlib.suppress(ConnectionError, aiohttp.ClientError):
                    await socket.send_str(json.dumps({"resize": [rows, columns]}))
    finally:
        loop.remove_signal_handler(signal.SIGWINCH)
