"""The operations on containers, volumes and images. Imported inside `cove.rollout`."""

from __future__ import annotations

from cove.errors import CoveError
from cove.model.app import in_order
from cove.model.release import Placement, Release
from cove.planning import operations as op
from cove.planning.steps import companions_of
from cove.ports import ContainerFacts
from cove.rollout import networks
from cove.rollout.preflight import check_powers
from cove.rollout.readiness import await_ready
from cove.rollout.siblings import join, meeting_places
from cove.rollout.work import Work, together


async def write_project(step: op.WriteProject, work: Work) -> None:
    """The Compose file holds the releases of the step."""
    await work.write_project(step.releases, step.companions)


async def undo_write_project(step: op.WriteProject, work: Work) -> None:
    """The Compose file is what it was."""
    if step.before:
        await work.write_project(step.before, step.companions, tidy=True)
    else:
        await work.platform.composer.discard(work.app)


async def start(step: op.StartRelease, work: Work) -> None:
    """Compose creates and starts the release's services and touches nothing else.

    Those that others of the release depend on start first, and are waited for.
    """
    release = work.release(step.release)
    check_powers(release.spec, work.platform)
    env = work.environment([release.number], {})
    waves = _waves(release)
    for wave in waves:
        names = [placement.name for placement in wave]
        if meeting_places(release):
            await work.platform.composer.up(work.app, names, env, start=False)
            await join(work, release, wave, step.named)
        await work.platform.composer.up(work.app, names, env)
        if wave is not waves[-1]:
            await await_ready(work, release, 0, wave)


async def undo_start(step: op.StartRelease, work: Work) -> None:
    """The release's containers are gone, with the volumes that came into being with them."""
    await work.remove(await work.containers(step.release))
    await work.remove_volumes(step.new_volumes)


async def ready(step: op.AwaitReady, work: Work) -> None:
    """The release answers."""
    await await_ready(work, work.release(step.release), step.settle)


async def stop(step: op.StopRelease, work: Work) -> None:
    """The containers of the release rest."""
    release = work.release(step.release)
    await _stop(work, release, await work.containers(step.release))


async def undo_stop(step: op.StopRelease, work: Work) -> None:
    """The containers of the release run and answer again."""
    await _start_kept(work, step.release)
    await await_ready(work, work.release(step.release), 0)


async def start_stopped(step: op.StartStopped, work: Work) -> None:
    """The kept containers run."""
    check_powers(work.release(step.release).spec, work.platform)
    await _start_kept(work, step.release)


async def undo_start_stopped(step: op.StartStopped, work: Work) -> None:
    """The containers rest again."""
    release = work.release(step.release)
    await _stop(work, release, await work.containers(step.release))


async def retire(step: op.RetireRelease, work: Work) -> None:
    """A superseded release leaves: containers, its part of the project, its addresses.

    So do companions and networks that the live release knows no more.
    """
    release = work.release(step.release)
    found = await work.containers(step.release)
    await _stop(work, release, found)
    await work.remove(found)
    record = work.platform.store.app(work.app)
    if record is not None and record.live:
        live = work.release(record.live)
        await remove_strangers(work, live)
        await work.write_project((record.live,), companions_of(live), tidy=True)
        await networks.tidy(work, live)
        work.platform.store.keep_addresses(work.app, [p.address for p in live.placements])


async def remove_strangers(work: Work, live: Release) -> None:
    """Companions that the live release has no more are stopped and removed."""
    known = live.companions()
    for facts in await work.platform.engine.containers(work.app):
        if not facts.release and facts.service not in known:
            await _stop_one(work, facts, _graces(work).get(facts.role, 10.0))
            await work.remove([facts])


