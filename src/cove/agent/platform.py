"""The agent's composition: every adapter made once and handed to the core.

Imported inside `cove.agent` only.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from socket import socket

from msgspec.structs import replace

from cove.adapters.acme import AcmeIssuer
from cove.adapters.certfiles import ProxyCertificateFiles
from cove.adapters.cipher import FileCipher
from cove.adapters.compose import ComposeComposer, ComposeRunner, find_compose
from cove.adapters.docker import (
    DockerClient,
    DockerCommands,
    DockerEngine,
    DockerLogs,
    socket_path,
)
from cove.adapters.host import LinuxHost
from cove.adapters.localca import LocalAuthority
from cove.adapters.logstore import ChunkStore
from cove.adapters.probe import HttpProbe
from cove.adapters.publicside import ChallengeListener, CovePublicSide
from cove.adapters.sqlite import SqliteStore
from cove.adapters.traefik import TraefikApi, TraefikProxy
from cove.agent.access_log import AccessLogChoices
from cove.agent.happenings import Happenings
from cove.agent.instance import Identity, Instance
from cove.agent.log_patterns import LogPatterns
from cove.agent.logs import Logs
from cove.agent.measuring import Measuring
from cove.agent.metric_readings import MetricReadings
from cove.agent.observation import Observation, Surroundings, assemble_observation
from cove.agent.ports import free_port, guarded, guarded_port
from cove.agent.proxy import ProxyParts, ProxyRuntime
from cove.agent.route_names import RouteNames
from cove.agent.status_pages import PageParts, StatusPages
from cove.certification.certifier import Certification
from cove.certification.parts import CertParts
from cove.ports import Platform
from cove.render.naming import Naming
from cove.render.proxy import DEFAULT_CERTIFICATE, ProxyPorts
from cove.render.traefik import ProxySettings
from cove.rollout.rollouts import Rollouts


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Everything the agent is made of."""

    instance: Instance
    identity: Identity
    naming: Naming
    client: DockerClient
    engine: DockerEngine
    commands: DockerCommands
    store: SqliteStore
    authority: LocalAuthority
    host: LinuxHost
    proxy_api: TraefikApi
    proxy: ProxyRuntime
    listener: ChallengeListener
    certification: Certification
    rollouts: Rollouts
    happenings: Happenings
    logs: Logs
    measuring: Measuring
    observation: Observation
    status_pages: StatusPages

    def proxy_settings(self) -> ProxySettings:
        """What routes need to know of the proxy, as it is now."""
        return ProxySettings(
            https_port=self.identity.https_port,
            http_port=self.identity.http_port,
            alpn=self.certification.settings.challenge == "tls",
            access_log=self.identity.access_log,
        )

    async def close(self) -> None:
        """Closes connections and files."""
        await self.listener.close()
        await self.status_pages.listener.close()
        await self.measuring.close()
        await self.proxy_api.close()
        await self.client.close()
        self.observation.uptime_store.close()
        self.store.close()


def assemble(identity: Identity, instance: Instance) -> Parts:
    """Makes and connects the parts. Raises PlatformError when Compose or the state is missing."""
    host = LinuxHost()
    # Held from here on: until Docker and the proxy are there, somebody else could take them.
    challenges = (guarded(identity.challenge_port), guarded(identity.alpn_port))
    identity = _with_ports(identity, instance, host, challenges)
    naming = Naming(identity.prefix)
    docker_socket = socket_path()
    client = DockerClient(docker_socket)
    engine = DockerEngine(client, naming, Path.home() / ".docker/config.json")
    runner = ComposeRunner(find_compose(), instance.folder / "locks", docker_socket)
    store = SqliteStore(instance.folder / "state.db", FileCipher(instance.folder), identity.pool)
    authority = LocalAuthority(instance.folder / "ca", instance.proxy / "certs")
    api = TraefikApi(identity.api_port)
    files = TraefikProxy(instance.proxy, api, challenges=identity.alpn_port)
    bind = f"[{identity.bind}]" if ":" in identity.bind else identity.bind
    ports = ProxyPorts(
        http=identity.http_port,
        https=identity.https_port,
        api=identity.api_port,
        bind=bind,
        access_log=identity.access_log,
    )
    proxy_parts = ProxyParts(
        engine=engine, runner=runner, authority=authority, host=host, api=api, files=files
    )
    proxy = ProxyRuntime(instance, naming, ports, proxy_parts, identity.challenge_port)
    listener = ChallengeListener(challenges, authority.paths(DEFAULT_CERTIFICATE))
    certification = Certification(
        CertParts(
            local=authority,
            files=ProxyCertificateFiles(instance.proxy / "certs"),
            issuer=AcmeIssuer(instance.folder / "acme"),
            public=CovePublicSide(listener, (identity.bind or "127.0.0.1", identity.https_port)),
            proxy=files,
            store=store,
        )
    )
    happenings = Happenings(store)
    logs = Logs(
        DockerLogs(client, naming),
        lambda: ChunkStore(instance.folder / "logs.db", identity.log_policy),
        identity.log_policy,
        lambda text: happenings.record("notice", text),
        AccessLogChoices(store, identity.access_log).keeps,
    )
    platform = Platform(
        engine=engine,
        composer=ComposeComposer(runner, instance.folder / "apps", naming),
        proxy=files,
        probe=HttpProbe(),
        host=host,
        certificates=certification,
        store=store,
        lines=logs.collector,
    )
    settings = ProxySettings(
        https_port=identity.https_port,
        http_port=identity.http_port,
        access_log=identity.access_log,
    )
    rollouts = Rollouts(platform, naming, settings)
    surroundings = Surroundings(
        instance=instance,
        identity=identity,
        store=store,
        engine=engine,
        rollouts=rollouts,
        certification=certification,
        happenings=happenings,
    )
    measuring = Measuring(instance, identity, client, naming, RouteNames(store))
    observation = assemble_observation(surroundings)
    measuring.listen(observation.oom.take)
    observation.alerting.add(MetricReadings(measuring.recent))
    patterns = LogPatterns(
        logs.reading.watch,
        lambda: [one.name for one in store.apps()],
        logs.collector.caught_up,
    )
    observation.alerting.add(patterns)
    page_parts = PageParts(
        store=store,
        certification=certification,
        proxy=files,
        uptime=observation.uptime,
        alerting=observation.alerting,
        settings=lambda: rollouts.proxy,
    )
    return Parts(
        instance=instance,
        identity=identity,
        naming=naming,
        client=client,
        engine=engine,
        commands=DockerCommands(client),
        store=store,
        authority=authority,
        host=host,
        proxy_api=api,
        proxy=proxy,
        listener=listener,
        certification=certification,
        rollouts=rollouts,
        happenings=happenings,
        logs=logs,
        measuring=measuring,
        observation=observation,
        status_pages=StatusPages(page_parts, identity.page_port),
    )


def _with_ports(
    identity: Identity, instance: Instance, host: LinuxHost, challenges: tuple[socket, socket]
) -> Identity:
    """Ports that nobody else holds: nobody else may speak for the proxy or answer challenges."""
    chosen = replace(
        identity,
        api_port=free_port() if host.held_by_others(identity.api_port) else identity.api_port,
        challenge_port=challenges[0].getsockname()[1],
        alpn_port=challenges[1].getsockname()[1],
        page_port=guarded_port(identity.page_port),
    )
    return identity if chosen == identity else instance.save(chosen)
