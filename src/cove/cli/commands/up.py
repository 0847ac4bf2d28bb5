"""`cove up`: starts the platform, in the foreground or kept running in the background."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from msgspec import Struct, to_builtins

from cove.cli.background import AgentOptions, Background, Systemd, background
from cove.cli.client import Client
from cove.cli.options import Settings, shared
from cove.cli.output import Output
from cove.cli.text import count_of, elapsed, took
from cove.errors import InvalidFile, PlatformError
from cove.model.access import SERVER_ACCESS_LOGS

_POLL = 0.2  # seconds
_PORT = click.IntRange(1, 65535)
_LEAST_BYTES = 1 << 20  # fewer hold no log worth its name


class Asked(Struct, frozen=True, kw_only=True):
    """The options that were given; None and empty: not asked for."""

    http_port: int | None
    https_port: int | None
    bind: str
    pool: str
    log_days: float | None
    log_bytes: int | None
    log_bytes_per_app: int | None
    access_log: str | None
    metrics_port: int | None

    def options(self, data_dir: Path) -> AgentOptions:
        """What the agent is told; it remembers the rest."""
        return AgentOptions(
            data_dir=data_dir,
            http_port=self.http_port,
            https_port=self.https_port,
            bind=self.bind,
            pool=self.pool,
            log_days=self.log_days,
            log_bytes=self.log_bytes,
            log_bytes_per_app=self.log_bytes_per_app,
            access_log=self.access_log or "",
            metrics_port=self.metrics_port,
        )


def _size(_: click.Context, parameter: click.Parameter, value: str | None) -> int | None:
    if value is None:
        return None
    option = parameter.opts[0]
    size = count_of(value, option)
    if size < _LEAST_BYTES:
        raise InvalidFile(f"{option}: at least 1M", code="usage")
    return size


@click.command()
@click.option("-d", "--detach", is_flag=True, help="In the background, restarted after a crash.")
@click.option("--http-port", type=_PORT, help="[80, or as the last time]")
@click.option("--https-port", type=_PORT, help="[443, or as the last time]")
@click.option(
    "--bind",
    metavar="ADDRESS",
    default="",
    help="Listen on one address  [all, or as the last time]",
)
@click.option(
    "--access-log",
    type=click.Choice(SERVER_ACCESS_LOGS),
    help="Which requests the proxy logs: all, as each app asks, those that failed or took over "
    "1 s, or none  [errors, or as the last time]",
)
@click.option(
    "--metrics-port",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    help="Serve /metrics for Prometheus on this port of loopback; 0: no longer.",
)
@click.option("--pool", metavar="CIDR", default="", help="Where apps' networks are taken from.")
@click.option(
    "--log-days",
    type=click.FloatRange(0.01, 3650),
    metavar="DAYS",
    help="How long logs are kept  [30, or as the last time]",
)
@click.option(
    "--log-bytes",
    callback=_size,
    metavar="SIZE",
    help="How much of the disk all logs may take  [2G, or as the last time]",
)
@click.option(
    "--log-bytes-per-app",
    callback=_size,
    metavar="SIZE",
    help="And those of one app  [1G, or as the last time]",
)
@click.option(
    "--wait",
    type=click.FloatRange(1),
    default=60.0,
    metavar="SECONDS",
    help="With -d: how long to wait until all is ready  [60]",
)
@shared
def command(settings: Settings, detach: bool, wait: float, **options: Any) -> int:
    """Start the platform on this machine: the agent, and the proxy on ports 80 and 443.

    With -d it keeps running in the background: as a systemd unit where there is systemd, which
    also starts it at boot. `cove doctor` says what this machine lacks.
    """
    asked, out, client = Asked(**options), Output(settings), Client(settings)
    _prepare(settings)
    if not detach:
        running = client.alive()
        if running:
            return _already(out, running, asked)
        argv = asked.options(settings.data_dir).argv()
        os.execv(argv[0], argv)  # noqa: S606 (this process becomes the agent)
    with _alone(settings):
        running = client.alive()
        if running:
            return _already(out, running, asked)
        began = time.monotonic()
        keeper = background(settings.data_dir)
        kept = isinstance(keeper, Systemd) and keeper.exists
        keeper.start(asked.options(settings.data_dir))
        agent = Waiting(settings, out, client, keeper, kept=kept).until_ready(wait)
    _welcome(settings, out, agent, time.monotonic() - began)
    return 0


def _prepare(settings: Settings) -> None:
    """The data directory, there and writable. Raises PlatformError."""
    folder = settings.data_dir
    problem = ""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        problem = error.strerror or str(error)
    if not problem and not os.access(folder, os.W_OK | os.X_OK):
        problem = "permission denied"
    if problem:
        raise PlatformError(
            f"cannot write to {folder}: {problem}",
            code="data-dir",
            hint="root is needed: sudo cove up -d" if os.geteuid() else "",
        )


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """One `up -d` at a time: two supervisors would start two agents."""
    path = settings.data_dir / "up.lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _already(out: Output, agent: dict[str, Any], asked: Asked) -> int:
    wanted = to_builtins(asked)
    differ = [name for name, value in wanted.items() if _differs(value, agent.get(name))]
    ports = f"ports {agent.get('http_port')} and {agent.get('https_port')}"
    if differ:
        raise InvalidFile(
            f"cove is already running, on {ports}",
            code="already-running",
            hint="to change its options: cove down, then cove up again with the new ones",
        )
    if out.json_wanted:
        out.json({"started": False, "agent": agent})
    else:
        out.line(f"cove is already running, on {ports} (pid {agent.get('pid')})")
    return 0


def _differs(asked: Any, found: Any) -> bool:
    """0 is a port that can be asked for; None and empty are what was not asked for."""
    return asked not in (None, "") and asked != found


class Waiting:
    """The wait for an agent that has just been started."""

    def __init__(
        self, settings: Settings, out: Output, client: Client, keeper: Background, *, kept: bool
    ) -> None:
        self._settings = settings
        self._out = out
        self._client = client
        self._keeper = keeper
        self._kept = kept
        self._said = ""

    def until_ready(self, seconds: float) -> dict[str, Any]:
        """The agent's /v1/version once its proxy is ready. Raises PlatformError."""
        began, turn, agent = time.monotonic(), 0, None
        while time.monotonic() - began < seconds:
            agent = self._client.alive()
            if agent and agent["proxy"]["state"] == "ready":
                return agent
            if agent is None and self._keeper.died():
                raise self._dead()
            self._show(_awaited(agent), turn, time.monotonic() - began)
            turn += 1
            time.sleep(_POLL)
        raise self._late(agent, seconds)

    def _show(self, what: str, turn: int, waited: float) -> None:
        if self._out.err.moves:
            spinner = self._out.err.spinner(turn)
            self._out.live(f"{spinner} waiting for {what}  {elapsed(waited)}")
        elif what != self._said:
            self._out.note(f"waiting for {what}")
            self._said = what

    def _dead(self) -> PlatformError:
        log = self._keeper.tail()
        # A unit that was there before goes on trying: what ends the agent may pass.
        if not self._kept:
            self._keeper.stop()
        return PlatformError(
            "the agent ended right after it was started",
            code="agent-died",
            log=log,
            hint=self._settings.command("doctor"),
        )

    def _late(self, agent: dict[str, Any] | None, seconds: float) -> PlatformError:
        return PlatformError(
            f"after {seconds:.0f} s cove still waits for {_awaited(agent)}",
            code="not-ready",
            log=() if agent else self._keeper.tail(),
            hint=f"it goes on trying in the background; {self._settings.command('doctor')}",
        )


def _awaited(agent: dict[str, Any] | None) -> str:
    if agent is None:
        return "the agent"
    problem = agent["proxy"].get("problem")
    return f"the proxy ({problem})" if problem else "the proxy"


def _welcome(settings: Settings, out: Output, agent: dict[str, Any], seconds: float) -> None:
    if out.json_wanted:
        out.json({"started": True, "agent": agent})
        return
    mark = out.out.style(out.out.symbol("ok"), "green", "bold")
    ports = f"{agent.get('http_port')} and {agent.get('https_port')}"
    out.line(f"{mark} cove is up ({took(seconds)}), on ports {ports}")
    first = settings.command("deploy --image nginx --domain hello.localhost")
    out.note(f"{out.err.style(out.err.symbol('hint'), 'cyan')} now deploy something: {first}")
