from __future__ import annotations

import asyncio
import socket

import pytest
from pytest_socket import SocketBlockedError


def test_network_sockets_are_blocked() -> None:
    """A unit test that reaches for the network fails, whoever it meant to speak to."""
    with pytest.raises(SocketBlockedError):
        socket.socket(socket.AF_INET)


async def test_async_tests_run_on_asyncio() -> None:
    """An `async def` test needs no mark and runs, on asyncio, in spite of the block."""
    assert asyncio.get_running_loop().is_running()
