"""Values of variables in keys that are no environment: sealed at rest, hidden from people."""

from __future__ import annotations

import json

import pytest

from cove.errors import PlatformError, RolloutFailed
from cove.rollout.masking import MASK, masked, masked_error

from support.site import APP, request
from support.virtual_time import run

TOKEN = "hunter2-and-more"
TEXT = 'command: serve --token=${TOKEN}\nlabels: {note: "about ${TOKEN}"}\n'


def test_short_values_and_numbers_stay():
    """A mask over every "web" or "8080" would hide what is said."""
    text = "web listens on 8080, not on 443"
    assert masked(text, ["web", "8080", "443"]) == text
    assert masked("1234567 and long", ["1234567", "long"]) == f"{MASK} and {MASK}"


def test_the_longest_value_is_replaced_first():
    """No rest of it shows where another is its beginning."""
    assert masked("abcd-efgh", ["abcd", "abcd-efgh"]) == MASK


def test_what_programs_compare_is_kept():
    """Outcomes, codes and addresses stay what they are, whatever a value is called."""
    data = {
        "outcome": "live",
        "urls": ["https://live.test"],
        "error": {"code": "live", "message": "it is live", "log": ["live"]},
        "operations": [{"title": "go live", "cause": "live"}],
    }
    assert masked(data, ["live"]) == {
        "outcome": "live",
        "urls": ["https://live.test"],
        "error": {"code": "live", "message": f"it is {MASK}", "log": [MASK]},
        "operations": [{"title": f"go {MASK}", "cause": MASK}],
    }


def test_every_text_of_an_error_is_masked():
    """Message, hint, problems and the container's last lines."""
    error = RolloutFailed("m secret", hint="h secret", log=("l secret",), problems=("p secret",))
    found = masked_error(error, ["secret"])
    assert "secret" not in json.dumps(found.as_dict())


@pytest.mark.parametrize("behaviour", [{}, {"exits_after": 0, "log": (f"bad {TOKEN}",)}])
def test_nothing_told_or_stored_has_the_value(here, behaviour):
    """Neither events, nor the plan, nor any byte of the store, whether it succeeds or not."""
    here.world.image("acme/shop:1", 1, **behaviour)
    asked = request(TEXT, variables={"TOKEN": TOKEN})
    plan = run(here.rollouts.plan(asked))
    ended = run(here.finished_deploy(asked))
    assert TOKEN not in str(plan)
    assert TOKEN not in str(here.events(ended))
    assert here.store.releases(APP)[0].spec.hidden == (TOKEN,)
    here.store._db.rows("PRAGMA wal_checkpoint(FULL)")
    for path in here.folder.iterdir():
        assert TOKEN.encode() not in path.read_bytes(), path


def test_a_failure_that_quotes_the_value_is_masked(here):
    """The container's last line is told, without what must not be read."""
    here.world.image("acme/shop:1", 1, exits_after=0, log=(f"bad {TOKEN}",))
    ended = run(here.finished_deploy(request(TEXT, variables={"TOKEN": TOKEN})))
    assert f"bad {MASK}" in str(here.error(ended)["log"])


def test_the_compose_file_has_what_compose_needs(here):
    """The command is what the file says, and comes back with a rollback after a new agent."""
    run(here.finished_deploy(request(TEXT, variables={"TOKEN": TOKEN})))
    assert TOKEN in str(here.world.files[APP])
    run(here.deploy("command: other\n", image="acme/shop:2"))
    here.restart()

    async def back() -> str:
        return str((await here.finished(here.rollouts.rollback(APP, None, "ann"))).outcome)

    assert run(back()) == "live"
    assert TOKEN in str(here.world.files[APP])


def test_the_log_of_what_could_not_be_undone_is_masked(here, caplog, monkeypatch):
    """The agent's log is shown as events, too."""
    here.world.image("acme/shop:1", 1, exits_after=0)

    async def failing(*_: object) -> None:
        raise PlatformError(f"cannot remove {TOKEN}", code="data-dir")

    monkeypatch.setattr(here.rollouts.platform.engine, "remove_network", failing)
    ended = run(here.finished_deploy(request(TEXT, variables={"TOKEN": TOKEN})))
    assert f"was not undone: cannot remove {MASK}" in caplog.text
    assert TOKEN not in caplog.text + str(here.events(ended))
