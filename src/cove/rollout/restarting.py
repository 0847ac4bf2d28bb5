"""Which services a restart may name, and of which kind they are. Imported inside `cove.rollout`."""

from __future__ import annotations

from collections.abc import Sequence

from cove.errors import InvalidFile, NotFound
from cove.model.release import Release
from cove.model.suggestions import nearest


def companions(release: Release, services: Sequence[str]) -> bool:
    """Whether companions are named; else it is the release itself, or nothing.

    Raises NotFound for a service that is not there, InvalidFile (`usage`) for a task, and for
    both kinds at once: a release and what is beside it are replaced in different ways.
    """
    names = [service.name for service in release.spec.services]
    for service in services:
        if service not in names:
            raise NotFound(
                f"{release.app} has no service {service[:80]}{nearest(service, names)}",
                hint=f"its services: {', '.join(names)}",
            )
    released = {service.name for service in release.spec.released()}
    beside = [service for service in services if service not in released]
    _refuse_tasks(release, beside)
    if beside and len(beside) < len(services):
        raise InvalidFile(
            f"{', '.join(s for s in services if s in released)} is replaced with a new release, "
            f"{', '.join(beside)} in place: one after the other",
            code="usage",
            hint=f"cove restart {release.app} {' '.join(beside)}; then cove restart {release.app}",
        )
    return bool(beside)


def _refuse_tasks(release: Release, services: Sequence[str]) -> None:
    tasks = [task.name for task in release.spec.tasks() if task.name in services]
    if tasks:
        raise InvalidFile(
            f"{tasks[0]} runs to its end before others start, and has: there is nothing to restart",
            code="usage",
            hint="every deploy runs it again",
        )
