from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cove.appfile.interpolation import InterpolationError, interpolate, variables_in

from support.appfile import IMAGE, problem, problems, service

VARIABLES = {"SET": "value", "EMPTY": "", "OTHER": "other", "DOLLAR": "$SET ${SET}"}


def nothing(_: str) -> None:
    """No variable is set."""


def filled(text: str) -> str:
    """The text with the variables above filled in."""
    return interpolate(text, VARIABLES.get).text


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("$SET", "value"),
        ("${SET}", "value"),
        ("a-$SET-b", "a-value-b"),
        ("$SET$OTHER", "valueother"),
        ("${SET}text", "valuetext"),
        ("${EMPTY}", ""),
        ("$DOLLAR", "$SET ${SET}"),
        ("${SET:-default}", "value"),
        ("${EMPTY:-default}", "default"),
        ("${NOT:-default}", "default"),
        ("${SET-default}", "value"),
        ("${EMPTY-default}", ""),
        ("${NOT-default}", "default"),
        ("${NOT:-}", ""),
        ("${NOT-}", ""),
        ("${SET:?must}", "value"),
        ("${SET?must}", "value"),
        ("${EMPTY?must}", ""),
        ("${SET:+alt}", "alt"),
        ("${EMPTY:+alt}", ""),
        ("${NOT:+alt}", ""),
        ("${SET+alt}", "alt"),
        ("${EMPTY+alt}", "alt"),
        ("${NOT+alt}", ""),
        ("${NOT:-a b:c/d}", "a b:c/d"),
        ("${NOT:-${SET}}", "value"),
        ("${NOT:-x${NO:-$SET}y}", "xvaluey"),
        ("${NOT:-a}${NOT:-b}", "ab"),
        ("${NOT:-$$}", "$"),
        ("${SET:-$NOT}", "value"),
        ("${NOT:+$NOT}", ""),
        ("$$SET", "$SET"),
        ("$${SET}", "${SET}"),
        ("$$$SET", "$value"),
        ("}", "}"),
        ("{{ $SET }}", "{{ value }}"),
        ("", ""),
    ],
)
def test_variables_are_filled_in_as_in_compose(text, result):
    """A colon means that an empty value counts as none; `$$` is a dollar sign."""
    assert filled(text) == result


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("$NOT", "the variable NOT is not set; set it, or write ${NOT:-default}"),
        ("${NOT}", "the variable NOT is not set; set it, or write ${NOT:-default}"),
        ("${NOT:-$NO}", "the variable NO is not set; set it, or write ${NO:-default}"),
        ("${NOT?ask Ann}", "NOT must be set: ask Ann"),
        ("${NOT:?}", "NOT must be set: required"),
        ("${EMPTY:?not empty}", "EMPTY must be set: not empty"),
        ("$", 'a "$" that begins no variable is written "$$"'),
        ("5$ each", 'a "$" that begins no variable is written "$$"'),
        ("$1", 'a "$" that begins no variable is written "$$"'),
        ("${}", '"${" wants a variable\'s name; write "$${" for itself'),
        ("${1}", '"${" wants a variable\'s name; write "$${" for itself'),
        ("${SET", '"${SET" is not closed with "}"'),
        ("${SET:", '"${SET" is not closed with "}"'),
        ("${SET!}", '"${SET" is not closed with "}"'),
        ("${SET:-a", '"${SET" is not closed with "}"'),
        ("${NOT:-" * 30 + "x" + "}" * 30, "variables are nested more than 20 deep"),
    ],
)
def test_what_cannot_be_filled_in_is_an_error(text, words):
    """Never an empty value in silence."""
    with pytest.raises(InterpolationError) as caught:
        filled(text)
    assert str(caught.value) == words


def test_values_cannot_multiply_without_end():
    """A large variable named many times is refused before it is joined."""
    with pytest.raises(InterpolationError, match="beyond 1 MB"):
        interpolate("$BIG" * 1000, {"BIG": "x" * 10_000}.get)


