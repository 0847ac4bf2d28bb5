from __future__ import annotations

import pytest

from cove.appfile.keys import KNOWN, SHORT_REFUSED

from support.appfile import IMAGE, app, problem, problems

LATER = ["secret_env", "update", "annotations", "develop", "models"]
NEVER = [
    *("container_name", "extends", "include", "build", "provider", "links", "external_links"),
    *("profiles", "volumes_from", "use_api_socket"),
]


@pytest.mark.parametrize("key", LATER)
def test_keys_of_a_later_version_are_not_unknown(key):
    """They are refused by name."""
    assert problem(f"{key}: x\n").startswith(f"2:1: {key}: is not supported yet")


@pytest.mark.parametrize("key", NEVER)
def test_what_cove_will_not_do_is_refused_with_the_reason(key):
    """Each with its own sentence."""
    assert problem(f"{key}: x\n").startswith(f"2:1: {key}: is not supported")


def test_a_refused_key_is_refused_once_whatever_it_holds():
    """Its content is not judged, its variables need not be set."""
    assert len(problems(IMAGE + "build: {web: {imgae: $NOT, port: none}}\n")) == 1


@pytest.mark.parametrize(
    ("written", "advice"),
    [
        ("imgae", '; did you mean "image"?'),
        ("domian", '; did you mean "domain"?'),
        ("Domain", '; did you mean "domain"?'),
        ("env-file", '; did you mean "env_file"?'),
        ("enviroment", '; did you mean "environment"?'),
        ("volume", '; did you mean "volumes"?'),
        ("privilegd", '; did you mean "privileged"?'),
        ("xyzzy", ""),
        ("i" * 50, ""),
    ],
)
def test_an_unknown_key_is_named_with_the_nearest_known_one(written, advice):
    """Where nothing is near, nothing is offered."""
    assert problem(f"{written}: x\n") == f'2:1: unknown key "{written}"{advice}'


@pytest.mark.parametrize("key", ["'a\\nb'", '"a\\nb"', '"a\\0b"', "'a b'", "''"])
def test_a_strange_key_cannot_break_a_findings_line(key):
    """One finding is one line."""
    found = problem(f"{key}: x\n")
    assert found.startswith("2:1: unknown key ")
    assert found.isprintable()


def test_extension_keys_are_for_the_top_level_only():
    """Elsewhere they would be a slip."""
    assert app(f"x-a: 1\n{IMAGE}") == app(IMAGE)
    assert problem("health: {path: /, x-a: 1}\n") == '2:19: health: unknown key "x-a"'


def test_a_flood_of_unknown_keys_is_answered():
    """Guesses are made for the first few only: each costs a comparison with every key."""
    text = "".join(f"imag{n}: x\n" for n in range(4000))
    found = problems(IMAGE + text)
    assert len(found) == 4000
    assert sum("did you mean" in line for line in found) == 20


def test_no_key_is_both_known_and_refused():
    """Each key of the catalogue has one meaning."""
    assert not set(KNOWN) & set(SHORT_REFUSED)


@pytest.mark.parametrize("key", sorted(KNOWN))
def test_every_known_key_refuses_what_it_cannot_mean(key):
    """A list of lists of mappings means nothing anywhere, and is a finding at its place."""
    found = problems(f"{IMAGE if key != 'image' else ''}{key}: [[{{a: [b]}}]]\n")
    assert found
    assert all(f": {key}" in line for line in found)


@pytest.mark.parametrize("key", sorted(KNOWN))
def test_every_known_key_takes_no_control_characters(key):
    """Nothing that could fake a log line or a header passes."""
    text = f'{IMAGE if key != "image" else ""}{key}: "a\\u0007b"\n'
    assert all("\a" not in line for line in problems(text))
