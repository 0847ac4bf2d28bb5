"""A command whose client or agent goes is ended, however that comes about."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cove.agent.execution import Executions, Prepared
from cove.agent.platform import Parts
from cove.ports import ContainerFacts, Output

from support.virtual_time import run


class Command:
    """One that writes for ever, or does what a test says after its first line."""

    def __init__(self, after: BaseException | None = None) -> None:
        self.after = after

    async def output(self) -> AsyncIterator[Output]:
        yield Output("stdout", b"line\n")
        if self.after is not None:
            raise self.after
        await asyncio.Event().wait()

    async def pid(self) -> int:
        return 4711

    async def exit_code(self) -> int:
        return 0

    def failure(self) -> None:
        return None


class Socket:
    """A client that takes everything, or is gone at the first line."""

    def __init__(self, *, gone: bool = False, leaves: bool = False) -> None:
        self.gone = gone
        self.leaves = leaves
        self.taken = asyncio.Event()

    async def send_bytes(self, _: bytes) -> None:
        self.taken.set()
        if self.gone:
            raise ConnectionResetError

    async def ping(self) -> None:
        return None

    def __aiter__(self) -> Socket:
        return self

    async def __anext__(self) -> Any:
        if self.leaves:
            await self.taken.wait()
            raise StopAsyncIteration
        await asyncio.Event().wait()


def found() -> Prepared:
    """A command that was prepared."""
    facts = cast("ContainerFacts", SimpleNamespace(id="c1", name="cove-shop.web-r1"))
    return Prepared(prepared="e1", container=facts, tty=False, rows=0, columns=0, until=0.0)


def executions(ended: list[tuple[int, str]]) -> Executions:
    """They note which processes they end."""

    async def end_process(pid: int, container_id: str, *, terminal: bool) -> bool:
        ended.append((pid, container_id))
        return terminal

    host = SimpleNamespace(end_process=end_process)
    return Executions(cast("Parts", SimpleNamespace(host=host)))


@pytest.mark.parametrize("how", [{"gone": True}, {"leaves": True}])
def test_a_client_that_goes(how):
    """Whether the write fails or the connection ends first."""
    ended: list[tuple[int, str]] = []

    async def whole() -> Any:
        socket = cast("Any", Socket(**how))
        return await executions(ended)._run(socket, cast("Any", Command()), found())

    assert run(whole()) == {}
    assert ended == [(4711, "c1")]


def test_output_that_breaks_in_an_unforeseen_way():
    """The error is told, and nothing runs on."""
    ended: list[tuple[int, str]] = []

    async def whole() -> None:
        command = cast("Any", Command(RuntimeError("a bug")))
        await executions(ended)._run(cast("Any", Socket()), command, found())

    with pytest.raises(RuntimeError):
        run(whole())
    assert ended == [(4711, "c1")]


def test_an_agent_that_ends():
    """Its handlers are cancelled; what they ran is not left behind."""
    ended: list[tuple[int, str]] = []

    async def whole() -> None:
        socket = Socket()
        running = executions(ended)._run(cast("Any", socket), cast("Any", Command()), found())
        task = asyncio.create_task(running)
        await socket.taken.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(whole())
    assert ended == [(4711, "c1")]
