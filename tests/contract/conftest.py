"""The same machine twice: in memory, and with the real Docker, Compose and Traefik."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.machines import FakeMachine, Machine, RealMachine
from support.places import Pool


@contextmanager
def pool() -> Iterator[str]:
    """An address range nobody else has."""
    held = Pool()
    try:
        yield held.cidr
    finally:
        held.give_back()


@pytest.fixture(params=["fake", "real"])
async def machine(request: pytest.FixtureRequest) -> AsyncIterator[Machine]:
    """A machine with an image of the example app on it; nothing is left of it afterwards."""
    if request.param == "fake":
        yield FakeMachine()
        return
    folder = Path(tempfile.mkdtemp(prefix="cove-contract-"))
    with pool() as cidr:
        real = RealMachine(folder, cidr)
        try:
            yield real
        finally:
            await real.tear_down()
            shutil.rmtree(folder, ignore_errors=True)
