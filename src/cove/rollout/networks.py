"""The networks of an app: made, joined by what runs already, and given back when nobody uses them.

Imported inside `cove.rollout`.
"""

from __future__ import annotations

from cove.errors import PlatformError
from cove.model.app import Service, sibling_network
from cove.model.release import Release
from cove.planning import operations as op
from cove.rollout.losses import outside_of, shall_run
from cove.rollout.work import Work

_IN_USE = "active endpoints"  # what Docker says of a network that something hangs on


async def prepare(step: op.PrepareNetwork, work: Work) -> None:
    """The network exists, and the companions that there are have joined it if it is for them."""
    await work.platform.engine.ensure_network(
        work.app, step.subnet, step.name, internal=step.internal
    )
    if step.created:
        await _join(step.name, work)


async def undo_prepare(step: op.PrepareNetwork, work: Work) -> None:
    """A network this rollout made goes again."""
    if step.created:
        await _leave(step.name, work)
        await work.platform.engine.remove_network(work.app, step.name)


async def remove(step: op.RemoveNetwork, work: Work) -> None:
    """The app's networks are gone."""
    for name in sorted(await work.platform.engine.networks(work.app)):
        await work.platform.engine.remove_network(work.app, name)


async def tidy(work: Work, live: Release | None) -> None:
    """Networks that the live release does not use go, and their address ranges become free.

    A range outlives its network, never the other way round. One that a stranger's container hangs
    on stays, with its range, until the next time.
    """
    engine, wanted = work.platform.engine, set(live.spec.own_networks() if live else ())
    for name in sorted(await engine.networks(work.app) - wanted) if live else ():
        await _leave(name, work)
        try:
            await engine.remove_network(work.app, name)
        except PlatformError as error:
            if _IN_USE not in error.message:
                raise
            work.emit("notice", text=f"the network {name} stays: {error.message}")
    left = await engine.networks(work.app)
    work.platform.store.keep_networks(work.app, sorted(wanted | left))


async def rejoin(work: Work, release: Release) -> None:
    """Containers that run are in all networks of their app again, under the names they had there.

    What siblings call the release that serves is left to those who lead its routes to it.
    """
    outside = outside_of(release, await work.platform.engine.sightings())
    services = shall_run(release)
    placed = {placement.name for placement in release.placements}
    for facts in await work.platform.engine.containers(work.app) if outside else ():
        for name in outside.get(facts.service, ()):
            aliases = _aliases(release, services[facts.service], facts.service, name)
            if aliases or facts.service not in placed:
                await work.platform.engine.connect(facts.id, work.app, name, *aliases)


def _aliases(release: Release, service: Service, container: str, network: str) -> list[str]:
    """As Compose gave them: its own name for the container, and for a companion the file's."""
    for attachment in release.spec.attachments(service):
        if attachment.network == network:
            beside = (service.name, *attachment.aliases)
            own = beside if container in release.companions() else ()
            return list(dict.fromkeys((container, *own)))
    return []


async def _join(name: str, work: Work) -> None:
    """Companions that stay as they are come into a network that was made later than they."""
    record = work.platform.store.app(work.app)
    live = work.platform.store.release(work.app, record.live) if record and record.live else None
    if live is None:
        return
    tasks = live.spec.tasks()
    beside = {
        service.name
        for service in live.spec.companions()
        for attachment in live.spec.attachments(service)
        if sibling_network(attachment.network) == name and service not in tasks
    }
    for facts in await work.platform.engine.containers(work.app):
        if not facts.release and facts.role in beside:
            await work.platform.engine.connect(facts.id, work.app, name)


async def _leave(name: str, work: Work) -> None:
    for facts in await work.platform.engine.containers(work.app):
        await work.platform.engine.disconnect(facts.id, work.app, name)
