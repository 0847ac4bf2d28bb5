"""The Compose file's text: what Compose could take for a number stands in quotes."""

from __future__ import annotations

import pytest
import yaml

from cove.adapters.compose.composer import text_of


@pytest.mark.parametrize("value", ["1e3", "0o14", "8e12345", "1.5e3", "-0o7", "+1e5", ".5", "12"])
def test_text_that_looks_like_a_number_stands_in_quotes(value: str) -> None:
    """Compose's parser knows more numbers than PyYAML, and would make `1e3` the number 1000."""
    assert text_of({"a": value}) == f'a: "{value}"\n'
    assert text_of({value: "a"}) == f'"{value}": a\n'


def test_numbers_stay_numbers() -> None:
    """Only text is quoted."""
    assert text_of({"a": 12, "b": 0.5, "c": True}) == "a: 12\nb: 0.5\nc: true\n"


@pytest.mark.parametrize("value", ["", "no", "null", "a: b", "x\ny\n", " x", "\u2028", "$$HOME"])
def test_other_text_is_read_back_as_it_was(value: str) -> None:
    """Words, line ends and blanks survive."""
    assert yaml.safe_load(text_of({"a": value})) == {"a": value}
