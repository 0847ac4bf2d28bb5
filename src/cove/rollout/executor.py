"""Does the operations of a plan, journals each, and takes them back when one fails.

Decides nothing: what to do and in which order is the planner's; whether a failure undoes or goes
forward is the plan's pivot. Imported inside `cove.rollout`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from cove.errors import Cancelled, CoveError, PlatformError
from cove.model.events import Rollout
from cove.planning import operations as op
from cove.ports import Step
from cove.rollout import containers, traffic
from cove.rollout.work import Work

Act = Callable[[Any, Work], Awaitable[None]]

DO: dict[type[op.Operation], Act] = {
    op.PrepareNetwork: containers.prepare_network,
    op.WriteProject: containers.write_project,
    op.StartRelease: containers.start,
    op.AwaitReady: containers.ready,
    op.SwitchRoutes: traffic.switch,
    op.HoldRequests: traffic.hold,
    op.AdmitHeld: traffic.admit,
    op.Drain: traffic.drain,
    op.ReleaseHold: traffic.release_hold,
    op.StopRelease: containers.stop,
    op.Confirm: containers.confirm,
    op.RetireRelease: containers.retire,
    op.PruneImages: containers.prune,
    op.StartStopped: containers.start_stopped,
    op.WithdrawRoutes: traffic.withdraw,
    op.RecordStopped: containers.record_stopped,
    op.RemoveContainers: containers.remove_containers,
    op.RemoveVolumes: containers.remove_volumes,
    op.RemoveNetwork: containers.remove_network,
    op.ForgetApp: containers.forget,
}

# What is not here leaves nothing behind that would have to be taken back.
UNDO: dict[type[op.Operation], Act] = {
    op.PrepareNetwork: containers.undo_prepare_network,
    op.WriteProject: containers.undo_write_project,
    op.StartRelease: containers.undo_start,
    op.SwitchRoutes: traffic.undo_switch,
    op.HoldRequests: traffic.undo_hold,
    op.AdmitHeld: traffic.undo_admit,
    op.StopRelease: containers.undo_stop,
    op.StartStopped: containers.undo_start_stopped,
    op.WithdrawRoutes: traffic.undo_withdraw,
    op.RecordStopped: containers.undo_record_stopped,
}


class Executor:
    """One rollout's plan, from its first operation to its end."""

    def __init__(self, rollout: Rollout, plan: op.Plan, work: Work) -> None:
        self.rollout = rollout
        self.plan = plan
        self.work = work
        self.committed = False

    async def run(self) -> None:
        """Does everything. Raises what failed, after taking back what was begun before the pivot.

        Cancelled before the pivot, it takes back and raises Cancelled; after it, it goes on.
        """
        try:
            await self._forward(0, self.plan.pivot + 1)
        except asyncio.CancelledError:
            await self.undo(self._begun())
            raise Cancelled("the rollout was cancelled", code="cancelled") from None
        except Exception:
            await self.undo(self._begun())
            raise
        self.committed = True
        await self.finish(self.plan.pivot + 1)

    async def finish(self, first: int) -> None:
        """What remains after the pivot: each operation is tried, whatever became of the others.

        Raises the first failure in the end.
        """
        failure: CoveError | None = None
        for index in range(first, len(self.plan.operations)):
            try:
                await self._forward(index, index + 1)
            except CoveError as error:
                failure = failure or error
        if failure is not None:
            raise failure

    async def undo(self, begun: list[int]) -> None:
        """Takes back the given operations, last first; one that cannot be taken back is told."""
        for index in sorted(begun, reverse=True):
            step = self.plan.operations[index]
            act = UNDO.get(type(step))
            if act is None:
                continue
            try:
                await act(step, self.work)
            except CoveError as error:
                self.work.emit("notice", index, f"could not be undone: {error.message}")
                continue
            self._record(index, "undone")
            self.work.emit("undone", index)

    async def _forward(self, first: int, end: int) -> None:
        for index in range(first, end):
            step = self.plan.operations[index]
            self._record(index, "started")
            self.work.emit("started", index)
            begun = time.monotonic()
            try:
                await _do(step, self.work)
            except CoveError as error:
                self.work.emit("failed", index, error.message)
                raise
            self._record(index, "done")
            seconds = round(time.monotonic() - begun, 3)
            self.work.emit("done", index, data={"seconds": seconds})

    def _record(self, index: int, state: Any) -> None:
        self.work.platform.store.save_step(self.rollout, Step(index, state))

    def _begun(self) -> list[int]:
        """Every operation up to the one that failed; those after it were never started."""
        journal = self.work.platform.store.steps(self.rollout.id)
        return [step.index for step in journal if step.state in ("started", "done")]


async def _do(step: op.Operation, work: Work) -> None:
    try:
        await DO[type(step)](step, work)
    except OSError as error:
        raise PlatformError(f"the machine refused: {error}", code="machine") from error
