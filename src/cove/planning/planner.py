"""From what was asked and what runs to a plan. Pure; the executor decides nothing any more."""

from __future__ import annotations

from collections.abc import Mapping

from cove.model.app import App, Service
from cove.model.release import Image, Release
from cove.planning import operations as op
from cove.planning.companions import Change, changes, disruptive, image_notes
from cove.planning.observed import Observed
from cove.planning.steps import (
    companions_of,
    drain,
    longest_drain,
    longest_settle,
    opening,
    ready,
    switch,
)
from cove.render.compose import volume_sources

# Releases whose images are kept for a rollback, the live one included; Kamal keeps as many.
KEEP_RELEASES = 5


def plan_rollout(
    new: Release,
    observed: Observed,
    hold: dict[str, str],
    digests: Mapping[str, str] | None = None,
    *,
    before: bool = True,
) -> op.Plan:
    """How `new` becomes live in place of what serves now, losing no request.

    `hold` gives each routed service an address to wait at where there must be a gap. `digests`
    says what each companion is to be made of; `before`, whether `before` commands are run.
    """
    changed = changes(new.spec, new.images, observed, digests or {})
    middle = _Draft(new, observed, hold, changed, before=before).steps()
    steps = [*opening(new.spec, observed), *middle, *_closing(observed.live)]
    pivot = next(i for i, step in enumerate(steps) if isinstance(step, op.Confirm))
    return op.Plan(
        app=new.app,
        operations=tuple(steps),
        pivot=pivot,
        release=new.number,
        before=observed.serving.number if observed.serving else 0,
        notes=tuple(_notes(new, observed)),
    )


def needs_gap(
    spec: App,
    images: Mapping[str, Image],
    observed: Observed,
    digests: Mapping[str, str],
) -> bool:
    """Whether what serves must end before its successor starts, so that requests must wait.

    Because the services share data or ports, or because a companion they need is replaced.
    """
    return _gap(spec, observed, changes(spec, images, observed, digests))


def replaced_in_order(spec: App) -> str:
    """The order of the whole app: one service that must stop first makes all of them."""
    first = any(service.order == "stop-first" for service in spec.released())
    return "stop-first" if first else "start-first"


def _gap(spec: App, observed: Observed, changed: tuple[Change, ...]) -> bool:
    if observed.serving is None:
        return False
    if _leaving(spec, observed.serving.spec):
        return True
    if not observed.serving.spec.released():
        return False
    return replaced_in_order(spec) == "stop-first" or disruptive(spec, changed)


def _leaving(spec: App, old: App) -> tuple[str, ...]:
    """The services that turn from companions into released ones or back, and share data or ports.

    Their old containers have another name, so nothing replaces them: they must have stopped first.
    """
    stop_first = {service.name for service in spec.services if service.order == "stop-first"}
    came = {s.name for s in spec.released()} & {s.name for s in old.companions()}
    went = {s.name for s in spec.companions()} & {s.name for s in old.released()}
    return tuple(sorted((came | went) & stop_first))


