"""Powers over the host that a server's owner can give an app. Any layer may import it.

The one place that knows how a power is spelled: `cove allow`, the app file's reader, the check of
a rollback and the documentation use it.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final, NamedTuple

from cove.errors import InvalidFile

_READ_ONLY: Final = ":ro"
_MAX_VALUE: Final = 1024
_NAME: Final = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,126}"
_PATH: Final = r"/[^\x00-\x1f\x7f:$]*"
# Sockets through which a container could start others, the whole host mounted into them.
_ENGINE_SOCKETS: Final = frozenset({"docker.sock", "containerd.sock", "podman.sock", "crio.sock"})
# Folders in which such a socket lies or turns up: whoever has the folder has the socket.
_SOCKET_PLACES: Final = (
    "/run/docker.sock",
    "/var/run/docker.sock",
    "/run/containerd/containerd.sock",
    "/var/run/containerd/containerd.sock",
)


class Kind(NamedTuple):
    """A kind of power: what it lets an app do; what follows "=", and how that is matched."""

    text: str
    value: str = ""
    pattern: str = ""


KINDS: Final[dict[str, Kind]] = {
    "cap": Kind("add a capability of Linux to a container", "NAME", r"[A-Z][A-Z_]{1,29}"),
    "cgroup": Kind("use the host's cgroup namespace", "host", "host"),
    "cgroup-parent": Kind("choose the cgroup whose limits a container is under"),
    "device": Kind("use a device of the host, or those in a folder", "PATH", r"/dev/.+"),
    "docker-socket": Kind("mount the socket of Docker, which is as good as being root"),
    "external-network": Kind("join a network of Docker that is not its own", "NAME", _NAME),
    "external-volume": Kind("mount a volume of Docker that is not its own", "NAME", _NAME),
    "gpus": Kind("use the GPUs of the host"),
    "host-bind": Kind(
        'mount a path of the host and what is below; with ":ro", only to read it', "PATH", _PATH
    ),
    "ipc": Kind("share the host's shared memory and semaphores", "host", "host"),
    "network-mode": Kind("use the host's network instead of its own", "host", "host"),
    "oom-score": Kind("be killed later than others when memory runs out"),
    "pid": Kind("see and signal the host's processes", "host", "host"),
    "privileged": Kind("run privileged containers, which is as good as being root"),
    "runtime": Kind("run containers with another runtime of Docker's", "NAME", _NAME),
    "security-opt": Kind(
        "change the security options of a container", "OPTION", r"[a-z-]+(?:=[A-Za-z0-9:_.,-]+)?"
    ),
    "sysctl": Kind("set a parameter of the kernel", "NAME", r"[a-z0-9_]+(?:[./][A-Za-z0-9_-]+)+"),
    "ulimit": Kind("raise a limit that puts it before others", "NAME", "nice|rtprio"),
    "userns": Kind("use the host's user namespace", "host", "host"),
    "uts": Kind("use the host's host name", "host", "host"),
}
_PATHS: Final = frozenset({"host-bind", "device"})
# Whoever has one of these can do what any other power would give.
AS_ROOT: Final = frozenset({"docker-socket", "privileged"})


class Power(NamedTuple):
    """One power. Its text is how it is recorded and compared."""

    kind: str
    value: str = ""
    read_only: bool = False  # of host-bind

    def __str__(self) -> str:
        value = f"={self.value}" if self.value else ""
        return self.kind + value + (_READ_ONLY if self.read_only else "")


class NestedBind(NamedTuple):
    """A path of the host that an app mounts, and a folder on its way that another mount may write.

    Who may write there could put a link in the path's place, to anywhere. As the files have them.
    """

    path: str
    app: str
    folder: str
    writer: str  # the app that may write the folder


def parse(text: str) -> Power:
    """Reads a power as a person writes it. Raises InvalidFile (`bad-power`)."""
    name, sign, value = text.partition("=")
    kind = KINDS.get(name)
    if kind is None:
        near = get_close_matches(name[:40], KINDS, n=1, cutoff=0.6)
        raise _wrong(text, f"there is none; did you mean {near[0]}?" if near else "there is none")
    if not kind.value:
        if sign:
            raise _wrong(text, f"{name} takes no value")
        return Power(name)
    read_only = name == "host-bind" and value.endswith(_READ_ONLY)
    value = value.removesuffix(_READ_ONLY) if read_only else value
    value = _tidy(name, value)
    if len(value) > _MAX_VALUE or not re.fullmatch(kind.pattern, value):
        raise _wrong(text, f"it reads {spelled(name)}")
    return Power(name, value, read_only)


def _wrong(text: str, why: str) -> InvalidFile:
    shown = shlex.quote("".join(c if c.isprintable() else "?" for c in text[:100]))
    return InvalidFile(f"{shown} is no power: {why}", code="bad-power", hint="cove allow --help")


def _tidy(name: str, value: str) -> str:
    """A value in its one spelling; empty for a path that goes up or begins nowhere."""
    if name == "cap":
        return value.upper().removeprefix("CAP_")
    if name not in _PATHS:
        return value
    return "" if ".." in value.split("/") or not value.startswith("/") else normal(value)


def spelled(name: str) -> str:
    """How a kind of power is written: `host-bind=PATH[:ro]`."""
    kind = KINDS[name]
    end = f"[{_READ_ONLY}]" if name == "host-bind" else ""
    return (f"{name}={kind.value}" if kind.value else name) + end


def normal(path: str) -> str:
    """An absolute path in its one spelling, resolved without asking the file system."""
    return posixpath.normpath("/" + path.lstrip("/"))


def covers(granted: Iterable[str], wanted: str) -> bool:
    """Whether one of the powers given includes the one wanted; what cannot be read includes none.

    A path includes what is below it, `cap=ALL` every capability. Nothing else includes another:
    least of all a folder the socket of Docker.
    """
    want = _parsed(wanted)
    return want is not None and any(
        power is not None and _includes(power, want) for power in map(_parsed, granted)
    )


def missing(granted: Iterable[str], wanted: Iterable[str]) -> tuple[str, ...]:
    """The wanted powers that have not been given, in their order."""
    given = tuple(granted)
    return tuple(power for power in wanted if not covers(given, power))


def _parsed(text: str) -> Power | None:
    try:
        return parse(text)
    except InvalidFile:
        return None


def _includes(given: Power, wanted: Power) -> bool:
    if given.kind != wanted.kind or (given.read_only and not wanted.read_only):
        return False
    if given.kind in _PATHS:
        return wanted.value == given.value or is_below(wanted.value, given.value)
    return given.value == wanted.value or (given.kind, given.value) == ("cap", "ALL")


def is_below(path: str, folder: str) -> bool:
    """Whether a tidy absolute path lies below another."""
    return path != folder and path.startswith(folder if folder.endswith("/") else folder + "/")


def for_bind(path: str, *, read_only: bool) -> tuple[str, ...]:
    """The powers that mounting an absolute path of the host takes.

    For the path as written and again for what it really is once symbolic links are followed.
    """
    path = normal(path)
    if posixpath.basename(path) in _ENGINE_SOCKETS:
        return ("docker-socket",)
    bind = str(Power("host-bind", path, read_only))
    holds = any(place == path or is_below(place, path) for place in _SOCKET_PLACES)
    return ("docker-socket", bind) if holds else (bind,)
