"""A worker: a row every 100 ms, and each time a visit to the web service by its sibling's name."""

from __future__ import annotations

import os
import signal
import sys
import threading
import urllib.request

import psycopg2


def main() -> int:
    """Work until told to stop, and finish what is begun."""
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    version = os.environ.get("VERSION", "dev")
    connection = psycopg2.connect(connect_timeout=5)
    connection.autocommit = True
    print(f"worker {version} works", flush=True)
    while not over.wait(0.1):
        failed = 0 if visited() else 1
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO beats (version, failed) VALUES (%s, %s)", (version, failed))
    print(f"worker {version} ends", flush=True)
    return 0


def visited() -> bool:
    """Whether the web service answered."""
    try:
        with urllib.request.urlopen("http://web:8000/version", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError as error:
        print(f"web: {error}", flush=True)
        return False


if __name__ == "__main__":
    sys.exit(main())
