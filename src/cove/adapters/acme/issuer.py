"""`AcmeIssuer`: the port `Issuer`, as the agent holds it. It starts the child and answers it.

Imported inside `cove.adapters.acme`. It must never import the protocol's library.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import os
import shutil
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import msgspec

from cove import __version__
from cove.adapters.acme.lines import (
    LIVE,
    LONGEST,
    Account,
    Ended,
    Present,
    Registered,
    Request,
    Said,
)
from cove.durable import replace_file
from cove.errors import PlatformError
from cove.model.certificates import AcmeSettings, Challenge, Order, Outcome

_log = logging.getLogger(__name__)
_CHILD: Final = "cove.adapters.acme.child"
_LIMIT: Final = 300.0  # seconds for one order; DNS records may need minutes to be seen
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

Presenter = Callable[[Challenge], Awaitable[None]]


class AcmeIssuer:
    """Keeps one account per authority in `folder`, which only its owner can read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._setpriv = shutil.which("setpriv")
        self._registering = asyncio.Lock()  # two first orders must not make two accounts

    async def issue(self, order: Order, present: Presenter) -> Outcome:
        """Carries out an order in a child; every failure is an outcome as well."""
        try:
            async with asyncio.timeout(_LIMIT):
                if self._account(order.settings) is None:
                    async with self._registering:
                        return await self._child(order, present)
                return await self._child(order, present)
        except TimeoutError:
            return Outcome(error=f"the authority did not finish within {_LIMIT:g} s")
        except OSError as error:
            return Outcome(error=f"no child process could be started: {error.strerror}")

    async def _child(self, order: Order, present: Presenter) -> Outcome:
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
            return await self._converse(process, order, present)
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
            await process.wait()

    async def _converse(
        self, process: asyncio.subprocess.Process, order: Order, present: Presenter
    ) -> Outcome:
        assert process.stdin  # noqa: S101 - it is a pipe
        assert process.stdout  # noqa: S101
        assert process.stderr  # noqa: S101
        trouble = asyncio.create_task(process.stderr.read(LONGEST))
        request = Request(
            order=order, account=self._account(order.settings), agent=f"cove/{__version__}"
        )
        with contextlib.suppress(ConnectionError):
            process.stdin.write(msgspec.json.encode(request) + b"\n")
            await process.stdin.drain()
            while line := await _line(process.stdout):
                match line:
                    case Present(challenge):
                        await present(challenge)
                        process.stdin.write(LIVE)
                    case Registered(account):
                        self._keep(order.settings, account)
                    case Ended(outcome):
                        trouble.cancel()
                        return outcome
        words = (await trouble).decode(errors="replace").strip().splitlines()[-1:]
        _log.warning("the child for %s ended: %s", order.domain, words)
        return Outcome(error=f"the child that speaks to the authority ended: {' '.join(words)}")

    def _account(self, settings: AcmeSettings) -> Account | None:
        try:
            return msgspec.json.decode(self._path(settings).read_bytes(), type=Account)
        except (OSError, msgspec.DecodeError):
            return None

    def _keep(self, settings: AcmeSettings, account: Account) -> None:
        path = self._path(settings)
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            replace_file(path, msgspec.json.encode(account))
        except OSError as error:
            raise PlatformError(f"{path} cannot be written: {error}", code="data-dir") from error

    def _path(self, settings: AcmeSettings) -> Path:
        """One account per authority and external identity."""
        identity = f"{settings.directory}\n{settings.eab_kid}"
        return self._folder / f"{hashlib.sha256(identity.encode()).hexdigest()[:16]}.json"


async def _line(stream: asyncio.StreamReader) -> Said | None:
    try:
        line = await stream.readline()
        return msgspec.json.decode(line, type=Said) if line else None
    except (ValueError, msgspec.DecodeError) as error:
        _log.warning("the child said what cannot be read: %s", type(error).__name__)
        return None
