from __future__ import annotations

import configparser
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cove.cli import background
from cove.cli.background import AgentOptions, Systemd, unit_name, unit_text
from cove.errors import PlatformError


def unit(options: AgentOptions) -> configparser.RawConfigParser:
    """The unit as an INI file, which it also is."""
    parser = configparser.RawConfigParser(strict=True)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(unit_text(options))
    return parser


def test_the_unit_runs_the_agent_with_the_options_given() -> None:
    """An absolute program, every option, and nothing imported from the current folder."""
    options = AgentOptions(
        data_dir=Path("/srv/cove"),
        http_port=8080,
        https_port=8443,
        bind="::1",
        pool="10.9.0.0/16",
        access_log="off",
        metrics_port=0,
    )
    words = shlex.split(unit(options)["Service"]["ExecStart"])
    assert words == options.argv()
    assert words[:4] == [sys.executable, "-P", "-m", "cove.agent"]
    assert words[4:] == [
        *("--data-dir", "/srv/cove", "--http-port", "8080", "--https-port", "8443"),
        *("--bind", "::1", "--access-log", "off", "--metrics-port", "0"),
        *("--pool", "10.9.0.0/16"),
    ]


def test_the_unit_restarts_after_a_crash_but_not_after_cove_down() -> None:
    """Exit status 0 is how an agent says that it was meant to end."""
    service = unit(AgentOptions(data_dir=Path("/srv/cove")))["Service"]
    assert service["Restart"] == "always"
    assert service["RestartPreventExitStatus"] == "0"
    assert service["KillMode"] == "mixed"


def test_a_data_directory_cannot_break_out_of_the_unit() -> None:
    """Spaces, quotes, percent and dollar signs are quoted as systemd wants them."""
    command = unit(AgentOptions(data_dir=Path('/srv/a b"%n$X')))["Service"]["ExecStart"]
    assert '"/srv/a b\\"%%n$$X"' in command


def test_the_unit_keeps_a_docker_host_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the caller's environment, only where Docker is."""
    monkeypatch.setenv("DOCKER_HOST", "unix:///run/other.sock")
    service = unit(AgentOptions(data_dir=Path("/srv/cove")))["Service"]
    assert service["Environment"] == "DOCKER_HOST=unix:///run/other.sock"


def test_each_data_directory_has_a_unit_of_its_own() -> None:
    """The default one is plainly `cove`; equal folder names do not collide."""
    assert unit_name(Path("/var/lib/cove")) == "cove.service"
    names = {unit_name(Path(p)) for p in ("/srv/a/cove", "/srv/b/cove", "/srv/b/ü/")}
    assert len(names) == 3
    assert all(name.startswith("cove-") and name.isascii() for name in names)


class Programs:
    """Stands in for systemctl and journalctl."""

    def __init__(self) -> None:
        self.ran: list[list[str]] = []
        self.says: dict[str, tuple[int, str]] = {}

    def run(self, argv: Any, **_: Any) -> subprocess.CompletedProcess[str]:
        words = list(argv)
        self.ran.append(words)
        code, text = self.says.get(words[1], (0, ""))
        return subprocess.CompletedProcess(words, code, text, text if code else "")


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Programs:
    """A machine with systemd."""
    fake = Programs()
    monkeypatch.setattr(subprocess, "run", fake.run)
    monkeypatch.setattr(background, "UNITS", tmp_path)
    return fake


def test_starting_writes_enables_and_restarts(programs: Programs, tmp_path: Path) -> None:
    """A unit left over with other options is replaced, not just kept running."""
    unit = Systemd(Path("/var/lib/cove"))
    unit.start(AgentOptions(data_dir=Path("/var/lib/cove")))
    assert (tmp_path / "cove.service").read_text().startswith("[Unit]")
    assert programs.ran == [
        ["systemctl", "daemon-reload"],
        ["systemctl", "enable", "cove.service"],
        ["systemctl", "restart", "cove.service"],
    ]


def test_stopping_keeps_it_stopped_at_boot(programs: Programs) -> None:
    """`cove down` outlasts a reboot, and leaves no unit behind."""
    systemd = Systemd(Path("/var/lib/cove"))
    systemd.start(AgentOptions(data_dir=Path("/var/lib/cove")))
    before = systemd.exists
    programs.ran.clear()
    systemd.stop()
    assert (before, systemd.exists) == (True, False)
    assert programs.ran == [
        ["systemctl", "disable", "--now", "cove.service"],
        ["systemctl", "daemon-reload"],
    ]


def test_what_systemctl_refuses_is_told(programs: Programs) -> None:
    """Its last line is the reason."""
    programs.says["enable"] = (1, "note\nUnit is masked.\n")
    with pytest.raises(
        PlatformError, match=r"systemctl enable cove.service failed: Unit is masked"
    ):
        Systemd(Path("/var/lib/cove")).start(AgentOptions(data_dir=Path("/var/lib/cove")))


def test_without_the_right_to_write_units_root_is_asked_for(
    programs: Programs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The error says what to type."""
    monkeypatch.setattr(background, "UNITS", tmp_path / "missing")
    with pytest.raises(PlatformError) as caught:
        Systemd(Path("/var/lib/cove")).start(AgentOptions(data_dir=Path("/var/lib/cove")))
    assert "sudo" in caught.value.hint


@pytest.mark.parametrize(
    ("shown", "died"),
    [
        ("NRestarts=0\nActiveState=active\n", False),
        ("NRestarts=1\nActiveState=activating\n", True),
        ("NRestarts=0\nActiveState=failed\n", True),
    ],
)
def test_a_restart_counts_as_a_death(programs: Programs, shown: str, died: bool) -> None:
    """An agent that systemd had to start again is not starting well."""
    programs.says["show"] = (0, shown)
    assert Systemd(Path("/var/lib/cove")).died() is died
