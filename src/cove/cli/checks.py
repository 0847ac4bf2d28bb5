"""What a machine needs for cove, checked one by one without an agent. `doctor` imports it.

Each check returns findings and never raises for what it checks.
"""

from __future__ import annotations

import errno
import json
import os
import platform
import re
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct

from cove.cli.background import Supervisor, Systemd, systemd_runs
from cove.cli.client import Client, UnixConnection
from cove.cli.options import Settings
from cove.cli.text import size
from cove.errors import CoveError, PlatformError

State = Literal["ok", "warn", "fail"]

LEAST_ENGINE = (20, 10)  # what cove is tested with
LEAST_DISK = 1_000_000_000  # bytes: an image, its layers unpacked, and room for logs
LEAST_MEMORY = 256_000_000  # bytes: agent and proxy idle under 150 MB
PROGRAMS = {"nsenter": "util-linux", "setpriv": "util-linux", "ip": "iproute2"}
_ANSWER = 5.0  # seconds Docker has to answer


class Check(Struct, frozen=True, kw_only=True):
    """One finding; `mend` is the command or change that helps."""

    name: str
    state: State
    what: str
    mend: str = ""


def _ok(name: str, what: str) -> Check:
    return Check(name=name, state="ok", what=what)


def _warn(name: str, what: str, mend: str = "") -> Check:
    return Check(name=name, state="warn", what=what, mend=mend)


def _fail(name: str, what: str, mend: str = "") -> Check:
    return Check(name=name, state="fail", what=what, mend=mend)


def all_checks(settings: Settings, http_port: int, https_port: int) -> Iterator[Check]:
    """Every finding, in the order of what depends on what."""
    agent = _agent(settings)
    yield system()
    yield user()
    yield docker()
    yield compose()
    yield data_dir(settings.data_dir)
    yield disk(settings.data_dir)
    yield memory()
    yield programs()
    if agent is None and _hidden(settings):
        yield _warn(
            "agent", "only root may ask it, and tell who holds its ports", "sudo cove doctor"
        )
        return
    for port in _ports(agent, http_port, https_port):
        yield public_port(port, held=agent is not None)
    yield from platform_checks(settings, agent)


def _agent(settings: Settings) -> dict[str, Any] | None:
    try:
        return Client(settings).alive()
    except CoveError:
        return None


def _hidden(settings: Settings) -> bool:
    """Whether an agent may be there that does not talk to this user."""
    try:
        Client(settings).alive()
    except CoveError:
        return True
    return False


def _ports(agent: dict[str, Any] | None, http: int, https: int) -> tuple[int, ...]:
    return (int(agent["http_port"]), int(agent["https_port"])) if agent else (http, https)


def system() -> Check:
    """Whether this is Linux."""
    name = f"{platform.system()} {platform.release()} ({platform.machine()})"
    if platform.system() == "Linux":
        return _ok("system", name)
    return _fail("system", f"{name}: cove hosts apps on Linux only")


def user() -> Check:
    """Whether this is root."""
    if os.geteuid() == 0:
        return _ok("user", "root")
    return _fail("user", "not root: cove needs it for Docker and for networks", "sudo cove doctor")


def docker() -> Check:
    """Whether Docker Engine answers, and is new enough."""
    try:
        path = _docker_socket()
    except PlatformError as error:
        return _fail("docker", error.message, error.hint)
    if not path.exists():
        return _fail(
            "docker",
            f"Docker Engine is not installed or not running ({path} is missing)",
            "apt install docker.io, or systemctl start docker",
        )
    try:
        version = _engine_version(path)
    except PermissionError:
        return _fail("docker", f"you may not use Docker ({path})", "sudo cove doctor")
    except (OSError, ValueError) as error:
        return _fail("docker", f"Docker does not answer: {error}", "systemctl restart docker")
    if _numbers(version) < LEAST_ENGINE:
        least = ".".join(map(str, LEAST_ENGINE))
        return _fail("docker", f"Docker Engine {version} is older than {least}", "upgrade Docker")
    return _ok("docker", f"Docker Engine {version}")


def _docker_socket() -> Path:
    host = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
    if not host.startswith("unix://"):
        raise PlatformError(
            f"DOCKER_HOST is {host}; cove needs the Docker of this machine",
            hint="unset DOCKER_HOST",
        )
    return Path(host.removeprefix("unix://"))


def _engine_version(path: Path) -> str:
    connection = UnixConnection(path, _ANSWER)
    try:
        connection.request("GET", "/version")
        response = connection.getresponse()
        return str(json.loads(response.read())["Version"])
    except KeyError:
        raise ValueError("its answer names no version") from None
    finally:
        connection.close()


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(n) for n in re.findall(r"\d+", version)[:2])


def compose() -> Check:
    """Whether Compose v2 can be found, here or in the `embedded` extra."""
    from cove.adapters.compose import find_compose

    try:
        found = find_compose()
    except PlatformError as error:
        return _fail("compose", error.message, error.hint)
    return _ok("compose", f"Docker Compose {found.version} ({found.path})")


