"""The text of the rule `log-pattern`: what it finds, and what is refused."""

from __future__ import annotations

import pytest

from cove.errors import InvalidFile
from cove.model.logs import Record, Source
from cove.observation.alerts.patterns import asked
from cove.observation.logs.matching import matcher


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
        (r"/status=5\d\d/", "GET / status=503", True),
        ("/(a+)+$/", "b" + "a" * 60 + "b", False),
    ],
)
def test_what_a_text_finds(pattern: str, line: str, found: bool) -> None:
    """Plain text is itself, whatever is in it; between slashes it is a regular expression."""
    record = Record(1, Source(app="shop", service="web"), line)
    assert matcher(asked(pattern))(record) is found


@pytest.mark.parametrize("pattern", ["/a*/", "/.*/", "/a|/", "/$/", "/(/", "/(.{0,100}e){9}/"])
def test_what_cannot_be_used_is_refused(pattern: str) -> None:
    """What is true of every line, no expression at all, or too large for every line."""
    with pytest.raises(InvalidFile) as caught:
        asked(pattern)
    assert caught.value.specific_code == "alert-rule"
