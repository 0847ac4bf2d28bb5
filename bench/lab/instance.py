"""An instance of cove for one measurement: its own data, ports, network pool and images.

Everything it made is gone when its `with` block ends, however that ends. For bench/.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from cove.cli.client import Client
from cove.cli.options import Settings
from cove.errors import CoveError

if TYPE_CHECKING:
    from types import TracebackType

TOP = Path(__file__).parents[2]
IMAGE_BUILDER = TOP / "script/lib/python_image.py"
HELLO = TOP / "examples/hello/app.py"
BIND = "127.0.0.1"
START_LIMIT = 120.0  # seconds; making the proxy's image may be part of it
END_LIMIT = 60.0
POLL = 0.1


class BenchError(Exception):
    """The measurement cannot be made; the message says why."""


class Instance:
    """One agent with its proxy, on loopback only."""

    def __init__(self) -> None:
        """Start nothing yet."""
        self.folder = Path(tempfile.mkdtemp(prefix="cove-bench-"))
        self.data = self.folder / "data"
        self.http_port, self.https_port = free_ports(2)
        self.images = f"cove-bench-{secrets.token_hex(3)}"
        self.ca_file = self.folder / "ca.pem"
        self.agent: subprocess.Popen[bytes]
        settings = Settings()
        settings.data_dir = self.data
        self.api = Client(settings)

    def __enter__(self) -> Self:
        """Start the agent and wait for its proxy. Raise BenchError."""
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove everything."""
        self.close()

    def build(self, version: str, **env: str) -> str:
        """Make an image of examples/hello and return its name."""
        name = f"{self.images}:{version}"
        command = [sys.executable, str(IMAGE_BUILDER), "--app", str(HELLO), "--tag", name]
        command += ["--expose", "8000", "--env", f"VERSION={version}"]
        for key, value in env.items():
            command += ["--env", f"{key}={value}"]
        run(*command)
        return name

    def deploy(self, name: str, text: str) -> dict[str, Any]:
        """Roll an app file out and return the rollout as `follow` does."""
        request = {"name": f"{name}.yml", "text": text, "origin": f"bench:{name}", "by": "bench"}
        return self.follow(self.api.post("/v1/rollouts", request)["rollout"]["id"])

    def follow(self, rollout: int) -> dict[str, Any]:
        """Wait for a rollout's end.

        The answer is its last event's data, and `steps`: (title, seconds) of each operation.
        Raise BenchError unless it reached what it was to reach.
        """
        titles: dict[int, str] = {}
        steps: list[tuple[str, float]] = []
        for event in self.api.stream(f"/v1/rollouts/{rollout}/events", after=0):
            data, index = event["data"], event["index"]
            if event["kind"] == "plan":
                titles = {n: one["title"] for n, one in enumerate(data["operations"])}
            elif event["kind"] == "done":
                steps.append((titles.get(index, event["text"]), data["seconds"]))
            elif event["kind"] == "finished":
                if data["exit_code"]:
                    raise BenchError(f"rollout {rollout} {data['outcome']}: {data['error']}")
                return {**data, "steps": steps}
        raise BenchError(f"the events of rollout {rollout} ended too early")

    def write_ca(self) -> Path:
        """The authority of the instance as a file; it exists once an app has a local domain."""
        self.ca_file.write_text(self.api.get("/v1/certs")["ca"]["pem"])
        return self.ca_file

    def prefix(self) -> str:
        """What the names of this instance begin with."""
        return str(json.loads((self.data / "instance.json").read_text())["prefix"])

    def proxy_pid(self) -> int:
        """The process of the proxy."""
        name = f"{self.prefix()}_proxy-proxy-1"
        return int(run("docker", "inspect", "--format", "{{.State.Pid}}", name))

    def close(self) -> None:
        """Remove what the instance made; by label what it could not remove itself."""
        with contextlib.suppress(CoveError, BenchError):
            for app in self.api.get("/v1/apps")["apps"]:
                body = {"volumes": True, "by": "bench"}
                answer = self.api.post(f"/v1/apps/{app['name']}/remove", body)
                self.follow(answer["rollout"]["id"])
            self.api.post("/v1/shutdown", {"proxy": True, "apps": True})
        if hasattr(self, "agent"):
            self._end()
        if (self.data / "instance.json").exists():
            self._sweep(self.prefix())
        _remove_images(self.images)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start(self) -> None:
        command = [sys.executable, "-P", "-m", "cove.agent", "--data-dir", str(self.data)]
        command += ["--http-port", str(self.http_port), "--https-port", str(self.https_port)]
        command += ["--bind", BIND]
        with (self.folder / "agent.log").open("wb") as log:
            self.agent = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + START_LIMIT
        while time.monotonic() < deadline:
            if self.agent.poll() is not None:
                break
            agent = self.api.alive()
            if agent and agent["proxy"]["state"] == "ready":
                return
            time.sleep(POLL)
        raise BenchError(f"the agent did not start: {(self.folder / 'agent.log').read_text()}")

    def _end(self) -> None:
        try:
            self.agent.wait(END_LIMIT)
        except subprocess.TimeoutExpired:
            self.agent.kill()
            self.agent.wait()

    def _sweep(self, prefix: str) -> None:
        chosen = ("--filter", f"label=cove.instance={prefix}")
        for kind, *options in (("container", "--all"), ("volume",), ("network",)):
            found = run("docker", kind, "ls", *options, "--quiet", *chosen).split()
            force = ["--force"] if kind == "container" else []
            if found:
                run("docker", kind, "rm", *force, *found)
        _remove_images(f"{prefix.replace('_', '-')}.local/*/*")


def _remove_images(pattern: str) -> None:
    listing = run("docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", pattern)
    for name in listing.split():
        subprocess.run(["docker", "image", "rm", name], capture_output=True, check=False)


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody listens on."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind((BIND, 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def run(*command: str, env: dict[str, str] | None = None) -> str:
    """Run a program and return what it printed. Raise BenchError when it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    if done.returncode:
        raise BenchError(f"{' '.join(command[:4])}…: {done.stderr.strip()}")
    return done.stdout.strip()
