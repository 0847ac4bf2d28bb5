"""Commands inside running containers.

Imported as `cove.ports` only.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Literal, Protocol

from msgspec import Struct, field

from cove.errors import CoveError


class CommandRequest(Struct, frozen=True, kw_only=True):
    """A command to run inside a running container. `stdin`: whether it is given any input."""

    command: tuple[str, ...]
    tty: bool = False
    stdin: bool = True
    user: str = ""  # empty: the container's own
    workdir: str = ""
    environment: dict[str, str] = field(default_factory=dict)


class Output(Struct, frozen=True):
    """A piece of what a command wrote. With a terminal everything is `stdout`."""

    stream: Literal["stdout", "stderr"]
    data: bytes


class RunningCommand(Protocol):
    """A command under way inside a container; every wait is the command's own pace."""

    def output(self) -> AsyncIterator[Output]:
        """What it writes, until it has closed its output. To be asked for once."""

    async def write(self, data: bytes) -> None: ...
    async def end_input(self) -> None: ...
    async def resize(self, rows: int, columns: int) -> None: ...
    async def pid(self) -> int:
        """Its process, as this machine numbers it; 0 when it does not run."""

    async def exit_code(self) -> int | None:
        """Once its output has ended; None where the container is gone with the answer."""

    def failure(self) -> CoveError | None:
        """Why it could not be run at all (`cannot-run`), with the exit code of a shell for that.

        Known once its exit code is; None for one that ran.
        """

    async def close(self) -> None: ...


class Commands(Protocol):
    """Commands inside running containers."""

    async def prepare(self, container_id: str, request: CommandRequest) -> str:
        """What `start` takes. Raises NotFound and Refused (`not-running`, `cannot-run`)."""

    async def start(self, prepared: str, *, tty: bool) -> RunningCommand:
        """Runs what was prepared. Raises as `prepare` does."""
