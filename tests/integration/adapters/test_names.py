"""A container gets a name among its siblings while it works."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.machines import RealMachine
from support.places import Pool

# Never opens a second connection; each line is an answer on the first.
ASKS = """
import http.client, time
caller = http.client.HTTPConnection("api", 8000, timeout=30)
caller.connect()
caller.auto_open = 0
while True:
    caller.request("GET", "/version")
    print(caller.getresponse().read().decode().strip(), caller.sock.getsockname()[0], flush=True)
    time.sleep(0.02)
"""
ANSWERS = 30


@pytest.fixture
async def machine() -> AsyncIterator[RealMachine]:
    """A machine with two ranges of addresses; nothing is left of it afterwards."""
    folder, pool = Path(tempfile.mkdtemp(prefix="cove-names-")), Pool()
    real = RealMachine(folder, pool.cidr)
    try:
        yield real
    finally:
        await real.tear_down()
        pool.give_back()
        shutil.rmtree(folder, ignore_errors=True)


async def test_connections_outlast_a_name(machine):
    """It leaves the network and comes back to its address; what it had opened works on."""
    await machine.engine.ensure_network("shop", machine.second, "_default", internal=True)
    first, second = machine.release(1), machine.release(2)
    await machine.up(first)
    found = {c.release: c for c in await machine.up(first, second)}
    place = first.placements[0].address
    await machine.engine.connect(found[1].id, "shop", "_default", "api", like=place)
    place = second.placements[0].address
    await machine.engine.connect(found[2].id, "shop", "_default", like=place)
    argv = ["docker", "exec", found[2].id, "/usr/local/bin/python3", "-u", "-c", ASKS]
    asking = await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.PIPE)
    try:
        assert asking.stdout
        before = await asking.stdout.readline()
        await machine.engine.connect(found[2].id, "shop", "_default", "web", like=place)
        after = [await asking.stdout.readline() for _ in range(ANSWERS)]
    finally:
        asking.kill()
        await asking.wait()
    assert before.startswith(b"dev ")
    assert set(after) == {before}
    assert machine.aliases(found[2], "_default") == ["web"]
