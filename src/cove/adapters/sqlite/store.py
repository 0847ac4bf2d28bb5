"""The parts put together as the port wants them. Imported within the package only.

Called from one thread, that of the agent's event loop; a write takes as long as the disk takes
to make it durable.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from cove.adapters.sqlite.addresses import parse_pool
from cove.adapters.sqlite.alerts import AlertRecords
from cove.adapters.sqlite.apps import AppRecords
from cove.adapters.sqlite.certificates import CertificateRecords
from cove.adapters.sqlite.cipher import Cipher
from cove.adapters.sqlite.connection import Database
from cove.adapters.sqlite.events import EventRecords
from cove.adapters.sqlite.grants import GrantRecords
from cove.adapters.sqlite.happenings import HappeningRecords
from cove.adapters.sqlite.releases import ReleaseRecords
from cove.adapters.sqlite.rollouts import RolloutRecords
from cove.adapters.sqlite.status_pages import StatusPageRecords
from cove.ports import Store
from cove.ports.watching import AlertStore

DEFAULT_POOL = "10.201.0.0/16"  # room for 1,024 apps, far from the ranges Docker picks itself


class SqliteStore(
    AppRecords,
    ReleaseRecords,
    RolloutRecords,
    EventRecords,
    GrantRecords,
    HappeningRecords,
    CertificateRecords,
    AlertRecords,
    StatusPageRecords,
    Store,
    AlertStore,
):
    """The store in one SQLite file, readable by its owner alone; ":memory:" keeps nothing.

    `pool` is the IPv4 range new apps get their subnets from. Raises InvalidFile (`pool`), and as
    every method does PlatformError: `data-dir` when the file cannot be opened or written,
    `disk-full`, `state` for anything else, such as data of a newer cove.
    """

    def __init__(
        self,
        path: Path | str,
        cipher: Cipher,
        pool: str = DEFAULT_POOL,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._pool = parse_pool(pool)
        self._cipher = cipher
        self._now = now
        self.forgotten = 0
        self._listeners = set()
        self._db = Database(path)
        try:
            self.seal_old()
        except BaseException:
            self._db.close()
            raise

    def close(self) -> None:
        """Closes the file; no method but this one may be called afterwards."""
        self._db.close()
