"""Runs Compose for one project at a time, so that it cannot outlive or compete with its agent.

The child dies with the agent (PDEATHSIG) and holds the project's lock file; whoever comes after a
crash takes that lock first. Imported inside `cove.adapters.compose` and by the agent.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import re
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from cove.adapters.compose.binary import Compose
from cove.errors import CoveError, PlatformError, RolloutFailed

# What a Compose process may inherit; COMPOSE_* of the caller would change what it does.
_INHERITED = ("PATH", "HOME", "DOCKER_HOST", "DOCKER_CONFIG", "SSL_CERT_FILE", "TMPDIR")
_POLL = 0.05
_LAST_LINES = 10
_DAEMON = re.compile(r"^.*?Error response from daemon:\s*")


class ComposeRunner:
    """One Compose binary, used for every project of the instance."""

    def __init__(self, compose: Compose, locks: Path, socket: str) -> None:
        self.compose = compose
        self._locks = locks
        self._socket = socket
        self._setpriv = shutil.which("setpriv")

    async def run(
        self, project: str, folder: Path, arguments: Sequence[str], secrets: Mapping[str, str]
    ) -> None:
        """Runs `compose ARGUMENTS` on the project's file.

        Raises RolloutFailed when Docker cannot start a container, PlatformError for the rest.
        """
        argv = [
            *self._death_signal(),
            self.compose.path,
            "--project-name",
            project,
            "--project-directory",
            str(folder),
            "--file",
            str(folder / "compose.yaml"),
            "--progress",
            "quiet",
            *arguments,
        ]
        async with self._lock(project) as lock:
            code, output = await self._child(argv, self._environment(secrets), lock)
        if code != 0:
            raise failure(output)

    async def settle(self, project: str) -> None:
        """Waits until no Compose process of an earlier agent holds the project."""
        async with self._lock(project):
            pass

    async def _child(
        self, argv: list[str], env: dict[str, str], lock: int
    ) -> tuple[int, list[str]]:
        process = await asyncio.create_subprocess_exec(
            *argv,
            env=env,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            pass_fds=(lock,),
        )
        try:
            _, stderr = await process.communicate()
        except asyncio.CancelledError:
            if process.returncode is None:
                process.kill()
            await process.wait()
            raise
        return process.returncode or 0, stderr.decode("utf-8", "replace").splitlines()

    @asynccontextmanager
    async def _lock(self, project: str) -> AsyncIterator[int]:
        self._locks.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(
            self._locks / f"{project}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
        try:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    await asyncio.sleep(_POLL)
            yield lock
        finally:
            os.close(lock)

    def _death_signal(self) -> list[str]:
        return [self._setpriv, "--pdeathsig", "KILL", "--"] if self._setpriv else []

    def _environment(self, secrets: Mapping[str, str]) -> dict[str, str]:
        inherited = {key: os.environ[key] for key in _INHERITED if key in os.environ}
        return {**inherited, "DOCKER_HOST": f"unix://{self._socket}", **secrets}


def failure(output: Sequence[str]) -> CoveError:
    """Compose's last words as an error that says what to do."""
    lines = [line.strip() for line in output if line.strip()]
    words = next((line for line in reversed(lines) if "rror" in line), lines[-1] if lines else "")
    message = _DAEMON.sub("", words)
    log = tuple(lines[-_LAST_LINES:])
    if "port is already allocated" in words or "address already in use" in words.lower():
        return RolloutFailed(
            f"a port of this machine is taken: {message}",
            code="port-taken",
            hint="publish another port, or stop what holds it",
        )
    if "no space left on device" in words:
        return PlatformError("the disk is full", code="disk-full", hint="docker system df")
    if "Cannot connect to the Docker daemon" in words:
        return PlatformError("Docker does not answer", code="docker-down", hint="cove doctor")
    if "executable file not found" in words or "OCI runtime" in words or "oci runtime" in words:
        return RolloutFailed(
            f"the container cannot start: {message}",
            code="cannot-start",
            hint="check `command` and `entrypoint` against what the image contains",
        )
    return RolloutFailed(
        f"Compose refused: {message or 'no reason given'}", code="compose", log=log
    )
