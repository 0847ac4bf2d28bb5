"""From what was asked and what runs to a plan. Pure; the executor decides nothing any more."""

from __future__ import annotations

from cove.model.app import App
from cove.model.release import Release
from cove.planning import operations as op
from cove.planning.observed import Observed

# Releases whose images are kept for a rollback, the live one included; Kamal keeps as many.
KEEP_RELEASES = 5


def plan_rollout(new: Release, observed: Observed, hold: dict[str, str]) -> op.Plan:
    """How `new` becomes live in place of what serves now, losing no request."""
    old = observed.serving
    if old is None:
        steps = _first(new, observed)
    elif hold:
        steps = _stop_first(new, old, observed, hold)
    else:
        steps = _start_first(new, old, observed)
    steps = [*_opening(observed), *steps, *_closing(observed.live)]
    pivot = next(i for i, step in enumerate(steps) if isinstance(step, op.Confirm))
    return op.Plan(
        app=new.app,
        operations=tuple(steps),
        pivot=pivot,
        release=new.number,
        before=old.number if old else 0,
        notes=tuple(_notes(new, observed)),
    )


def needs_hold(spec: App, observed: Observed) -> bool:
    """Whether replacing the serving release means a gap in which requests must wait."""
    return observed.serving is not None and replaced_in_order(spec) == "stop-first"


def replaced_in_order(spec: App) -> str:
    """The order of the whole app: one service that must stop first makes all of them."""
    return "stop-first" if any(s.order == "stop-first" for s in spec.services) else "start-first"


def plan_stop(release: Release, observed: Observed) -> op.Plan:
    """How an app comes to rest, its containers and data kept.

    One that rests already is only looked after: undoing that would start it.
    """
    asked = op.StopRelease(release=release.number, cause="a stop was asked for")
    if observed.stopped:
        return op.Plan(app=release.app, operations=(asked,), pivot=-1)
    steps: list[op.AnyOperation] = []
    if release.spec.routes:
        steps += [
            op.WithdrawRoutes(release=release.number, cause="nobody shall reach it any more"),
            _drain(release, "requests in flight finish first"),
        ]
    steps += [
        op.RecordStopped(stopped=True, cause="it must stay down after a reboot too"),
        asked,
    ]
    return op.Plan(app=release.app, operations=tuple(steps), pivot=0, before=release.number)


def plan_start(release: Release, observed: Observed) -> op.Plan:
    """How a stopped app comes back as it was.

    One that is not stopped gets back what it lost, and nothing of it is ever taken away.
    """
    kept = {facts.service for facts in observed.of_release(release.number)}
    steps: list[op.AnyOperation] = [*_opening(observed)]
    if kept.issuperset(placement.name for placement in release.placements):
        steps.append(op.StartStopped(release=release.number, cause="a start was asked for"))
    else:
        number = release.number
        steps += [
            op.WriteProject(releases=(number,), before=(number,), cause="its containers are gone"),
            op.StartRelease(release=number, cause="a start was asked for"),
        ]
    steps.append(_ready(release, settle=True))
    if release.spec.routes:
        steps.append(_switch(release, None, {}))
    if not observed.stopped:
        return op.Plan(app=release.app, operations=tuple(steps), pivot=-1)
    steps.append(op.RecordStopped(stopped=False, cause="it shall run after a reboot too"))
    return op.Plan(
        app=release.app, operations=tuple(steps), pivot=len(steps) - 1, release=release.number
    )


def plan_remove(app: str, observed: Observed, *, volumes: bool) -> op.Plan:
    """How an app leaves, with or without its data."""
    live = observed.serving
    steps: list[op.AnyOperation] = []
    if live is not None:
        if live.spec.routes:
            steps += [
                op.WithdrawRoutes(release=live.number, cause="nobody shall reach it any more"),
                _drain(live, "requests in flight finish first"),
            ]
        steps.append(
            op.RecordStopped(stopped=True, cause="it must not come back if this is interrupted")
        )
    steps.append(op.RemoveContainers(cause="a removal was asked for"))
    if volumes and observed.volumes:
        steps.append(
            op.RemoveVolumes(names=tuple(sorted(observed.volumes)), cause="--volumes was given")
        )
    steps += [
        op.RemoveNetwork(cause="nothing is left in it"),
        op.PruneImages(keep=0, cause="no release needs its images any more"),
        op.ForgetApp(cause="its name and domains become free"),
    ]
    return op.Plan(
        app=app,
        operations=tuple(steps),
        pivot=0 if live else -1,
        before=observed.live.number if observed.live else 0,
    )


