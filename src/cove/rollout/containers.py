"""The operations on containers, networks, volumes and images. Imported inside `cove.rollout`."""

from __future__ import annotations

import asyncio

from cove.errors import CoveError
from cove.model.release import Release
from cove.planning import operations as op
from cove.ports import ContainerFacts
from cove.render.compose import secret_environment
from cove.rollout.readiness import await_ready
from cove.rollout.work import Work


async def prepare_network(step: op.PrepareNetwork, work: Work) -> None:
    """The app's private network exists."""
    await work.platform.engine.ensure_network(work.app, step.subnet)


async def undo_prepare_network(step: op.PrepareNetwork, work: Work) -> None:
    """A network this rollout made goes again."""
    if step.created:
        await work.platform.engine.remove_network(work.app)


async def write_project(step: op.WriteProject, work: Work) -> None:
    """The Compose file holds the releases of the step."""
    await work.write_project(step.releases)


async def undo_write_project(step: op.WriteProject, work: Work) -> None:
    """The Compose file is what it was."""
    if step.before:
        await work.write_project(step.before)
    else:
        await work.platform.composer.discard(work.app)


async def start(step: op.StartRelease, work: Work) -> None:
    """Compose creates and starts the release's services and touches nothing else."""
    release = work.release(step.release)
    names = [placement.name for placement in release.placements]
    await work.platform.composer.up(work.app, names, _environment(work, release))


async def undo_start(step: op.StartRelease, work: Work) -> None:
    """The release's containers are gone, with the volumes that came into being with them.

    A volume of that name which cove did not make holds somebody's data, and stays.
    """
    await _remove(work, await work.containers(step.release))
    made = {work.naming.volume(work.app, name) for name in step.new_volumes}
    for name in sorted(made.intersection(await work.platform.engine.volumes(work.app))):
        await work.platform.engine.remove_volume(name)


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
    await _start_kept(work, step.release)


async def undo_start_stopped(step: op.StartStopped, work: Work) -> None:
    """The containers rest again."""
    release = work.release(step.release)
    await _stop(work, release, await work.containers(step.release))


async def retire(step: op.RetireRelease, work: Work) -> None:
    """A superseded release leaves: containers, its part of the project, its addresses."""
    release = work.release(step.release)
    found = await work.containers(step.release)
    await _stop(work, release, found)
    await _remove(work, found)
    record = work.platform.store.app(work.app)
    if record is not None and record.live:
        await work.write_project((record.live,))
        live = work.release(record.live)
        work.platform.store.keep_addresses(work.app, [p.address for p in live.placements])


async def remove_containers(step: op.RemoveContainers, work: Work) -> None:
    """No container of the app is left, of whatever release."""
    found = await work.platform.engine.containers(work.app)
    graces = _graces(work)
    await asyncio.gather(*(_stop_one(work, c, graces.get(c.release, 10.0)) for c in found))
    await _remove(work, found)


async def remove_volumes(step: op.RemoveVolumes, work: Work) -> None:
    """The data is gone."""
    for name in step.names:
        await work.platform.engine.remove_volume(work.naming.volume(work.app, name))


async def remove_network(step: op.RemoveNetwork, work: Work) -> None:
    """The app's network is gone."""
    await work.platform.engine.remove_network(work.app)


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


def _environment(work: Work, release: Release) -> dict[str, str]:
    """Compose interpolates the whole file, so the release that serves now needs its values too."""
    record = work.platform.store.app(work.app)
    serving = work.platform.store.release(work.app, record.live) if record and record.live else None
    return secret_environment([release, serving] if serving else [release])


def _graces(work: Work) -> dict[int, float]:
    return {
        release.number: max(s.stop_grace for s in release.spec.services)
        for release in work.platform.store.releases(work.app)
    }


async def _start_kept(work: Work, number: int) -> None:
    for facts in await work.containers(number):
        if not facts.running:
            await work.platform.engine.start(facts.id)


async def _stop(work: Work, release: Release, found: tuple[ContainerFacts, ...]) -> None:
    services = {p.name: release.spec.service(p.service) for p in release.placements}
    await asyncio.gather(
        *(
            _stop_one(work, c, services[c.service].stop_grace)
            for c in found
            if c.service in services
        )
    )


async def _stop_one(work: Work, facts: ContainerFacts, grace: float) -> None:
    # A container that Docker is about to restart must be stopped too.
    if facts.state in ("running", "restarting", "paused"):
        await work.platform.engine.stop(facts.id, grace)


async def _remove(work: Work, found: tuple[ContainerFacts, ...]) -> None:
    await asyncio.gather(*(work.platform.engine.remove(facts.id) for facts in found))
