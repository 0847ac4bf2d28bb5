from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from support.store_crash import OPERATIONS, opened_at_zero

TESTS = Path(__file__).parents[1]


def content(path: Path) -> tuple[str, ...]:
    """Everything in a store's file, as SQL."""
    with closing(sqlite3.connect(path)) as raw:
        assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert raw.execute("PRAGMA foreign_key_check").fetchall() == []
        return tuple(raw.iterdump())


def undisturbed(path: Path) -> list[tuple[str, ...]]:
    """What the file holds before the first operation and after each."""
    with closing(opened_at_zero(path)) as store:
        states = [content(path)]
        for operation in OPERATIONS:
            operation(store)
            states.append(content(path))
    return states


def test_kill_at_every_statement(tmp_path):
    """Killed at any statement, the store keeps all that had returned, and no half of the next."""
    states = undisturbed(tmp_path / "undisturbed.db")
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    argv = [sys.executable, "-m", "support.store_crash", str(crashed)]
    subprocess.run(argv, check=True, env={**os.environ, "PYTHONPATH": str(TESTS)})
    logs = sorted(crashed.glob("*.done"))
    assert len(logs) > 3 * len(OPERATIONS)  # every write begins, changes something and commits
    for log in logs:
        returned = log.stat().st_size
        opened_at_zero(log.with_suffix(".db")).close()  # as the next agent would
        assert content(log.with_suffix(".db")) in states[returned : returned + 2], log.stem
