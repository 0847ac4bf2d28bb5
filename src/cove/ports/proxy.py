"""The reverse proxy, and checks from outside of what stands behind it.

Imported as `cove.ports` only.
"""

from __future__ import annotations

from typing import Any, Protocol

from msgspec import Struct

from cove.model.app import Health


class ProxyRoutes(Struct, frozen=True):
    """One app's part of the proxy's configuration, and what its API must then show."""

    document: dict[str, Any]
    routers: dict[str, str]  # router name -> service name
    services: dict[str, tuple[str, ...]]  # service name -> upstream URLs


class Proxy(Protocol):
    """The reverse proxy."""

    async def publish(self, app: str, routes: ProxyRoutes) -> None:
        """Makes the routes live; returns once the proxy has said that they are.

        Raises PlatformError (`proxy-refused`, `proxy-down`), the old routes then being in place.
        """

    async def withdraw(self, app: str) -> None:
        """Removes the app's routes and waits until the proxy has dropped them."""

    async def leads(self, routes: ProxyRoutes) -> bool | None:
        """Whether the proxy says that these routes are live; None where it does not answer."""


class ProbeResult(Struct, frozen=True):
    """What a readiness check found; `detail` says why it is not ready."""

    ready: bool
    detail: str = ""


class Probe(Protocol):
    """A check from outside the container."""

    async def check(self, address: str, port: int, health: Health, host: str) -> ProbeResult:
        """Never raises; `host` is sent as the Host header."""
