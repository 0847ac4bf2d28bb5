"""The example app over a database: every POST is a row.

/rows      how many rows there are
/mark      POST: a row with the body
/marked    those rows, one a line
/beats     what the worker has recorded: version, beats, and failed visits to this app
"""

from __future__ import annotations

import os
import sys
from typing import Any

import hello
import psycopg2


class Database:
    """One connection, made again when it was lost."""

    def __init__(self) -> None:
        self._connection: Any = None

    def ask(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Every row of the answer, none for a statement without one."""
        try:
            return self._ask(query, values)
        except psycopg2.OperationalError as error:
            self._connection = None
            raise OSError(f"database: {error}") from error

    def _ask(self, query: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        if self._connection is None:
            self._connection = psycopg2.connect(connect_timeout=5)
            self._connection.autocommit = True
        with self._connection.cursor() as cursor:
            cursor.execute(query, values)
            return cursor.fetchall() if cursor.description else []


class Site(hello.Site):
    """The example's paths, and three more."""

    def __init__(self, settings: hello.Settings) -> None:
        super().__init__(settings)
        self.database = Database()
        self.database.ask("SELECT 1 FROM posts LIMIT 1")  # without its table it must not start
        self.routes["/mark"] = ("POST", self._echo)
        for path, query in QUERIES.items():
            self.routes[path] = ("GET, HEAD", lambda _, q=query: self._listed(q))

    def respond(self, request: hello.Request) -> Any:
        """As in the example; what fails in the database is an error of the server."""
        if request.method == "POST":
            mark = bytes(request.body).decode() if request.path == "/mark" else None
            insert = "INSERT INTO posts (mark, version) VALUES (%s, %s)"
            try:
                self.database.ask(insert, mark, self.settings.version)
            except OSError as error:
                return hello.Response(500, f"{error}\n".encode())
        return super().respond(request)

    def _listed(self, query: str) -> hello.Response:
        lines = [" ".join(map(str, row)) for row in self.database.ask(query)]
        return hello.Response(200, ("\n".join(lines) + "\n").encode())


QUERIES = {
    "/rows": "SELECT count(*) FROM posts",
    "/marked": "SELECT mark FROM posts WHERE mark IS NOT NULL ORDER BY id",
    "/beats": "SELECT version, count(*), sum(failed) FROM beats GROUP BY version",
}

if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    hello.Site = Site  # type: ignore[misc]
    sys.exit(hello.main())
