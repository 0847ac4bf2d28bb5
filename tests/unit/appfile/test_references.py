from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cove.appfile import References, env_file_variables, references


@pytest.mark.parametrize(
    ("text", "files", "variables"),
    [
        ("image: x", (), set()),
        ("image: x:$TAG", (), {"TAG"}),
        ("image: x:${TAG:-1}", (), {"TAG"}),
        ("image: ${A:-${B?}}$C", (), {"A", "B", "C"}),
        ("env: {A: $$B}", (), set()),
        ("env: {A: $B, C: , D: ~, E: ''}", (), {"B", "C", "D"}),
        ("environment: [A=$B, C]", (), {"B", "C"}),
        ("labels: [A, B]", (), set()),
        ("$KEY: x", (), set()),
        ("routes: [{domain: $D}]", (), {"D"}),
        ("x-a: $A\nimage: x", (), set()),
        ("x-a: &a {B: $B}\nenv: {<<: *a}", (), {"B"}),
        ("env_file: .env", (".env",), set()),
        ("env_file: [b, a, b]", ("b", "a"), set()),
        ("env_file: {path: a, required: false}", ("a",), set()),
        ("env_file: [{path: a}, b, {required: no}]", ("a", "b"), set()),
        ("env_file:", (), set()),
        ("env_file: [[a]]", ("a",), set()),
        ("imgae: $A\nport: x", (), {"A"}),
        ("", (), set()),
        ("- $A", (), set()),
        ("a: [", (), set()),
        ("a: !tag $A", (), set()),
        ("\x00", (), set()),
        ("[" * 100_000, (), set()),
    ],
)
def test_a_file_tells_which_files_and_variables_it_draws_on(text, files, variables):
    """Of a file that cannot be read, nothing: the agent says what is wrong with it."""
    assert references(text) == References(files, frozenset(variables))


@pytest.mark.parametrize(
    ("text", "env_files", "variables", "files"),
    [
        ("services: {a: {image: x$A, env_file: [a, ../b, /c]}}", ("a",), {"A"}, ()),
        ("services: {a: {env_file: a}, b: {env_file: [a, b]}}", ("a", "b"), set(), ()),
        ("services: {a: {environment: {A: , B: $C}}}", (), {"A", "C"}, ()),
        ("services: {a: {x-cove: {domain: $D}, x-b: $B}}", (), {"D"}, ()),
        ("x-cove: {name: $N}\nx-b: $B", (), {"N"}, ()),
        ("configs: {a: {file: ./a}, b: {file: ../b}, c: }", (), set(), ("./a",)),
        ("secrets: {a: {environment: A}, b: {content: $B}}", (), {"A", "B"}, ()),
        ("secrets: [x, {source: a, file: a}, {environment: A}]", (), {"A"}, ("a",)),
        (
            "configs: {a: {file: ~/a}, b: {file: a/../../b}, c: {file: a/../b}}",
            (),
            set(),
            ("a/../b",),
        ),
        ("services: [a]\nsecrets: x\nconfigs: [[x]]", (), set(), ()),
        ("services: {a: x, b: , c: [{env_file: a}]}", (), set(), ()),
    ],
)
def test_the_compose_form_draws_on_the_same_in_more_places(text, env_files, variables, files):
    """What leads out of the folder is not asked for."""
    assert references(text) == References(env_files, frozenset(variables), files)


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        ("A=1", set()),
        ("A=$B\nC", {"B", "C"}),
        ("A='$B'", set()),
        ('A="$B"', {"B"}),
        ("A=1\nB=$A$C", {"C"}),
        ("A='", set()),
    ],
)
def test_an_env_file_tells_which_variables_it_draws_on(text, variables):
    """Those it sets itself are not asked for."""
    assert env_file_variables(text) == variables


@given(st.text() | st.text(alphabet="ab:$ {}[]-\n&*!|>'\"?,#%", max_size=60))
def test_no_text_makes_it_raise(text):
    """The CLI asks before anybody has looked at the file."""
    references(text)
    env_file_variables(text)


def test_asking_for_references_is_cheap():
    """Neither the model nor its library is imported, nor what reads whole files."""
    code = "import sys, cove.appfile.references; print(*sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = set(done.stdout.split())
    assert "cove.appfile.references" in modules
    assert not {"msgspec", "cove.model", "cove.appfile.loading", "cove.appfile.keys"} & modules
