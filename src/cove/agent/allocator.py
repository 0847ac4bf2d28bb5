"""Has the C library's allocator give back what is free. Imported by the agent's main module.

Chunks of logs are packed and read in threads, half a megabyte at a time. As it comes, glibc keeps
an arena for each thread, and learns from large blocks that were freed to take the next ones from
there: some megabytes that nobody uses, of the 64 that the agent may have.
"""

from __future__ import annotations

import ctypes
from typing import Final

# <malloc.h>: M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX.
_TRIM, _MMAP, _ARENAS = -1, -3, -8
_LARGE: Final = 128 * 1024  # bytes; from here on a block is mapped alone: glibc's own beginning
_TUNED: Final = ((_ARENAS, 1), (_MMAP, _LARGE), (_TRIM, _LARGE))


def give_back() -> None:
    """To be called before there are threads. Another C library goes on as it does."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    for parameter, value in _TUNED if mallopt else ():
        mallopt(parameter, value)
