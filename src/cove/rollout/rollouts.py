"""The use cases: deploy, roll back, restart, stop, start, remove, cancel.

Each takes the app's lock, runs in the background and ends in an outcome, whoever is watching.
Imported by the agent.
"""

from __future__ import annotations

import asyncio
import logging
import shlex
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from msgspec.structs import replace

from cove.errors import (
    EXIT_BUG,
    EXIT_DONE,
    EXIT_FAILED,
    EXIT_KEPT_OLD,
    Cancelled,
    CoveError,
    NotFound,
    PlatformError,
    Refused,
    RolloutFailed,
)
from cove.model.events import Outcome, Rollout, RolloutKind
from cove.model.release import Release
from cove.model.requests import DeployRequest, PlanView
from cove.planning import operations as op
from cove.planning.acts import plan_remove, plan_restart, plan_start, plan_stop
from cove.planning.observed import Observed
from cove.planning.planner import KEEP_RELEASES, needs_gap, plan_rollout
from cove.ports import AppRecord, Platform
from cove.render.compose import companion_digests
from cove.render.naming import Naming
from cove.render.traefik import ProxySettings
from cove.rollout import networks, prepare, restarting
from cove.rollout.containers import prune_images
from cove.rollout.domains import check_certificates
from cove.rollout.eventlog import EventLog
from cove.rollout.executor import Executor
from cove.rollout.images import local_images, recall_images
from cove.rollout.losses import Serves, serves
from cove.rollout.masking import hidden_values, masked, masked_error, masking
from cove.rollout.outside import serves_outside
from cove.rollout.preflight import check_powers
from cove.rollout.urls import release_urls
from cove.rollout.work import Work, observe

_log = logging.getLogger(__name__)
Body = Callable[[Rollout, Work], Awaitable[Outcome]]
_CERTIFIED_WITHIN = 15.0  # seconds; the app serves meanwhile, and nothing fails when it is longer
_RECORD_RETRY = 5.0  # seconds between two tries to record an end; a full disk may get room again


