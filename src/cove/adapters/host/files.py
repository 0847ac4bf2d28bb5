"""Reading the kernel's small files. Only this package imports it.

The figures are read every few seconds of every container: Python's own files and paths would take
three times as long.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

_PIECE: Final = 65_536  # bytes


def text(path: str | Path) -> str:
    """What a file holds. Raises OSError."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        pieces = []
        while piece := os.read(file, _PIECE):
            pieces.append(piece)
    finally:
        os.close(file)
    return b"".join(pieces).decode(errors="replace")


def optional(path: str | Path) -> str:
    """The same; nothing where it cannot be read."""
    try:
        return text(path)
    except OSError:
        return ""
