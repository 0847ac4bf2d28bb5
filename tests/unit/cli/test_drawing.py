"""Figures as text."""

from __future__ import annotations

import pytest

from cove.cli.drawing import Figure, duration, percent, rate, sparkline


def figure(*values: float | None, always: bool = True) -> Figure:
    """A figure of these values."""
    return Figure("cpu", values, percent, always=always)


def test_sparklines_reach_from_nothing_to_the_largest():
    """Zero is the lowest mark, the largest value the highest, and what is unknown a gap."""
    assert sparkline(figure(0, None, 0.5, 1)) == "▁ ▅█"
    assert sparkline(figure(0, 1), unicode=False) == "_@"
    assert sparkline(figure(0, 0)) == "▁▁"


def test_the_last_and_the_largest_value():
    """A gap at the end is passed over."""
    assert (figure(0.1, 0.4, 0.2, None).now(), figure(0.1, 0.4).peak()) == ("20.0 %", "40.0 %")
    assert figure(None).now() == "-"


@pytest.mark.parametrize(
    ("values", "always", "known"),
    [((), True, False), ((None,), True, False), ((0,), True, True), ((0,), False, False)],
)
def test_what_is_worth_a_line(values, always, known):
    """What nobody measured is not drawn, nor is a trouble that there is not."""
    assert figure(*values, always=always).known() is known


def test_units():
    """Rates, shares and durations as people read them."""
    assert (rate(1500), percent(0.034)) == ("1.5 kB/s", "3.4 %")
    assert (duration(0.0124), duration(1.44)) == ("12 ms", "1.4 s")
