"""A way to the Docker Engine that can be cut, with all that goes over it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
_CHUNK = 65536


class Relay:
    """A unix socket whose connections are passed on to another, until it is cut."""

    def __init__(self, path: Path, target: str) -> None:
        self._path = path
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._writers: set[asyncio.StreamWriter] = set()
        self._thread.start()
        self._server = self._do(asyncio.start_unix_server(self._serve, path))

    def cut(self) -> None:
        """Nobody answers any more, and every connection breaks off."""
        self._do(self._cut())
        self._path.unlink(missing_ok=True)

    def mend(self) -> None:
        """It is there again."""
        self._server = self._do(asyncio.start_unix_server(self._serve, self._path))

    def close(self) -> None:
        """It is gone for good."""
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, what: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(10)

    async def _cut(self) -> None:
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_unix_connection(self._target)
        self._writers |= {writer, back}
        await asyncio.gather(_pass_on(reader, back), _pass_on(there, writer))
        for one in (writer, back):
            one.close()
            self._writers.discard(one)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
        writer.write_eof()


@contextmanager
def relay(path: Path, target: str) -> Iterator[Relay]:
    """One that is gone afterwards."""
    made = Relay(path, target)
    try:
        yield made
    finally:
        made.close()
