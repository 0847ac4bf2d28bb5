"""Which container of an app a command means. Pure; imported inside `cove.agent` only."""

from __future__ import annotations

from collections.abc import Sequence

from cove.errors import NotFound, Refused
from cove.model.release import Release, companion_names
from cove.model.suggestions import nearest
from cove.ports import ContainerFacts


def choose(
    release: Release, containers: Sequence[ContainerFacts], service: str, replica: int
) -> ContainerFacts:
    """The container of one replica of a service of the live release; 0: the first that runs.

    Without a service, the app's only one, or the only one with a route. Raises NotFound, and
    Refused (`not-running`).
    """
    name = _service(release, service)
    wanted = [p.name for p in sorted(release.of(name), key=lambda p: p.replica)]
    wanted = wanted or list(companion_names(release.spec.service(name)))
    if replica > len(wanted):
        many = "1 replica" if len(wanted) == 1 else f"{len(wanted)} replicas"
        raise NotFound(f"{release.app}: {name} has {many}, so there is no number {replica}")
    if replica:
        wanted = [wanted[replica - 1]]
    placed = {p.name for p in release.placements}
    found = [
        facts
        for compose_service in wanted
        for facts in containers
        if facts.service == compose_service
        and (compose_service not in placed or facts.release == release.number)
    ]
    running = [facts for facts in found if facts.running]
    if running:
        return running[0]
    state = f"{found[0].service} is {found[0].state}" if found else f"{name} has no container"
    raise Refused(
        f"{release.app}: {state}, so nothing can run in it",
        code="not-running",
        hint=f"see why: cove logs {release.app}",
    )


def _service(release: Release, service: str) -> str:
    names = [one.name for one in release.spec.services]
    if service:
        if service in names:
            return service
        raise NotFound(
            f"{release.app} has no service {service[:80]}{nearest(service, names)}",
            hint=f"its services: {', '.join(names)}",
        )
    routed = [one.name for one in release.spec.routed()]
    only = names if len(names) == 1 else routed
    if len(only) == 1:
        return only[0]
    raise NotFound(
        f"{release.app} has several services: {', '.join(names)}",
        hint=f"name one: --service {names[0]}",
    )
