"""Unit tests reach nothing outside their process, and answer in milliseconds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_socket import disable_socket, enable_socket


@pytest.fixture(autouse=True)
def no_network() -> Iterator[None]:
    """Fail any test that opens a network socket; unix sockets stay, event loops need one."""
    disable_socket(allow_unix_socket=True)
    yield
    enable_socket()
