"""`ChildNotifier`: the port `Notifier`, as the agent holds it. It starts a child for each message.

Imported inside `cove.adapters.notify`. It must never import what the child needs: libraries for
170 services, and the TLS contexts with all authorities, would stay in the agent's memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sys
from typing import Final

import msgspec

from cove import __version__
from cove.adapters.notify.lines import LIMIT, LONGEST, Ended, Request
from cove.model.alerts import Channel, Message

_CHILD: Final = "cove.adapters.notify.child"
_PARALLEL: Final = 2  # children; each takes up to 60 MB for a moment
# Only what finds the way out to the network; nothing of the agent's own.
_INHERITED: Final = (
    "PATH",
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "NO_PROXY",
    "no_proxy",
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
)


class ChildNotifier:
    """Carries messages; a child that takes longer than the limit is killed."""

    def __init__(self, limit: float = LIMIT) -> None:
        self._limit = limit
        self._setpriv = shutil.which("setpriv")
        self._slots = asyncio.Semaphore(_PARALLEL)

    async def send(self, channel: Channel, message: Message) -> str:
        """Why it did not arrive; empty: it did. Never raises, and takes a limited time."""
        async with self._slots:
            try:
                async with asyncio.timeout(self._limit):
                    return await self._child(channel, message)
            except TimeoutError:
                return f"no answer within {self._limit:g} s"
            except OSError as error:
                return f"no child process could be started: {error.strerror}"

    async def _child(self, channel: Channel, message: Message) -> str:
        process = await asyncio.create_subprocess_exec(
            *([self._setpriv, "--pdeathsig", "KILL", "--"] if self._setpriv else ()),
            sys.executable,
            "-P",  # nothing from the working directory
            "-m",
            _CHILD,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={key: os.environ[key] for key in _INHERITED if key in os.environ},
            limit=LONGEST,
        )
        try:
            request = Request(channel=channel, message=message, agent=f"cove/{__version__}")
            said, trouble = await process.communicate(msgspec.json.encode(request))
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
            await process.wait()
        try:
            return msgspec.json.decode(said, type=Ended).error
        except msgspec.DecodeError:
            # Its last words may name the address: only the kind of the failure is told.
            kind = trouble.decode(errors="replace").strip().splitlines()[-1:]
            name = kind[0].partition(":")[0][:60] if kind else f"status {process.returncode}"
            return f"the child that sends ended: {name}"
