"""Requests that Docker carries out although whoever asked is gone. A part of `support.world`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from cove.errors import PlatformError

LINGER = 2.0  # seconds that such a request takes from its client's end on


@dataclass
class Asked:
    """One request: what comes of it and when, and the container it tells to stop, if any."""

    act: Callable[[], None]
    due: float
    stops: str = ""


class InFlight:
    """The requests without a client, which the world's clock brings to their end."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._left: list[Asked] = []

    @contextmanager
    def asked(self, act: Callable[[], None], stops: str = "") -> Iterator[None]:
        """The request is with Docker; it is done when the block ends, or later if that fails."""
        try:
            yield
        except BaseException:
            self._left.append(Asked(act, self._now() + LINGER, stops))
            raise
        act()

    def advance(self, until: float | None = None) -> None:
        """What is due by now, or a later time, has been done; what it came to nobody hears."""
        by = self._now() if until is None else until
        while due := [one for one in self._left if one.due <= by]:
            self._left.remove(due[0])
            with suppress(PlatformError):
                due[0].act()

    def stopping(self, container: str) -> bool:
        """Whether somebody who is gone has told a container to stop, and it has not yet."""
        return any(one.stops == container for one in self._left)

    def next(self) -> float | None:
        """When the next of them is done; None where there is none."""
        return min((one.due for one in self._left), default=None)

    def forget(self) -> None:
        """Docker itself is gone, and all that it was asked for."""
        self._left.clear()
