"""Uptime in a SQLite file of its own, which can be deleted without harm.

Only the composition roots and tests import it; observation knows it as `UptimeStore`.
"""

from cove.adapters.uptimestore.store import SqliteUptimeStore

__all__ = ["SqliteUptimeStore"]
