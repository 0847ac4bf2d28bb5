"""Log records in compressed chunks in one SQLite file; fulfils `ports_observation.LogStore`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cove.adapters.logstore.store import ChunkStore

__all__ = ["ChunkStore"]


def __getattr__(name: str) -> Any:
    # The child that searches is a module beside, and begins in half the time without the store.
    if name == "ChunkStore":
        from cove.adapters.logstore.store import ChunkStore  # noqa: PLC0415 - see above

        return ChunkStore
    raise AttributeError(name)
