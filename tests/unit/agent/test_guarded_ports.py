"""Where challenges are answered, nobody but root could be heard instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from cove.agent import instance
from cove.agent.instance import guarded_port, unprivileged_start

HIGH = 23_456


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """Ports that somebody listens on; the machine is as Linux makes it."""
    ports: set[int] = set()
    monkeypatch.setattr(instance, "port_free", lambda port, _: port not in ports)
    monkeypatch.setattr(instance, "unprivileged_start", lambda: 1024)
    return ports


@pytest.mark.parametrize("before", [0, HIGH])
def test_only_root_may_listen_there(taken: set[int], before: int) -> None:
    """An earlier agent's port that everybody could have is given up."""
    assert 256 <= guarded_port(before) < 512


def test_a_good_port_is_kept(taken: set[int]) -> None:
    """Over restarts; not when something else took it."""
    first = guarded_port(0)
    assert guarded_port(first) == first
    taken.add(first)
    assert guarded_port(first) not in (0, first)


def test_two_ports_differ(taken: set[int]) -> None:
    """Even when a single one is left besides."""
    (last, other) = 300, 301
    taken.update(set(range(1, 1024)) - {last, other})
    assert guarded_port(0, last) == other


def test_ports_of_known_services_are_left_to_them(
    taken: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They may be installed tomorrow."""
    monkeypatch.setattr(instance, "_named", lambda port: port != 400)
    assert guarded_port(0) == 400


@pytest.mark.parametrize("start", [0, 80, 256])
def test_a_machine_that_keeps_no_ports_for_root(
    taken: set[int], monkeypatch: pytest.MonkeyPatch, start: int
) -> None:
    """Any free port does there, and stays."""
    monkeypatch.setattr(instance, "unprivileged_start", lambda: start)
    found = guarded_port(0)
    assert found >= 20_000
    assert guarded_port(found) == found


def test_the_machine_says_which_ports_are_roots(tmp_path: Path) -> None:
    """Linux's own words; without them, what always held."""
    said = tmp_path / "start"
    assert unprivileged_start(said) == 1024
    said.write_text("80\n")
    assert unprivileged_start(said) == 80
