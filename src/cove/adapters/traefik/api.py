"""What Traefik says it does. Imported inside `cove.adapters.traefik` and by the agent."""

from __future__ import annotations

from typing import Any, Final

import aiohttp

from cove.ports import ProxyRoutes

_TIMEOUT: Final = aiohttp.ClientTimeout(total=3)
_MISSING: Final = 404
_OK: Final = 200
_PAGE: Final = 10_000  # more routers than one machine will ever have


class TraefikApi:
    """The API on its loopback port."""

    def __init__(self, port: int) -> None:
        self._base = f"http://127.0.0.1:{port}"
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Closes the connections; the next question opens new ones."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def ping(self) -> bool:
        """Whether it answers at all."""
        try:
            async with self._open().get(f"{self._base}/ping") as response:
                return response.status == _OK
        except (aiohttp.ClientError, OSError, TimeoutError):
            return False

    async def version(self) -> str:
        """Its version; empty when it does not answer."""
        document = await self._get("/api/version")
        return str(document.get("Version", "")) if isinstance(document, dict) else ""

    async def difference(self, routes: ProxyRoutes) -> tuple[str, bool]:
        """What is not yet as wanted, and whether it was refused; empty when all is live."""
        for name, service in routes.routers.items():
            document = await self._get(f"/api/http/routers/{name}@file")
            if document is None:
                return f"router {name} is not there", False
            if document.get("service") != service:
                return f"router {name} still leads to {document.get('service')}", False
            if document.get("status") != "enabled":
                reasons = "; ".join(document.get("error") or ("disabled",))
                return f"router {name} was refused: {reasons}", True
        for name, urls in routes.services.items():
            document = await self._get(f"/api/http/services/{name}@file")
            if document is None or _urls(document) != set(urls):
                return f"service {name} does not lead to {', '.join(urls)} yet", False
        return "", False

    async def routers(self) -> dict[str, str] | None:
        """Every router of the files with its status; None when the API does not answer."""
        listed = await self._get(f"/api/http/routers?per_page={_PAGE}")
        if listed is None:
            return None
        return {
            str(router["name"]).removesuffix("@file"): str(router.get("status", ""))
            for router in listed
            if router.get("provider") == "file"
        }

    async def _get(self, path: str) -> Any:
        """None for what is not there, and when nobody answers."""
        try:
            async with self._open().get(self._base + path) as response:
                return await response.json() if response.status == _OK else None
        except (aiohttp.ClientError, OSError, TimeoutError):
            return None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=_TIMEOUT)
        return self._session


def _urls(document: dict[str, Any]) -> set[str]:
    servers = document.get("loadBalancer", {}).get("servers") or ()
    return {str(server.get("url")) for server in servers}
