"""How companions find the release that serves, by the name the file gives it.

A container gets a name only together with a network, and the candidate must not have the name
before it is ready. So beside each network that companions share with a released service there is
one more, internal, which a release joins when it gets the routes. Its predecessor stays in it
until it ends: what it was asked may finish. Imported inside `cove.rollout`.
"""

from __future__ import annotations

from cove.model.app import sibling_network
from cove.model.release import Release
from cove.rollout.work import Work


async def introduce(work: Work, release: Release) -> None:
    """The companions find the release under its services' names."""
    own = release.spec.own_networks()
    if not any(name.startswith("_") for name in own):
        return
    for facts in await work.containers(release.number):
        service = next((s for s in release.spec.released() if s.name == facts.role), None)
        for attachment in release.spec.attachments(service) if service else ():
            name = sibling_network(attachment.network)
            if name in own:
                await work.platform.engine.connect(facts.id, work.app, name, facts.role)
