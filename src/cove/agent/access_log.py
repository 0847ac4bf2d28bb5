"""Which lines of the proxy's access log are kept, by what each app asks for.

Where one app may have every request logged, the proxy writes a line for every app's; what nobody
asked for is left out here. Imported inside `cove.agent` only.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, Protocol

from cove.errors import CoveError
from cove.model.access import (
    AccessLog,
    ServerAccessLog,
    app_of,
    effective,
    failed_or_slow,
)
from cove.model.release import Release
from cove.ports import AppRecord

_FRESH: Final = 1.0  # seconds that a choice holds before the record is looked at again


class Records(Protocol):
    """What is asked of the record."""

    def app(self, name: str) -> AppRecord | None:
        """An app; None where there is none."""

    def release(self, app: str, number: int) -> Release | None:
        """A release of it."""


class AccessLogChoices:
    """Asked for every line: the record is looked at once a second, and a release read once."""

    def __init__(
        self,
        records: Records,
        server: ServerAccessLog,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._records = records
        self._server = server
        self._clock = clock
        # By app: which release, of which life of the app (its number begins anew), and its choice.
        self._releases: dict[str, tuple[tuple[float, int], AccessLog | None]] = {}
        self._choices: dict[str, AccessLog] = {}
        self._since = clock()

    def keeps(self, line: str) -> bool:
        """Whether the line is of a request that is to be logged."""
        # Also where the proxy leaves out the others itself: the one before it may not have.
        choice = self._choice(app_of(line))
        return choice == "full" or (choice == "errors" and failed_or_slow(line))

    def _choice(self, app: str) -> AccessLog:
        now = self._clock()
        if now - self._since > _FRESH:
            self._choices.clear()
            self._since = now
        found = self._choices.get(app)
        if found is None:
            found = self._choices[app] = effective(self._wanted(app), self._server)
        return found

    def _wanted(self, app: str) -> AccessLog | None:
        """What the live release asks for; of an app that is gone, what it asked for last."""
        known = self._releases.get(app)
        try:
            record = self._records.app(app) if app else None
            which = (record.created_at, record.live) if record else (0.0, 0)
            if which[1] and (not known or known[0] != which):
                release = self._records.release(app, which[1])
                known = (which, release.spec.access_log if release else None)
                self._releases[app] = known
        except CoveError:  # what was known holds on
            pass
        return known[1] if known else None
