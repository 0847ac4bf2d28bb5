from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cove.appfile.envfile import EnvFileError, read_env_file

NO_ENTRY = "a line must read KEY=value; a value of several lines stands in quotes"
NOT_SET = "a name without a value passes a variable on, and none is so named"
VARIABLES = {"SET": "value", "FILE": "outside"}


def nothing(_: str) -> None:
    """No variable is set."""


def read(text: str) -> dict[str, str]:
    """What a file sets."""
    return read_env_file(text, VARIABLES.get)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("", {}),
        ("\n\n  \n", {}),
        ("# a remark\n  # another", {}),
        ("A=1", {"A": "1"}),
        ("A=1\nB=2\n", {"A": "1", "B": "2"}),
        ("A=1\r\nB=2\r\n", {"A": "1", "B": "2"}),
        ("\ufeffA=1", {"A": "1"}),
        ("  A=1", {"A": "1"}),
        ("A = 1 ", {"A": "1"}),
        ("A: 1", {"A": "1"}),
        ("export A=1", {"A": "1"}),
        ("export\tA=1", {"A": "1"}),
        ("exported=1", {"exported": "1"}),
        ("discovery.type=single-node", {"discovery.type": "single-node"}),
        ("A=", {"A": ""}),
        ("A=\nB=2", {"A": "", "B": "2"}),
        ("A=  # nothing", {"A": ""}),
        ("A=a b  c", {"A": "a b  c"}),
        ("A=a=b", {"A": "a=b"}),
        ("A=a#b", {"A": "a#b"}),
        ("A=a # b", {"A": "a"}),
        ("A=a\t# b", {"A": "a"}),
        ("A=it's", {"A": "it's"}),
        ("A=back\\slash", {"A": "back\\slash"}),
        ("A=1\nA=2", {"A": "2"}),
        ("A='a b'", {"A": "a b"}),
        ("A=''", {"A": ""}),
        ("A='a' # b", {"A": "a"}),
        ("A='a#b'#c", {"A": "a#b"}),
        ("A='a\\n$SET \"b\"'", {"A": 'a\\n$SET "b"'}),
        ("A='one\ntwo'\nB=2", {"A": "one\ntwo", "B": "2"}),
        ('A="a b"', {"A": "a b"}),
        ('A=""', {"A": ""}),
        ('A="a # b"', {"A": "a # b"}),
        ('A="one\n# two"\nB=2', {"A": "one\n# two", "B": "2"}),
        (r'A="a\nb\tc\\d\"e"', {"A": 'a\nb\tc\\d"e'}),
        (r'A="\d\."', {"A": r"\d\."}),
        (r'A="\$SET $$SET"', {"A": "$SET $SET"}),
        ("A=$SET-${SET}", {"A": "value-value"}),
        ('A="<$SET>"', {"A": "<value>"}),
        ("A=${NOT:-default}", {"A": "default"}),
        ("A=1\nB=$A$A", {"A": "1", "B": "11"}),
        ("FILE=inside\nB=$FILE", {"FILE": "inside", "B": "outside"}),
        ("SET", {"SET": "value"}),
        ("SET # as outside", {"SET": "value"}),
        ("export SET\nB=1", {"SET": "value", "B": "1"}),
    ],
)
def test_env_files_read_as_in_compose(text, values):
    """Remarks, exports, both kinds of quotes, several lines, variables."""
    assert read(text) == values


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("A=1\n=2", 2, NO_ENTRY),
        ("1A=2", 1, NO_ENTRY),
        ("\n\nwhat is this", 3, NO_ENTRY),
        ("A-B C=1", 1, NO_ENTRY),
        ("A='a", 1, "the quote ' is not closed"),
        ('A=1\nB="a\n\n', 2, 'the quote " is not closed'),
        ("A='a'b", 1, "something follows the closing quote"),
        ("A='a\nb'c", 2, "something follows the closing quote"),
        ("A=1\nNOT", 2, NOT_SET),
        (
            "A=$NOT",
            1,
            (
                "A: the variable NOT is not set; set it, or write ${NOT:-default}; "
                "single quotes keep a dollar sign as it is"
            ),
        ),
        (
            'A="50$"',
            1,
            (
                'A: a "$" that begins no variable is written "$$"; '
                "single quotes keep a dollar sign as it is"
            ),
        ),
    ],
)
def test_what_cannot_be_read_names_the_line(text, line, words):
    """The line of the entry, or of the text behind a closing quote."""
    with pytest.raises(EnvFileError) as caught:
        read(text)
    assert (caught.value.line, caught.value.text) == (line, words)


@pytest.mark.parametrize(
    "text", ["S='hunter2", 'S="hunter2', "S='hunter2'x", "S=hunter2$", "hunter2", "hunter2 x"]
)
def test_an_error_repeats_no_value(text):
    """Env files hold secrets."""
    with pytest.raises(EnvFileError) as caught:
        read(text)
    assert "hunter2" not in str(caught.value)


def test_values_cannot_multiply_without_end():
    """Each line may double the one before, but not beyond what a file may hold."""
    doubling = "".join(f"A{n}=$A{n - 1}$A{n - 1}\n" for n in range(1, 40))
    with pytest.raises(EnvFileError, match="beyond 1 MB") as caught:
        read(f"A0={'x' * 1000}\n{doubling}")
    assert caught.value.line == 12
    with pytest.raises(EnvFileError, match="beyond 4 MB in all"):
        read(f"A={'x' * 500_000}\n" + "".join(f"B{n}=$A\n" for n in range(10)))


def test_a_name_of_absurd_length_is_refused():
    """It is no name, and is not repeated."""
    with pytest.raises(EnvFileError, match="must read KEY=value"):
        read("A" * 1000 + "=1")


NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.-]{0,10}", fullmatch=True).filter(
    lambda name: name != "export"
)
TEXTS = st.text(alphabet=st.characters(exclude_characters="\r", exclude_categories=["Cs"]))


def double_quoted(text: str) -> str:
    """A text as it must be written in double quotes."""
    for plain in ("\\", '"', "$"):
        text = text.replace(plain, "\\" + plain)
    return f'"{text}"'


@given(st.dictionaries(NAMES, TEXTS))
def test_values_in_double_quotes_come_back(values):
    """With quotes, backslashes and dollar signs escaped, every text survives."""
    text = "".join(f"{key}={double_quoted(value)}\n" for key, value in values.items())
    assert read_env_file(text, nothing) == values


@given(st.dictionaries(NAMES, TEXTS.filter(lambda text: "'" not in text)))
def test_values_in_single_quotes_come_back(values):
    """Nothing but the quote itself means anything there."""
    text = "".join(f"export {key}='{value}' # {key}\n" for key, value in values.items())
    assert read_env_file(text, nothing) == values


@given(st.text(alphabet="AB=:'\"\\$#{} \t\n-exportr", max_size=60) | st.text())
def test_any_text_is_read_or_refused(text):
    """No other exception leaves, and a refusal names a line that exists."""
    line = 1
    try:
        read_env_file(text, nothing)
    except EnvFileError as error:
        line = error.line
    assert 1 <= line <= text.count("\n") + 1
