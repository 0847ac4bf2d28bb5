"""Which route a count of the proxy's is about, by the record. Imported inside `cove.agent`."""

from __future__ import annotations

from typing import Final

from cove.adapters.sqlite import SqliteStore
from cove.errors import PlatformError
from cove.model.app import Route
from cove.model.metrics import route_name
from cove.ports.metrics import RouteCounts

_MOST: Final = 500  # releases that are remembered


class RouteNames:
    """Asked for every count, every ten seconds: the routes of a release are read once."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store
        self._routes: dict[tuple[str, int], tuple[Route, ...]] = {}
        self._forgotten = store.forgotten

    def __call__(self, one: RouteCounts) -> str:
        """The series' name; of what is not counted apart, or is recorded no more, the port."""
        routes = self._of(one.app, one.release)
        if one.route is not None and one.route < len(routes):
            return route_name(one.port, routes[one.route].key)
        return route_name(one.port)

    def _of(self, app: str, number: int) -> tuple[Route, ...]:
        if self._forgotten != self._store.forgotten:  # releases of the next app count from 1 again
            self._forgotten = self._store.forgotten
            self._routes.clear()
        known = self._routes.get((app, number))
        if known is None:
            try:
                release = self._store.release(app, number) if number else None
            except PlatformError:  # the next look asks again
                return ()
            known = release.spec.routes if release else ()
            if len(self._routes) >= _MOST:
                self._routes.clear()
            self._routes[app, number] = known
        return known
