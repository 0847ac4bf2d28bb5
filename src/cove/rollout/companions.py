"""The operations on companions: services that keep their name and are changed in place.

Imported inside `cove.rollout`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from cove.errors import RolloutFailed
from cove.model.app import RolloutPolicy, Service
from cove.model.release import companion_names
from cove.planning import operations as op
from cove.ports import ContainerFacts
from cove.rollout.dependants import hurry
from cove.rollout.losses import kept
from cove.rollout.preflight import check_powers
from cove.rollout.readiness import LOG_LINES, ended
from cove.rollout.work import Work, together

_POLL = 0.2
# A migration may take long; who knows better says `rollout: {timeout: …}`.
_TASK_LIMIT = 900.0
# How long a companion without a health check gets to listen before those that need it start.
_LISTENING = 10.0
_FAILED = frozenset({"exited", "dead", "removing"})


async def converge(step: op.ConvergeService, work: Work) -> None:
    """The companion runs as the release defines it."""
    check_powers(work.release(step.release).spec, work.platform)
    await work.write_project(step.releases, step.companions)
    service = work.release(step.release).spec.service(step.service)
    if step.restart:
        await _remove(work, service.name)
    await _up(step, work, service)
    await await_companion(work, service, step.settle)
    await hurry(work)


async def undo_converge(step: op.ConvergeService, work: Work) -> None:
    """The companion is what it was: another definition, at rest, or not there."""
    await work.write_project(step.releases, _companions_before(step))
    if _was_companion(step, work):
        await _bring_back(step, work)
    else:
        await _remove(work, step.service)
    await work.remove_volumes(step.new_volumes)


def _was_companion(step: op.ConvergeService | op.RunTask, work: Work) -> bool:
    """Whether it ran before. A task did not: it has run, and is not to run once more."""
    if not step.before:
        return False
    tasks = work.release(step.before).spec.tasks()
    return all(task.name != step.service for task in tasks)


async def _bring_back(step: op.ConvergeService | op.RunTask, work: Work) -> None:
    """The companion as the release before defines it; the project says so already."""
    service = work.release(step.before).spec.service(step.service)
    names = companion_names(service)
    for facts in await work.companion(step.service):
        if facts.service not in names:
            await work.remove([facts])
    env = work.environment(step.releases, _companions_before(step))
    differing = await _differing(step, work, names)
    if differing:
        await work.platform.composer.converge(work.app, differing, env, start=not step.resting)
    if step.resting:
        await _stop(work, service)
    else:
        await await_companion(work, service, 0)
        await hurry(work)


async def run_task(step: op.RunTask, work: Work) -> None:
    """The task has run to its end. Raises RolloutFailed (`task-failed`) when it failed."""
    check_powers(work.release(step.release).spec, work.platform)
    await work.write_project(step.releases, step.companions)
    service = work.release(step.release).spec.service(step.service)
    await _remove(work, service.name)
    await _up(step, work, service)
    await _end(work, service, task_limit(service))


def task_limit(task: Service) -> float:
    """Seconds that a task may take."""
    return task.rollout.timeout if task.rollout != RolloutPolicy() else _TASK_LIMIT


async def undo_run_task(step: op.RunTask, work: Work) -> None:
    """What it did stays done; its container is gone. What was a companion before is one again."""
    again = _was_companion(step, work)
    if not again:
        await _remove(work, step.service)
    await work.write_project(step.releases, _companions_before(step))
    if again:
        await _bring_back(step, work)
    await work.remove_volumes(step.new_volumes)


async def stop(step: op.StopCompanions, work: Work) -> None:
    """The companions rest, each before those it depends on."""
    for service in reversed(work.release(step.release).spec.companions()):
        if not step.only or service.name in step.only:
            await _stop(work, service)


async def undo_stop(step: op.StopCompanions, work: Work) -> None:
    """They run again, each after those it depends on."""
    for service in work.release(step.release).spec.companions():
        if not step.only or service.name in step.only:
            for facts in await work.companion(service.name):
                if not facts.running:
                    await work.platform.engine.start(facts.id)


async def await_companion(work: Work, service: Service, settle: float) -> None:
    """Returns once the companion is healthy by its own check, or else runs and listens.

    Raises RolloutFailed (`exited`, `oom`, `unhealthy`, `not-ready`) with its last log lines.
    """
    await asyncio.gather(
        *(_Companion(work, service, name, settle).ready() for name in companion_names(service))
    )


class _Companion:
    """The wait for one replica of a companion."""

    def __init__(self, work: Work, service: Service, name: str, settle: float) -> None:
        self.work = work
        self.service = service
        self.name = name
        self.settle = settle
        self.restarts = -1

    async def ready(self) -> None:
        clock = asyncio.get_running_loop().time
        begun = clock()
        while True:
            facts = await self.facts()
            age = self.work.now() - facts.started_at
            if self._done(facts):
                return
            if facts.running and self._fit(facts, clock() - begun) and age >= self.settle:
                return
            if clock() - begun > self.service.rollout.timeout:
                raise await self._late(facts)
            await asyncio.sleep(_POLL)

    async def facts(self) -> ContainerFacts:
        """Raises RolloutFailed for a container that is gone, ended or restarts."""
        for facts in await self.work.companion(self.service.name):
            if facts.service == self.name:
                break
        else:
            raise RolloutFailed(f"the container of {self.name} is gone", code="exited")
        if self.restarts < 0:
            self.restarts = facts.restarts
        failed = facts.state in _FAILED and not self._done(facts)
        if failed or facts.restarts > self.restarts:
            raise await ended(self.work, self.name, facts)
        return facts

    def _done(self, facts: ContainerFacts) -> bool:
        """Whether it ended well and, by its file, need not run on."""
        return facts.state == "exited" and facts.exit_code == 0 and not kept(self.service)

    def _fit(self, facts: ContainerFacts, waited: float) -> bool:
        if facts.health:
            return facts.health == "healthy"
        if self.settle:
            return True
        return self._listens(facts) or waited > min(_LISTENING, self.service.rollout.timeout / 2)

    def _listens(self, facts: ContainerFacts) -> bool:
        found = self.work.platform.host.listeners(facts.pid)
        return any(not one.address.startswith("127.") and one.address != "::1" for one in found)

    async def _late(self, facts: ContainerFacts) -> RolloutFailed:
        log = await self.work.platform.engine.tail(facts.id, LOG_LINES)
        what = "says by its own health check that it is not ready" if facts.health else facts.state
        return RolloutFailed(
            f"{self.name} was not ready within {self.service.rollout.timeout:g} s: it {what}",
            code="not-ready",
            hint="if it only needs longer, raise its `rollout.timeout`",
            log=log,
        )


async def _end(work: Work, service: Service, limit: float) -> None:
    clock = asyncio.get_running_loop().time
    begun = clock()
    while True:
        found = await work.companion(service.name)
        if found and all(f.state == "exited" and f.exit_code == 0 for f in found):
            return
        failed = next((f for f in found if f.state in _FAILED and f.exit_code), None)
        if not found or failed or clock() - begun > limit:
            raise await _task_failed(work, service, failed, limit)
        await asyncio.sleep(_POLL)


async def _task_failed(
    work: Work, service: Service, facts: ContainerFacts | None, limit: float
) -> RolloutFailed:
    if facts is not None:
        how = f"ended with code {facts.exit_code}"
        log = await work.platform.engine.tail(facts.id, LOG_LINES)
    else:
        how, log = f"has not ended within {limit:g} s", ()
    return RolloutFailed(
        f"{service.name} {how}, and others wait for it to end well",
        code="task-failed",
        hint="its last log lines say why; `rollout.timeout` says how long it may take",
        log=log,
    )


def _companions_before(step: op.ConvergeService | op.RunTask) -> dict[str, int]:
    others = {name: n for name, n in step.companions.items() if name != step.service}
    return others | {step.service: step.before} if step.before else others


async def _up(step: op.ConvergeService | op.RunTask, work: Work, service: Service) -> None:
    names = companion_names(service)
    for facts in await work.companion(service.name):
        if facts.service not in names:  # fewer replicas, or another number of them
            await work.platform.engine.stop(facts.id, service.stop_grace)
            await work.remove([facts])
    env = work.environment(step.releases, step.companions)
    differing = await _differing(step, work, names)
    if differing:
        await work.platform.composer.converge(work.app, differing, env)


async def _differing(
    step: op.ConvergeService | op.RunTask, work: Work, names: Sequence[str]
) -> list[str]:
    """Those to be seen to: Compose would replace even what differs in cove's own labels only."""
    kept = isinstance(step, op.ConvergeService) and step.leave_running
    found = await work.companion(step.service)
    running = {facts.service for facts in found if kept and facts.running}
    return [name for name in names if name not in running]


async def _stop(work: Work, service: Service) -> None:
    found = await work.companion(service.name)
    running = [f for f in found if f.state in ("running", "restarting", "paused")]
    await together(work.platform.engine.stop(f.id, service.stop_grace) for f in running)


async def _remove(work: Work, service: str) -> None:
    for facts in await work.companion(service):
        await work.platform.engine.stop(facts.id, _grace(work, service))
        await work.remove([facts])


def _grace(work: Work, service: str) -> float:
    """The longest any release gives it: what is stopped here may be of an earlier one."""
    specs = [release.spec for release in work.platform.store.releases(work.app)]
    return max((s.stop_grace for a in specs for s in a.services if s.name == service), default=10.0)
