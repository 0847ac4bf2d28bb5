"""The agent about itself: version, its own end. Imported inside `cove.agent.api`."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from aiohttp import web
from msgspec import Struct

from cove import __version__
from cove.agent.api.answers import answer
from cove.agent.api.endpoint import endpoint, read_body
from cove.agent.platform import Parts
from cove.errors import PlatformError
from cove.model.views import VersionView


class ShutdownRequest(Struct, forbid_unknown_fields=True):
    """What ends beside the agent."""

    proxy: bool = False
    apps: bool = False


class AgentEndpoints:
    """What can be asked before the agent is ready."""

    def __init__(
        self,
        parts: Parts,
        ready: Callable[[], bool],
        shutdown: Callable[[ShutdownRequest], None],
    ) -> None:
        self._parts = parts
        self._ready = ready
        self._shutdown = shutdown
        self._begun = time.monotonic()

    @endpoint("GET", "/v1/version", {"": VersionView})
    async def version(self, _: web.Request) -> web.StreamResponse:
        """The agent, Docker and the proxy."""
        identity = self._parts.identity
        try:
            docker = (await self._parts.engine.info()).version
        except PlatformError:
            docker = ""
        view = VersionView(
            version=__version__,
            api="v1",
            pid=os.getpid(),
            instance=self._parts.naming.prefix,
            data_dir=str(self._parts.instance.folder),
            http_port=identity.http_port,
            https_port=identity.https_port,
            bind=identity.bind,
            pool=identity.pool,
            log_days=identity.log_days,
            log_bytes=identity.log_bytes,
            log_bytes_per_app=identity.log_bytes_per_app,
            access_log=identity.access_log,
            metrics_port=identity.metrics_port,
            docker=docker,
            proxy=self._parts.proxy.view,
            uptime=time.monotonic() - self._begun,
            ready=self._ready(),
        )
        return answer(view)

    @endpoint("POST", "/v1/shutdown", body=ShutdownRequest)
    async def shutdown(self, request: web.Request) -> web.StreamResponse:
        """End the agent, and if asked the proxy and the apps' containers."""
        self._shutdown(await read_body(request, ShutdownRequest))
        return answer({}, 202)
