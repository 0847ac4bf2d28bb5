"""After a death at any moment: what was interrupted ends, then each app is what its record says.

Imported by the agent, which calls it before it accepts anything.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import msgspec

from cove.errors import CoveError, RolloutFailed
from cove.model.events import Outcome
from cove.model.release import Release
from cove.planning import operations as op
from cove.planning.steps import companions_of
from cove.ports import AppRecord, Journal, Sighting
from cove.rollout import companions, containers, traffic
from cove.rollout.executor import Executor
from cove.rollout.rollouts import Rollouts
from cove.rollout.work import Work

_log = logging.getLogger(__name__)
_KEPT = frozenset({"always", "unless-stopped"})


async def recover(rollouts: Rollouts) -> None:
    """Ends what was interrupted and brings every app to its record. Never raises CoveError."""
    for journal in rollouts.platform.store.interrupted():
        try:
            await _resume(journal, rollouts)
        except CoveError as error:
            _log.error("rollout %s could not be ended: %s", journal.rollout.id, error.message)
    for record in rollouts.platform.store.apps():
        await restore(record.name, rollouts)


async def _resume(journal: Journal, rollouts: Rollouts) -> None:
    rollout = journal.rollout
    ended = rollouts.events.outcome(rollout.id)
    if ended is not None:
        rollouts.platform.store.close_rollout(rollout, ended)
        return
    work = rollouts.work(rollout.app, rollouts.events.emitter(rollout.id))
    work.emit("notice", text="the agent ended in the middle of this; it is brought to an end now")
    await rollouts.platform.composer.settle(rollout.app)
    plan = _plan(journal)
    executor = Executor(rollout, plan, work) if plan else None
    if plan and executor and _committed(journal, plan, rollouts):
        outcome = await _finish(executor, journal)
        await rollouts.settle(rollout, work, outcome, None)
        return
    if executor:
        await executor.undo([s.index for s in journal.steps if s.state != "undone"])
    record = rollouts.platform.store.app(rollout.app)
    serves = record is not None and record.live and not record.stopped
    error = RolloutFailed("the agent ended in the middle of the rollout", code="interrupted")
    await rollouts.settle(rollout, work, "kept" if serves else "failed", error)


async def _finish(executor: Executor, journal: Journal) -> Outcome:
    done = {step.index for step in journal.steps if step.state == "done"}
    pivot = executor.plan.pivot
    remaining = [i for i in range(pivot + 1, len(executor.plan.operations)) if i not in done]
    try:
        await executor.finish(remaining[0] if remaining else len(executor.plan.operations))
    except CoveError as error:
        executor.work.emit("notice", text=f"not everything could be cleared away: {error.message}")
    return "live" if executor.plan.release else "done"


def _committed(journal: Journal, plan: op.Plan, rollouts: Rollouts) -> bool:
    """Whether the pivot took effect; its transaction may have, without the journal's word."""
    if plan.pivot < 0 or any(s.index == plan.pivot and s.state == "done" for s in journal.steps):
        return True
    if isinstance(plan.operations[plan.pivot], op.Confirm):
        record = rollouts.platform.store.app(plan.app)
        return record is not None and record.live == plan.release
    return False


def _plan(journal: Journal) -> op.Plan | None:
    if not journal.plan:
        return None
    try:
        return op.decode(journal.plan)
    except msgspec.DecodeError:
        _log.error("the plan of rollout %s cannot be read", journal.rollout.id)
        return None


async def restore(app: str, rollouts: Rollouts) -> None:
    """Makes what runs and what is routed match the record: one release, or none.

    Does nothing while a rollout of the app is under way; what fails is logged and left in
    `rollouts.unsettled`.
    """
    async with rollouts.quiet(app) as record:
        if record is None:
            return
        rollouts.unsettled.discard(app)
        try:
            await _restore(record, rollouts.work(app, told))
        except CoveError as error:
            rollouts.unsettled.add(app)
            _log.error("%s could not be restored: %s", app, error.message)


async def _restore(record: AppRecord, work: Work) -> None:
    await _sweep(record, work)
    placements = work.release(record.live).placements if record.live else ()
    work.platform.store.keep_addresses(record.name, [p.address for p in placements])
    if not record.live or record.stopped:
        await work.platform.proxy.withdraw(record.name)
        if record.live:
            await containers.stop(op.StopRelease(release=record.live), work)
            await companions.stop(op.StopCompanions(release=record.live), work)
        return
    await _revive(record, work)
    await traffic.publish(work, work.release(record.live))


def lost(release: Release, seen: Sequence[Sighting]) -> list[str]:
    """What is wrong with a release that shall run: containers that are gone or were stopped.

    One that ended although Docker shall keep it running was stopped by hand. What the file lets
    end may rest.
    """
    states = {one.service: one.state for one in seen if one.release in (0, release.number)}
    tasks = {task.name for task in release.spec.tasks()}
    services = {p.name: release.spec.service(p.service) for p in release.placements}
    services |= {n: s for n, s in release.companions().items() if s.name not in tasks}
    gone = [f"{name} is gone" for name in services if name not in states]
    kept = [n for n, s in services.items() if s.options.get("restart", "always") in _KEPT]
    return gone + [f"{n} was stopped" for n in kept if states.get(n) in ("exited", "created")]


async def sweep(app: str, rollouts: Rollouts) -> None:
    """Removes containers of releases that are not the live one, when no rollout is under way."""
    async with rollouts.quiet(app) as record:
        if record is not None:
            await _sweep(record, rollouts.work(app, told))


async def _sweep(record: AppRecord, work: Work) -> None:
    live = work.release(record.live) if record.live else None
    known = {*(p.name for p in live.placements), *live.companions()} if live else set()
    for facts in await work.platform.engine.containers(record.name):
        if facts.service not in known:
            _log.warning("removing %s, left over from release %s", facts.name, facts.release)
            await work.platform.engine.remove(facts.id)


async def _revive(record: AppRecord, work: Work) -> None:
    release = work.release(record.live)
    subnets = work.platform.store.reserve_networks(
        record.name, release.spec.own_networks(), await work.platform.engine.subnets()
    )
    for name, internal in release.spec.own_networks().items():
        await work.platform.engine.ensure_network(
            record.name, subnets[name], name, internal=internal
        )
    await work.write_project((record.live,), companions_of(release), tidy=True)
    await companions.revive(work, release)
    found = {facts.service: facts for facts in await work.containers(record.live)}
    if any(placement.name not in found for placement in release.placements):
        await containers.start(op.StartRelease(release=record.live), work)
    for facts in found.values():
        if facts.state in ("created", "exited", "dead"):
            await work.platform.engine.start(facts.id)


def told(*_: object, text: str = "", **__: object) -> None:
    """Where no rollout's followers are, the agent's log is told."""
    if text:
        _log.warning("%s", text)