class _Draft:
    """The middle of a rollout's plan, from the project's file to the release's record."""

    def __init__(
        self,
        new: Release,
        observed: Observed,
        hold: dict[str, str],
        changed: tuple[Change, ...],
        *,
        before: bool,
    ) -> None:
        self.new = new
        self.observed = observed
        self.old = observed.serving
        self.hold = hold
        self.gap = _gap(new.spec, observed, changed)
        self.disruptive = disruptive(new.spec, changed)
        self.changed = {change.service.name: change for change in changed}
        self.needed = {service.name for service in new.spec.needed()}
        self.prepared = new.spec.prepared() if before else ()
        self.before = companions_of(observed.live)
        self.companions = dict(self.before)  # as the steps so far have left them
        self.fresh = volume_sources(new.spec) - observed.volumes

    def steps(self) -> list[op.AnyOperation]:
        """Every step that could still be taken back, and then the record."""
        steps: list[op.AnyOperation] = [self._write()]
        if self.gap and self.old is not None:
            steps += self._stop_first(self.old)
        else:
            steps += self._start_first()
        steps += self._companions(needed=False)
        return [*steps, op.Confirm(release=self.new.number, cause="it serves")]

    def _releases(self) -> tuple[int, ...]:
        live = self.observed.live
        return (live.number, self.new.number) if live else (self.new.number,)

    def _write(self) -> op.AnyOperation:
        old, new, live = self.old, self.new, self.observed.live
        cause = new.why
        if old is not None and self.gap:
            cause = f"release {old.number} can come back until release {new.number} serves"
        elif old is not None and old.spec.released() and new.spec.released():
            cause = f"both run side by side until release {new.number} serves"
        before = (live.number,) if live else ()
        return op.WriteProject(
            releases=self._releases(), before=before, companions=self.before, cause=cause
        )

    def _companions(self, *, needed: bool) -> list[op.AnyOperation]:
        """What the release needs before it starts, or else what follows it, in their order."""
        tasks = {task.name for task in self.new.spec.tasks()}
        steps: list[op.AnyOperation] = []
        for service in self.new.spec.companions():
            if (service.name in self.needed) != needed:
                continue
            if service.name in tasks:
                steps.append(self._run(service))
            elif service.name in self.changed:
                steps.append(self._converge(self.changed[service.name]))
        return steps

    def _start_first(self) -> list[op.AnyOperation]:
        new, old = self.new, self.old
        steps = self._companions(needed=True)
        if new.spec.released():
            serving = old if old and old.spec.released() else None
            cause = (
                f"release {serving.number} serves meanwhile" if serving else "nothing serves yet"
            )
            steps += [*self._befores(), self._start(cause), ready(new, settle=True)]
        if new.spec.routes or (old and old.spec.routes):
            steps.append(switch(new, old, {}))
            steps += [drain(old, "requests in flight finish", watch=new)] if old else []
        return steps

    def _stop_first(self, old: Release) -> list[op.AnyOperation]:
        new, hold = self.new, self.hold
        # What disturbs nobody is done while the old release serves.
        before = [] if self.disruptive else self._companions(needed=True)
        holding = op.HoldRequests(
            release=old.number, hold=hold, candidate=new.number, cause=self._cause(of_hold=True)
        )
        steps = [
            *before,
            *([holding] if hold else []),
            *([] if hold or not old.spec.routes else [_withdraw(old)]),
            drain(old, "requests in flight finish before it stops"),
            op.StopRelease(release=old.number, cause=self._cause(of_hold=False)),
            *self._leavers(old),
            *(self._companions(needed=True) if self.disruptive else []),
        ]
        if new.spec.released():
            befores = self._befores()
            start = self._start(f"release {old.number} has stopped")
            steps += [*befores, start, ready(new, settle=not hold)]
        return [*steps, *(self._admission(old) if hold else [])]

    def _leavers(self, old: Release) -> list[op.AnyOperation]:
        beside = {service.name for service in old.spec.companions()}
        names = tuple(n for n in _leaving(self.new.spec, old.spec) if n in beside)
        cause = f"{', '.join(names)} gets a release of its own, and its data must be free"
        return [op.StopCompanions(release=old.number, only=names, cause=cause)] if names else []

    def _admission(self, old: Release) -> list[op.AnyOperation]:
        new, hold = self.new, self.hold
        return [
            op.AdmitHeld(
                release=new.number,
                hold=hold,
                before=old.number,
                cause="it is ready, and requests wait",
            ),
            switch(new, old, hold),
            op.ReleaseHold(
                release=new.number,
                hold=hold,
                limit=longest_drain(new),
                cause="nobody waits any more",
            ),
            op.AwaitReady(
                release=new.number,
                settle=longest_settle(new),
                cause="it must stay up with traffic",
            ),
        ]

    def _cause(self, *, of_hold: bool) -> str:
        """Why there is a gap."""
        routed = ", ".join(self.hold)
        leaving = _leaving(self.new.spec, self.old.spec) if self.old else ()
        if replaced_in_order(self.new.spec) == "stop-first" or leaving:
            both = f"two copies of {routed or ', '.join(leaving)} must not run at once"
            return both if of_hold else "its volumes and ports must be free"
        needs = [n for n, c in self.changed.items() if c.interrupts and n in self.needed]
        listed = ", ".join(needs)
        both = f"{listed} is replaced, which {routed} needs"
        return both if of_hold else f"{listed}, which it needs, is replaced"

    def _befores(self) -> list[op.AnyOperation]:
        """The last thing before the release starts: where only one may use the data, alone."""
        return [
            op.RunBefore(
                service=service.name,
                release=self.new.number,
                releases=self._releases(),
                companions=self.companions,
                limit=service.rollout.before_timeout,
                new_volumes=self._volumes(service),
                cause=f"release {self.new.number} must not start before it has ended",
            )
            for service in self.prepared
        ]

    def _start(self, cause: str) -> op.AnyOperation:
        return op.StartRelease(
            release=self.new.number,
            new_volumes=self._volumes(*self.new.spec.released()),
            named=self._named(),
            cause=cause,
        )

    def _named(self) -> tuple[str, ...]:
        """The services whose name nobody answers to when they start.

        Siblings could only find nobody by it, and those that start beside them may need them.
        """
        taken: set[str] = set()
        if self.old is not None:
            old = self.old.spec
            left = set(_leaving(self.new.spec, old)) if self.gap else set()
            taken = {service.name for service in old.companions()} - left
            if not self.gap:
                taken |= {service.name for service in old.introduced()}
        return tuple(s.name for s in self.new.spec.introduced() if s.name not in taken)

    def _converge(self, change: Change) -> op.AnyOperation:
        service = change.service
        self.companions = {**self.companions, service.name: self.new.number}
        return op.ConvergeService(
            service=service.name,
            release=self.new.number,
            releases=self._releases(),
            companions=self.companions,
            before=self.before.get(service.name, 0),
            resting=self.observed.stopped,
            restart=change.restart,
            leave_running=change.keep,
            settle=0.0 if service.name in self.needed else service.rollout.settle,
            new_volumes=self._volumes(service),
            cause=change.cause,
        )

    def _run(self, task: Service) -> op.AnyOperation:
        self.companions = {**self.companions, task.name: self.new.number}
        waiting = [
            service.name
            for service in self.new.spec.services
            for dependency in service.depends_on
            if dependency.service == task.name and dependency.condition == "completed"
        ]
        return op.RunTask(
            service=task.name,
            release=self.new.number,
            releases=self._releases(),
            companions=self.companions,
            before=self.before.get(task.name, 0),
            resting=self.observed.stopped,
            new_volumes=self._volumes(task),
            cause=f"{', '.join(waiting)} must not start before it has ended",
        )

    def _volumes(self, *services: Service) -> tuple[str, ...]:
        """The volumes that come into being with these services."""
        own = {m.source for s in services for m in s.mounts if m.kind == "volume"} & self.fresh
        self.fresh -= own
        return tuple(sorted(own))


