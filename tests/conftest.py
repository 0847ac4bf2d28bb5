"""What every test shares: the event loop, hypothesis's profile, the marks its folder implies."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from hypothesis import settings

HERE = Path(__file__).parent

# The tier of a test is its folder: nobody can forget the mark.
MARKS_BY_FOLDER = {
    "unit": (),
    "contract": ("integration",),
    "integration": ("integration",),
    "e2e": ("e2e",),
    "e2e_host": ("e2e", "slow"),
}

# An example may be slow on a busy machine; that is no finding.
settings.register_profile("cove", settings(), deadline=None)
settings.load_profile("cove")


def pytest_configure() -> None:
    """Let Ctrl-C reach the commands under test, as in a person's terminal.

    A shell starts its background jobs with SIGINT ignored, and every child inherits that.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test by its folder, and refuse tests outside the known ones."""
    for item in items:
        folder = item.path.relative_to(HERE).parts[0]
        if folder not in MARKS_BY_FOLDER:
            message = f"{item.path}: tests live in one of {', '.join(MARKS_BY_FOLDER)}"
            raise pytest.UsageError(message)
        for mark in MARKS_BY_FOLDER[folder]:
            item.add_marker(mark)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run async tests on asyncio alone: aiohttp knows no other loop."""
    return "asyncio"
