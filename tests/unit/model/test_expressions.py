"""Regular expressions: what they find, what is refused, and that they take no time."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cove.errors import Refused
from cove.model.expressions import LARGEST, LIVELY, Expression

# Pieces that RE2 and Python's `re` both know, and that mean the same to both of ASCII texts.
PIECES = st.sampled_from([
    "a", "ab", "key", "=", "[a-k]+", "[^a]", r"\d", r"\s*", ".", ".*", "(a|key)", "(?:ab)?", "K",
    "^", r"\b", r"\B", r"\A", "x{2,}", r"\n", "(?i:KEY)", "a*?", r"\W", r"\S+", "(?s:.)", "a|b",
    r"\.", r"[\s7]", "[ -z]", r"[\x00-a]", "(?m:^)", "(?m:$)",
])  # fmt: skip
PATTERNS = st.lists(PIECES, min_size=1, max_size=4).map("".join)
TEXTS = st.text("aAbkeyK=x7 _-.\n", max_size=12)


@settings(max_examples=300)
@given(pattern=PATTERNS, text=TEXTS.filter(bool), ignore_case=st.booleans())
def test_it_finds_what_pythons_own_finds(pattern: str, text: str, ignore_case: bool) -> None:
    """Where both know what is written."""
    wanted = re.search(pattern, text, re.IGNORECASE if ignore_case else 0)
    found = Expression(pattern, ignore_case=ignore_case)
    assert found.matches(text.encode()) is (wanted is not None)
    if wanted:
        assert next(found.spans(text)) == wanted.span()


@settings(max_examples=300)
@given(
    pattern=PATTERNS,
    texts=st.lists(TEXTS.map(lambda t: t.replace("\n", "")), min_size=1, max_size=6),
    word=st.booleans(),
)
def test_lines_are_found_as_if_each_were_alone(pattern: str, texts: list[str], word: bool) -> None:
    """Looking through all of them at once changes nothing."""
    expression = Expression(pattern, word=word)
    together = "\n".join(texts).encode()
    wanted = [n for n, text in enumerate(texts) if expression.matches(text.encode())]
    if not expression.by_line:
        assert r"\A" in pattern
        return
    found, begin = [], 0
    while begin <= len(together):
        position = expression.find(together, begin, len(together))
        if position < 0:
            break
        found.append(together.count(b"\n", 0, position))
        end = together.find(b"\n", position)
        begin = end + 1 if end >= 0 else len(together) + 1
    assert found == wanted


@settings(max_examples=300)
@given(pattern=PATTERNS, text=TEXTS)
def test_an_expression_within_lines_needs_one_line(pattern: str, text: str) -> None:
    """What is said to be within a line is in a text just when it is in a line of it."""
    expression = Expression(pattern)
    if expression.in_line:
        alone = any(expression.matches(line.encode()) for line in text.split("\n"))
        assert expression.matches(text.encode()) is alone


@pytest.mark.parametrize(
    ("pattern", "in_line"),
    [
        (r'"msg": "paid (ok|failed)".*"ms": 1[0-9]}', True),
        (r"\d+ ms\b", True),
        (r"(?:a|b)\S\[x\]\\", True),
        ("^a", False),
        ("a$", False),
        ("[^a]", False),
        (r"a\s+b", False),
        ("[[:space:]]", False),
        ("[a[:space:]]", False),
        ("(?s)a.b", False),
        ("a\nb", False),
        (r"\x0a", False),
    ],
)
def test_what_stays_within_a_line_is_known(pattern: str, in_line: bool) -> None:
    """Nothing that may take a line's end, or ask for an end, is taken for it."""
    assert Expression(pattern).in_line is in_line


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("ab", "x ab y", True),
        ("ab", "xab y", False),
        ("ab", "éab", False),
        ("a.", "(ab)", True),
        ("a|b", "ac c b", True),
        ("a|b", "ac bc", False),
        ("-x-", "a-x-b", False),
        (r"\Qa.b", "x a.b y", True),
        (r"\Qa.b", "x aab y", False),
        (r"\Qa.b", "xa.b y", False),
        (r"\Qa.b\E", "x a.b y", True),
        (r"\Q(\\", r"x (\\ y", True),
        (r"a\\Qb", r"x a\Qb y", True),
    ],
)
def test_a_word_stands_alone(pattern: str, text: str, found: bool) -> None:
    """Beside it is no letter, digit or underscore, nor anything beyond ASCII."""
    assert Expression(pattern, word=True).matches(text.encode()) is found


@pytest.mark.parametrize(
    "pattern", ["(", "a{99999}", "x" * 5000, r"(a)\1", "(?=a)", "(?<!a)", "a)(?:b", "*"]
)
@pytest.mark.parametrize("word", [False, True])
def test_what_is_no_expression_is_refused(pattern: str, word: bool) -> None:
    """With a reason, and quietly."""
    with pytest.raises(Refused) as refused:
        Expression(pattern, word=word)
    assert refused.value.specific_code == "log-pattern"


def test_what_would_take_long_is_refused() -> None:
    """The time of each step is bounded by what the expression may be."""
    for repeated, largest in ((1, LIVELY), (9, LARGEST)):
        with pytest.raises(Refused, match="too large"):
            Expression("(.{0,100}e){9}z" * repeated, largest=largest)
    assert Expression("(.{0,30}e)z", largest=LIVELY).matches(b"eeez")


def test_time_grows_with_the_text_only() -> None:
    """What takes other engines for ever is over at once."""
    begun = time.process_time()
    assert not Expression("(?:x+x+)+y").matches(b"x" * 100_000)
    assert not Expression("(a*)*b$").matches(b"a" * 100_000)
    assert time.process_time() - begun < 60


def test_spans_count_characters() -> None:
    """Also beyond ASCII, and where there is what RE2 cannot read."""
    assert list(Expression("é+|k").spans("aé\udc80 kéé")) == [(1, 2), (4, 5), (5, 7)]