def _withdraw(old: Release) -> op.AnyOperation:
    return op.WithdrawRoutes(release=old.number, cause="nothing has a route any more")


def _closing(old: Release | None) -> list[op.AnyOperation]:
    steps: list[op.AnyOperation] = []
    if old is not None:
        steps.append(op.RetireRelease(release=old.number, cause="it serves no longer"))
    steps.append(
        op.PruneImages(keep=KEEP_RELEASES, cause=f"the last {KEEP_RELEASES} releases stay")
    )
    return steps


def _notes(new: Release, observed: Observed) -> list[str]:
    notes = [
        f"{service.name} opens port {port.published}/{port.protocol} of this machine to "
        f"{port.host_ip or 'everyone'}"
        for service in new.spec.services
        for port in service.ports
    ]
    if observed.live is None:
        return notes
    unused = volume_sources(observed.live.spec) - volume_sources(new.spec)
    notes += [f"volume {name} is no longer used; its data is kept" for name in sorted(unused)]
    wanted = {service.name for service in new.spec.services}
    notes += image_notes(new.spec, new.images, observed.live)
    had = {s.name: s.replicas for s in observed.live.spec.companions()}
    notes += [
        f"{had[s.name] - s.replicas} of {had[s.name]} copies of {s.name} are removed at the end"
        for s in new.spec.companions()
        if s.replicas < had.get(s.name, 0)
    ]
    gone = [s.name for s in observed.live.spec.companions() if s.name not in wanted]
    notes += [f"{name} is no longer in the file and is removed at the end" for name in gone]
    return notes
