"""A real agent for tests: its process, its API, its proxy, and its complete end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from support.engine import Belongings
from support.places import Pool, free_port
from support.polling import until
from support.unix_http import lines, request
from support.web import Web

BIN = Path(sys.executable).parent
START_LIMIT = 90.0  # seconds; the first agent on a machine also makes the proxy's image
# What a deploy through the CLI records as the file's place, so that both ways may alternate.
ORIGIN = f"{socket.gethostname()}:stdin"
# What apps, routes and containers were measured at, and what is told of a rollout that was refused.
_MEASURED = ("availability", "cpu", "expires", "failed", "memory", "p95", "rate")
_VOLATILE = frozenset((*_MEASURED, "alerts", "changed", "uptime", "uptime_since"))


class ApiError(Exception):
    """An answer that says no; `body` is the error's own document."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(f"{status} {body}")
        self.status = status
        self.body = body
        self.code = str(body.get("code"))
        self.exit_code = int(body.get("exit_code", -1))


@dataclass(frozen=True)
class Ended:
    """A rollout from its first event to its last."""

    rollout: dict[str, Any]
    events: list[dict[str, Any]]

    @property
    def data(self) -> dict[str, Any]:
        """What the last event says."""
        assert self.events
        assert self.events[-1]["kind"] == "finished", self.events[-1]
        return dict(self.events[-1]["data"])

    @property
    def outcome(self) -> str:
        """How it ended."""
        return str(self.data["outcome"])

    @property
    def error(self) -> dict[str, Any]:
        """Its error, empty where there is none."""
        return self.data["error"] or {}

    def expect(self, outcome: str) -> Self:
        """Itself, once its outcome is the expected one."""
        assert self.outcome == outcome, self.data
        return self


