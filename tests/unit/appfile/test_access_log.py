"""Which requests an app wants logged, as its file says it."""

from __future__ import annotations

import pytest

from cove.model.access import AccessLog

from support.appfile import IMAGE, app, problem, problems

COMPOSE = "services:\n  web:\n    image: acme/shop:1\n"


@pytest.mark.parametrize("choice", ["full", "errors", "off"])
def test_an_app_chooses_which_requests_are_logged(choice: AccessLog) -> None:
    """In the short form at the top or under x-cove, in the Compose form under x-cove."""
    assert app(f"{IMAGE}access_log: {choice}\n").access_log == choice
    assert app(f"{IMAGE}x-cove: {{access_log: {choice}}}\n").access_log == choice
    assert app(f"{COMPOSE}x-cove: {{access_log: {choice}}}\n").access_log == choice


def test_without_a_choice_the_servers_holds() -> None:
    """Which is no choice in the model, so that a rollback takes the server's of then."""
    assert app(IMAGE).access_log is None
    assert app(COMPOSE).access_log is None


def test_a_choice_may_be_said_twice_but_not_differently() -> None:
    """A contradiction is nobody's wish."""
    assert app(f"{IMAGE}access_log: off\nx-cove: {{access_log: off}}\n").access_log == "off"
    found = problem("access_log: off\nx-cove: {access_log: full}\n")
    assert found == "2:13: access_log: contradicts x-cove.access_log; write one of them"


def test_another_word_is_refused() -> None:
    """With the words there are."""
    found = problem("access_log: all\n")
    assert found == '2:13: access_log: must be full, errors or off, not "all"'


def test_it_is_the_apps_not_a_services() -> None:
    """Where it is misplaced, it is said where it belongs."""
    (found,) = problems(f"{COMPOSE}    x-cove: {{access_log: full}}\n")
    assert found.endswith("belongs to the app: x-cove.access_log, at the top of the file")
    (found,) = problems(f"access_log: full\n{COMPOSE}")
    assert found.endswith("is cove's own key: write it under x-cove")
