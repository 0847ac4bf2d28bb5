"""Whom Docker is waited for, and for how long; without the kernel's word, by its events."""

from __future__ import annotations

import json
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cove.adapters.docker.client import DockerClient, EngineError
from cove.adapters.docker.orphans import Ends, ends
from cove.adapters.docker.settling import Settling

from support.virtual_time import InstantLoop, run

QUIET = Ends(listens=True)


class Docker:
    """A client that has seen some events, for containers that run or not."""

    socket = "/run/docker.sock"

    def __init__(self, *events: tuple[str, str, str], stop_signal: str = "") -> None:
        self.events = [
            {"Action": action, "Actor": {"ID": who, "Attributes": {"signal": number}}}
            for action, who, number in events
        ]
        self.stop_signal = stop_signal
        self.ends_at = InstantLoop.at + 10

    @asynccontextmanager
    async def stream(self, *_: object, **__: object) -> AsyncIterator[Any]:
        async def lines() -> AsyncIterator[bytes]:
            for event in self.events:
                yield json.dumps(event).encode()

        yield SimpleNamespace(content=lines())

    async def get(self, path: str) -> dict[str, Any]:
        if "gone" in path:
            raise EngineError(404, "no such container")
        running = self.ends_at > InstantLoop.at
        return {"State": {"Running": running}, "Config": {"StopSignal": self.stop_signal}}


def settling(docker: Docker, looks: Iterator[Ends | None]) -> Settling:
    """What waits, with what it is going to see; the last of it for ever."""
    last: list[Ends | None] = [None]

    def look(_: str) -> Ends | None:
        last[0] = next(looks, last[0])
        return last[0]

    return Settling(cast("DockerClient", docker), ["cove.instance=cove"], look)


def waited(one: Settling, limit: float) -> tuple[bool, float]:
    """What came of it, and the seconds it took."""
    begun = InstantLoop.at
    return run(one.wait(limit)), InstantLoop.at - begun


def orphan(*numbers: int) -> Ends:
    """Requests without a client."""
    return Ends(listens=True, orphaned=frozenset(numbers))


def test_nothing_is_waited_for_where_nothing_is_under_way():
    """A few looks, because a client that has just died may still hold its sockets."""
    settled, seconds = waited(settling(Docker(), iter([QUIET])), 40)
    assert settled
    assert seconds < 0.1


def test_what_shows_late_is_waited_for():
    """A request that the first look did not show, and one that Docker had yet to read."""
    waiting = Ends(listens=True, waiting=1)
    looks = [QUIET, waiting, *[orphan(7)] * 200, QUIET]
    settled, seconds = waited(settling(Docker(), iter(looks)), 40)
    assert settled
    assert seconds >= 200 * 0.02


def test_one_without_an_end_is_waited_for_once():
    """A new request beside it is, and the old one does not make anybody wait again."""
    looks: list[Ends | None] = [orphan(7)]
    one = settling(Docker(), iter(looks))
    settled, seconds = waited(one, 5)
    assert not settled
    assert seconds >= 5
    settled, seconds = waited(one, 5)
    assert not settled
    assert seconds < 0.1
    again = iter([*[orphan(7, 8)] * 100, orphan(7)])
    one._look = lambda _: next(again, orphan(7))
    settled, seconds = waited(one, 5)
    assert not settled
    assert 100 * 0.02 <= seconds < 5


@pytest.mark.parametrize(
    ("events", "stop_signal", "waits"),
    [
        ([("kill", "db", "15")], "", True),
        ([("kill", "db", "9")], "SIGINT", True),
        ([("kill", "db", "2")], "SIGINT", True),
        ([("kill", "db", "3")], "quit", True),
        ([("kill", "db", "3")], "3", True),
        ([("kill", "db", "1")], "", False),  # told to read its configuration again
        ([("kill", "db", "15")], "SIGINT", False),
        ([("kill", "db", "15"), ("die", "db", "")], "", False),
        ([("kill", "db", "15"), ("die", "db", ""), ("kill", "db", "15")], "", True),
        ([("kill", "gone", "15")], "", False),
        ([], "", False),
    ],
)
def test_without_the_kernel_events_tell_of_stops(events, stop_signal, waits):
    """A container that was sent what it ends of is waited for, after a while in any case."""
    docker = Docker(*events, stop_signal=stop_signal)
    settled, seconds = waited(settling(docker, iter([None])), 40)
    assert settled
    assert (seconds >= 10) == waits
    assert seconds >= 2


def test_without_the_kernel_patience_ends_too():
    """A container that does not end of its signal is not waited for without end."""
    docker = Docker(("kill", "db", "15"))
    docker.ends_at = float("inf")
    settled, seconds = waited(settling(docker, iter([None])), 5)
    assert not settled
    assert 5 <= seconds < 6


def message(kind: int, body: bytes) -> bytes:
    """One of the kernel's."""
    return struct.pack("=IHHII", 16 + len(body), kind, 2, 1, 0) + body


def test_a_kernel_that_refuses():
    """What it says is an error, not the absence of connections."""
    with pytest.raises(OSError, match="No such file"):
        ends(message(2, struct.pack("=i", -2)), 1, 1)
    with pytest.raises(OSError, match="cannot be read"):
        ends(bytes(32), 1, 1)