@dataclass(frozen=True)
class Said:
    """What a command of the CLI did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """What `--json` printed."""
        found: dict[str, Any] = json.loads(self.out)
        return found


class Agent:
    """An agent with its own data directory, ports and address range."""

    def __init__(self, data_dir: Path | None = None, env: dict[str, str] | None = None) -> None:
        # Short, because a unix socket's path has 108 bytes; pytest's own folders may be too deep.
        self._home = Path(tempfile.mkdtemp(prefix="cove-t-"))
        self.data_dir = data_dir or self._home / "d"
        self.log = self._home / "log"
        self.env = dict(env or {})
        self._pool = Pool()
        self.http_port, self.https_port = free_port(), free_port()
        self.process: subprocess.Popen[bytes] | None = None

    # --- its life

    def start(self) -> Self:
        """Start it and wait until it accepts rollouts."""
        self.launch()
        return self.await_ready()

    def launch(self) -> Self:
        """Start the process."""
        assert self.process is None
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.argv(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment
            )
        return self

    def await_ready_of(self, process: subprocess.Popen[Any]) -> Self:
        """From now on it is this process, once that is ready."""
        self.process = process
        return self.await_ready()

    def argv(self) -> list[str]:
        """The command that runs it."""
        argv = [sys.executable, "-m", "cove.agent", "--data-dir", str(self.data_dir)]
        argv += ["--http-port", str(self.http_port), "--https-port", str(self.https_port)]
        return [*argv, "--bind", "127.0.0.1", "--pool", self._pool.cidr]

    @property
    def environment(self) -> dict[str, str]:
        """What its process and the CLI see; nothing of the developer's own cove."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("COVE_")}
        return inherited | {"COVE_DATA_DIR": str(self.data_dir), "NO_COLOR": "1"} | self.env

    def await_ready(self) -> Self:
        """Wait until recovery has ended and the API accepts everything."""

        def ready() -> bool:
            assert self.process
            assert self.process.poll() is None, f"the agent ended:\n{self.said()}"
            version = self.version()
            return bool(version and version["ready"])

        until(ready, "the agent is ready", START_LIMIT)
        return self

    def version(self) -> dict[str, Any] | None:
        """GET /v1/version; None while nobody answers."""
        with suppress(OSError):
            return self.api("GET", "/v1/version")
        return None

    def kill9(self) -> None:
        """End it as a power cut would."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """Ask it to end; returns its exit code."""
        return self._end(signal.SIGTERM)

    def restart(self) -> Self:
        """Start it again after its end, whatever that was."""
        if self.process is not None:
            self.stop()
        return self.start()

    def exit_code(self) -> int:
        """The exit code of a process that ends by itself."""
        assert self.process
        code = self.process.wait(START_LIMIT)
        self.process = None
        return code

    def said(self) -> str:
        """What it wrote to its log."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def tear_down(self) -> None:
        """Remove everything it made, however far it came."""
        try:
            if self.process is not None:
                self._end(signal.SIGKILL)
            if (self.data_dir / "instance.json").exists():
                # Docker may still be making what a killed Compose asked for: look twice.
                until(lambda: not self.owned.remove_all(), "everything is removed")
                until(lambda: not self.owned.remove_all(), "everything stays removed")
        finally:
            self._pool.give_back()
            shutil.rmtree(self.data_dir, ignore_errors=True)
            shutil.rmtree(self._home, ignore_errors=True)

    def _end(self, number: signal.Signals) -> int:
        assert self.process
        process, self.process = self.process, None
        process.send_signal(number)
        try:
            return process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise

    # --- what it answers

    @property
    def socket(self) -> Path:
        """Where its API listens."""
        return self.data_dir / "agent.sock"

    def api(self, method: str, path: str, body: Any = None, **query: Any) -> dict[str, Any]:
        """The JSON of one request; raises ApiError where the agent says no."""
        status, answer = request(self.socket, method, path, body, query)
        if status >= 400:
            raise ApiError(status, (answer or {}).get("error", {}))
        return dict(answer or {})

    @contextmanager
    def stream(self, path: str, **query: Any) -> Iterator[Iterator[dict[str, Any]]]:
        """An NDJSON stream; leaving the block hangs up."""
        with lines(self.socket, path, query) as stream:
            yield stream

    def begin(self, text: str, **more: Any) -> dict[str, Any]:
        """Begin a deploy; the rollout. Raises ApiError."""
        body = {"text": text, "origin": ORIGIN, "by": "test"} | more
        return dict(self.api("POST", "/v1/rollouts", body)["rollout"])

    def deploy(self, text: str, **more: Any) -> Ended:
        """Deploy and wait for the end. Raises ApiError where it was not even begun."""
        return self.follow(self.begin(text, **more))

    def act(self, app: str, verb: str, **body: Any) -> Ended:
        """Rollback, restart, stop, start or remove, to its end."""
        answer = self.api("POST", f"/v1/apps/{app}/{verb}", {"by": "test"} | body)
        return self.follow(answer["rollout"])

    def follow(self, rollout: dict[str, Any], after: int = 0) -> Ended:
        """A rollout's events, up to its end."""
        with self.stream(f"/v1/rollouts/{rollout['id']}/events", after=after) as events:
            return Ended(rollout, list(events))

    def app(self, name: str) -> dict[str, Any]:
        """An app's status."""
        return dict(self.api("GET", f"/v1/apps/{name}")["app"])

    def releases(self, name: str) -> list[dict[str, Any]]:
        """An app's releases, newest first."""
        return list(self.api("GET", f"/v1/apps/{name}/releases")["releases"])

    def cove(self, *arguments: str, input: str = "", **env: str) -> Said:  # noqa: A002
        """Run the cove command against this agent."""
        done = subprocess.run(
            [str(BIN / "cove"), *arguments],
            check=False,
            capture_output=True,
            text=True,
            input=input,
            timeout=120,
            env=self.environment | env,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    # --- what it made

    @property
    def instance(self) -> str:
        """The prefix of every name it gives."""
        return str(json.loads((self.data_dir / "instance.json").read_text())["prefix"])

    @property
    def owned(self) -> Belongings:
        """What it made on the Engine."""
        return Belongings(self.instance)

    @property
    def web(self) -> Web:
        """Its proxy, and the root its certificates are verified with."""
        return Web(self.http_port, self.https_port, self.data_dir / "ca/root.crt")

    def world(self, app: str = "") -> dict[str, Any]:
        """All that a refused request must leave as it was, for comparison."""
        apps = self.api("GET", "/v1/apps")["apps"]
        files = [*self.data_dir.glob("apps/*/*"), *self.data_dir.glob("proxy/dynamic/*")]
        return {
            "apps": [_steady(one) for one in apps if app in ("", one["name"])],
            "containers": {
                name: (entry["Id"], entry["State"])
                for name, entry in self.owned.containers(app).items()
            },
            "networks": self.owned.networks(app),
            "volumes": self.owned.volumes(app),
            "tags": self.owned.tags(app),
            "files": {
                str(path.relative_to(self.data_dir)): path.read_text()
                for path in files
                if path.is_file() and (not app or app in path.parts or path.stem == app)
            },
        }


def _steady(app: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in app.items() if key not in _VOLATILE}
    for part in ("replicas", "routes"):
        kept[part] = [{k: v for k, v in one.items() if k not in _VOLATILE} for one in app[part]]
    return kept


@contextmanager
def running(agent: Agent) -> Iterator[Agent]:
    """The agent, ready; removed without trace afterwards."""
    try:
        yield agent.start()
    finally:
        agent.tear_down()
