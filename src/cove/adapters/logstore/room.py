"""How much disk the log may take, and four megabytes for the hour when there is none.

Imported within the package only.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

from cove.adapters.logstore.database import LOG, asides
from cove.model.logs import LogPolicy

RESERVE: Final = 4 << 20  # bytes; deleting writes less than that before it frees more
_PLENTY: Final = 64 << 20  # bytes of free disk, to keep a reserve at all
# What the file's pages may not use: the write-ahead log, which may pass its size for a while.
_BESIDE: Final = 2 * LOG + RESERVE


class Room:
    """Knows the disk under the file. Asks the system each time: others use the disk as well."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reserve = path.with_name(f"{path.name}.reserve")

    def limit(self, policy: LogPolicy) -> int:
        """Bytes that the file's pages may take now."""
        bound = min(policy.total, int((self.taken() + self.free()) * policy.share))
        bound -= sum(one.stat().st_size for one in asides(self._path))
        return max(bound - _BESIDE, bound // 2, 0)

    def taken(self) -> int:
        """Bytes on disk of everything that is the log's."""
        beside = (self._path, Path(f"{self._path}-wal"), self._reserve, *asides(self._path))
        return sum(_size(one) for one in beside)

    def free(self) -> int:
        """Bytes that anybody may still write."""
        disk = os.statvfs(self._path.parent)
        return disk.f_bavail * disk.f_frsize

    def reserve(self) -> None:
        """Sets the reserve aside if there is plenty; that there is none is no error."""
        if _size(self._reserve) == RESERVE or self.free() < _PLENTY:
            return
        with contextlib.suppress(OSError):
            descriptor = os.open(self._reserve, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, RESERVE)
            finally:
                os.close(descriptor)

    def use_reserve(self) -> bool:
        """Frees the reserve; False: it was free already."""
        try:
            self._reserve.unlink()
        except OSError:
            return False
        return True


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
