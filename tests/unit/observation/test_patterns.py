"""The text of the rule `log-pattern`: what it finds, what is refused, that it takes no time."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cove.errors import InvalidFile
from cove.observation.alerts.patterns import MOST, compiled


@pytest.mark.parametrize(
    ("pattern", "line", "found"),
    [
        ("payment refused", "12:00 payment refused by bank", True),
        ("payment refused", "12:00 Payment refused", False),
        ("(a+)+$", "it said (a+)+$ once", True),
        ("/var/log", "cannot open /var/log", True),
        ("/payment.*refused/", "payment 7 was refused", True),
        ("/payment.*refused/", "refused payment", False),
        ("/timed out|refused/", "it was refused", True),
        (r"/\berror\b/", "no errors", False),
        (r"/\berror\b/", "errors, then error: 5", True),
        ("/out of memory/i", "Out Of MEMORY", True),
        (r"/1\.5 \| 2/", "at 1.5 | 2", True),
        (r"/1\.5/", "at 125", False),
    ],
)
def test_what_a_text_finds(pattern: str, line: str, found: bool) -> None:
    """Plain text is itself, whatever is in it; between slashes there is a little more."""
    assert compiled(pattern)(line) is found


@pytest.mark.parametrize("pattern", ["/(a+)+$/", "/a*/", "/[ab]/", r"/\d/", "/.*/", "/a|/", "/a./"])
def test_what_could_take_for_ever_is_refused(pattern: str) -> None:
    """With what there is instead."""
    with pytest.raises(InvalidFile) as caught:
        compiled(pattern)
    assert caught.value.specific_code == "alert-rule"


_PIECES = st.lists(st.text("ab", min_size=1, max_size=2), min_size=1, max_size=3)


@given(st.lists(_PIECES, min_size=1, max_size=3), st.text("abA\n", max_size=12), st.booleans())
def test_it_finds_what_a_regular_expression_finds(choices, line, either) -> None:
    """The first place of each part is always good enough."""
    body = "|".join(".*".join(parts) for parts in choices)
    flags = re.DOTALL | (re.IGNORECASE if either else 0)
    wanted = re.search(body, line, flags) is not None
    assert compiled(f"/{body}/{'i' * either}")(line) is wanted


def test_only_the_beginning_of_a_huge_record_is_looked_at() -> None:
    """Its time has a bound."""
    assert compiled("end")("x" * (MOST - 3) + "end")
    assert not compiled("end")("x" * MOST + "end")
