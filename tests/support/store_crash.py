"""A store killed at every one of its SQL statements: `python -m support.store_crash FOLDER`.

For each statement N of `OPERATIONS` a child process works on FOLDER/N.db until just before that
statement, where it kills itself; FOLDER/N.done has one byte for every operation that had
returned. Run as a program of its own, because only a process without threads may fork.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path

from cove.adapters.sqlite import SqliteStore
from cove.model.events import Outcome, Rollout
from cove.ports import Step

from support.store import Backwards, create, spec

Operation = Callable[[SqliteStore], object]


def _rollout(store: SqliteStore, number: int) -> Rollout:
    rollout = store.rollout(number)
    assert rollout is not None
    return rollout


def _open(store: SqliteStore) -> object:
    return store.open_rollout("shop", "deploy", "ann@laptop")


def _create(number: int, replicas: int, *domains: str) -> Operation:
    what = spec(domains=domains, replicas=replicas, secret="s3cret")
    return lambda store: create(store, _rollout(store, number), what, hold=True)


def _close(number: int, outcome: Outcome) -> Operation:
    return lambda store: store.close_rollout(_rollout(store, number), outcome)


# A first deploy, one that fails, one that replaces the first, and the removal.
OPERATIONS: tuple[Operation, ...] = (
    lambda store: store.reserve_subnet("shop", "cove.yml", ()),
    _open,
    _create(1, 3, "a.test", "b.test"),
    lambda store: store.save_plan(_rollout(store, 1), b"plan"),
    lambda store: store.save_step(_rollout(store, 1), Step(0, "started")),
    lambda store: store.add_event(1, "started", 0, "pull", {}),
    lambda store: store.save_step(_rollout(store, 1), Step(0, "done")),
    lambda store: store.confirm("shop", 1),
    _close(1, "live"),
    _open,
    _create(2, 2, "b.test", "c.test"),
    lambda store: store.fail_release("shop", 2, "it exited"),
    _close(2, "kept"),
    lambda store: store.set_stopped("shop", stopped=True),
    _open,
    _create(3, 2, "c.test"),
    lambda store: store.confirm("shop", 3),
    lambda store: store.free_addresses("shop", ["10.201.0.2", "10.201.0.3", "10.201.0.4"]),
    _close(3, "live"),
    lambda store: store.set_source("shop", "other.yml"),
    _open,
    lambda store: store.forget_app("shop"),
    _close(4, "done"),
)


def opened_at_zero(path: Path) -> SqliteStore:
    """A store whose clock stands still, so that equal operations leave equal files."""
    return SqliteStore(path, Backwards(), now=lambda: 0.0)


def _work(folder: Path, fatal: int) -> None:
    store = opened_at_zero(folder / f"{fatal}.db")
    statements = count(1)

    def on_statement(_: str) -> None:
        if next(statements) == fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    store._db._connection.set_trace_callback(on_statement)
    with (folder / f"{fatal}.done").open("wb", buffering=0) as done:
        for operation in OPERATIONS:
            operation(store)
            done.write(b".")


def _survives(folder: Path, fatal: int) -> bool:
    """Whether a child got through all operations before statement `fatal`."""
    child = os.fork()
    if child == 0:
        _work(folder, fatal)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status not in (0, -signal.SIGKILL):
        raise SystemExit(f"a child ended with {status}")
    return status == 0


def main() -> None:
    """Kills a child at the first statement, the second, and so on to the last."""
    folder = Path(sys.argv[1])
    for fatal in count(1):
        if _survives(folder, fatal):
            return


if __name__ == "__main__":
    main()
