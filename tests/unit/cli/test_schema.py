from __future__ import annotations

import json

from cove.appfile.schema import schema

from support.calling import Cove


def test_the_schema_is_printed_as_it_is(cove: Cove) -> None:
    """So that it can be written into a file for an editor; with --json on one line."""
    assert cove("schema") == 0
    assert json.loads(cove.out) == schema()
    assert cove("schema", "--json") == 0
    assert json.loads(cove.out) == schema()
    assert cove.out.count("\n") == 1


def test_a_key_is_explained(cove: Cove) -> None:
    """Its path, its words and an example, by the path that errors give it or without brackets."""
    assert cove("schema", "rollout.drain") == 0
    assert cove.out.startswith("rollout.drain\n")
    assert "  rollout: {drain: 1m}" in cove.out
    for path in ("routes[].strip_path", "routes.strip_path"):
        assert cove("schema", path) == 0
        assert cove.out.startswith("routes[].strip_path\n")


def test_a_key_that_needs_a_grant_says_which(cove: Cove) -> None:
    """With the command that gives it."""
    assert cove("schema", "privileged") == 0
    assert "cove allow APP privileged" in cove.out
    assert cove("schema", "privileged", "--json") == 0
    assert cove.answer["grant"] == "privileged"


def test_an_unknown_key_brings_the_nearest(cove: Cove) -> None:
    """Exit code 2, as for every name that does not exist."""
    assert cove("schema", "rollout.drian") == 2
    assert "did you mean rollout.drain?" in cove.err
