"""The machine's facts and acts against real containers on a network of their own."""

from __future__ import annotations

import asyncio
import io
import ipaddress
import json
import os
import shutil
import socket
import subprocess
import tarfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cove.adapters.host import LinuxHost
from cove.adapters.probe import HttpProbe
from cove.errors import PlatformError
from cove.model.app import Health
from cove.ports import Listener

PORT = 8080
HEALTH = Health(path="/healthz", timeout=5.0)


def docker(*arguments: str, stdin: bytes = b"") -> str:
    """Runs the docker command and gives what it printed."""
    done = subprocess.run(("docker", *arguments), input=stdin, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip()


def busybox_image() -> bytes:
    """A root file system of one static program and one page, as a tar."""
    program = shutil.which("busybox")
    assert program, "these tests need a static busybox: install busybox-static"
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.add(Path(program).resolve(), "bin/busybox")
        page = tarfile.TarInfo("www/healthz")
        page.size = 3
        tar.addfile(page, io.BytesIO(b"ok\n"))
    return buffer.getvalue()


class Container:
    """A running container with a web server, and addresses of its network that nobody has."""

    def __init__(self, name: str, network: str) -> None:
        facts: Any = json.loads(docker("inspect", name))[0]
        attached = facts["NetworkSettings"]["Networks"][network]
        self.name = name
        self.pid = int(facts["State"]["Pid"])
        self.address = str(attached["IPAddress"])
        self.prefix = int(attached["IPPrefixLen"])

    def free(self, index: int) -> str:
        """An unused address, counted from the end of the network."""
        return str(ipaddress.ip_interface(f"{self.address}/{self.prefix}").network[-1 - index])


@pytest.fixture(scope="module")
def network() -> Iterator[str]:
    """A network and an image of one name, removed afterwards."""
    name = f"cove-test-host-{uuid.uuid4().hex[:8]}"
    docker("import", "-", f"{name}:1", stdin=busybox_image())
    try:
        docker("network", "create", name)
        try:
            yield name
        finally:
            docker("network", "rm", name)
    finally:
        docker("image", "rm", f"{name}:1")


@pytest.fixture
def start(network: str) -> Iterator[Callable[[], Container]]:
    """Starts web servers on the network."""
    names: list[str] = []

    def one() -> Container:
        names.append(f"{network}-{len(names)}")
        serve = ("/bin/busybox", "httpd", "-f", "-p", str(PORT), "-h", "/www")
        docker("run", "-d", "--name", names[-1], "--network", network, f"{network}:1", *serve)
        return Container(names[-1], network)

    try:
        yield one
    finally:
        for name in names:
            docker("rm", "-f", "-v", name)


async def until(condition: Callable[[], bool]) -> None:
    """Polls until the condition holds; the test's own time limit ends the wait otherwise."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - the kernel sends no event
            await asyncio.sleep(0.02)


async def until_listening(container: Container) -> None:
    """Waits for the container's web server."""
    await until(lambda: bool(LinuxHost().listeners(container.pid)))


async def serves(container: Container, address: str = "") -> bool:
    """Whether the web server answers at an address."""
    target = address or container.address
    return (await HttpProbe().check(target, PORT, HEALTH, "shop.test")).ready


async def test_a_second_address_reaches_the_container(start):
    """It is there once added, twice is fine, and it is gone once removed, twice as well."""
    host, container = LinuxHost(), start()
    held = container.free(1)
    await until_listening(container)
    for _ in range(2):
        await host.add_address(container.pid, held, container.prefix)
    assert await serves(container, held)
    for _ in range(2):
        await host.remove_address(container.pid, held, container.prefix)
    assert await serves(container)
    quick = Health(path="/healthz", timeout=0.2)
    assert not (await HttpProbe().check(held, PORT, quick, "shop.test")).ready


async def test_an_address_leads_to_the_container_that_got_it_last(start):
    """Though the host knew the hardware of another, which still answers for the address."""
    host, first, second = LinuxHost(), start(), start()
    held = first.free(2)
    for container in (first, second):
        await until_listening(container)
    await host.add_address(first.pid, held, first.prefix)
    assert await serves(first, held)
    docker("pause", first.name)  # its kernel goes on; its web server says nothing more
    await host.add_address(second.pid, held, second.prefix)
    assert await serves(second, held)


async def test_an_address_moves_from_an_ended_container(start):
    """The usual case: the old one is gone when the new one gets its address."""
    host, first, second = LinuxHost(), start(), start()
    held = first.free(5)
    for container in (first, second):
        await until_listening(container)
    await host.add_address(first.pid, held, first.prefix)
    assert await serves(first, held)
    docker("stop", "-t", "0", first.name)
    await host.remove_address(first.pid, held, first.prefix)
    await host.add_address(second.pid, held, second.prefix)
    assert await serves(second, held)


async def test_a_request_held_at_an_address_is_open_and_then_served(start):
    """While nobody has the address a dialling connection counts; the container then gets it."""
    host, container = LinuxHost(), start()
    held = container.free(3)
    await until_listening(container)
    request = asyncio.create_task(serves(container, held))
    await until(lambda: host.connections([(held, PORT)]) == 1)
    await host.add_address(container.pid, held, container.prefix)
    assert await request


async def test_open_connections_are_counted_until_closed(start):
    """Counted from the dialling side, for exactly the endpoints asked about."""
    host, container = LinuxHost(), start()
    await until_listening(container)
    endpoint = (container.address, PORT)
    opened = [await asyncio.open_connection(*endpoint) for _ in range(3)]
    assert host.connections([endpoint]) == 3
    assert host.connections([(container.address, PORT + 1)]) == 0
    for _, writer in opened:
        writer.close()
    await until(lambda: host.connections([endpoint]) == 0)


async def test_a_half_closed_connection_stays_open(start):
    """A client that has said all it will still waits for its answer."""
    host, container = LinuxHost(), start()
    await until_listening(container)
    endpoint = (container.address, PORT)
    with socket.create_connection(endpoint) as connection:
        # stopped, the server cannot close its side in answer
        docker("pause", container.name)
        connection.shutdown(socket.SHUT_WR)
        assert host.connections([endpoint]) == 1
        docker("unpause", container.name)
    await until(lambda: host.connections([endpoint]) == 0)


async def test_a_container_is_seen_from_outside(start):
    """Its listening sockets and its memory."""
    host, container = LinuxHost(), start()
    await until(lambda: Listener("::", PORT) in host.listeners(container.pid))
    assert 0 < host.memory_used(container.pid) < host.memory_available()


async def test_an_address_nobody_has_is_no_route(start):
    """The kernel's word for a network in which nobody answers."""
    container = start()
    patient = Health(path="/healthz", timeout=30.0)  # three unanswered questions, one second each
    result = await HttpProbe().check(container.free(4), PORT, patient, "shop.test")
    assert result.detail == "no route to the container"


async def test_an_address_outside_the_network_is_refused(start):
    """The container has no interface that could carry it."""
    container = start()
    with pytest.raises(PlatformError, match="no interface in the network"):
        await LinuxHost().add_address(container.pid, "192.0.2.7", 24)


async def test_this_process_gets_no_address():
    """It lives in the machine's own network."""
    with pytest.raises(PlatformError, match="shares this machine's network"):
        await LinuxHost().add_address(os.getpid(), "127.0.0.9", 8)


def test_this_process_is_found_as_the_holder_of_its_port():
    """By its number, while it listens and no longer."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        assert LinuxHost().port_holder(port).endswith(f" (pid {os.getpid()})")
    assert LinuxHost().port_holder(port) == ""


async def test_the_processes_of_containers_are_told_apart_and_ended(start):
    """What heeds no signal is killed; the same process is not ended as that of another."""
    host, one, other = LinuxHost(), start(), start()
    ids = [docker("inspect", "--format", "{{.Id}}", c.name) for c in (one, other)]
    assert host.processes_of([*ids, "0" * 64]) == {ids[0]: (one.pid,), ids[1]: (other.pid,)}
    assert host.processes_of([]) == {}
    assert not await host.end_process(one.pid, ids[1], terminal=False)
    assert await host.end_process(one.pid, ids[0], terminal=False)
    await until(lambda: ids[0] not in host.processes_of(ids))
    assert host.processes_of(ids) == {ids[1]: (other.pid,)}
