from __future__ import annotations

import json
import re
import stat
from pathlib import Path
from typing import Any

import click
import pytest

from cove.cli import main
from cove.errors import Locked

from support.calling import Cove
from support.fake_agent import FakeAgent


def test_every_command_of_the_table_exists() -> None:
    """Each name in the help leads to a command, with a help text of its own."""
    for name in main.COMMANDS:
        command = main.group.get_command(click.Context(main.group), name)
        assert command is not None, name
        assert command.help, name


def test_every_command_takes_json(cove: Cove) -> None:
    """--json stands in every command's own help."""
    for name in main.COMMANDS:
        assert cove(name, "--help") == 0
        assert "--json" in cove.out, name


def test_without_a_command_the_help_is_shown(cove: Cove) -> None:
    """A bare `cove` is a question, not an error."""
    assert cove() == 0
    assert "cove up -d" in cove.out
    assert all(name in cove.out for name in main.COMMANDS)


def test_an_unknown_command_suggests_the_nearest(cove: Cove) -> None:
    """A typo costs one more try."""
    assert cove("dploy") == 2
    assert "did you mean deploy?" in cove.err


@pytest.mark.parametrize(
    "arguments",
    [("status", "--nope"), ("history",), ("history", "Not/An/App"), ("rollback", "shop", "0")],
)
def test_usage_errors_exit_with_2(cove: Cove, arguments: tuple[str, ...]) -> None:
    """What the command line cannot mean is an error of usage, and says where help is."""
    assert cove(*arguments) == 2
    assert cove.err.startswith("error: ")
    assert "--help" in cove.err
    assert cove.out == ""


def test_usage_errors_are_json_where_json_was_asked_for(cove: Cove) -> None:
    """Scripts get the same shape whatever fails, even before the options were understood."""
    assert cove("status", "--nope", "--json") == 2
    assert cove.answer["v"] == 1
    assert cove.answer["error"]["code"] == "usage"


def test_without_an_agent_the_error_says_how_to_start_one(cove: Cove) -> None:
    """Exit code 4 and the next command."""
    assert cove("status") == 4
    assert "cove up -d" in cove.err


def test_suggestions_carry_the_data_directory_that_was_given(cove: Cove, tmp_path: Path) -> None:
    """A suggested command works when it is pasted."""
    assert cove("--data-dir", str(tmp_path), "status") == 4
    assert f"cove --data-dir {tmp_path} up -d" in cove.err


@pytest.mark.parametrize("place", ["before", "after"])
def test_global_options_may_stand_on_either_side(cove: Cove, agent: FakeAgent, place: str) -> None:
    """`cove --json status` and `cove status --json` are the same."""
    assert cove(*(("--json", "status") if place == "before" else ("status", "--json"))) == 0
    assert cove.answer == {"v": 1, "apps": []}


def test_the_agents_errors_keep_their_exit_code(cove: Cove, agent: FakeAgent) -> None:
    """What the agent refuses ends with the code it gave, its problems and its hint."""
    error = Locked("bob deploys shop", hint="cove attach shop", problems=("since 10 s",))
    agent.answers["GET", "/v1/apps"] = (409, {"error": error.as_dict()})
    assert cove("status") == 5
    assert cove.err.splitlines() == [
        "error: bob deploys shop",
        "  since 10 s",
        "→ cove attach shop",
    ]


def test_an_answer_that_is_no_error_of_ours_is_still_told(cove: Cove, agent: FakeAgent) -> None:
    """A status without a body of the API's shape names the status."""
    agent.answers["GET", "/v1/apps"] = (500, {})
    assert cove("status") == 1
    assert "status 500" in cove.err


def _failing(_: Any) -> Any:
    raise ZeroDivisionError("boom")


def test_a_bug_leaves_a_report_and_no_traceback(
    cove: Cove, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Exit code 70; a private file holds the traceback, and neither values nor arguments."""
    monkeypatch.setenv("VERY_SECRET", "hunter2")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("cove.cli.commands.status.Client", _failing)
    assert cove("status", "shop") == 70
    assert "Traceback" not in cove.err
    found = re.search(r"\S*cove-bug-\S+\.txt", cove.err)
    assert found
    report = Path(found[0])
    assert stat.S_IMODE(report.stat().st_mode) == 0o600
    text = report.read_text(encoding="utf-8")
    assert "ZeroDivisionError: boom" in text
    assert "command: cove status\n" in text
    assert "hunter2" not in text


def test_an_interrupt_exits_with_130(cove: Cove, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C before anything began is quiet."""

    def interrupted(_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr("cove.cli.commands.status.Client", interrupted)
    assert cove("status") == 130
    assert (cove.out, cove.err.strip()) == ("", "")


def test_version_needs_no_agent(cove: Cove) -> None:
    """Both forms answer on a machine where nothing runs."""
    assert cove("--version") == 0
    assert re.fullmatch(r"cove \d+\.\d+\.\d+\n", cove.out)
    assert cove("version", "--json") == 0
    assert cove.answer["agent"] is None


def test_version_tells_the_agents_parts(cove: Cove, agent: FakeAgent) -> None:
    """Where an agent runs, its parts' versions are shown, too."""
    assert cove("version") == 0
    assert "27.0.1" in cove.out
    assert "3.7.1" in cove.out


def test_json_keeps_foreign_text_as_it_is(cove: Cove, agent: FakeAgent) -> None:
    """JSON escapes by itself; nothing is lost in it."""
    error = {"code": "x", "message": "a\x1b[2Jb", "exit_code": 1}
    agent.answers["GET", "/v1/apps"] = (400, {"error": error})
    assert cove("status", "--json") == 1
    assert json.loads(cove.out)["error"]["message"] == "a\x1b[2Jb"