def _opening(observed: Observed) -> list[op.AnyOperation]:
    if observed.network:
        return []
    return [
        op.PrepareNetwork(
            subnet=observed.subnet, created=True, cause="every app has a private network"
        )
    ]


def _first(new: Release, observed: Observed) -> list[op.AnyOperation]:
    before = (observed.live.number,) if observed.live else ()
    steps: list[op.AnyOperation] = [
        op.WriteProject(releases=(*before, new.number), before=before, cause=new.why),
        _start(new, observed, "nothing serves yet"),
        _ready(new, settle=True),
    ]
    if new.spec.routes:
        steps.append(_switch(new, None, {}))
    return [*steps, _confirm(new)]


def _start_first(new: Release, old: Release, observed: Observed) -> list[op.AnyOperation]:
    steps: list[op.AnyOperation] = [
        op.WriteProject(
            releases=(old.number, new.number),
            before=(old.number,),
            cause=f"both run side by side until release {new.number} serves",
        ),
        _start(new, observed, f"release {old.number} serves meanwhile"),
        _ready(new, settle=True),
    ]
    if new.spec.routes or old.spec.routes:
        steps += [_switch(new, old, {}), _drain(old, "requests in flight finish", watch=new)]
    return [*steps, _confirm(new)]


def _stop_first(
    new: Release, old: Release, observed: Observed, hold: dict[str, str]
) -> list[op.AnyOperation]:
    names = ", ".join(hold)
    return [
        op.WriteProject(
            releases=(old.number, new.number),
            before=(old.number,),
            cause=f"release {old.number} can come back until release {new.number} serves",
        ),
        op.HoldRequests(
            release=old.number,
            hold=hold,
            candidate=new.number,
            cause=f"two copies of {names} must not run at once",
        ),
        _drain(old, "requests in flight finish before it stops"),
        op.StopRelease(release=old.number, cause="its volumes and ports must be free"),
        _start(new, observed, f"release {old.number} has stopped"),
        _ready(new, settle=False),
        op.AdmitHeld(
            release=new.number,
            hold=hold,
            before=old.number,
            cause="it is ready, and requests wait",
        ),
        _switch(new, old, hold),
        op.ReleaseHold(
            release=new.number, hold=hold, limit=_longest_drain(new), cause="nobody waits any more"
        ),
        op.AwaitReady(
            release=new.number, settle=_longest_settle(new), cause="it must stay up with traffic"
        ),
        _confirm(new),
    ]


def _closing(old: Release | None) -> list[op.AnyOperation]:
    steps: list[op.AnyOperation] = []
    if old is not None:
        steps.append(op.RetireRelease(release=old.number, cause="it serves no longer"))
    steps.append(
        op.PruneImages(keep=KEEP_RELEASES, cause=f"the last {KEEP_RELEASES} releases stay")
    )
    return steps


def _start(new: Release, observed: Observed, cause: str) -> op.StartRelease:
    wanted = {m.source for s in new.spec.services for m in s.mounts if m.kind == "volume"}
    fresh = tuple(sorted(wanted - observed.volumes))
    return op.StartRelease(release=new.number, new_volumes=fresh, cause=cause)


def _ready(release: Release, *, settle: bool) -> op.AwaitReady:
    seconds = _longest_settle(release) if settle else 0.0
    cause = "only a release that answers may serve"
    return op.AwaitReady(release=release.number, settle=seconds, cause=cause)


def _switch(new: Release, old: Release | None, hold: dict[str, str]) -> op.SwitchRoutes:
    before = old.number if old else 0
    return op.SwitchRoutes(release=new.number, before=before, hold=hold, cause="it is ready")


def _drain(release: Release, cause: str, watch: Release | None = None) -> op.Drain:
    return op.Drain(
        release=release.number,
        watch=watch.number if watch else 0,
        limit=_longest_drain(release),
        cause=cause,
    )


def _confirm(new: Release) -> op.Confirm:
    return op.Confirm(release=new.number, cause="it serves")


def _longest_drain(release: Release) -> float:
    return max(service.rollout.drain for service in release.spec.services)


def _longest_settle(release: Release) -> float:
    return max(service.rollout.settle for service in release.spec.services)


def _notes(new: Release, observed: Observed) -> list[str]:
    notes = [
        f"{service.name} opens port {port.published}/{port.protocol} of this machine to "
        f"{port.host_ip or 'everyone'}"
        for service in new.spec.services
        for port in service.ports
    ]
    if observed.live is None:
        return notes
    wanted = {m.source for s in new.spec.services for m in s.mounts if m.kind == "volume"}
    had = {m.source for s in observed.live.spec.services for m in s.mounts if m.kind == "volume"}
    notes += [f"volume {name} is no longer used; its data is kept" for name in sorted(had - wanted)]
    return notes
