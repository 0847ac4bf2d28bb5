"""Before anything is decided from what is observed: Docker is at rest, and nothing is half made.

A Compose or an agent that dies leaves requests with Docker, which carries them out. Imported
inside `cove.rollout`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from cove.model.release import Release
from cove.ports import ContainerFacts
from cove.render.naming import Naming
from cove.rollout.work import Work

# What Docker may need beyond a grace: to kill, to let go of the network, on a busy machine.
_MARGIN = 30.0
# How Compose calls a container until the one it replaces is gone: after that one's short id.
_PREFIX = re.compile(r"[0-9a-f]{12}_")


async def settle(work: Work) -> None:
    """Docker has done what clients that are gone had asked for, and nothing of it is half made.

    So no container stops, comes or goes any more that is about to be looked at.
    """
    releases = work.platform.store.releases(work.app)
    if not await work.platform.engine.settle(longest(releases)):
        work.emit("notice", text="Docker still works on what it was asked for before; not waited")
    await remove_unfinished(work)


async def remove_unfinished(work: Work) -> None:
    """Containers that Compose made and never came to start go."""
    found = await work.platform.engine.containers(work.app)
    await work.remove([facts for facts in found if unfinished(facts, work.naming)])


def unfinished(facts: ContainerFacts, naming: Naming) -> bool:
    """Whether Compose died before this container took the place of another."""
    name = naming.container(facts.app, facts.service)
    prefix, found, _ = facts.name.partition(name)
    return bool(found and _PREFIX.fullmatch(prefix)) and facts.state == "created"


def longest(releases: Iterable[Release]) -> float:
    """Seconds within which Docker has done whatever was asked of it for these releases."""
    graces = [service.stop_grace for release in releases for service in release.spec.services]
    return max(graces, default=0.0) + _MARGIN
