"""Which containers run, for those who measure them. Imported by the composition roots only.

One list each time; a container is looked at closely once, and again when it was started anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from cove.adapters.docker.client import DockerClient, EngineError
from cove.adapters.docker.facts import container_facts
from cove.model.logs import PROXY_APP
from cove.ports.metrics import Subject
from cove.render.naming import LABEL_APP, LABEL_INSTANCE, Naming

_GONE: Final = 404
_ALIVE: Final = ("running", "restarting", "paused")


class DockerSubjects:
    """Fulfils `cove.ports.metrics.Subjects`."""

    def __init__(self, client: DockerClient, naming: Naming) -> None:
        self._client = client
        self._filters = {"label": [f"{LABEL_INSTANCE}={naming.prefix}"], "status": list(_ALIVE)}

    async def running(self, known: Mapping[str, Subject]) -> tuple[Subject, ...]:
        """Those that run, the proxy's among them; what is known is not asked for again."""
        try:
            listed = await self._client.get("/containers/json", filters=self._filters)
            return tuple([await self._subject(entry, known) for entry in listed])
        except EngineError as error:
            raise error.translated() from error

    async def _subject(self, entry: dict[str, Any], known: Mapping[str, Subject]) -> Subject:
        found = known.get(entry["Id"])
        if found is not None:
            return found
        labels = entry.get("Labels") or {}
        name = labels.get("com.docker.compose.service", "")
        app = labels.get(LABEL_APP) or PROXY_APP
        try:
            facts = container_facts(await self._client.get(f"/containers/{entry['Id']}/json"))
        except EngineError as error:
            if error.status != _GONE:
                raise
            return Subject(id=entry["Id"], app=app, service=name, name=name, pid=0)
        return Subject(
            id=facts.id,
            app=app,
            service=facts.role or name,
            name=name,
            pid=facts.pid,
            restarts=facts.restarts,
        )