class Rollouts:
    """Every rollout of one agent."""

    def __init__(self, platform: Platform, naming: Naming, proxy: ProxySettings) -> None:
        self.platform = platform
        self.naming = naming
        self.proxy = proxy
        self.events = EventLog(platform.store)
        self.unsettled: set[str] = set()  # apps that may differ from their record
        self.troubles: dict[str, CoveError] = {}  # why an app could not be put right
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._cancellable: set[int] = set()
        self._executors: dict[int, Executor] = {}
        self._gates: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def deploy(self, request: DeployRequest) -> Rollout:
        """Begins to make the request's app live.

        Raises InvalidFile, Refused and Locked at once; what comes later is told by events.
        """
        candidate = prepare.read(request, self.platform.store)

        async def body(rollout: Rollout, work: Work) -> Outcome:
            return await self._make_live(candidate, rollout, work)

        return self._begin(candidate.spec.name, "deploy", request.by, body, candidate.spec.hidden)

    async def plan(self, request: DeployRequest) -> PlanView:
        """What `deploy` would do now, pulling and recording nothing.

        Raises what `deploy` would be refused for, as far as no registry must be asked.
        """
        candidate = prepare.read(replace(request, take_over=True), self.platform.store)
        name = candidate.spec.name
        try:
            return await self._planned_view(request, candidate)
        except Refused as error:
            if not self._serving(name):
                error.exit_code = EXIT_FAILED
            raise masked_error(error, {*candidate.spec.hidden, *self.hidden(name)}) from error

    async def _planned_view(self, request: DeployRequest, candidate: prepare.Candidate) -> PlanView:
        name = candidate.spec.name
        work = self.work(name, _untold)
        await prepare.check_before(candidate.spec, work)
        images, notes = await local_images(candidate.spec, self.platform.engine)
        notes = [*notes, *await self.platform.certificates.check(candidate.spec)]
        await self.platform.certificates.agree(candidate.spec)
        record = self.platform.store.app(name)
        differs = prepare.other_source(name, request.origin, record)
        notes += [f"{differs}: deploying it takes --take-over"] if differs else []
        notes += self._in_the_way(name)
        taken = max((r.number for r in self.platform.store.releases(name)), default=0)
        release = prepare.provisional(candidate, images, taken + 1)
        observed = await self._observed(record)
        digests = companion_digests(release.spec, images, self.naming)
        gap = needs_gap(release.spec, images, observed, digests)
        prepare.check_beside(release.spec, observed, work, gap=gap)
        hold = {s.name: "" for s in release.spec.routed()} if gap else {}
        plan = plan_rollout(release, observed, hold, digests)
        plan = prepare.with_remarks(plan, release.spec, work)
        hidden = {*candidate.spec.hidden, *self.hidden(name)}
        return PlanView(
            app=name,
            release=release.number,
            release_now=record.live if record else 0,
            operations=masked(tuple(prepare.describe(plan)), hidden),
            notes=masked((*notes, *plan.notes), hidden),
            urls=tuple(release_urls(release.spec, self.proxy)),
            variables=tuple(sorted(request.variables)),
        )

    def _in_the_way(self, app: str) -> list[str]:
        active = self.active(app)
        return [f"a {active.kind} is under way: a deploy waits for its end"] if active else []

    def rollback(self, app: str, number: int | None, by: str) -> Rollout:
        """Makes an earlier release live again, by its digest and configuration.

        Raises NotFound for a release that never served, Refused when there is none before.
        """
        target = self._rollback_target(app, number)
        return self._again(target, "rollback", by, f"rollback to release {target.number}")

    def restart(self, app: str, by: str, services: Sequence[str] = ()) -> Rollout:
        """Replaces containers with equal ones: a release's, losing no request, or companions.

        Raises NotFound for a service that is not there, InvalidFile (`usage`) for a task and for
        services of both kinds at once, Refused (`not-running`) for companions of a stopped app.
        """
        live = self._live(app)
        if not restarting.companions(live, services):
            return self._again(live, "restart", by, "restart")
        if self._record(app).stopped:
            hint = f"start it: cove start {app}"
            raise Refused(f"{app} is stopped", code="not-running", hint=hint)

        async def body(rollout: Rollout, work: Work) -> Outcome:
            await recall_images(live, work, services)
            await self._execute(rollout, plan_restart(live, services), work)
            return "done"

        return self._begin(app, "restart", by, body)

    def stop(self, app: str, by: str) -> Rollout:
        """Stops an app and keeps everything of it."""
        live = self._live(app)
        return self._planned(app, "stop", by, lambda observed: plan_stop(live, observed))

    def start(self, app: str, by: str) -> Rollout:
        """Starts a stopped app as it was, with no more powers than it has now."""
        live = self._live(app)
        digests = companion_digests(live.spec, live.images, self.naming)

        async def body(rollout: Rollout, work: Work) -> Outcome:
            observed = await self._observed(self._record(app))
            await self.platform.certificates.agree(live.spec)
            check_powers(live.spec, self.platform)
            check_certificates(live.spec, self.platform.store)
            await self._execute(rollout, plan_start(live, observed, digests), work)
            return "live"

        return self._begin(app, "start", by, body)

    def remove(self, app: str, by: str, *, volumes: bool) -> Rollout:
        """Removes an app; its volumes only when asked."""
        self._record(app)
        notes = tuple(self._powers_left(app))

        def plan(observed: Observed) -> op.Plan:
            return replace(plan_remove(app, observed, volumes=volumes), notes=notes)

        return self._planned(app, "remove", by, plan)

    def _powers_left(self, app: str) -> list[str]:
        """Powers belong to a name: whoever is called so next has them, unless they are taken."""
        powers = [grant.power for grant in self.platform.store.grants(app)]
        if not powers:
            return []
        revoke = f"cove allow {app} --revoke {shlex.join(powers)}"
        return [f"whatever is called {app} next has its powers, unless they are taken: {revoke}"]

    def cancel(self, rollout_id: int) -> Rollout:
        """Asks a rollout to stop and undo. One that has passed its pivot goes on to its end.

        Asking again is fine: an undoing is never cut short.
        """
        rollout = self.platform.store.rollout(rollout_id)
        if rollout is None:
            raise NotFound(f"there is no rollout {rollout_id}")
        executor = self._executors.get(rollout_id)
        if rollout_id in self._cancellable and (executor is None or executor.cancellable):
            self._tasks[rollout_id].cancel()
        return rollout

    def doing(self, rollout: Rollout) -> bool:
        """Whether this agent is at work on the rollout."""
        return rollout.id in self._tasks

    def active(self, app: str) -> Rollout | None:
        """The rollout that holds the app's lock."""
        latest = self.platform.store.rollouts(app, 1)
        return latest[0] if latest and latest[0].outcome is None else None

    @asynccontextmanager
    async def quiet(self, app: str) -> AsyncIterator[AppRecord | None]:
        """Holds back rollouts of an app while it is put right, and gives its record.

        None where the app is gone or a rollout is under way.
        """
        async with self._gates[app]:
            yield None if self.active(app) else self.platform.store.app(app)

    def work(self, app: str, emit: Any) -> Work:
        """The setting for operations on one app."""
        return Work(
            app=app,
            platform=self.platform,
            naming=self.naming,
            proxy=self.proxy,
            emit=emit,
            now=time.time,
        )

    def _again(self, release: Release, kind: RolloutKind, by: str, why: str) -> Rollout:
        candidate = prepare.candidate_of(release, why)

        async def body(rollout: Rollout, work: Work) -> Outcome:
            prepare.check_claims(release.spec, self.platform.store)
            return await self._make_live(candidate, rollout, work, release)

        return self._begin(release.app, kind, by, body, release.spec.hidden)

    def _planned(
        self, app: str, kind: RolloutKind, by: str, plan: Callable[[Observed], op.Plan]
    ) -> Rollout:
        async def body(rollout: Rollout, work: Work) -> Outcome:
            observed = await self._observed(self._record(app))
            await self._execute(rollout, plan(observed), work)
            return "done"

        return self._begin(app, kind, by, body)

    async def _make_live(
        self,
        candidate: prepare.Candidate,
        rollout: Rollout,
        work: Work,
        again: Release | None = None,
    ) -> Outcome:
        fetch = (lambda: recall_images(again, work)) if again else None
        prepared = await prepare.prepare(candidate, rollout, work, fetch)
        await self._execute(rollout, prepared.plan, work)
        for excuse in await self.platform.certificates.settle(prepared.release, _CERTIFIED_WITHIN):
            self._remark(work, excuse)
        try:
            if candidate.source:
                self.platform.store.set_source(work.app, candidate.source)
        except PlatformError as error:
            self._remark(work, f"where it came from was not recorded: {error.message}")
        return "live"

    def _remark(self, work: Work, text: str) -> None:
        text = masked(text, self.hidden(work.app))
        _log.warning("%s: %s", work.app, text)
        with suppress(PlatformError):
            work.emit("notice", text=text)

    def hidden(self, app: str) -> tuple[str, ...]:
        """The values that nobody is shown, of what an app runs or is about to run."""
        return hidden_values(app, self.platform.store)

    async def _execute(self, rollout: Rollout, plan: op.Plan, work: Work) -> None:
        self.platform.store.save_plan(rollout, op.encode(plan))
        operations = prepare.describe(plan)
        work.emit("plan", data={"operations": operations, "notes": list(plan.notes)})
        executor = Executor(rollout, plan, work)
        self._executors[rollout.id] = executor
        try:
            await executor.run()
        except CoveError as error:
            if not (executor.committed and plan.release):
                raise
            # The release serves; what could not be cleared away is told and retried later.
            self._remark(work, f"not everything could be cleared away: {error.message}")
        finally:
            if executor.incomplete:
                self.unsettled.add(work.app)

    def _begin(
        self, app: str, kind: RolloutKind, by: str, body: Body, hidden: tuple[str, ...] = ()
    ) -> Rollout:
        rollout = self.platform.store.open_rollout(app, kind, by)
        task = asyncio.create_task(self._run(rollout, body, hidden), name=f"rollout-{rollout.id}")
        self._tasks[rollout.id] = task
        self._cancellable.add(rollout.id)
        return rollout

    async def _run(self, rollout: Rollout, body: Body, hidden: tuple[str, ...]) -> None:
        hidden = (*hidden, *self.hidden(rollout.app))
        work = self.work(rollout.app, masking(self.events.emitter(rollout.id), hidden))
        try:
            outcome, error = await self._outcome(rollout, work, body)
            self._cancellable.discard(rollout.id)
            await self.settle(rollout, work, outcome, error and masked_error(error, hidden))
        finally:
            self._cancellable.discard(rollout.id)
            self._tasks.pop(rollout.id, None)
            self._executors.pop(rollout.id, None)

    async def _outcome(
        self, rollout: Rollout, work: Work, body: Body
    ) -> tuple[Outcome, CoveError | None]:
        served = self._serving(rollout.app)
        try:
            async with self._gates[rollout.app]:
                pass  # whoever puts the app right has finished
            return await body(rollout, work), None
        except (asyncio.CancelledError, Cancelled):
            return "cancelled", Cancelled("the rollout was cancelled")
        except CoveError as failure:
            error = failure
        except Exception as bug:  # noqa: BLE001 - see below
            # The last resort: a bug ends the rollout, not the agent.
            _log.exception("rollout %s of %s", rollout.id, rollout.app)
            error = _bug(bug)
        executor = self._executors.get(rollout.id)
        kept = served and not (executor and executor.committed)
        return "kept" if kept else "failed", error

    async def settle(
        self, rollout: Rollout, work: Work, outcome: Outcome, error: CoveError | None
    ) -> None:
        """Records how a rollout ended and tells its followers.

        A full disk may keep it waiting; the rollout holds its lock until its end is recorded.
        """
        while True:
            try:
                await self._settle(rollout, work, outcome, error)
            except CoveError as problem:
                _log.error("the end of rollout %s: %s", rollout.id, problem.message)
                await asyncio.sleep(_RECORD_RETRY)
            else:
                return

    async def _settle(
        self, rollout: Rollout, work: Work, outcome: Outcome, error: CoveError | None
    ) -> None:
        store = self.platform.store
        known = store.rollout(rollout.id) or rollout
        if error is None:
            self.troubles.pop(rollout.app, None)
        if error is not None and known.release:
            store.fail_release(rollout.app, known.release, error.message)
            await _pruned(work)
            await self._give_networks_back(work)
        elif error is not None:
            self._forget_untouched(rollout.app)
            await self._give_networks_back(work)
        # Told before it is closed: whoever comes back after a crash finds an end to every rollout.
        if self.events.outcome(rollout.id) is None:
            seen, by = await self._serves(known.app)
            data = self._result(known, outcome, error) | {"serves": seen, "seen_by": by}
            work.emit("finished", text=outcome, data=data)
        store.close_rollout(rollout, outcome)

    async def _give_networks_back(self, work: Work) -> None:
        """What was reserved for a release that did not come to be; what fails is done later."""
        record = self.platform.store.app(work.app)
        live = work.release(record.live) if record and record.live else None
        try:
            await networks.tidy(work, live)
        except CoveError as error:
            self.unsettled.add(work.app)
            work.emit("notice", text=f"networks were not tidied: {error.message}")

    def _forget_untouched(self, app: str) -> None:
        """An app that was refused before it had any release leaves nothing."""
        record = self.platform.store.app(app)
        if record is not None and not self.platform.store.releases(app):
            self.platform.store.forget_app(app)

    def _result(
        self, rollout: Rollout, outcome: Outcome, error: CoveError | None
    ) -> dict[str, Any]:
        record = self.platform.store.app(rollout.app)
        serving = self._serving(rollout.app)
        live = self.platform.store.release(rollout.app, serving) if serving else None
        body = error.as_dict() if error else None
        if body is not None:
            body["exit_code"] = _exit_code(error, outcome)
        return {
            "outcome": outcome,
            "exit_code": body["exit_code"] if body else EXIT_DONE,
            "urls": release_urls(live.spec, self.proxy) if live else [],
            "release": rollout.release or (record.live if record else 0),
            "serving": serving,
            "seconds": round(max(0.0, time.time() - rollout.started_at), 3),
            "error": body,
        }

    def _serving(self, app: str) -> int:
        record = self.platform.store.app(app)
        return record.live if record and not record.stopped else 0

    async def _serves(self, app: str) -> tuple[Serves, str]:
        """Whether what the record calls serving was seen to run just now, and who was asked."""
        release = self.platform.store.release(app, self._serving(app))
        if release is None:
            return "no", ""
        try:
            return serves(release, await self.platform.engine.sightings()), "docker"
        except (CoveError, OSError):
            return await serves_outside(release, self.platform, self.proxy), "proxy"

    def _record(self, app: str) -> AppRecord:
        record = self.platform.store.app(app)
        if record is None:
            raise NotFound(f"there is no app {app}", hint="see them all: cove status")
        return record

    def _live(self, app: str) -> Release:
        record = self._record(app)
        release = self.platform.store.release(app, record.live) if record.live else None
        if release is None:
            raise Refused(f"no release of {app} was ever live", code="never-live")
        return release

    def _rollback_target(self, app: str, number: int | None) -> Release:
        record = self._record(app)
        served = [r for r in self.platform.store.releases(app) if r.status == "superseded"]
        if number is None:
            if not served:
                raise Refused(f"{app} has no earlier release to go back to", code="no-earlier")
            return served[0]
        for release in served:
            if release.number == number:
                return release
        what = "is live already" if number == record.live else "never served, or does not exist"
        raise NotFound(f"release {number} of {app} {what}", hint=f"see them: cove history {app}")

    async def _observed(self, record: AppRecord | None) -> Observed:
        if record is not None:
            return await observe(record, self.platform, self.naming)
        return Observed(
            live=None,
            stopped=False,
            subnets={},
            networks=frozenset(),
            volumes=frozenset(),
            containers=(),
        )


def _exit_code(error: CoveError | None, outcome: Outcome) -> int:
    if error is None:
        return EXIT_DONE
    if isinstance(error, Refused | RolloutFailed | PlatformError):
        return EXIT_KEPT_OLD if outcome == "kept" else EXIT_FAILED
    return error.exit_code


def _bug(error: Exception) -> CoveError:
    wrapped = CoveError(
        f"a bug in cove: {type(error).__name__}: {error}",
        code="bug",
        hint="the agent's log has the details; please report it",
    )
    wrapped.exit_code = EXIT_BUG
    return wrapped


def _untold(*_: object, **__: object) -> None:
    """For what is only looked at."""


async def _pruned(work: Work) -> None:
    try:
        await prune_images(work, KEEP_RELEASES)
    except CoveError as error:
        work.emit("notice", text=f"images were not pruned: {error.message}")