async def remove_containers(step: op.RemoveContainers, work: Work) -> None:
    """No container of the app is left: releases end first, then companions, the needed last."""
    found = await work.platform.engine.containers(work.app)
    graces = _graces(work)
    record = work.platform.store.app(work.app)
    live = work.release(record.live) if record and record.live else None
    order = [s.name for s in reversed(live.spec.companions())] if live else []
    places = {name: place for place, name in enumerate(order, start=1)}
    for place in range(len(order) + 1):
        now = [c for c in found if (0 if c.release else places.get(c.role, 0)) == place]
        await together(_stop_one(work, c, graces.get(c.role, 10.0)) for c in now)
    await work.remove(found)


async def remove_volumes(step: op.RemoveVolumes, work: Work) -> None:
    """The data is gone."""
    for name in step.names:
        await work.platform.engine.remove_volume(work.naming.volume(work.app, name))


async def forget(step: op.ForgetApp, work: Work) -> None:
    """The app's folder and records are gone."""
    await work.platform.composer.discard(work.app)
    work.platform.store.forget_app(work.app)


async def confirm(step: op.Confirm, work: Work) -> None:
    """The transaction that makes the release the live one. The executor's caller did the rest."""
    work.platform.store.confirm(work.app, step.release)


async def record_stopped(step: op.RecordStopped, work: Work) -> None:
    """What shall hold after a reboot."""
    work.platform.store.set_stopped(work.app, stopped=step.stopped)


async def undo_record_stopped(step: op.RecordStopped, work: Work) -> None:
    """As it was."""
    work.platform.store.set_stopped(work.app, stopped=not step.stopped)


async def prune(step: op.PruneImages, work: Work) -> None:
    """Images of releases beyond the last `keep` go, unless something still uses them."""
    await prune_images(work, step.keep)


async def prune_images(work: Work, keep: int) -> None:
    """cove's tags go for every unprotected release; bytes go only if cove had brought them."""
    releases = work.platform.store.releases(work.app)
    good = [r for r in releases if r.status in ("live", "superseded")]
    protected = {r.number for r in good[:keep]}
    needed = {image.id for r in releases if r.number in protected for image in r.images.values()}
    needed |= {facts.image_id for facts in await work.platform.engine.containers()}
    for release in releases:
        if release.number not in protected and release.status != "pending":
            await _untag(work, release, needed)


async def _untag(work: Work, release: Release, needed: set[str]) -> None:
    for service, image in release.images.items():
        references = [work.naming.image_tag(work.app, service, release.number)]
        if image.pulled and image.id not in needed:
            references += [image.run, image.reference]
        for reference in references:
            try:
                found = await work.platform.engine.image(reference)
                if found is not None and found.id == image.id:
                    await work.platform.engine.untag(reference)
            except CoveError as error:
                work.emit("notice", text=f"{reference} stays: {error.message}")


def _waves(release: Release) -> list[tuple[Placement, ...]]:
    """The replicas in groups, each after those that its services depend on."""
    depth: dict[str, int] = {}
    for service in in_order(release.spec.released()):
        needs = [depth[d.service] for d in service.depends_on if d.service in depth]
        depth[service.name] = max(needs, default=-1) + 1
    numbers = sorted(set(depth.values()))
    return [tuple(p for p in release.placements if depth[p.service] == n) for n in numbers]


def _graces(work: Work) -> dict[str, float]:
    """The longest grace that any release gives each service, by its name in the file."""
    found: dict[str, float] = {}
    for release in work.platform.store.releases(work.app):
        for service in release.spec.services:
            found[service.name] = max(service.stop_grace, found.get(service.name, 0.0))
    return found


async def _start_kept(work: Work, number: int) -> None:
    for facts in await work.containers(number):
        if not facts.running:
            await work.platform.engine.start(facts.id)


async def _stop(work: Work, release: Release, found: tuple[ContainerFacts, ...]) -> None:
    services = {p.name: release.spec.service(p.service) for p in release.placements}
    await together(
        _stop_one(work, c, services[c.service].stop_grace) for c in found if c.service in services
    )


async def _stop_one(work: Work, facts: ContainerFacts, grace: float) -> None:
    # A container that Docker is about to restart must be stopped too.
    if facts.state in ("running", "restarting", "paused"):
        await work.platform.engine.stop(facts.id, grace)
