"""Does the operations of a plan, journals each, and takes them back when one fails.

Decides nothing: what to do and in which order is the planner's; whether a failure undoes or goes
forward is the plan's pivot. Imported inside `cove.rollout`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal

from cove.errors import Cancelled, CoveError, PlatformError
from cove.model.events import EventKind, Rollout
from cove.planning import operations as op
from cove.ports import Step
from cove.rollout import before, companions, containers, networks, traffic
from cove.rollout.masking import hidden_values, masked
from cove.rollout.settling import settle
from cove.rollout.work import Work

_log = logging.getLogger(__name__)
Act = Callable[[Any, Work], Awaitable[None]]
Progressed = Literal["started", "done", "undone"]

DO: dict[type[op.Operation], Act] = {
    op.PrepareNetwork: networks.prepare,
    op.WriteProject: containers.write_project,
    op.ConvergeService: companions.converge,
    op.RunTask: companions.run_task,
    op.RunBefore: before.run,
    op.StartRelease: containers.start,
    op.AwaitReady: containers.ready,
    op.SwitchRoutes: traffic.switch,
    op.HoldRequests: traffic.hold,
    op.AdmitHeld: traffic.admit,
    op.Drain: traffic.drain,
    op.ReleaseHold: traffic.release_hold,
    op.StopRelease: containers.stop,
    op.StopCompanions: companions.stop,
    op.Confirm: containers.confirm,
    op.RetireRelease: containers.retire,
    op.PruneImages: containers.prune,
    op.StartStopped: containers.start_stopped,
    op.WithdrawRoutes: traffic.withdraw,
    op.RecordStopped: containers.record_stopped,
    op.RemoveContainers: containers.remove_containers,
    op.RemoveVolumes: containers.remove_volumes,
    op.RemoveNetwork: networks.remove,
    op.ForgetApp: containers.forget,
}

# What is not here leaves nothing behind that would have to be taken back.
UNDO: dict[type[op.Operation], Act] = {
    op.PrepareNetwork: networks.undo_prepare,
    op.WriteProject: containers.undo_write_project,
    op.ConvergeService: companions.undo_converge,
    op.RunTask: companions.undo_run_task,
    op.RunBefore: before.undo_run,
    op.StartRelease: containers.undo_start,
    op.SwitchRoutes: traffic.undo_switch,
    op.HoldRequests: traffic.undo_hold,
    op.AdmitHeld: traffic.undo_admit,
    op.StopRelease: containers.undo_stop,
    op.StopCompanions: companions.undo_stop,
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
        self.committed = plan.pivot < 0
        self.undoing = False
        self.incomplete = False  # something could not be taken back or cleared away

    @property
    def cancellable(self) -> bool:
        """Whether to cancel means to take back; neither undoing nor clearing away may be cut."""
        return not self.committed and not self.undoing

    async def run(self) -> None:
        """Does everything. Raises what failed, after taking back what was begun before the pivot.

        Cancelled before the pivot, it takes back and raises Cancelled; after it, it goes on.
        """
        try:
            for index in range(self.plan.pivot + 1):
                await self._forward(index)
        except asyncio.CancelledError:
            await self.undo(self._begun())
            raise Cancelled("the rollout was cancelled", code="cancelled") from None
        except Exception:
            await self.undo(self._begun())
            raise
        await self.finish(self.plan.pivot + 1)

    async def finish(self, first: int) -> None:
        """What remains after the pivot: each operation is tried, whatever became of the others.

        Only the record of an app outlasts what could not be removed, or nobody would ever know
        of that again. Raises the first failure in the end.
        """
        failure: CoveError | None = None
        for index in range(first, len(self.plan.operations)):
            if failure is not None and isinstance(self.plan.operations[index], op.ForgetApp):
                break
            try:
                await self._forward(index)
            except CoveError as error:
                self.incomplete = True
                failure = failure or error
        if failure is not None:
            raise failure

    async def undo(self, begun: list[int]) -> None:
        """Takes back the given operations, last first; one that cannot be taken back is told.

        What was interrupted may have left requests with Docker, which come to their end before.
        """
        self.undoing = True
        await self._settle()
        for index in sorted(begun, reverse=True):
            await self._take_back(index)

    async def _settle(self) -> None:
        try:
            await settle(self.work)
        except CoveError as error:
            _log.error("%s is taken back unsettled: %s", self.plan.app, error.message)
            self.incomplete = True

    async def _take_back(self, index: int) -> None:
        step = self.plan.operations[index]
        if type(step) not in UNDO:
            return
        try:
            await _act(UNDO, step, self.work)
        except Exception as error:  # noqa: BLE001 - see below
            # Not even a bug in one may keep the others from being taken back.
            bug = None if isinstance(error, CoveError) else error
            name = type(step).__name__
            # The log's errors become events, too.
            said = masked(str(error), hidden_values(self.plan.app, self.work.platform.store))
            _log.error("%s of %s was not undone: %s", name, self.plan.app, said, exc_info=bug)
            self.incomplete = True
            self._tell("notice", index, f"could not be undone: {error}")
        else:
            self._note(index, "undone")

    async def _forward(self, index: int) -> None:
        step = self.plan.operations[index]
        self._note(index, "started")
        begun = time.monotonic()
        try:
            await _act(DO, step, self.work)
        except CoveError as error:
            self._tell("failed", index, error.message)
            raise
        # The pivot's effect commits, not what is noted of it afterwards.
        self.committed = self.committed or index == self.plan.pivot
        self._note(index, "done", {"seconds": round(time.monotonic() - begun, 3)})

    def _note(self, index: int, state: Progressed, data: dict[str, Any] | None = None) -> None:
        """Journals and tells how far an operation has come.

        What cannot be journalled is not begun; but no full disk keeps a rollout from clearing
        away or taking back, since to do that twice is fine.
        """
        try:
            self.work.platform.store.save_step(self.rollout, Step(index, state))
            self.work.emit(state, index, data=data)
        except PlatformError as error:
            if self.cancellable:
                raise
            _log.error("%s of operation %s was not recorded: %s", state, index, error.message)

    def _tell(self, kind: EventKind, index: int, text: str) -> None:
        """An event that nothing depends on."""
        try:
            self.work.emit(kind, index, text)
        except PlatformError as error:
            _log.error("%s of operation %s was not recorded: %s", kind, index, error.message)

    def _begun(self) -> list[int]:
        """Every operation up to the one that failed; those after it were never started."""
        journal = self.work.platform.store.steps(self.rollout.id)
        return [step.index for step in journal if step.state in ("started", "done")]


async def _act(table: Mapping[type[op.Operation], Act], step: op.Operation, work: Work) -> None:
    try:
        await table[type(step)](step, work)
    except OSError as error:
        raise PlatformError(f"the machine refused: {error}", code="machine") from error
