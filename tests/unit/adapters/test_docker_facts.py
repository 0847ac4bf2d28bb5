"""Docker's JSON about images that anybody may have made, and addresses."""

from __future__ import annotations

from typing import Any

import pytest

from cove.adapters.docker.facts import image_facts, place_in


@pytest.mark.parametrize(
    ("exposed", "ports"),
    [
        (["8000/tcp", "53/udp", "9000"], (8000, 9000)),
        (["8000-8010/tcp", "abc/tcp", "99999/tcp", "-1", "", "0", "٣/tcp"], ()),
        (["8000", "8000/tcp"], (8000,)),
        (["9" * 5000], ()),
    ],
)
def test_only_what_is_a_tcp_port_counts(exposed: list[str], ports: tuple[int, ...]) -> None:
    """An image's configuration may hold any text, and must not stop a rollout with a bug."""
    config: dict[str, Any] = {"ExposedPorts": {port: {} for port in exposed}}
    assert image_facts({"Id": "sha256:1", "Config": config}).ports == ports


@pytest.mark.parametrize(
    ("subnet", "like", "place"),
    [
        ("10.201.0.64/26", "10.201.0.2", "10.201.0.66"),
        ("10.201.9.192/26", "10.201.0.95", "10.201.9.223"),
    ],
)
def test_the_same_place_in_another_range(subnet, like, place):
    """What cove chose in one network is as free in another of the same size."""
    assert place_in(subnet, like) == place
