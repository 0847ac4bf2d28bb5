"""An hour's minutes as a few bytes. Pure. Imported inside `cove.adapters.uptimestore`."""

from __future__ import annotations

import zlib
from array import array
from typing import Final

from msgspec import Struct

from cove.model.uptime import Minute

PER_HOUR: Final = 60
_TENTHS: Final = 10  # of a second, so that a minute's 600 fit into two bytes
_THOUSANDTHS: Final = 1000
_MOST: Final = 0xFFFF


class Hour(Struct, kw_only=True):
    """Sixty minutes: tenths of seconds up and down, and the slowest answer in milliseconds."""

    up: list[int]
    down: list[int]
    slowest: list[int]

    def add(self, minute: Minute) -> None:
        """Adds what was watched of one of its minutes."""
        at = minute.minute % PER_HOUR
        self.up[at] = min(_MOST, self.up[at] + round(minute.up * _TENTHS))
        self.down[at] = min(_MOST, self.down[at] + round(minute.down * _TENTHS))
        slowest = min(_MOST, round(minute.slowest * _THOUSANDTHS))
        self.slowest[at] = max(self.slowest[at], slowest)

    def seconds(self, first: int = 0) -> tuple[float, float]:
        """Up and down from one of its minutes on."""
        return sum(self.up[first:]) / _TENTHS, sum(self.down[first:]) / _TENTHS


def empty() -> Hour:
    """An hour in which nobody looked."""
    return Hour(up=[0] * PER_HOUR, down=[0] * PER_HOUR, slowest=[0] * PER_HOUR)


def pack(hour: Hour) -> bytes:
    """The hour as it is stored: most are alike from minute to minute, and compress well."""
    values = array("H", [*hour.up, *hour.down, *hour.slowest])
    return zlib.compress(values.tobytes(), 1)


def unpack(packed: bytes) -> Hour:
    """Raises ValueError for what was not packed so."""
    try:
        values = array("H", zlib.decompress(packed)).tolist()
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if len(values) != 3 * PER_HOUR:
        raise ValueError("it is not an hour")
    return Hour(
        up=values[:PER_HOUR],
        down=values[PER_HOUR : 2 * PER_HOUR],
        slowest=values[2 * PER_HOUR :],
    )
