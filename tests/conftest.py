"""What every test shares: the event loop, hypothesis's profile, the marks its folder implies."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

HERE = Path(__file__).parent
FIGURES = "figures"

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
    """Let Ctrl-C, and a closed terminal, reach the commands under test, as they reach a person's.

    A shell starts its background jobs with SIGINT ignored, nohup with SIGHUP, and every child
    inherits that.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test by its folder, and refuse tests outside the known ones."""
    for item in items:
        folder = item.path.relative_to(HERE).parts[0]
        if folder not in MARKS_BY_FOLDER:
            message = f"{item.path}: tests live in one of {', '.join(MARKS_BY_FOLDER)}"
            raise pytest.UsageError(message)
        for mark in MARKS_BY_FOLDER[folder]:
            item.add_marker(mark)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests have measured, whichever process they ran in."""
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, ()):
            for key, value in report.user_properties:
                if key == FIGURES:
                    terminalreporter.write_line(f"{report.nodeid}: {value}")


@pytest.fixture
def figures(record_property: Callable[[str, object], None]) -> Callable[[object], None]:
    """What a test has measured, for the end of the run's report."""
    return lambda value: record_property(FIGURES, str(value))


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run async tests on asyncio alone: aiohttp knows no other loop."""
    return "asyncio"
