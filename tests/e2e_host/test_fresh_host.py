"""The two commands of the README on a machine that has nothing but Debian and Python."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.bare_host import BareHost

pytestmark = pytest.mark.timeout(3600)


@pytest.fixture(scope="module")
def host() -> Iterator[BareHost]:
    """A fresh server with a clean checkout."""
    server = BareHost()
    try:
        server.checkout()
        yield server
    finally:
        server.close()


def test_the_server_is_fresh(host: BareHost) -> None:
    """Nothing of Docker is there before, so that what follows proves its own set-up."""
    assert host.run("sh", "-c", "command -v docker dockerd traefik").stdout == ""


@pytest.mark.parametrize("attempt", ["first", "again"])
def test_the_demo_runs(host: BareHost, attempt: str) -> None:
    """The demo sets up what is missing, loses no request, refuses the bad release, and says so."""
    done = host.run("script/demo", folder="/srv/cove", timeout=900)
    assert done.returncode == 0, (attempt, done.stdout[-6000:])
    assert " 0 failed" in done.stdout


def test_the_demo_leaves_nothing(host: BareHost) -> None:
    """After tearing down, no container, network or volume of the demo is left."""
    down = host.run("script/demo", "down", folder="/srv/cove")
    assert down.returncode == 0, down.stdout[-3000:]
    left = host.run(
        "sh",
        "-c",
        "docker ps -aq --filter label=cove.instance; "
        "docker network ls -q --filter label=cove.instance; "
        "docker volume ls -q --filter label=cove.instance",
    )
    assert left.stdout.strip() in ("", "Cannot connect") or "Cannot connect" in left.stdout


def test_the_tests_run(host: BareHost) -> None:
    """The tests set up what they lack; those that need no Docker suffice to show it here."""
    done = host.run("script/test", "--fast", folder="/srv/cove", timeout=3000)
    assert done.returncode == 0, done.stdout[-8000:]
