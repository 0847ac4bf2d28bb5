"""Measurements in SQLite, apart from what must be right. Imported by the composition roots only."""

from cove.adapters.metricstore.store import SqliteMetrics

__all__ = ["SqliteMetrics"]
