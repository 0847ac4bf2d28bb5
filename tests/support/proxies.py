"""A proxy to hold the port's promises against: in memory, or Traefik as a child process."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from cove.adapters.traefik import TraefikApi, TraefikProxy
from cove.model.access import ServerAccessLog
from cove.ports import Proxy, ProxyRoutes
from cove.render.proxy import PROXY_ENVIRONMENT, ProxyPorts, base_document, static_document

from support.fakes import FakeProxy
from support.places import free_port
from support.world import World

NOBODY = "nobody"


class Gate:
    """A proxy, and who answers through it."""

    proxy: Proxy

    async def ask(self, host: str) -> str:
        """Which upstream answers for a host: its `address:port`, or NOBODY."""
        raise NotImplementedError

    async def stop(self) -> None:
        """Ends it."""
        raise NotImplementedError


class FakeGate(Gate):
    """The fake, which knows where its routes lead."""

    def __init__(self) -> None:
        self.world = World()
        self.proxy = self.fake = FakeProxy(self.world)

    async def stop(self) -> None:
        self.fake.away = True

    async def ask(self, host: str) -> str:
        for routes in self.world.routes.values():
            for router in routes.document.get("http", {}).get("routers", {}).values():
                if f"Host(`{host}`)" in router["rule"]:
                    return urlsplit(routes.services[router["service"]][0]).netloc
        return NOBODY


class RealGate(Gate):
    """Traefik with the configuration cove gives it, but for the folder."""

    def __init__(self, folder: Path, access_log: ServerAccessLog = "errors") -> None:
        self.folder = folder
        self.ports = ProxyPorts(
            http=free_port(),
            https=free_port(),
            api=free_port(),
            bind="127.0.0.1",
            access_log=access_log,
        )
        self.api = TraefikApi(self.ports.api)
        self.proxy = self.files = TraefikProxy(folder, self.api, limit=5)
        self.process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Starts it and waits until it answers."""
        static: dict[str, Any] = static_document(self.ports)
        static["providers"]["file"]["directory"] = str(self.folder / "dynamic")
        base = base_document(free_port())
        del base["http"]["routers"], base["http"]["services"]  # nobody answers challenges here
        del base["tls"]  # the default certificate, for which these tests have no use
        self.files.write_base(base)
        file = self.folder / "traefik.yaml"
        file.write_text(yaml.safe_dump(static))
        binary = shutil.which("traefik", path=str(Path(sys.executable).parent))
        assert binary, "the embedded extra is not installed: script/setup"
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(  # noqa: ASYNC220 - stopped from a fixture without a loop
                [binary, f"--configFile={file}"],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env=os.environ | PROXY_ENVIRONMENT,
            )
        async with asyncio.timeout(30):
            while not await self.api.ping():
                assert self.process.poll() is None, (self.folder / "log").read_text()
                await asyncio.sleep(0.05)

    async def stop(self) -> None:
        await self.api.close()
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    async def ask(self, host: str) -> str:
        status, body = await _get(self.ports.http, host)
        return body if status == 200 else NOBODY


async def _get(port: int, host: str) -> tuple[int, str]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        request = f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        writer.write(request.encode())
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        return int(head.split()[1]), body.decode()
    finally:
        writer.close()
        await writer.wait_closed()


@asynccontextmanager
async def upstream() -> AsyncIterator[int]:
    """A server on loopback that answers every request with its own address; its port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = "{}:{}".format(*writer.get_extra_info("sockname"))
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write((head + body).encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def spoiled(routes: ProxyRoutes) -> ProxyRoutes:
    """The same routes with a middleware that is defined nowhere: a proxy refuses that."""
    document = json.loads(json.dumps(routes.document))
    for router in document["http"]["routers"].values():
        router["middlewares"] = ["there-is-none"]
    return ProxyRoutes(document, routes.routers, routes.services)
