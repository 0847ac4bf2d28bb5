"""A machine for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.site import Site, site


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Site]:
    """A machine with an agent that knows no app yet."""
    with site(tmp_path) as made:
        yield made
