"""A container that writes what a test tells it to: in memory, or of this machine's Docker."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Sequence
from typing import Final

from cove.adapters.docker import DockerClient, DockerLogs, socket_path
from cove.model.logs import Stream
from cove.ports.logs import LogEngine, LogEntry
from cove.render.naming import Naming

from support.engine import Belongings, docker
from support.images import Images
from support.log_engine import FakeLogEngine
from support.polling import until

Lines = Sequence[tuple[Stream, str]]
PIECE: Final = 16 * 1024  # characters; Docker cuts longer lines in such pieces
_PYTHON: Final = "/usr/local/bin/python3"
_REST: Final = "import signal; signal.sigwait([signal.SIGTERM])"
# A process beside the container's first one writes into that one's streams.
_WRITE: Final = """
import json, os, sys
streams = {name: open(f"/proc/1/fd/{n}", "wb", 0) for n, name in ((1, "stdout"), (2, "stderr"))}
for stream, text in json.load(sys.stdin):
    streams[stream].write(text.encode() + b"\\n")
"""
APP: Final = "shop"


class Scene:
    """One container, and what reads its output."""

    engine: LogEngine

    async def run(self, service: str = "web", rotate: str = "10m") -> str:
        """A container that runs; its id. Its log begins another file after so many bytes."""
        raise NotImplementedError

    async def write(self, container: str, lines: Lines) -> None:
        """It writes lines, and Docker has them when this returns."""
        raise NotImplementedError

    async def stop(self, container: str) -> None:
        """It ends."""
        raise NotImplementedError

    async def remove(self, container: str) -> None:
        """It is gone."""
        raise NotImplementedError

    async def tear_down(self) -> None:
        """Nothing of it is left."""

    async def everything(self, container: str, **asked: int) -> list[LogEntry]:
        """All entries of an answer that does not follow."""
        connection = await self.engine.open(container, **asked)  # type: ignore[arg-type] # no bools
        found: list[LogEntry] = []
        try:
            while (entries := await connection.read(10)) or entries is None:
                found += entries or ()
        finally:
            connection.close()
        return found


class FakeScene(Scene):
    """The fake's."""

    def __init__(self) -> None:
        self.fake = FakeLogEngine()
        self.engine: LogEngine = self.fake
        self._since_rotation = 0
        self._every = 0
        self._at = time.time_ns()

    async def run(self, service: str = "web", rotate: str = "10m") -> str:
        container = secrets.token_hex(32)
        self._every = int(rotate.removesuffix("k")) * 1024 if rotate.endswith("k") else 0
        self.fake.run(container, APP, service)
        return container

    async def write(self, container: str, lines: Lines) -> None:
        for stream, text in lines:
            self._at += 2_000
            pieces = [text[i : i + PIECE] for i in range(0, len(text), PIECE)] or [""]
            for number, piece in enumerate(pieces, start=1):
                whole = number == len(pieces)
                await self.fake.write(container, self._at, piece, stream, whole=whole)
            self._since_rotation += len(text) + 80
            if self._every and self._since_rotation > self._every:
                self._since_rotation = 0
                await self.fake.rotate(container, 7)

    async def stop(self, container: str) -> None:
        await self.fake.stop(container)

    async def remove(self, container: str) -> None:
        await self.fake.remove(container)


class RealScene(Scene):
    """Docker's."""

    def __init__(self) -> None:
        self._prefix = f"cove_{secrets.token_hex(3)}"
        self._client = DockerClient(socket_path())
        self.engine = DockerLogs(self._client, Naming(self._prefix))
        self._image = Images().hello

    async def run(self, service: str = "web", rotate: str = "10m") -> str:
        labels = {"cove.instance": self._prefix, "cove.app": APP, "cove.release": "1"}
        labels |= {"cove.service": service, "com.docker.compose.service": f"{service}-r1"}
        named = [word for key, value in labels.items() for word in ("--label", f"{key}={value}")]
        log = ["--log-driver", "json-file", "--log-opt", f"max-size={rotate}"]
        return docker(
            *("run", "--detach", "--pull", "never", *named, *log),
            *("--log-opt", "max-file=50", "--stop-timeout", "5"),
            *("--entrypoint", _PYTHON, self._image, "-c", _REST),
        )

    async def write(self, container: str, lines: Lines) -> None:
        command = ["exec", "--interactive", container, _PYTHON, "-c", _WRITE]
        await asyncio.to_thread(docker, *command, input=json.dumps(lines))
        last = dict(lines)
        async with asyncio.timeout(30):
            while not await self._has(container, last):  # noqa: ASYNC110 - is no event
                await asyncio.sleep(0.02)

    async def _has(self, container: str, last: dict[Stream, str]) -> bool:
        """Whether the last line of each stream is among Docker's last ones."""
        kept = await self.everything(container, tail=200)
        texts = {stream: "".join(e[2] for e in kept if e[0] == stream) for stream in last}
        return all(texts[stream].endswith(text) for stream, text in last.items())

    async def stop(self, container: str) -> None:
        await asyncio.to_thread(docker, "stop", container)

    async def remove(self, container: str) -> None:
        docker("rm", "--force", container)

    async def tear_down(self) -> None:
        await self._client.close()
        owned = Belongings(self._prefix)
        until(lambda: not owned.remove_all(), "everything is removed")
