"""One instance of cove: its data directory, its identity, its lock.

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
import socket
from pathlib import Path

import msgspec
from msgspec import Struct

from cove.errors import PlatformError, Refused
from cove.render.naming import Naming

DEFAULT_DATA_DIR = Path("/var/lib/cove")
_SOCKET_PATH_LIMIT = 107  # sun_path of unix(7), without its final NUL


class Identity(Struct, frozen=True, kw_only=True):
    """What stays the same over restarts."""

    prefix: str
    api_port: int  # of the proxy's own API, on loopback


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
            for folder in (self.folder, self.folder / "apps", self.proxy, self.proxy / "certs"):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
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
            identity = Identity(prefix=prefix, api_port=free_port())
            self.save(identity)
        except (OSError, msgspec.DecodeError) as error:
            raise PlatformError(f"{path} cannot be used: {error}", code="data-dir") from error
        return identity

    def save(self, identity: Identity) -> None:
        """Writes the identity so that a crash leaves the old or the new one."""
        staged = self.folder / ".instance.json.new"
        staged.write_bytes(msgspec.json.encode(identity))
        staged.replace(self.folder / "instance.json")

    def naming(self) -> Naming:
        """How this instance names what it creates."""
        return Naming(self.identity().prefix)


def free_port() -> int:
    """A TCP port nobody listens on, on loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def port_free(port: int, bind: str) -> bool:
    """Whether somebody else could listen on the port."""
    family = socket.AF_INET6 if not bind or ":" in bind else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((bind.strip("[]") or "::", port))
            probe.listen(1)
        except OSError:
            return False
    return True
