"""Shares, rates, durations and ends of certificates as cells of a table. The CLI's modules use it.

A cell is a text and its style. What is unknown is `-`.
"""

from __future__ import annotations

from typing import Final

Cell = tuple[str, str]
NONE: Final[Cell] = ("-", "dim")
_GOOD, _FAIR = 0.999, 0.98
_FAILING: Final = 0.05  # as the rule `errors`
_SLOW: Final = 2.0  # seconds, as the rule `latency`
_EXPIRES_SOON: Final = 14  # days, as the rule `certificate`
_DAY: Final = 86400.0


def available(share: float | None) -> Cell:
    """Never rounded up to 100: an outage must be seen."""
    if share is None:
        return NONE
    shown = "100 %" if share >= 1 else f"{int(share * 10_000) / 100:.2f} %"
    return shown, "" if share >= _GOOD else "yellow" if share >= _FAIR else "red"


def certificate(expires: float, now: float) -> Cell:
    """The days that are left of it."""
    if not expires:
        return "-", ""
    days = (expires - now) / _DAY
    return f"{max(0, int(days))} days", "red" if days < _EXPIRES_SOON else ""


def per_second(rate: float | None) -> Cell:
    """Requests a second, with what is significant of them."""
    if rate is None:
        return NONE
    return (f"{rate:.0f}" if rate >= 10 else f"{rate:.1f}" if rate >= 1 else f"{rate:.2f}"), ""  # noqa: PLR2004 - digits


def failing(share: float | None) -> Cell:
    """The share of requests that failed; never rounded down to none."""
    if share is None:
        return NONE
    percent = 100 * share
    if not percent:
        return "0 %", ""
    shown = f"{percent:.0f} %" if percent >= 10 else f"{max(0.1, percent):.1f} %"  # noqa: PLR2004 - digits
    return shown, "red" if share >= _FAILING else "yellow"


def duration(seconds: float | None) -> Cell:
    """How long an answer took."""
    if seconds is None:
        return NONE
    shown = f"{1000 * seconds:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
    return shown, "red" if seconds >= _SLOW else ""