def test_all_values_together_cannot_multiply_either():
    """An alias costs nothing to write; its text is counted wherever it is used."""
    text = "x-a: &a $BIG\nlabels: {" + ", ".join(f"a{n}: *a" for n in range(9)) + "}\n"
    lines = problems(IMAGE + text, variables={"BIG": "x" * 1_000_000})
    words = "the values of the file grow beyond 4 MB in all"
    assert lines == [f"shop.yml:2:6: labels.a{n}: {words}" for n in range(4, 9)]


@pytest.mark.parametrize(
    ("text", "used"),
    [("plain", False), ("$$", False), ("$SET", True), ("${NOT:-x}", True), ("${NOT:+x}", True)],
)
def test_it_is_told_whether_a_variable_had_a_part(text, used):
    """That makes the value a secret; an escaped dollar sign does not."""
    assert interpolate(text, VARIABLES.get).used is used


@given(st.text(alphabet=st.characters(exclude_characters="$")))
def test_text_without_a_dollar_sign_is_left_as_it_is(text):
    """Interpolation touches nothing else."""
    assert interpolate(text, nothing) == (text, False)


@given(st.text())
def test_a_text_with_its_dollar_signs_doubled_comes_back(text):
    """`$$` escapes every text."""
    assert interpolate(text.replace("$", "$$"), nothing) == (text, False)


@given(st.text(alphabet="${}AB:-?+x", max_size=40))
def test_any_text_is_filled_in_or_refused(text):
    """No other exception leaves, and every variable asked for is one that is mentioned."""
    asked = set()

    def lookup(name: str) -> str:
        asked.add(name)
        return "v"

    try:
        interpolate(text, lookup)
    except InterpolationError:
        return
    assert asked <= variables_in(text)


def test_variables_are_filled_in_after_yaml_and_not_in_keys():
    """A value cannot break out of its place, and a key stays a key."""
    variables = {"EVIL": "x\nprivileged: true", "K": "A"}
    found = service("env: {B: $EVIL}\nlabels: {a: '${K}'}\n", variables=variables)
    assert found.environment["B"].value == "x\nprivileged: true"
    assert found.options == {"labels": {"a": "A"}}
    assert problem("$K: 1\n", variables=variables) == '2:1: unknown key "$K"'


def test_an_unset_variable_is_reported_once_at_its_value():
    """What could not be filled in is not judged a second time."""
    words = "the variable PORT is not set; set it, or write ${PORT:-default}"
    assert problem("port: $PORT\n") == f"2:7: port: {words}"


@pytest.mark.parametrize("key", ["volumes", "ports", "labels", "environment", "deploy", "ulimits"])
def test_a_variable_in_the_place_of_a_list_is_reported_once(key):
    """A list or mapping cannot come from a variable; unset, it is one finding."""
    assert problem(f"{key}: $X\n").startswith(f"2:{len(key) + 3}: {key}: the variable X is not")


@pytest.mark.parametrize(
    "text",
    [
        "port: $S\n",
        "domain: $S\n",
        "tls: $S\n",
        "replicas: $S\n",
        "name: $S\n",
        "user: $S\n",
        "health: $S\n",
        "volumes: [$S]\n",
        "ports: [$S]\n",
        "mem_limit: $S\n",
        "dns: $S\n",
        "routes: [{domain: $S}]\n",
        "routes: [{domain: a.test, path: /$S}]\n",
        "labels: [$S]\n",
        "env: [$S]\n",
        "tmpfs: $S\n",
        "restart: $S\n",
        "stop_grace_period: $S\n",
        "expose: [$S]\n",
    ],
)
def test_an_error_repeats_the_variables_name_and_not_its_value(text):
    """What came from outside may be a secret, even in the wrong place."""
    assert "Hunter 2" not in problem(text, variables={"S": "Hunter 2!"})


@pytest.mark.parametrize(
    ("key", "value", "read"),
    [("init", "true", True), ("cpus", "1", 1.0), ("mem_limit", "64m", "67108864")],
)
def test_numbers_switches_and_sizes_may_come_from_variables(key, value, read):
    """Their text is read as if it were written there."""
    assert service(f"{key}: $V\n", variables={"V": value}).options == {key: read}
