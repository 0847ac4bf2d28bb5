"""A migration: makes the tables where they are missing, and ends."""

from __future__ import annotations

import psycopg2

SCRIPT = """
CREATE TABLE IF NOT EXISTS posts (id bigserial PRIMARY KEY, mark text, version text);
CREATE TABLE IF NOT EXISTS beats (id bigserial PRIMARY KEY, version text, failed int);
"""

with psycopg2.connect(connect_timeout=5) as connection, connection.cursor() as cursor:
    cursor.execute(SCRIPT)
print("migrated", flush=True)
