"""One instance of cove: its data directory, its identity, its lock.

    logs.db                    what apps wrote; may be deleted while no agent runs
    state.db  secret.key  instance.json  agent.sock  agent.lock
    apps/NAME/compose.yaml     what runs
    proxy/                     what Traefik reads: traefik.yaml, dynamic/, certs/
    ca/                        the local authority

Imported inside `cove.agent` only.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import stat
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import asdict, replace

from cove.adapters.sqlite import DEFAULT_POOL
from cove.agent.ports import free_port
from cove.durable import replace_file
from cove.errors import PlatformError, Refused
from cove.model.access import ServerAccessLog
from cove.model.logs import LogPolicy

DEFAULT_DATA_DIR = Path("/var/lib/cove")
_SOCKET_PATH_LIMIT = 107  # sun_path of unix(7), without its final NUL


class Asked(Struct, frozen=True, kw_only=True):
    """What the agent was started with; None: as the last time."""

    http_port: int | None = None
    https_port: int | None = None
    bind: str | None = None
    pool: str | None = None
    log_days: float | None = None
    log_bytes: int | None = None
    log_bytes_per_app: int | None = None
    access_log: ServerAccessLog | None = None
    metrics_port: int | None = None  # 0: none


class Identity(Struct, frozen=True, kw_only=True):
    """What stays the same over restarts."""

    prefix: str
    api_port: int  # of the proxy's own API, on loopback
    http_port: int = 80
    https_port: int = 443
    bind: str = ""  # empty: every address, IPv4 and IPv6
    pool: str = DEFAULT_POOL
    # Loopback ports that the proxy leads authorities' challenges to; 0: none chosen yet.
    challenge_port: int = 0
    alpn_port: int = 0
    page_port: int = 0  # and another, to status pages
    access_log: ServerAccessLog = "errors"
    metrics_port: int = 0  # of loopback, for Prometheus; 0: the socket only
    # How long and how much of logs is kept.
    log_days: float = LogPolicy().days
    log_bytes: int = LogPolicy().total
    log_bytes_per_app: int = LogPolicy().per_app

    @property
    def log_policy(self) -> LogPolicy:
        """What of logs is kept."""
        return LogPolicy(days=self.log_days, total=self.log_bytes, per_app=self.log_bytes_per_app)


class Instance:
    """The data directory, held by one agent at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = -1

    @property
    def socket(self) -> Path:
        """Where the API listens."""
        return self.folder / "agent.sock"

    @property
    def apps_stopped(self) -> Path:
        """There while the apps rest only because the platform was taken down with them."""
        return self.folder / "apps.stopped"

    @property
    def proxy(self) -> Path:
        """What Traefik is given to read."""
        return self.folder / "proxy"

    def open(self) -> None:
        """Creates the directory and takes its lock.

        Raises PlatformError (`data-dir`), and Refused (`agent-running`) while another agent has it.
        """
        if len(str(self.socket)) > _SOCKET_PATH_LIMIT:
            raise PlatformError(f"{self.folder} is too long a path for a socket", code="data-dir")
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _refuse_shared(self.folder)
            for folder in (self.folder / "apps", self.proxy, self.proxy / "certs"):
                folder.mkdir(mode=0o700, exist_ok=True)
            self._lock = os.open(self.folder / "agent.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
        except OSError as error:
            raise PlatformError(
                f"the data directory {self.folder} cannot be used: {error.strerror}",
                code="data-dir",
                hint="run as root, or name another with --data-dir",
            ) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refused(
                f"another agent runs on {self.folder}", code="agent-running", hint="cove status"
            ) from None

    def identity(self) -> Identity:
        """Read back, or made once. Raises PlatformError (`data-dir`)."""
        path = self.folder / "instance.json"
        try:
            if path.exists():
                return msgspec.json.decode(path.read_bytes(), type=Identity)
            default = self.folder.resolve() == DEFAULT_DATA_DIR
            prefix = "cove" if default else f"cove_{secrets.token_hex(3)}"
            return self.save(Identity(prefix=prefix, api_port=free_port()))
        except (OSError, msgspec.DecodeError) as error:
            raise PlatformError(f"{path} cannot be used: {error}", code="data-dir") from error

    def remember(self, asked: Asked) -> Identity:
        """The identity with what was asked for now; it holds until something else is asked for.

        Raises PlatformError (`data-dir`).
        """
        identity = self.identity()
        given = {key: value for key, value in asdict(asked).items() if value is not None}
        told = replace(identity, **given)
        # An agent that is started as the last time needs no room on a full disk.
        return identity if told == identity else self.save(told)

    def save(self, identity: Identity) -> Identity:
        """Writes the identity so that a crash leaves the old or the new one.

        Raises PlatformError (`data-dir`).
        """
        path = self.folder / "instance.json"
        try:
            replace_file(path, msgspec.json.encode(identity))
        except OSError as error:
            raise PlatformError(f"{path} cannot be written: {error}", code="data-dir") from error
        return identity


def _refuse_shared(folder: Path) -> None:
    """Raises PlatformError (`data-dir`): others could put links where the agent writes as root."""
    found = folder.stat()
    if found.st_uid == os.geteuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return
    raise PlatformError(
        f"other users of this machine can write to the data directory {folder}",
        code="data-dir",
        hint=f"chown {os.geteuid()} {folder}; chmod 700 {folder}",
    )
