"""Where challenges are answered, nobody but root could be heard instead."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import pytest

from cove.agent import ports
from cove.agent.ports import guarded, guarded_port, unprivileged_start

HIGH = 23_456


class Held:
    """A socket that listens until it is closed, among those of `taken`."""

    def __init__(self, port: int, taken: set[int]) -> None:
        self.port, self.taken = port, taken
        taken.add(port)

    def getsockname(self) -> tuple[str, int]:
        """As of IPv4."""
        return ("127.0.0.1", self.port)

    def close(self) -> None:
        """Others may have it."""
        self.taken.discard(self.port)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """Ports that somebody listens on; the machine is as Linux makes it."""
    held: set[int] = set()
    monkeypatch.setattr(
        ports, "listening", lambda port, _: None if port in held else Held(port, held)
    )
    monkeypatch.setattr(ports, "unprivileged_start", lambda: 1024)
    return held


@pytest.mark.parametrize("before", [0, HIGH])
def test_only_root_may_listen_there(taken: set[int], before: int) -> None:
    """An earlier agent's port that everybody could have is given up."""
    assert 256 <= guarded_port(before) < 512
    assert not taken


def test_a_good_port_is_kept(taken: set[int]) -> None:
    """Over restarts; not when something else took it."""
    first = guarded_port(0)
    assert guarded_port(first) == first
    taken.add(first)
    assert guarded_port(first) not in (0, first)


def test_what_is_held_is_nobody_elses(taken: set[int]) -> None:
    """Even when a single one is left besides, and when another agent wants the very same."""
    (last, other) = 300, 301
    taken.update(set(range(1, 1024)) - {last, other})
    first = guarded(last)
    assert guarded_port(last) == other
    first.close()
    assert guarded_port(last) == last


def test_ports_of_known_services_are_left_to_them(
    taken: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They may be installed tomorrow."""
    monkeypatch.setattr(ports, "_named", lambda port: port != 400)
    assert guarded_port(0) == 400


@pytest.mark.parametrize("start", [0, 80, 256])
def test_a_machine_that_keeps_no_ports_for_root(
    taken: set[int], monkeypatch: pytest.MonkeyPatch, start: int
) -> None:
    """Any free port does there, and stays."""
    monkeypatch.setattr(ports, "unprivileged_start", lambda: start)
    found = guarded_port(0)
    assert found >= 20_000
    assert guarded_port(found) == found
    assert not taken


def test_the_machine_says_which_ports_are_roots(tmp_path: Path) -> None:
    """Linux's own words; without them, what always held."""
    said = tmp_path / "start"
    assert unprivileged_start(said) == 1024
    said.write_text("80\n")
    assert unprivileged_start(said) == 80
