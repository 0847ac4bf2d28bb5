"""Files that are whole or absent, whatever happens while they are written.

Any layer may import it; it imports nothing of cove.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

PRIVATE: Final = 0o600
PUBLIC: Final = 0o644


def replace_file(
    path: Path,
    content: bytes,
    mode: int = PRIVATE,
    *,
    owner: tuple[int, int] = (-1, -1),
    staging: Path | None = None,
) -> None:
    """Writes beside the path, onto the disk, and renames: a reader sees the old or the new.

    The mode holds whatever the umask is; `owner` is a user's and a group's number, -1 to leave
    one. The staged file lies in `staging`, a folder of the same file system, or in the path's
    own; its name is fixed, so that a crash leaves at most one, which the next call clears away.
    Callers exclude each other. Raises OSError.
    """
    staged = (staging or path.parent) / f".{path.name}.new"
    staged.unlink(missing_ok=True)
    descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fchown(descriptor, *owner)
        os.fchmod(descriptor, mode)
        os.fsync(descriptor)
    staged.replace(path)


def sync_folder(folder: Path) -> None:
    """Makes the renames in a folder survive a power cut. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
