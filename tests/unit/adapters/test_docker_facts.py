"""Docker's JSON about images that anybody may have made."""

from __future__ import annotations

from typing import Any

import pytest

from cove.adapters.docker.facts import image_facts


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
