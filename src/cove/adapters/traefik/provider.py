"""Traefik's file provider, used so that one app can never spoil another's routes.

`TraefikProxy` fulfils `cove.ports.Proxy` and `cove.ports.ProxyCertificates`.

One file per app, staged on the same file system and renamed into the watched directory: an
in-place write lost a route for two seconds when it was tried. Imported by the agent only.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from cove.adapters.traefik.api import TraefikApi
from cove.durable import replace_file
from cove.errors import PlatformError
from cove.ports import ProxyRoutes
from cove.render.proxy import certificates_document, challenges_document

_FIRST_POLL = 0.01  # seconds; a rename is live after 65 ms in the median
_LONGEST_POLL = 0.1
_LIMIT = 15.0


class TraefikProxy:
    """Fulfils `cove.ports.Proxy`."""

    def __init__(
        self, folder: Path, api: TraefikApi, limit: float = _LIMIT, challenges: int = 0
    ) -> None:
        self._dynamic = folder / "dynamic"
        self._staging = folder / "staging"
        self._api = api
        self._limit = limit
        self._challenges = challenges  # cove's own port for TLS-ALPN
        self.expected: dict[str, ProxyRoutes] = {}  # by app, for the watchdog
        self._written: dict[Path, bytes] = {}  # what the watched directory shall hold

    async def publish(self, app: str, routes: ProxyRoutes) -> None:
        """Makes the routes live; on failure the ones before are put back."""
        path = self._path(app)
        before = self._written.get(path) or _content(path)
        self._put(path, _encoded(routes.document))
        problem = await self._confirmed(routes)
        if problem:
            self._restore(path, before)
            raise problem
        self.expected[app] = routes

    async def withdraw(self, app: str) -> None:
        """Removes the routes and waits until the proxy has dropped them."""
        path = self._path(app)
        published = self.expected.pop(app, None)
        names = _router_names(path) | set(published.routers if published else ())
        self._drop(path)
        if not names:
            return
        deadline = asyncio.get_running_loop().time() + self._limit
        while asyncio.get_running_loop().time() < deadline:
            live = await self._api.routers()
            # A proxy that is down serves nothing, and will start without the file.
            if live is None or not names & live.keys():
                return
            await asyncio.sleep(_LONGEST_POLL)
        raise PlatformError("the proxy did not drop the routes", code="proxy-refused")

    async def leads(self, routes: ProxyRoutes) -> bool | None:
        """Whether all of the routes are live, by the proxy's own word; None without one."""
        if not await self._api.ping():
            return None
        problem, _ = await self._api.difference(routes)
        return not problem

    @property
    def watched(self) -> bool:
        """Whether the directory that the proxy watches is there."""
        return self._dynamic.is_dir()

    def write_base(self, document: dict[str, Any]) -> bool:
        """The file every app's routes rely on; whether the directory had to be made for it."""
        anew = not self.watched
        self._dynamic.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._write_shared("_base", document)
        return anew

    def certify(self, stems: Sequence[str]) -> None:
        """The pairs the proxy serves; written even when unchanged, so that it reads them again.

        Raises PlatformError (`data-dir`).
        """
        self._write_shared("_certs", certificates_document(stems), always=True)

    def lead_challenges(self, domains: Sequence[str]) -> None:
        """The names whose TLS-ALPN handshakes lead to cove itself.

        Raises PlatformError (`data-dir`).
        """
        self._write_shared("_challenges", challenges_document(domains, self._challenges))

    def _write_shared(self, name: str, document: dict[str, Any], *, always: bool = False) -> None:
        """A file of cove's own; an unchanged one needs no room on a full disk."""
        path, data = self._path(name), _encoded(document)
        if not document:
            self._drop(path)
        elif _content(path) != data:
            self._put(path, data)
        else:
            self._written[path] = data
            if always:
                with suppress(PlatformError):
                    self._put(path, data)

    def mend(self) -> list[str]:
        """Writes again each of cove's files that somebody changed or deleted; returns their names.

        Raises PlatformError (`data-dir`).
        """
        spoilt = [path for path, data in self._written.items() if _content(path) != data]
        for path in spoilt:
            self._put(path, self._written[path])
        return [path.name for path in spoilt]

    def strangers(self) -> list[str]:
        """Files beside cove's own. One that Traefik cannot read keeps it from every change."""
        if not self._dynamic.is_dir():
            return []
        return sorted(p.name for p in self._dynamic.iterdir() if p not in self._written)

    async def _confirmed(self, routes: ProxyRoutes) -> PlatformError | None:
        clock = asyncio.get_running_loop().time
        deadline, pause = clock() + self._limit, _FIRST_POLL
        while True:
            problem, refused = await self._api.difference(routes)
            if not problem:
                return None
            if refused:
                return PlatformError(f"the proxy refused: {problem}", code="proxy-refused")
            if clock() > deadline:
                return await self._silent(problem)
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_POLL)

    async def _silent(self, problem: str) -> PlatformError:
        if await self._api.ping():
            return PlatformError(
                f"the proxy did not take the routes: {problem}",
                code="proxy-refused",
                hint="its log says why: cove doctor",
            )
        return PlatformError("the proxy does not answer", code="proxy-down", hint="cove doctor")

    def _path(self, app: str) -> Path:
        return self._dynamic / f"{app}.yml"

    def _restore(self, path: Path, before: bytes | None) -> None:
        if before is None:
            self._drop(path)
        else:
            self._put(path, before)

    def _put(self, path: Path, data: bytes) -> None:
        # Staged outside the watched directory: a temporary file inside would burn a reload.
        try:
            self._staging.mkdir(mode=0o700, parents=True, exist_ok=True)
            replace_file(path, data, staging=self._staging)
        except OSError as error:
            raise PlatformError(f"{path} cannot be written: {error}", code="data-dir") from error
        self._written[path] = data

    def _drop(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        self._written.pop(path, None)


def _encoded(document: dict[str, Any]) -> bytes:
    # JSON is YAML, and leaves no room for surprises in quoting. Traefik ignores `.json` files.
    text = json.dumps(document, indent=1)
    if "{{" in text:
        raise PlatformError("a template mark may not reach the proxy", code="proxy-template")
    return text.encode()


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _router_names(path: Path) -> set[str]:
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return set()
    return set(document.get("http", {}).get("routers", {}))