def data_dir(folder: Path) -> Check:
    """Whether cove could write its data."""
    place = _existing(folder)
    if os.access(place, os.W_OK | os.X_OK) and place.is_dir():
        return _ok("data", str(folder) + ("" if place == folder else " (to be created)"))
    return _fail("data", f"cannot write to {folder}", "sudo, or --data-dir somewhere else")


def _existing(folder: Path) -> Path:
    """The folder, or the nearest above it that exists."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder


def disk(folder: Path) -> Check:
    """Whether there is room for an image or two."""
    free = shutil.disk_usage(_existing(folder)).free
    if free >= LEAST_DISK:
        return _ok("disk", f"{size(free)} free")
    return _fail("disk", f"only {size(free)} free", "docker image prune, or a larger disk")


def memory() -> Check:
    """Whether agent, proxy and a second copy of a small app fit."""
    try:
        facts = Path("/proc/meminfo").read_text(encoding="ascii")
    except OSError:
        return _warn("memory", "how much memory is free is not known")
    match = re.search(r"^MemAvailable:\s+(\d+) kB", facts, re.MULTILINE)
    available = int(match[1]) * 1024 if match else 0
    if available >= LEAST_MEMORY:
        return _ok("memory", f"{size(available)} available")
    return _warn("memory", f"only {size(available)} available", "add swap or memory")


def programs() -> Check:
    """Whether the system's tools that cove calls are there."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    missing = [name for name in PROGRAMS if not shutil.which(name, path=path)]
    if not missing:
        return _ok("programs", ", ".join(PROGRAMS))
    packages = " ".join(sorted({PROGRAMS[name] for name in missing}))
    return _fail("programs", f"missing: {', '.join(missing)}", f"apt install {packages}")


def public_port(port: int, *, held: bool) -> Check:
    """Whether the port is free, or `held` by the proxy of the agent that answers."""
    name = f"port {port}"
    if held:
        return (
            _ok(name, "held by cove")
            if _holder(port)
            else _fail(
                name,
                "the agent runs, but nothing listens",
                "see the proxy's log: docker logs cove_proxy-proxy-1",
            )
        )
    try:
        _bind(port)
    except PermissionError:
        return _warn(name, "only root can tell whether it is free", "sudo cove doctor")
    except OSError as error:
        who = _holder(port) or error.strerror or str(error)
        other = "stop it, or cove up --http-port N --https-port N"
        return _fail(name, f"taken by {who}", other)
    return _ok(name, "free")


def _bind(port: int) -> None:
    """Binds the port as the proxy would, for an instant. Raises OSError."""
    for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):  # noqa: S104
        try:
            with socket.socket(family, socket.SOCK_STREAM) as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                sock.bind((address, port))
                sock.listen(1)
        except OSError as error:
            # without IPv6 there is nobody to be in the way
            if family == socket.AF_INET6 and error.errno in {
                errno.EAFNOSUPPORT,
                errno.EADDRNOTAVAIL,
            }:
                continue
            raise


def _holder(port: int) -> str:
    from cove.adapters.host import LinuxHost

    try:
        return LinuxHost().port_holder(port)
    except CoveError:
        return ""


def platform_checks(settings: Settings, agent: dict[str, Any] | None) -> Iterator[Check]:
    """The agent, what keeps it running, the proxy and the local authority."""
    if agent is None:
        yield _warn("agent", "not running", settings.command("up -d"))
        return
    yield _ok("agent", f"cove {agent.get('version')} (pid {agent.get('pid')})")
    yield kept_running(settings)
    proxy = agent.get("proxy") or {}
    if proxy.get("state") == "ready":
        yield _ok("proxy", f"Traefik {proxy.get('version')}")
    else:
        problem = proxy.get("problem") or proxy.get("state") or "not ready"
        yield _fail("proxy", str(problem), f"see the agent's log: {agent_log(settings)}")
    # An agent that still waits for something would keep its answer back, and this check with it.
    if agent.get("ready", True):
        yield from authority(settings)


def agent_log(settings: Settings) -> str:
    """Where the agent's log is read."""
    if systemd_runs():
        return f"journalctl -u {Systemd(settings.data_dir).unit}"
    return str(settings.data_dir / "agent.log")


def kept_running(settings: Settings) -> Check:
    """Whether something restarts the agent after a crash, and after a reboot."""
    if systemd_runs():
        unit = Systemd(settings.data_dir)
        if unit.exists:
            return _ok("restarts", f"systemd ({unit.unit})")
    elif Supervisor(settings.data_dir).pid():
        return _warn(
            "restarts",
            "after a crash, but not after a reboot: this machine has no systemd",
            f"have your boot scripts run {settings.command('up -d')}",
        )
    again = f"{settings.command('down')}, then {settings.command('up -d')}"
    return _warn("restarts", "nothing starts the agent again after a crash", again)


def authority(settings: Settings) -> Iterator[Check]:
    """Whether this machine trusts cove's own authority; nothing where there is none yet."""
    try:
        found = Client(settings).get("/v1/certs").get("ca") or {}
    except CoveError as error:
        yield _warn("local CA", error.message)
        return
    if not found.get("pem"):
        return
    if found.get("trusted"):
        yield _ok("local CA", "trusted by this machine")
    else:
        mend = settings.command("certs trust")
        yield _warn("local CA", "not trusted by this machine: browsers will warn", mend)
