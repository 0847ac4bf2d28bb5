"""A simulated server that runs cove: what it has of an app, load inside it, its restarts.

Everything happens in the server, so that its own Docker can be ended and the whole of it rebooted.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from support.bare_host import BareHost, docker
from support.polling import until

FOLDER = "/srv/cove"
RATE = 50  # requests per second
_COVE = f"{FOLDER}/.venv/bin/cove"
_PYTHON = f"{FOLDER}/.venv/bin/python"
_SOCKET = "/var/lib/cove/agent.sock"
_BOOT = 120.0  # seconds, as everywhere here a guard against hangs


class CoveHost(BareHost):
    """A server with a checkout of cove, a Docker of its own, and two versions of a web app."""

    def install(self) -> None:
        """From a fresh Debian to a running platform, as the guide says."""
        self.checkout(FOLDER)
        self.must("script/setup", "--system")
        make = (_PYTHON, "script/lib/python_image.py")
        self.must(
            *(*make, "--app", "examples/hello/app.py", "--tag", "hello:1"),
            *("--env", "VERSION=1", "--expose", "8000"),
        )
        self.must(*make, "--from-image", "hello:1", "--tag", "hello:2", "--env", "VERSION=2")
        self.must(_COVE, "up", "-d")

    def must(self, *command: str, timeout: float = 900) -> str:
        """Runs a command in the checkout that has to succeed; what it said."""
        done = self.run(*command, folder=FOLDER, timeout=timeout)
        assert done.returncode == 0, (command, done.stdout[-4000:])
        return done.stdout

    def cove(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs the cove command."""
        return self.run(_COVE, *arguments, timeout=180)

    def api(self, path: str) -> dict[str, Any]:
        """The JSON of a GET; empty where nobody answers."""
        asked = ("curl", "-s", "--max-time", "20", "--unix-socket", _SOCKET, f"http://cove{path}")
        done = self.run(*asked)
        return dict(json.loads(done.stdout)) if done.returncode == 0 and done.stdout else {}

    def docker(self, *arguments: str) -> list[str]:
        """The lines that the server's own docker command prints; none while it does not answer."""
        done = self.run("docker", *arguments)
        return done.stdout.split("\n")[:-1] if done.returncode == 0 else []

    def docker_answers(self) -> bool:
        """Whether the server's Docker is there."""
        return self.run("docker", "version").returncode == 0

    def ready(self) -> bool:
        """Whether the agent accepts rollouts."""
        return bool(self.api("/v1/version").get("ready"))

    # --- its ends

    def reboot(self, *, power_cut: bool = False) -> None:
        """Ends every process, politely or at once, and boots again."""
        if power_cut:
            docker("kill", "--signal", "KILL", self.name)
            docker("start", self.name)
        else:
            docker("restart", "--time", "90", self.name)
        self._await_boot()

    def live_restore(self, *, on: bool) -> None:
        """Sets Docker's `live-restore`, which it takes over without a restart."""
        text = json.dumps({"live-restore": on})
        self.must("sh", "-c", f"mkdir -p /etc/docker; echo '{text}' > /etc/docker/daemon.json")
        self.must("systemctl", "reload", "docker")
        shown = ("info", "--format", "{{.LiveRestoreEnabled}}")
        until(lambda: self.docker(*shown) == [str(on).lower()], "live-restore is set")

    def forget(self, app: str) -> str:
        """Makes Docker forget that it started an app's container; the container's id.

        As a Docker that is killed right after it had the process started: it takes the container
        for ended, and what it had started lives in the container's control group.
        """
        (container,) = self.docker("ps", "-q", "--no-trunc", "--filter", f"label=cove.app={app}")
        tree = f"/root/forgotten-{app}"
        self.must("sh", "-c", f"mkdir -p {tree}; docker export {container} | tar -xC {tree}")
        self.must("docker", "stop", container)
        self.must("systemctl", "stop", "docker.socket", "docker")
        start = ("ctr", "--namespace", "moby", "run", "--detach", "--null-io", "--rootfs")
        sleep = ("/usr/local/bin/python3", "-c", "import time; time.sleep(3600)")
        self.must(*start, "--cgroup", f"/docker/{container}", tree, container, *sleep)
        assert self.lives(container)
        self.must("systemctl", "start", "docker")
        return container

    def lives(self, container: str) -> bool:
        """Whether any process is in a container's control group."""
        return self.run("sh", "-c", f"grep -l {container} /proc/[0-9]*/cgroup").returncode == 0

    # --- load

    @contextmanager
    def load(self, app: str) -> Iterator[dict[str, Any]]:
        """Requests to an app for as long as the block lasts; the report is complete after it."""
        report: dict[str, Any] = {}
        pid, host = f"/root/load-{app}.pid", f"{app}.localhost"
        argv = f"{_PYTHON} -m bench.load --host {host} --port 80 --rate {RATE} --seconds 900 --json"
        command = ["docker", "exec", "--workdir", FOLDER, self.name]
        command += ["sh", "-c", f"echo $$ > {pid}; exec {argv}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                until(lambda: self.run("test", "-s", pid).returncode == 0, "the load begins")
                yield report
            finally:
                self.run("sh", "-c", f"kill -TERM $(cat {pid}); rm {pid}")
                said, _ = process.communicate(timeout=60)
        report |= json.loads(said)
        assert report["sent"], report

    def well_served(self, app: str, requests: int = 150) -> list[str]:
        """What goes wrong with so many requests from now on."""
        argv = (_PYTHON, "-m", "bench.load", "--host", f"{app}.localhost", "--port", "80", "--json")
        seconds = str(requests / RATE)
        done = self.run(*argv, "--rate", str(RATE), "--seconds", seconds, folder=FOLDER)
        report = json.loads(done.stdout)
        assert report["sent"], report
        return [f"{report['failed']} failed: {report['failures'][:5]}"] if report["failed"] else []


class Resident:
    """One app of such a server, deployed again and again."""

    def __init__(self, host: CoveHost, name: str, **keys: Any) -> None:
        self.host = host
        self.name = name
        self.keys = keys
        self.versions: dict[int, str] = {}  # by release
        self._count = 0
        self._networks: list[str] = []
        self._volumes: list[str] = []

    @property
    def version(self) -> str:
        """Of what was deployed last."""
        return str(self._count % 2 + 1)

    def document(self) -> dict[str, Any]:
        """Its file."""
        rollout = {"settle": "1s", "drain": "5s", "timeout": "30s"}
        image = {"image": f"hello:{self.version}", "stop_grace_period": "5s"}
        routed = {"domain": f"{self.name}.localhost", "tls": "off", "health": "/healthz"}
        return {"name": self.name, "rollout": rollout, **image, **routed, **self.keys}

    def begin(self) -> int:
        """Begin to deploy the next version; the number of the rollout."""
        self._count += 1
        path = f"/root/{self.name}.yml"
        self.host.must("sh", "-c", 'echo "$1" > "$2"', "sh", json.dumps(self.document()), path)
        done = self.host.cove("deploy", path, "--detach")
        assert done.returncode == 0, done.stdout
        return next(int(line) for line in done.stdout.splitlines() if line.isdigit())

    def deploy(self) -> None:
        """A deploy that nothing disturbs, and what it makes once and for all."""
        number = self.begin()
        assert self.ended(number) == "live", self.host.cove("events").stdout
        self._networks = self._networks or self._owned("network")
        self._volumes = self._volumes or self._owned("volume")

    def ended(self, number: int) -> str:
        """How a rollout ended, once it has; whichever release it made is remembered."""

        def look() -> dict[str, Any]:
            found = self.host.api(f"/v1/rollouts/{number}").get("rollout", {})
            return dict(found) if found.get("outcome") else {}

        rollout = until(look, f"rollout {number} of {self.name} ends", 180, pause=0.3)
        if rollout["release"]:
            self.versions[rollout["release"]] = self.version
        return str(rollout["outcome"])

    def at(self, number: int, title: str) -> bool:
        """Waits until an operation of that title begins; whether it did before the end."""
        path = f"http://cove/v1/rollouts/{number}/events"
        asked = ["docker", "exec", self.host.name, "curl", "-sN", "--unix-socket", _SOCKET, path]
        titles: list[str] = []
        with subprocess.Popen(asked, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            try:
                for line in process.stdout:
                    event = json.loads(line)
                    if event["kind"] == "plan":
                        titles = [o["title"] for o in event["data"]["operations"]]
                    if event["kind"] != "started" or event["index"] < 0:
                        continue  # the fetching of images comes before the plan
                    if titles[event["index"]].startswith(title):
                        return True
            finally:
                process.kill()
        return False

    def problems(self) -> list[str]:
        """What is not as the record says; empty when all is well."""
        app = self.host.api(f"/v1/apps/{self.name}").get("app")
        if not app:
            return ["the agent does not answer"]
        rollouts = self.host.api(f"/v1/rollouts?app={self.name}")["rollouts"]
        label = ("--filter", f"label=cove.app={self.name}")
        shown = '{{.Label "com.docker.compose.service"}} {{.State}}'
        found = self.host.docker("ps", "--all", *label, "--format", shown)
        served = self.host.run(
            "curl", "-s", "--max-time", "5", f"http://{self.name}.localhost/version"
        ).stdout.strip()
        pairs: tuple[tuple[str, Any, Any], ...] = (
            ("state", app["state"], "running"),
            ("problem", app["problem"], ""),
            ("rollouts under way", [r["id"] for r in rollouts if not r["outcome"]], []),
            ("containers", sorted(found), [f"{r['name']} running" for r in app["replicas"]]),
            ("version", served, self.versions.get(app["release"])),
            ("networks", self._owned("network"), self._networks),
            ("volumes", self._owned("volume"), self._volumes),
        )
        return [f"{what}: {is_} instead of {to}" for what, is_, to in pairs if is_ != to]

    def recovered(self) -> None:
        """Waits until everything is as the record says."""
        found = ["nobody has looked"]

        def well() -> bool:
            found[:] = self.problems()
            return not found

        try:
            until(well, f"{self.name} is well", 180, pause=0.5)
        except AssertionError as late:
            raise AssertionError(found) from late

    def count(self, *, add: bool = False) -> str:
        """A number that the app keeps in its volume."""
        url = f"http://{self.name}.localhost/count"
        return self.host.must("curl", "-sf", *(("-X", "POST") if add else ()), url).strip()

    def _owned(self, kind: str) -> list[str]:
        name = "{{.Name}}"
        filters = ("--filter", f"label=cove.app={self.name}")
        return sorted(self.host.docker(kind, "ls", *filters, "--format", name))


class ResidentFamily(Resident):
    """A web service that is replaced beside its predecessor, and a worker that is in place."""

    def document(self) -> dict[str, Any]:
        """Its Compose file."""
        flat = super().document()
        keys = {key: flat[key] for key in ("domain", "tls", "health", "rollout")}
        shared = {key: flat[key] for key in ("image", "stop_grace_period")}
        web = {**shared, "x-cove": keys}
        worker = {**shared, "x-cove": {"rollout": flat["rollout"]}}
        return {"name": self.name, "services": {"web": web, "worker": worker}}
