"""The Engine as the core sees it. Imported by the composition roots only.

Only what carries this instance's labels is ever listed, stopped or removed.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import time
from collections.abc import AsyncIterator, Awaitable, Sequence
from pathlib import Path
from typing import Any, Final

from cove.adapters.docker import logs as container_logs
from cove.adapters.docker import pulling
from cove.adapters.docker.client import DockerClient, EngineError
from cove.adapters.docker.facts import (
    container_change,
    container_facts,
    image_facts,
    place_in,
    sighting,
)
from cove.adapters.docker.settling import Settling
from cove.model.app import DEFAULT_NETWORK
from cove.ports import (
    ContainerChange,
    ContainerFacts,
    EngineInfo,
    Exit,
    ImageFacts,
    LogLine,
    Progress,
    Sighting,
)
from cove.render.naming import LABEL_APP, LABEL_INSTANCE, LABEL_NETWORK, Naming

_GONE: Final = 404
_CONFLICT: Final = 409
_UNCHANGED: Final = 304
_LONGEST_SHOWN: Final = 2000  # characters of a log line in an error
_NANO: Final = 1_000_000_000
_OOM_SIGNAL: Final = "137"  # 128 + SIGKILL


class DockerEngine:
    """Fulfils `cove.ports.Engine`."""

    def __init__(self, client: DockerClient, naming: Naming, auth_file: Path) -> None:
        self._client = client
        self._naming = naming
        self._auth_file = auth_file
        self._info: EngineInfo | None = None
        self._settling = Settling(client, self._labels(""))

    async def info(self) -> EngineInfo:
        """Asked once; the Engine's architecture and place do not change under it."""
        if self._info is None:
            version = await _translated(self._client.get("/version"))
            about = await _translated(self._client.get("/info"))
            self._info = EngineInfo(
                version=version["Version"],
                api_version=version["ApiVersion"],
                architecture=version["Arch"],
                root=about["DockerRootDir"],
                containers=about.get("Containers", 0),
            )
        return self._info

    async def image(self, reference: str) -> ImageFacts | None:
        """None for an image that is not on this machine."""
        try:
            return image_facts(await self._client.get(f"/images/{reference}/json"))
        except EngineError as error:
            if error.status == _GONE:
                return None
            raise error.translated() from error

    async def pull(self, reference: str, platform: str, progress: Progress) -> None:
        """Fetches an image with the credentials `docker login` stored."""
        await pulling.pull(self._client, reference, platform, progress, self._auth_file)

    async def tag(self, image_id: str, reference: str) -> None:
        """Gives an image one more name."""
        repository, _, tag = reference.rpartition(":")
        await _translated(self._client.post(f"/images/{image_id}/tag", repo=repository, tag=tag))

    async def untag(self, reference: str) -> None:
        """Takes a name away; what a container uses stays."""
        await _absent_is_fine(self._client.delete(f"/images/{reference}"), also=_CONFLICT)

    async def containers(self, app: str = "") -> tuple[ContainerFacts, ...]:
        """This instance's containers, of one app or of all."""
        filters = {"label": self._labels(app)}
        listed = await _translated(self._client.get("/containers/json", all=True, filters=filters))
        found = await asyncio.gather(*(self.container(entry["Id"]) for entry in listed))
        return tuple(facts for facts in found if facts is not None)

    async def sightings(self) -> tuple[Sighting, ...]:
        """Every container of this instance's apps, without a look at each."""
        filters = {"label": self._labels("")}
        listed = await _translated(self._client.get("/containers/json", all=True, filters=filters))
        return tuple(sighting(entry, self._naming) for entry in listed)

    async def start(self, container_id: str) -> None:
        """Starts a container that rests."""
        try:
            await self._client.post(f"/containers/{container_id}/start")
        except EngineError as error:
            # A network of it that was deleted is "not found" with the same status.
            absent = error.status == _GONE and "no such container" in error.message.lower()
            if not absent and error.status != _UNCHANGED:
                raise error.translated() from error

    async def stop(self, container_id: str, grace: float) -> None:
        """Asks it to end, and kills it after `grace` seconds."""
        async with asyncio.timeout(grace + 60):
            path = f"/containers/{container_id}/stop"
            try:
                async with self._client.stream("POST", path, t=round(grace)):
                    pass
            except EngineError as error:
                if error.status not in (_GONE, _UNCHANGED):
                    raise error.translated() from error

    async def remove(self, container_id: str) -> None:
        """Removes a container with its anonymous volumes, running or not."""
        removal = self._client.delete(f"/containers/{container_id}", force=True, v=True)
        await _absent_is_fine(removal, also=_CONFLICT)

    async def settle(self, limit: float) -> bool:
        """Waits until Docker has done what clients that are gone had asked for."""
        return bool(await _translated(self._settling.wait(limit)))

    async def exits(self, container_ids: Sequence[str], since: float) -> tuple[Exit, ...]:
        """How the containers ended since then, oldest first."""
        filters = {"container": list(container_ids), "event": ["die", "oom"]}
        query: dict[str, Any] = {
            "since": f"{since:.9f}",
            "until": f"{time.time():.9f}",
            "filters": filters,
        }
        found: list[Exit] = []
        oom = False
        try:
            async with self._client.stream("GET", "/events", **query) as response:
                async for line in response.content:
                    event = json.loads(line)
                    oom = oom or event["Action"] == "oom"
                    if event["Action"] == "die":
                        found.append(_exit(event, oom=oom))
                        oom = False
        except EngineError as error:
            raise error.translated() from error
        return tuple(found)

    async def tail(self, container_id: str, lines: int) -> tuple[str, ...]:
        """The last lines it wrote, both streams, each cut to what an error can show."""
        facts = await self.container(container_id)
        if facts is None:
            return ()
        stream = container_logs.read(self._client, facts, since=0, tail=lines, follow=False)
        return tuple([_cut(line.text) async for line in stream])

    def logs(
        self, facts: ContainerFacts, *, since: float, tail: int, follow: bool
    ) -> AsyncIterator[LogLine]:
        """A container's lines; `tail` -1 means all."""
        return container_logs.read(self._client, facts, since=since, tail=tail, follow=follow)

    async def starts(self, app: str, since: float) -> AsyncIterator[ContainerFacts]:
        """Containers of the app as they start, those since a time included."""
        filters = {"type": ["container"], "event": ["start"], "label": self._labels(app)}
        query: dict[str, Any] = {"filters": filters, "since": f"{since:.9f}"}
        async with self._client.stream("GET", "/events", **query) as response:
            async for line in response.content:
                facts = await self.container(json.loads(line)["Actor"]["ID"])
                if facts is not None:
                    yield facts

    async def changes(self, since: int) -> AsyncIterator[ContainerChange]:
        """What becomes of this instance's containers; Docker remembers its last 256 events."""
        actions = ["start", "die", "oom", "health_status", "destroy"]
        filters = {"type": ["container"], "event": actions, "label": self._labels("")}
        moment = f"{since // _NANO}.{since % _NANO:09d}"
        try:
            async with self._client.stream(
                "GET", "/events", filters=filters, since=moment
            ) as response:
                async for line in response.content:
                    change = container_change(json.loads(line))
                    if change is not None:
                        yield change
        except EngineError as error:
            raise error.translated() from error

    async def subnets(self) -> tuple[str, ...]:
        """Every range a Docker network of this machine holds."""
        networks = await _translated(self._client.get("/networks"))
        configs = [c for n in networks for c in (n.get("IPAM") or {}).get("Config") or ()]
        return tuple(config["Subnet"] for config in configs if config.get("Subnet"))

    async def networks(self, app: str) -> frozenset[str]:
        """The app's networks that exist, by their names inside the app."""
        filters = {"label": self._labels(app)}
        listed = await _translated(self._client.get("/networks", filters=filters))
        labels = (network.get("Labels") or {} for network in listed)
        return frozenset(found.get(LABEL_NETWORK, DEFAULT_NETWORK) for found in labels)

    async def ensure_network(
        self, app: str, subnet: str, name: str = DEFAULT_NETWORK, *, internal: bool = False
    ) -> None:
        """A bridge of its own; Docker hands out addresses from the upper half only."""
        if name in await self.networks(app):
            return
        block = ipaddress.IPv4Network(subnet)
        upper = list(block.subnets())[1]
        config = {"Subnet": subnet, "IPRange": str(upper), "Gateway": str(block[1])}
        body = {
            "Name": self._naming.network(app, name),
            "Driver": "bridge",
            "CheckDuplicate": True,
            "Internal": internal,
            "IPAM": {"Config": [config]},
            "Labels": {
                LABEL_INSTANCE: self._naming.prefix,
                LABEL_APP: app,
                LABEL_NETWORK: name,
            },
        }
        await _translated(self._client.post("/networks/create", body))

    async def remove_network(self, app: str, name: str = DEFAULT_NETWORK) -> None:
        """The network goes, unless something still hangs on it."""
        await _absent_is_fine(self._client.delete(f"/networks/{self._naming.network(app, name)}"))

    async def connect(
        self, container_id: str, app: str, name: str, *aliases: str, like: str = ""
    ) -> None:
        """One more network for a container, in which it answers to the aliases."""
        network = self._naming.network(app, name)
        described = await _translated(self._client.get(f"/containers/{container_id}/json"))
        joined = described["NetworkSettings"]["Networks"].get(network)
        known = set(joined.get("Aliases") or ()) if joined else set()
        if joined is not None and known.issuperset(aliases):
            return
        endpoint: dict[str, Any] = {"Aliases": list(aliases)}
        if like:
            about = await _translated(self._client.get(f"/networks/{network}"))
            address = place_in(about["IPAM"]["Config"][0]["Subnet"], like)
            endpoint["IPAMConfig"] = {"IPv4Address": address}
        if joined is not None:  # the Engine has no other way to add an alias
            gone = {"Container": container_id}
            await _translated(self._client.post(f"/networks/{network}/disconnect", gone))
        body = {"Container": container_id, "EndpointConfig": endpoint}
        await _translated(self._client.post(f"/networks/{network}/connect", body))

    async def disconnect(self, container_id: str, app: str, name: str) -> None:
        """One network less for a container, running or not."""
        body = {"Container": container_id, "Force": True}
        path = f"/networks/{self._naming.network(app, name)}/disconnect"
        try:
            await self._client.post(path, body)
        except EngineError as error:
            if error.status != _GONE and "is not connected" not in str(error):
                raise error.translated() from error

    async def volumes(self, app: str) -> tuple[str, ...]:
        """The full names of the volumes made for the app."""
        filters = {"label": self._labels(app)}
        listed = await _translated(self._client.get("/volumes", filters=filters))
        return tuple(volume["Name"] for volume in listed.get("Volumes") or ())

    async def has_volume(self, name: str) -> bool:
        """Whether there is a volume of that name, labelled or not."""
        try:
            await self._client.get(f"/volumes/{name}")
        except EngineError as error:
            if error.status == _GONE:
                return False
            raise error.translated() from error
        return True

    async def remove_volume(self, name: str) -> None:
        """The volume and its data are gone."""
        await _absent_is_fine(self._client.delete(f"/volumes/{name}"))

    async def load_root(
        self, archive: AsyncIterator[bytes], reference: str, changes: Sequence[str]
    ) -> None:
        """Makes an image from a root file system's tar, without any registry or builder."""
        repository, _, tag = reference.rpartition(":")
        query = [("fromSrc", "-"), ("repo", repository), ("tag", tag)]
        query += [("changes", change) for change in changes]
        try:
            await self._client.upload("/images/create", archive, query)
        except EngineError as error:
            raise error.translated() from error

    async def container(self, container_id: str) -> ContainerFacts | None:
        """One container by id or name; None where there is none."""
        try:
            return container_facts(await self._client.get(f"/containers/{container_id}/json"))
        except EngineError as error:
            if error.status == _GONE:
                return None
            raise error.translated() from error

    def _labels(self, app: str) -> list[str]:
        labels = [f"{LABEL_INSTANCE}={self._naming.prefix}"]
        return [*labels, f"{LABEL_APP}={app}"] if app else [*labels, LABEL_APP]


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 1]}…"


def _exit(event: dict[str, Any], *, oom: bool) -> Exit:
    code = str(event["Actor"]["Attributes"].get("exitCode", "0"))
    at = event.get("timeNano", 0) / 1e9
    return Exit(at, int(code), oom and code == _OOM_SIGNAL)


async def _translated(call: Awaitable[Any]) -> Any:
    try:
        return await call
    except EngineError as error:
        raise error.translated() from error


async def _absent_is_fine(call: Awaitable[Any], also: int = 0) -> None:
    try:
        await call
    except EngineError as error:
        if error.status not in (_GONE, _UNCHANGED, also):
            raise error.translated() from error
