"""What a person does first, with nothing but the `cove` command: up, deploy, look, down."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.images import Images
from support.places import Pool, free_port
from support.polling import until
from support.web import Web

COVE = Path(sys.executable).with_name("cove")


class Person:
    """Somebody at a terminal, with a data directory and ports of their own."""

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="cove-e-"))
        self.data = self.home / "d"
        self.http, self.https = free_port(), free_port()
        self.pool = Pool()

    def cove(self, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
        """Runs a command; the caller judges how it ended."""
        environment = {**os.environ, "COVE_DATA_DIR": str(self.data)}
        return subprocess.run(
            [str(COVE), *arguments],
            input=text,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def up(self) -> subprocess.CompletedProcess[str]:
        """Starts the platform in the background."""
        ports = ("--http-port", str(self.http), "--https-port", str(self.https))
        return self.cove("up", "-d", "--bind", "127.0.0.1", "--pool", str(self.pool.cidr), *ports)

    def agent(self) -> int:
        """The agent's process; 0 while none answers."""
        said = self.cove("version", "--json")
        document = json.loads(said.stdout) if said.returncode == 0 else {}
        return int((document.get("agent") or {}).get("pid", 0))

    def leave(self) -> None:
        """Takes everything away, whatever state it is in."""
        self.up()  # `down` leaves the apps as they are; removing one takes an agent
        self.cove("remove", "first", "--volumes", "--yes")
        self.cove("down", "--apps")
        self.pool.give_back()
        shutil.rmtree(self.home, ignore_errors=True)


@pytest.fixture
def person() -> Iterator[Person]:
    """One person, whose traces are gone afterwards."""
    somebody = Person()
    try:
        yield somebody
    finally:
        somebody.leave()


def test_from_up_to_down(person: Person, images: Images) -> None:
    """The platform comes up, serves, survives the death of its agent, and goes down cleanly."""
    started = person.up()
    assert started.returncode == 0, started.stderr
    file = f"name: first\nimage: {images.hello}\ndomain: first.localhost\nport: 8000\n"
    deployed = person.cove("deploy", "-", text=file + "rollout: {settle: 0s}\n")
    assert deployed.returncode == 0, deployed.stderr
    assert deployed.stdout.strip() == f"https://first.localhost:{person.https}"

    root = person.home / "root.pem"
    root.write_text(person.cove("certs", "ca").stdout)
    web = Web(person.http, person.https, root)
    assert web.get("first.localhost").status == 200

    before = person.agent()
    os.kill(before, signal.SIGKILL)
    until(lambda: person.agent() not in (0, before), "the agent comes back")
    assert web.get("first.localhost").status == 200
    assert "running" in person.cove("status").stdout

    ended = person.cove("down")
    assert ended.returncode == 0, ended.stderr
    assert person.agent() == 0
