"""The report of an unexpected exception. Imported by `cove.cli.main` alone."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import traceback
from datetime import UTC, datetime

from cove import __version__
from cove.errors import EXIT_BUG, CoveError


class Bug(CoveError):
    """Something cove did not foresee."""

    code = "bug"
    exit_code = EXIT_BUG


def as_error(error: BaseException, command: str) -> Bug:
    """Writes the report (mode 0600) and returns the error that tells where it is."""
    message = f"cove failed in a way it should not have: {type(error).__name__}: {error}"
    try:
        path = _write(error, command)
    except OSError as problem:
        return Bug(message, hint=f"no report could be written: {problem}")
    return Bug(message, hint=f"please report it; the details are in {path}")


def _write(error: BaseException, command: str) -> str:
    # mkstemp creates the file with mode 0600
    descriptor, path = tempfile.mkstemp(prefix="cove-bug-", suffix=".txt")
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as report:
        report.write(_text(error, command))
    return path


def _text(error: BaseException, command: str) -> str:
    lines = [
        f"cove {__version__}",
        f"Python {platform.python_version()} ({sys.executable})",
        f"{platform.system()} {platform.release()} {platform.machine()}",
        f"at {datetime.now(UTC).isoformat(timespec='seconds')}",
        f"command: cove {command}",  # without its arguments: they may hold secrets
        "",
        *(line.rstrip("\n") for line in traceback.format_exception(error)),
        "",
    ]
    return "\n".join(lines)
