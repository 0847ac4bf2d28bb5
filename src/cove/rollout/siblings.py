"""How siblings find the release that serves, by the name the file gives it.

A container gets a name only together with a network, and the candidate must not have a name that
another release answers to. So beside each network that a released service shares with others there
is one more, internal. A candidate is in it from its start, nameless: it finds whoever serves. It
gets its name when it gets the routes, or at once where nobody has it. Its predecessor keeps it
until it ends: what it was asked may finish. Imported inside `cove.rollout`.
"""

from __future__ import annotations

from collections.abc import Collection

from cove.model.app import sibling_network
from cove.model.release import Placement, Release
from cove.rollout.work import Work


def meeting_places(release: Release) -> frozenset[str]:
    """The networks in which siblings find the release that serves."""
    return frozenset(name for name in release.spec.own_networks() if name.startswith("_"))


async def introduce(work: Work, release: Release) -> None:
    """Siblings find the release under its services' names."""
    if meeting_places(release):
        named = [service.name for service in release.spec.released()]
        await join(work, release, release.placements, named)


async def join(
    work: Work, release: Release, placements: Collection[Placement], named: Collection[str]
) -> None:
    """These containers find their siblings, which find those of the `named` services."""
    places = meeting_places(release)
    ids = {facts.service: facts.id for facts in await work.containers(release.number)}
    for placement in placements:
        service = release.spec.service(placement.service)
        aliases = [service.name] if service.name in named else []
        for attachment in release.spec.attachments(service):
            name = sibling_network(attachment.network)
            if name in places and placement.name in ids:
                found = ids[placement.name]
                await work.platform.engine.connect(
                    found, work.app, name, *aliases, like=placement.address
                )
