"""Completion as a shell lives it: the real bash, and the protocol that zsh and fish speak."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cove.cli.main import COMMANDS

from support.agent import BIN
from support.fake_agent import FakeAgent, serving

COVE = str(BIN / "cove")
# What bash does at Tab, up to showing the candidates.
TAB = """
set -u
eval "$("$1" completion bash)"
shift
read -r -a found <<< "$(complete -p cove)"
for ((i = 0; i < ${#found[@]}; i++)); do [[ ${found[i]} == -F ]] && function=${found[i + 1]}; done
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
"$function" "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A data directory of its own."""
    folder = tmp_path / "d"
    folder.mkdir()
    return folder


@pytest.fixture
def agent(data_dir: Path) -> Iterator[FakeAgent]:
    """An agent with two apps."""
    fake = FakeAgent()
    outline = [
        {"name": "shop", "services": ["web", "worker", "db"]},
        {"name": "blog", "services": ["blog"]},
    ]
    fake.answers["GET", "/v1/outline"] = (200, {"apps": outline})
    releases = [
        {"number": 3, "status": "live", "image": "acme/shop:3", "digest": ""},
        {"number": 2, "status": "failed", "image": "acme/shop:2", "digest": ""},
        {"number": 1, "status": "superseded", "image": "acme/shop:1", "digest": "sha256:abcdef"},
    ]
    fake.answers["GET", "/v1/apps/shop/releases"] = (200, {"releases": releases})
    powers = [
        {"power": "docker-socket", "granted": True, "used": True},
        {"power": "pid=host", "granted": False, "used": True},
    ]
    fake.answers["GET", "/v1/apps/shop/powers"] = (200, {"powers": powers})
    with serving(fake, data_dir):
        yield fake


def environment(data_dir: Path, **more: str) -> dict[str, str]:
    """What the shell and cove see."""
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    return {"PATH": path, "COVE_DATA_DIR": str(data_dir), "HOME": str(data_dir), **more}


def tab(data_dir: Path, *words: str) -> list[str]:
    """What bash offers for the last word; anything that is written beside it fails the test."""
    done = subprocess.run(
        ["bash", "--norc", "-c", TAB, "bash", COVE, "cove", *words],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
        env=environment(data_dir),
    )
    assert done.stderr == ""
    return done.stdout.split()


def spoken(data_dir: Path, shell: str, *words: str) -> str:
    """What cove answers the script of another shell."""
    variables = {"COMP_WORDS": " ".join(("cove", *words)), "COMP_CWORD": str(len(words))}
    if shell == "fish":
        variables["COMP_CWORD"] = words[-1]
    done = subprocess.run(
        [COVE],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env=environment(data_dir, _COVE_COMPLETE=f"{shell}_complete", **variables),
    )
    assert done.stderr == ""
    return done.stdout


def test_commands_are_completed(data_dir):
    """Those that begin so, and all for nothing."""
    assert tab(data_dir, "st") == ["status", "stop", "start", "status-page"]
    assert set(tab(data_dir, "")) == set(COMMANDS)
    assert "--follow" in tab(data_dir, "logs", "--f")


@pytest.mark.parametrize("command", ["status", "logs", "events", "exec", "allow", "remove"])
def test_apps_are_completed(data_dir, agent, command):
    """By the names the agent knows; of logs there are cove's own, too."""
    own = ["_proxy", "_agent"] if command == "logs" else []
    assert tab(data_dir, command, "") == ["shop", "blog", *own]
    assert tab(data_dir, command, "b") == ["blog"]


def test_releases_to_go_back_to_are_completed(data_dir, agent):
    """Neither the live one nor one that failed; with their images where a shell shows that."""
    assert tab(data_dir, "rollback", "shop", "") == ["1"]
    assert spoken(data_dir, "zsh", "rollback", "shop", "").splitlines() == [
        "plain",
        "1",
        "acme/shop:1 abcdef",
    ]


def test_services_are_completed(data_dir, agent):
    """Of the app that was typed."""
    assert tab(data_dir, "exec", "shop", "--service", "w") == ["web", "worker"]
    assert tab(data_dir, "exec", "blog", "--service", "") == ["blog"]
    assert tab(data_dir, "restart", "shop", "w") == ["web", "worker"]
    assert tab(data_dir, "restart", "shop", "web", "d") == ["db"]


def test_powers_are_completed(data_dir, agent):
    """To give: what the release lacks, and every kind. To take: what was given."""
    assert tab(data_dir, "allow", "shop", "pi")[:1] == ["pid=host"]
    assert "privileged" in tab(data_dir, "allow", "new-app", "pr")
    assert tab(data_dir, "allow", "shop", "--revoke", "") == ["docker-socket"]


def test_files_are_left_to_the_shell(data_dir):
    """It knows them better."""
    assert spoken(data_dir, "zsh", "deploy", "sh").splitlines()[0] == "file"
    assert spoken(data_dir, "zsh", "--data-dir", "/va").splitlines()[0] == "dir"


def test_without_an_agent_nothing_is_offered_nor_said(data_dir):
    """No error, no waiting."""
    for words in (("status", ""), ("rollback", "shop", ""), ("exec", "shop", "--service", "")):
        assert tab(data_dir, *words) == []


@pytest.mark.parametrize(
    "answer",
    [
        (500, {}),
        (200, {"apps": [1]}),
        (200, {"apps": None}),
        (200, {"apps": [{"name": "a\nb", "services": []}]}),
        (503, {"error": {"code": "starting", "message": "the agent is starting"}}),
    ],
)
def test_an_agent_that_cannot_answer_leaves_silence(data_dir, agent, answer):
    """Nor is anything offered that would break the shell's line."""
    agent.answers["GET", "/v1/outline"] = answer
    assert tab(data_dir, "status", "") == []


@pytest.mark.parametrize("words", [("nosuch", ""), ("rollback", "NOT-AN-APP", ""), ("--x", "")])
def test_what_cannot_be_meant_is_met_with_silence(data_dir, agent, words):
    """A typing error is told when the command runs, not while it is typed."""
    assert [found for found in tab(data_dir, *words) if found not in COMMANDS] == []


def test_fish_gets_names_and_texts(data_dir, agent):
    """One a line."""
    assert "shop" in spoken(data_dir, "fish", "status", "s")
    assert COMMANDS["events"] in spoken(data_dir, "fish", "ev")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_names_the_command(data_dir, shell):
    """It is for cove, and calls it by the variable that cove listens to."""
    done = subprocess.run(
        [COVE, "completion", shell],
        check=True,
        capture_output=True,
        text=True,
        env=environment(data_dir),
    )
    assert f"_COVE_COMPLETE={shell}_complete" in done.stdout
    assert done.stderr == ""


def test_keys_of_the_app_file_are_completed(data_dir):
    """By their paths, with their meaning where a shell shows that."""
    assert "rollout.drain" in tab(data_dir, "schema", "roll")
    assert "The image to run" in spoken(data_dir, "zsh", "schema", "imag")
