"""Log records in compressed chunks in one SQLite file; fulfils `ports_observation.LogStore`."""

from __future__ import annotations

from cove.adapters.logstore.store import ChunkStore

__all__ = ["ChunkStore"]
