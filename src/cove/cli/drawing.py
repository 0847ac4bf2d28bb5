"""Figures as text: sparklines, rates, durations. Pure; `metrics` and `top` import it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cove.cli.text import size

_BLOCKS = ("▁▂▃▄▅▆▇█", "_.-=*#%@")
_GAP = " "


@dataclass(frozen=True)
class Figure:
    """One figure over time; `always` is false for one that is worth a line only above zero.

    `first` marks what an overview shows.
    """

    name: str
    values: Sequence[float | None]
    show: Callable[[float], str]
    note: str = ""
    always: bool = True
    first: bool = False

    def known(self) -> bool:
        """Whether there is anything to draw."""
        found = [value for value in self.values if value is not None]
        return bool(found) and (self.always or max(found) > 0)

    def now(self) -> str:
        """The last value."""
        found = next((v for v in reversed(self.values) if v is not None), None)
        return "-" if found is None else self.show(found)

    def peak(self) -> str:
        """The largest."""
        return self.show(max(value for value in self.values if value is not None))


def sparkline(figure: Figure, *, unicode: bool = True) -> str:
    """One mark a value, from zero to the largest; a gap where nothing is known."""
    blocks = _BLOCKS[0] if unicode else _BLOCKS[1]
    most = max((value for value in figure.values if value is not None), default=0.0)
    return "".join(_GAP if v is None else blocks[_level(v, most, blocks)] for v in figure.values)


def _level(value: float, most: float, blocks: str) -> int:
    if most <= 0:
        return 0
    return min(len(blocks) - 1, int(value / most * len(blocks)))


def percent(share: float) -> str:
    """A share from 0 to 1, or cores: `3.4 %`."""
    return f"{share * 100:.1f} %"


def rate(value: float) -> str:
    """Bytes a second."""
    return f"{size(value)}/s"


def duration(seconds: float) -> str:
    """An answer's time: `12 ms`, `1.4 s`."""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
