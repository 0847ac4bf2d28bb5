"""What the kernel tells of a socket's connections, on a socket of the test's own."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from cove.adapters.docker.orphans import Ends, orphaned_requests


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[socket.socket]:
    """A program that takes connections when the test says so."""
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(tmp_path / "engine.sock"))
        made.listen()
        yield made


def seen(listener: socket.socket) -> Ends:
    """What is told of it."""
    found = orphaned_requests(listener.getsockname())
    assert found is not None
    assert found.listens
    return found


def called(listener: socket.socket) -> socket.socket:
    """A client that has asked for something."""
    client = socket.socket(socket.AF_UNIX)
    client.connect(listener.getsockname())
    client.sendall(b"POST / HTTP/1.1\r\n\r\n")
    return client


def test_a_request_outlives_its_client(listener):
    """It is under way from the moment it is sent until it is answered; an old one is no other."""
    assert seen(listener) == Ends(listens=True)
    client = called(listener)
    client.close()
    assert (seen(listener).waiting, seen(listener).orphaned) == (1, frozenset())
    end, _ = listener.accept()
    (one,) = seen(listener).orphaned
    called(listener).close()
    other, _ = listener.accept()
    assert {one} < seen(listener).orphaned
    end.close()
    assert one not in seen(listener).orphaned
    other.close()
    assert seen(listener) == Ends(listens=True)


def test_who_waits_for_an_answer_is_no_orphan(listener):
    """Neither is a client that has said all it has to say."""
    client = called(listener)
    end, _ = listener.accept()
    assert seen(listener) == Ends(listens=True)
    client.shutdown(socket.SHUT_WR)
    assert seen(listener) == Ends(listens=True)
    client.close()
    assert len(seen(listener).orphaned) == 1
    end.close()


def test_many_connections(listener):
    """An answer in several parts is read whole."""
    clients, ends = [], []
    for _ in range(500):
        clients.append(called(listener))
        ends.append(listener.accept()[0])
    for client in clients[::2]:
        client.close()
    assert len(seen(listener).orphaned) == 250
    for one in (*clients, *ends):
        one.close()


@pytest.mark.parametrize("kind", ["nothing", "a file", "closed"])
def test_a_socket_that_nobody_listens_on_is_not_known(tmp_path, kind):
    """That is not the same as one on which nothing goes on."""
    path = tmp_path / "engine.sock"
    if kind == "a file":
        path.touch()
    elif kind == "closed":
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(str(path))
            made.listen()
    assert orphaned_requests(str(path)) is None
