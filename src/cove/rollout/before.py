"""The operation that runs a service's `before` command. Imported inside `cove.rollout`."""

from __future__ import annotations

import asyncio

from cove.errors import CoveError, RolloutFailed
from cove.model.names import before_service
from cove.planning import operations as op
from cove.ports import ContainerFacts
from cove.rollout.preflight import check_powers
from cove.rollout.readiness import LOG_LINES, ended
from cove.rollout.work import Work

_POLL = 0.2
_OVER = frozenset({"exited", "dead"})


async def run(step: op.RunBefore, work: Work) -> None:
    """The command has ended well, and its container is gone.

    Never done twice in a rollout: a death on the way takes the rollout back. Raises RolloutFailed
    (`before-failed`, `oom`) with its last log lines, and Refused for a power taken meanwhile.
    """
    release = work.release(step.release)
    check_powers(release.spec, work.platform)
    await work.write_project(step.releases, step.companions, once=(release, step.service))
    env = work.environment(step.releases, step.companions)
    name = before_service(step.service, step.release)
    await work.platform.composer.up(work.app, [name], env)
    await _end(step, work)
    await _remove(step, work)
    await work.write_project(step.releases, step.companions)


async def undo_run(step: op.RunBefore, work: Work) -> None:
    """What it did stays done; its container is gone, with the volumes made for it."""
    await _remove(step, work)
    await work.write_project(step.releases, step.companions)
    await work.remove_volumes(step.new_volumes)


async def _end(step: op.RunBefore, work: Work) -> None:
    clock = asyncio.get_running_loop().time
    begun = clock()
    while True:
        facts = await _container(step, work)
        if facts is not None and facts.state in _OVER and facts.exit_code == 0:
            return
        late = clock() - begun > step.limit
        if facts is None or facts.state in _OVER or late:
            raise await _failed(step, work, facts)
        await asyncio.sleep(_POLL)


async def _failed(step: op.RunBefore, work: Work, facts: ContainerFacts | None) -> CoveError:
    how, log = "is gone: somebody removed its container", tuple[str, ...]()
    if facts is not None and facts.state in _OVER:
        error = await ended(work, facts.service, facts)
        if error.specific_code == "oom":
            return error
        how, log = f"ended with code {facts.exit_code}", error.log
    elif facts is not None:
        how = f"has not ended within {step.limit:g} s"
        log = await work.platform.engine.tail(facts.id, LOG_LINES)
    return RolloutFailed(
        f"the before command of {step.service} {how}",
        code="before-failed",
        hint="its last log lines say why; `rollout.before_timeout` says how long it may take",
        log=log,
    )


async def _container(step: op.RunBefore, work: Work) -> ContainerFacts | None:
    name = before_service(step.service, step.release)
    return next((c for c in await work.containers(step.release) if c.service == name), None)


async def _remove(step: op.RunBefore, work: Work) -> None:
    facts = await _container(step, work)
    if facts is not None:
        grace = work.release(step.release).spec.service(step.service).stop_grace
        await work.platform.engine.stop(facts.id, grace)
        await work.remove([facts])
