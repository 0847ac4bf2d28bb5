"""Fixtures of the tests that run real agents, for their folders' conftest.py to import."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.agent import Agent, running
from support.images import Images


@pytest.fixture(scope="session")
def images() -> Images:
    """Test images, built when first asked for."""
    return Images()


@pytest.fixture(scope="module")
def agent() -> Iterator[Agent]:
    """An agent with its own proxy; nothing of it is left afterwards."""
    with running(Agent()) as agent:
        yield agent
