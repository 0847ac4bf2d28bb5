"""The store of what must be right, in one SQLite file. Only composition roots import it."""

from cove.adapters.sqlite.cipher import Cipher
from cove.adapters.sqlite.store import DEFAULT_POOL, SqliteStore

__all__ = ["DEFAULT_POOL", "Cipher", "SqliteStore"]
