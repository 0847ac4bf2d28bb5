"""HTTP over the Engine's unix socket, with Docker's errors turned into cove's.

Imported inside `cove.adapters.docker` only.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp

from cove.errors import PlatformError

DEFAULT_SOCKET: Final = "/var/run/docker.sock"
LEAST_API: Final = (1, 41)  # Docker 20.10, what Debian 12 ships
LEAST_VERSION: Final = "20.10"
_USUAL: Final = aiohttp.ClientTimeout(total=60)
_ENDLESS: Final = aiohttp.ClientTimeout(total=None, sock_connect=10)
_ERROR: Final = 400


class EngineError(Exception):
    """What the Engine answered instead of doing it; callers map it by status and words."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message

    def translated(self) -> PlatformError:
        """The error for people, when the caller knows nothing better."""
        if "no space left on device" in self.message:
            hint = "docker system df shows what fills it"
            return PlatformError("the disk is full", code="disk-full", hint=hint)
        return PlatformError(f"Docker refused: {self.message}", code="docker")


def socket_path(environ: Mapping[str, str] = os.environ) -> str:
    """The Engine's socket: DOCKER_HOST where it names one, else the usual place."""
    host = environ.get("DOCKER_HOST", "")
    return host.removeprefix("unix://") if host.startswith("unix://") else DEFAULT_SOCKET


class DockerClient:
    """One session to the Engine; the API version is asked for once, before the first request."""

    def __init__(self, socket: str) -> None:
        self._socket = socket
        self._session: aiohttp.ClientSession | None = None
        self._prefix = ""

    async def close(self) -> None:
        """Closes the connections."""
        if self._session is not None:
            await self._session.close()

    async def get(self, path: str, **query: Any) -> Any:
        """The JSON that a GET answers. Raises EngineError; PlatformError when Docker is down."""
        return await self._json("GET", path, query)

    async def post(self, path: str, body: Any = None, **query: Any) -> Any:
        """The JSON that a POST answers, None where there is none. Raises as `get` does."""
        return await self._json("POST", path, query, body)

    async def delete(self, path: str, **query: Any) -> Any:
        """The JSON that a DELETE answers. Raises as `get` does."""
        return await self._json("DELETE", path, query)

    @asynccontextmanager
    async def stream(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, **query: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """A response without a time limit, for logs, events and pulls. Raises as `get` does."""
        session, url = await self._target(path)
        try:
            async with session.request(
                method, url, params=_query(query), headers=headers, timeout=_ENDLESS
            ) as response:
                await _check(response)
                yield response
        except (aiohttp.ClientError, OSError) as error:
            raise self._down(error) from error

    async def upload(
        self, path: str, body: AsyncIterator[bytes], query: Sequence[tuple[str, str]]
    ) -> None:
        """Sends a tar and waits for the last word on it. Raises as `get` does."""
        session, url = await self._target(path)
        try:
            async with session.post(url, params=query, data=body, timeout=_ENDLESS) as response:
                await _check(response)
                async for line in response.content:
                    if b'"error"' in line:
                        raise EngineError(response.status, line.decode("utf-8", "replace"))
        except (aiohttp.ClientError, OSError) as error:
            raise self._down(error) from error

    async def _json(self, method: str, path: str, query: dict[str, Any], body: Any = None) -> Any:
        session, url = await self._target(path)
        try:
            async with session.request(method, url, params=_query(query), json=body) as response:
                await _check(response)
                data = await response.read()
                return json.loads(data) if data.strip() else None
        except (aiohttp.ClientError, OSError) as error:
            raise self._down(error) from error

    @property
    def socket(self) -> str:
        """The Engine's socket, for a connection that is no request."""
        return self._socket

    async def path(self, path: str) -> str:
        """A path as such a connection needs it, the API's version before it."""
        _, url = await self._target(path)
        return url.removeprefix("http://docker")

    def down(self, error: Exception) -> PlatformError:
        """What such a connection's failure means."""
        return self._down(error)

    async def _target(self, path: str) -> tuple[aiohttp.ClientSession, str]:
        if self._session is None:
            connector = aiohttp.UnixConnector(self._socket, limit=0)
            self._session = aiohttp.ClientSession(connector=connector, timeout=_USUAL)
        if not self._prefix:
            self._prefix = await self._negotiate(self._session)
        return self._session, f"http://docker{self._prefix}{path}"

    async def _negotiate(self, session: aiohttp.ClientSession) -> str:
        try:
            async with session.get("http://docker/version") as response:
                await _check(response)
                about = await response.json()
        except (aiohttp.ClientError, OSError) as error:
            raise self._down(error) from error
        version = tuple(int(part) for part in about["ApiVersion"].split("."))
        if version < LEAST_API:
            raise PlatformError(
                f"Docker {about['Version']} is too old; cove needs {LEAST_VERSION} or newer",
                code="docker-old",
                hint="upgrade the Docker Engine",
            )
        return f"/v{about['ApiVersion']}"

    def _down(self, error: Exception) -> PlatformError:
        self._prefix = ""  # what comes back may be another version
        # aiohttp's own words speak of TLS and hosts, which a unix socket has not.
        reason = getattr(getattr(error, "os_error", None), "strerror", None) or str(error)
        return PlatformError(
            f"Docker does not answer on {self._socket}: {reason or type(error).__name__}",
            code="docker-down",
            hint="start it (systemctl start docker), or see: cove doctor",
        )


def _query(query: Mapping[str, Any]) -> dict[str, str]:
    """The Engine takes filters as JSON and flags as 1 and 0."""
    return {key: _text(value) for key, value in query.items() if value is not None}


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    return json.dumps(value) if isinstance(value, dict) else str(value)


async def _check(response: aiohttp.ClientResponse) -> None:
    if response.status < _ERROR:
        return
    text = await response.text()
    try:
        message = str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        message = text.strip() or f"status {response.status}"
    raise EngineError(response.status, message)
