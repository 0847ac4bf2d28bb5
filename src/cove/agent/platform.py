"""The agent's composition: every adapter made once and handed to the core.

Imported inside `cove.agent` only.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cove.adapters.cipher import FileCipher
from cove.adapters.compose import ComposeComposer, ComposeRunner, find_compose
from cove.adapters.docker import DockerClient, DockerEngine, socket_path
from cove.adapters.host import LinuxHost
from cove.adapters.localca import LocalAuthority
from cove.adapters.probe import HttpProbe
from cove.adapters.sqlite import DEFAULT_POOL, SqliteStore
from cove.adapters.traefik import TraefikApi, TraefikProxy
from cove.agent.instance import Instance
from cove.agent.proxy import ProxyParts, ProxyRuntime
from cove.ports import Platform
from cove.render.naming import Naming
from cove.render.proxy import ProxyPorts
from cove.render.traefik import ProxySettings
from cove.rollout.rollouts import Rollouts


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the agent was started with."""

    data_dir: Path
    http_port: int = 80
    https_port: int = 443
    bind: str = ""
    pool: str = DEFAULT_POOL

    def __post_init__(self) -> None:
        """Raises ValueError for a bind address that is none."""
        if self.bind:
            ipaddress.ip_address(self.bind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Everything the agent is made of."""

    options: Options
    instance: Instance
    naming: Naming
    client: DockerClient
    engine: DockerEngine
    store: SqliteStore
    authority: LocalAuthority
    host: LinuxHost
    proxy_api: TraefikApi
    proxy: ProxyRuntime
    rollouts: Rollouts

    async def close(self) -> None:
        """Closes connections and files."""
        await self.proxy_api.close()
        await self.client.close()
        self.store.close()


def assemble(options: Options, instance: Instance) -> Parts:
    """Makes and connects the parts. Raises PlatformError when Compose or the state is missing."""
    identity = instance.identity()
    naming = instance.naming()
    socket = socket_path()
    client = DockerClient(socket)
    engine = DockerEngine(client, naming, Path.home() / ".docker/config.json")
    runner = ComposeRunner(find_compose(), instance.folder / "locks", socket)
    store = SqliteStore(instance.folder / "state.db", FileCipher(instance.folder), options.pool)
    authority = LocalAuthority(instance.folder / "ca", instance.proxy / "certs")
    host = LinuxHost()
    api = TraefikApi(identity.api_port)
    files = TraefikProxy(instance.proxy, api)
    bind = f"[{options.bind}]" if ":" in options.bind else options.bind
    ports = ProxyPorts(
        http=options.http_port, https=options.https_port, api=identity.api_port, bind=bind
    )
    proxy_parts = ProxyParts(
        engine=engine, runner=runner, authority=authority, host=host, api=api, files=files
    )
    proxy = ProxyRuntime(instance, naming, ports, proxy_parts)
    platform = Platform(
        engine=engine,
        composer=ComposeComposer(runner, instance.folder / "apps", naming),
        proxy=files,
        probe=HttpProbe(),
        host=host,
        certificates=authority,
        store=store,
    )
    settings = ProxySettings(https_port=options.https_port, http_port=options.http_port)
    return Parts(
        options=options,
        instance=instance,
        naming=naming,
        client=client,
        engine=engine,
        store=store,
        authority=authority,
        host=host,
        proxy_api=api,
        proxy=proxy,
        rollouts=Rollouts(platform, naming, settings),
    )
