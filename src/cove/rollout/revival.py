"""Making a release run again from its record: what is gone is made anew, what rests is started.

Imported inside `cove.rollout`.
"""

from __future__ import annotations

from collections.abc import Collection

from cove.errors import PlatformError
from cove.model.app import Service
from cove.model.release import Release
from cove.planning import operations as op
from cove.planning.steps import companions_of
from cove.ports import AppRecord, ContainerFacts
from cove.rollout import containers, networks
from cove.rollout.images import recall_images
from cove.rollout.losses import cut_off, kept, shall_run
from cove.rollout.preflight import check_powers
from cove.rollout.work import Work

_RESTING = ("created", "exited", "dead")


async def revive(record: AppRecord, work: Work, *, everything: bool) -> None:
    """The live release runs, companions first, each in its networks.

    What ended by itself and may, by its file, rests unless `everything` is asked for: then a
    rollout may have stopped it. What runs is left alone, also where a power has been taken from
    it since. Raises PlatformError (`volume-gone`) and Refused (`image-missing`; before anything
    is started or made anew, `power-missing`, `path-nested`).
    """
    release = work.release(record.live)
    await _networks(record, release, work)
    await work.write_project((record.live,), companions_of(release), tidy=True)
    if await _to_start(release, work, everything=everything):
        check_powers(release.spec, work.platform)
    await _remove_cut_off(release, work)
    await networks.rejoin(work, release)
    await _start_resting(release, work, everything=everything)
    services = shall_run(release)
    there = {facts.service for facts in await work.platform.engine.containers(record.name)}
    gone = {name: service for name, service in services.items() if name not in there}
    await _check_volumes(release, gone.values(), work)
    await recall_images(release, work, {service.name for service in gone.values()})
    beside = [name for name in release.companions() if name in gone]
    if beside:
        env = work.environment((), companions_of(release))
        await work.platform.composer.up(record.name, beside, env)
    if any(placement.name in gone for placement in release.placements):
        named = tuple(service.name for service in release.spec.introduced())
        await containers.start(op.StartRelease(release=record.live, named=named), work)


async def _networks(record: AppRecord, release: Release, work: Work) -> None:
    engine, own = work.platform.engine, release.spec.own_networks()
    subnets = work.platform.store.reserve_networks(record.name, own, await engine.subnets())
    for name, internal in own.items():
        await engine.ensure_network(record.name, subnets[name], name, internal=internal)


async def _remove_cut_off(release: Release, work: Work) -> None:
    """Nobody reaches what lost its network, and Docker gives a fixed address only at the making."""
    cut = cut_off(release, await work.platform.engine.sightings())
    for facts in await work.platform.engine.containers(work.app) if cut else ():
        if facts.service in cut:
            grace = shall_run(release)[facts.service].stop_grace
            await work.platform.engine.stop(facts.id, grace)
            await work.remove([facts])


async def _to_start(release: Release, work: Work, *, everything: bool) -> bool:
    """Whether any container is to be started, or made anew."""
    there = {facts.service for facts in await work.platform.engine.containers(work.app)}
    if not there.issuperset(shall_run(release)):
        return True
    if await _resting(release, work, everything=everything):
        return True
    return bool(cut_off(release, await work.platform.engine.sightings()))


async def _start_resting(release: Release, work: Work, *, everything: bool) -> None:
    for facts in await _resting(release, work, everything=everything):
        await _start(facts, work)


async def _resting(release: Release, work: Work, *, everything: bool) -> list[ContainerFacts]:
    services = shall_run(release)
    found = {facts.service: facts for facts in await work.platform.engine.containers(work.app)}
    order = (*release.companions(), *(p.name for p in release.placements))
    resting = [found[name] for name in order if name in found and name in services]
    return [
        facts
        for facts in resting
        if facts.state in _RESTING
        and (everything or facts.state == "created" or kept(services[facts.service]))
    ]


async def _start(facts: ContainerFacts, work: Work) -> None:
    """Starts it; one whose network was deleted meanwhile cannot start, and is made anew."""
    try:
        await work.platform.engine.start(facts.id)
    except PlatformError as error:
        if "network" not in error.message or "not found" not in error.message:
            raise
        await work.remove([facts])


async def _check_volumes(release: Release, services: Collection[Service], work: Work) -> None:
    """Raises PlatformError where a container made anew would begin with an empty volume."""
    sources = {m.source for s in services for m in s.mounts if m.kind == "volume"}
    sources -= {volume.name for volume in release.spec.volumes if volume.external}
    for name in sorted(work.naming.volume(work.app, source) for source in sources):
        if not await work.platform.engine.has_volume(name):
            raise PlatformError(
                f"the volume {name} is gone; it would begin empty",
                code="volume-gone",
                hint=f"restore it under that name, or begin empty: cove restart {work.app}",
            )
