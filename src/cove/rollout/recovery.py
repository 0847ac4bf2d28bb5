"""After a death at any moment: what was interrupted ends, then each app is what its record says.

Imported by the agent, which calls it before it accepts anything.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import NamedTuple

import msgspec

from cove.errors import CoveError, Refused, RolloutFailed
from cove.model.events import Outcome
from cove.model.release import Release, companion_names
from cove.planning import operations as op
from cove.ports import AppRecord, Journal
from cove.rollout import companions, containers, dependants, networks, revival, strays, traffic
from cove.rollout.executor import Executor
from cove.rollout.masking import masked, masked_error, masking
from cove.rollout.rollouts import Rollouts
from cove.rollout.settling import longest, settle, unfinished
from cove.rollout.work import Work

_log = logging.getLogger(__name__)
# Seconds for which no app is waited for that nothing was to be done with.
_LONGEST = 60.0


async def recover(rollouts: Rollouts, *, everything: bool = False) -> None:
    """Ends what was interrupted and brings every app to its record. Never raises an Exception.

    `everything`: what ended by itself and may rest is started too, since cove had stopped it.
    """
    await _settle(rollouts)
    await end_interrupted(rollouts)
    for record in rollouts.platform.store.apps():
        if everything:
            rollouts.unsettled.add(record.name)
        await restore(record.name, rollouts)


async def _settle(rollouts: Rollouts) -> None:
    """The agent before may have died when it put an app right, which no journal tells.

    And Docker may have died with it.
    """
    apps = (record.name for record in rollouts.platform.store.apps())
    releases = [release for app in apps for release in rollouts.platform.store.releases(app)]
    try:
        await rollouts.platform.engine.settle(min(longest(releases), _LONGEST))
        await strays.end(await rollouts.platform.engine.sightings(), rollouts.platform)
    except (CoveError, OSError) as error:
        _log.error("Docker's work for the agent before is not waited for: %s", error)


async def end_interrupted(rollouts: Rollouts) -> None:
    """Ends the rollouts that nobody is doing; those that cannot be ended now keep their lock."""
    for journal in rollouts.platform.store.interrupted():
        if rollouts.doing(journal.rollout):
            continue
        rollouts.unsettled.add(journal.rollout.app)
        try:
            await _resume(journal, rollouts)
        except (CoveError, OSError) as error:
            said = masked(str(error), rollouts.hidden(journal.rollout.app))
            _log.error("rollout %s could not be ended: %s", journal.rollout.id, said)


async def _resume(journal: Journal, rollouts: Rollouts) -> None:
    rollout = journal.rollout
    ended = rollouts.events.outcome(rollout.id)
    if ended is not None:
        rollouts.platform.store.close_rollout(rollout, ended)
        return
    hidden = rollouts.hidden(rollout.app)
    work = rollouts.work(rollout.app, masking(rollouts.events.emitter(rollout.id), hidden))
    work.emit("notice", text="the agent ended in the middle of this; it is brought to an end now")
    await rollouts.platform.composer.settle(rollout.app)
    await settle(work)
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

    Does nothing while a rollout of the app is under way. What fails is left in
    `rollouts.unsettled`, with its reason in `rollouts.troubles`; never raises an Exception.
    """
    async with rollouts.quiet(app) as record:
        if record is None:
            rollouts.troubles.pop(app, None)
            return
        halfway = app in rollouts.unsettled
        try:
            emit = masking(told, rollouts.hidden(app))
            await _restore(record, rollouts.work(app, emit), everything=halfway)
        except Exception as error:  # noqa: BLE001 - one app's trouble is not another's
            rollouts.unsettled.add(app)
            _trouble(app, rollouts, error)
        else:
            rollouts.unsettled.discard(app)
            if rollouts.troubles.pop(app, None):
                _log.warning("%s is as it should be again", app, extra={"app": app})


async def hurry(app: str, rollouts: Rollouts) -> None:
    """Helps up what Docker makes wait for what is there again, when no rollout is under way."""
    async with rollouts.quiet(app) as record:
        if record is not None:
            await dependants.hurry(rollouts.work(app, told))


def _trouble(app: str, rollouts: Rollouts, error: Exception) -> None:
    """Remembers why an app could not be put right, and logs it unless it is known."""
    known = rollouts.troubles.get(app)
    bug = None if isinstance(error, CoveError | OSError) else error
    found = error if isinstance(error, CoveError) else CoveError(f"{type(error).__name__}: {error}")
    found = masked_error(found, rollouts.hidden(app))
    rollouts.troubles[app] = found
    if known is None or known.message != found.message:
        text = "%s could not be restored: %s"
        _log.error(text, app, found.message, exc_info=bug, extra={"app": app})


async def _restore(record: AppRecord, work: Work, *, everything: bool) -> None:
    if everything:
        await settle(work)
    await _sweep(record, work)
    await networks.tidy(work, work.release(record.live) if record.live else None)
    placements = work.release(record.live).placements if record.live else ()
    work.platform.store.keep_addresses(record.name, [p.address for p in placements])
    if not record.live or record.stopped:
        await work.platform.proxy.withdraw(record.name)
        if record.live:
            await containers.stop(op.StopRelease(release=record.live), work)
            await companions.stop(op.StopCompanions(release=record.live), work)
        return
    try:
        await revival.revive(record, work, everything=everything)
    except Refused:  # what runs goes on, and keeps its routes
        await traffic.publish(work, work.release(record.live))
        raise
    await _sweep(record, work)
    await traffic.publish(work, work.release(record.live))


async def sweep(app: str, rollouts: Rollouts) -> bool:
    """Removes containers of releases that are not the live one, when no rollout is under way.

    Whether there is nothing left to remove, now and until something changes.
    """
    async with rollouts.quiet(app) as record:
        return record is not None and await _sweep(record, rollouts.work(app, told))


async def _sweep(record: AppRecord, work: Work) -> bool:
    live = work.release(record.live) if record.live else None
    known = {*(p.name for p in live.placements), *live.companions()} if live else set()
    tasks = {task.name for task in live.spec.tasks()} if live else set()
    found = await work.platform.engine.containers(record.name)
    spare = _spare(live, {facts.service for facts in found}) if live else {}
    clean = True
    for facts in found:
        # Docker may still create what a killed Compose asked for, after that was taken back.
        unborn = facts.role in tasks and facts.state == "created"
        if facts.service in known and not unborn and not unfinished(facts, work.naming):
            continue
        service = None if facts.release else spare.get(facts.role)
        if service and facts.running and not record.stopped:
            if service.missing:
                continue  # it does the work until the other does, which may not come
            await work.platform.engine.stop(facts.id, service.grace)
        _log.warning("removing %s, left over from release %s", facts.name, facts.release)
        await work.remove([facts])
        clean = False
    return clean


class _Spare(NamedTuple):
    missing: bool  # whether one of its own containers is not there
    grace: float  # seconds


def _spare(live: Release, there: Collection[str]) -> dict[str, _Spare]:
    """The live release's companions by name: what may be there of them under other names."""
    tasks = live.spec.tasks()
    return {
        service.name: _Spare(not set(companion_names(service)) <= set(there), service.stop_grace)
        for service in live.spec.companions()
        if service not in tasks
    }


def told(*_: object, text: str = "", **__: object) -> None:
    """Where no rollout's followers are, the agent's log is told."""
    if text:
        _log.warning("%s", text)
