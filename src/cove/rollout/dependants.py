"""Containers that Docker makes wait, though what they failed for is there again.

Imported inside `cove.rollout` and by the agent.
"""

from __future__ import annotations

from collections.abc import Iterable

from cove.errors import CoveError
from cove.model.app import App, Service
from cove.ports import ContainerFacts
from cove.rollout.losses import shall_run
from cove.rollout.work import Work


async def hurry(work: Work) -> None:
    """Starts what Docker is about to restart, if something that it needs was started meanwhile.

    Docker's pause between two tries doubles up to a minute. What fails again for another reason
    waits as Docker decides: it was started after what it needs. What cannot be started fails
    nothing else: it is told.
    """
    record = work.platform.store.app(work.app)
    if record is None or not record.live or record.stopped:
        return
    release = work.release(record.live)
    services = shall_run(release)
    found = [c for c in await work.platform.engine.containers(work.app) if c.service in services]
    for facts in found:
        needed = _needed(services[facts.service], release.spec)
        if facts.state == "restarting" and _came_back(found, needed, facts.started_at):
            await _anew(facts, services[facts.service].stop_grace, work)


async def _anew(facts: ContainerFacts, grace: float, work: Work) -> None:
    try:
        await work.platform.engine.stop(facts.id, grace)  # Docker starts no container it restarts
        await work.platform.engine.start(facts.id)
    except CoveError as error:
        work.emit("notice", text=f"{facts.name} was not started before its turn: {error.message}")


def _came_back(found: Iterable[ContainerFacts], needed: set[str], since: float) -> bool:
    return any(
        one.role in needed
        and one.running
        and one.health in ("", "healthy")
        and one.started_at > since
        for one in found
    )


def _needed(service: Service, spec: App) -> set[str]:
    """The services that one depends on, by way of others too."""
    found: set[str] = set()
    left = [dependency.service for dependency in service.depends_on]
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += [dependency.service for dependency in spec.service(name).depends_on]
    return found
