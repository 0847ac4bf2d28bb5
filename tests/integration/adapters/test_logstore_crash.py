from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from cove.adapters.logstore import ChunkStore
from cove.model.logs import LogQuery

from support import logs
from support.logstore_crash import BATCH, batch

TESTS = Path(__file__).parents[2]
KILLS = 12


def killed_after(path: Path, what: str, said: int) -> int:
    """Kills the child once it has said so many lines; returns the last number it said."""
    argv = [sys.executable, "-m", "support.logstore_crash", str(path), what]
    env = {**os.environ, "PYTHONPATH": str(TESTS)}
    with subprocess.Popen(argv, stdout=subprocess.PIPE, env=env) as child:
        assert child.stdout
        for _ in range(said):
            assert child.stdout.readline()
        child.kill()
        rest = child.stdout.read().splitlines()
    return int(rest[-1]) if rest else -1


def check(path: Path) -> None:
    """The file is whole by SQLite's own word."""
    with closing(sqlite3.connect(path)) as raw:
        assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_killed_while_sealing(tmp_path):
    """Killed at any moment, all that was sealed is there once, its cursor with it, and no half."""
    path, chance = tmp_path / "logs.db", random.Random(1)  # noqa: S311 - moments
    for _ in range(KILLS):
        said = killed_after(path, "seal", chance.randrange(1, 40))
        with closing(ChunkStore(path)) as store:
            (cursor,) = store.cursors()
            assert cursor.count >= said + 1
            expected = [r for n in range(cursor.count) for r in batch(n)]
            assert list(store.search(LogQuery())) == expected[::-1]
            assert list(store.counts(LogQuery())) == logs.counted(LogQuery(), expected)
        check(path)
    assert not list(tmp_path.glob("*.damaged-*"))


@pytest.mark.parametrize("seed", range(3))
def test_killed_while_deleting(tmp_path, seed):
    """Killed while old records go, what is left is the newest, counted rightly."""
    path, chance = tmp_path / "logs.db", random.Random(seed)  # noqa: S311 - moments
    killed_after(path, "seal", 60)
    with closing(ChunkStore(path)) as store:
        whole = list(store.search(LogQuery()))
    assert len(whole) >= 60 * BATCH
    for _ in range(4):
        killed_after(path, "retain", chance.randrange(1, 12))
        with closing(ChunkStore(path)) as store:
            left = list(store.search(LogQuery()))
            assert left == whole[: len(left)]
            assert list(store.counts(LogQuery())) == logs.counted(LogQuery(), left)
        check(path)
