"""The tables of measurements, made from the fields of their kinds. Imported in the package only.

A kind has one table for each tier, ordered by series and time, so that a chart reads neighbours;
and one for what is new, ordered by time, so that a tick is written to one place. What is new is
moved every few minutes: written to its series at once, each tick would touch a page per series.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from cove.model.metrics import FIELDS, KINDS, TIERS, Field, Kind

_SERIES: Final = """
CREATE TABLE IF NOT EXISTS metric_series (
    id INTEGER PRIMARY KEY, kind TEXT NOT NULL, app TEXT NOT NULL, service TEXT NOT NULL,
    name TEXT NOT NULL, UNIQUE (kind, app, service, name)
)
"""
# How far each tier is made; before that its rows are complete.
_DONE: Final = """
CREATE TABLE IF NOT EXISTS metric_done (tier INTEGER PRIMARY KEY, until INTEGER NOT NULL)
WITHOUT ROWID
"""
NEW: Final = 0  # the tier of what is not moved yet


def table(kind: Kind, step: int) -> str:
    """The table of a kind's rows of so many seconds; 0: those not moved yet."""
    return f"metric_{kind}_{step or 'new'}"


def columns(kind: Kind) -> str:
    """The fields, as they stand in a statement."""
    return ", ".join(f'"{field.name}"' for field in FIELDS[kind])


def merged(kind: Kind) -> str:
    """The fields merged over a group of rows; levels are averaged over time."""
    return ", ".join(_merged(field) for field in FIELDS[kind])


def _merged(field: Field) -> str:
    name = f'"{field.name}"'
    if field.merge == "mean":
        return f"SUM({name} * span) / SUM(span)"
    return f"{field.merge.upper()}({name})"


def prepare(connection: sqlite3.Connection) -> None:
    """Makes what is missing: tables, and columns of fields that came later."""
    connection.execute(_SERIES)
    connection.execute(_DONE)
    for kind in KINDS:
        for step in (NEW, *(tier.step for tier in TIERS)):
            name = table(kind, step)
            key = "at, series" if step == NEW else "series, at"
            fields = ", ".join(f"{_column(field)}" for field in FIELDS[kind])
            connection.execute(
                f"CREATE TABLE IF NOT EXISTS {name} (series INTEGER NOT NULL, "
                f"at INTEGER NOT NULL, span INTEGER NOT NULL, {fields}, PRIMARY KEY ({key})) "
                "WITHOUT ROWID"
            )
            known = {row[1] for row in connection.execute(f"PRAGMA table_info({name})")}
            for field in FIELDS[kind]:
                if field.name not in known:
                    connection.execute(f"ALTER TABLE {name} ADD COLUMN {_column(field)}")


def _column(field: Field) -> str:
    return f'"{field.name}" INTEGER NOT NULL DEFAULT 0'
