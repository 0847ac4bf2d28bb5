"""The plans of an app that keeps its release: stop, start, restart of companions, remove. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from cove.model.release import Release
from cove.planning import operations as op
from cove.planning.companions import changes
from cove.planning.observed import Observed
from cove.planning.steps import companions_of, drain, opening, ready, switch


def plan_stop(release: Release, observed: Observed) -> op.Plan:
    """How an app comes to rest, its containers and data kept.

    One that rests already is only looked after: undoing that would start it.
    """
    asked: list[op.AnyOperation] = [
        op.StopRelease(release=release.number, cause="a stop was asked for")
    ]
    if release.spec.companions():
        asked.append(op.StopCompanions(release=release.number, cause="nothing needs them now"))
    if observed.stopped:
        return op.Plan(app=release.app, operations=tuple(asked), pivot=-1)
    steps: list[op.AnyOperation] = []
    if release.spec.routes:
        steps += [
            op.WithdrawRoutes(release=release.number, cause="nobody shall reach it any more"),
            drain(release, "requests in flight finish first"),
        ]
    steps += [
        op.RecordStopped(stopped=True, cause="it must stay down after a reboot too"),
        *asked,
    ]
    return op.Plan(app=release.app, operations=tuple(steps), pivot=0, before=release.number)


def plan_start(
    release: Release, observed: Observed, digests: Mapping[str, str] | None = None
) -> op.Plan:
    """How a stopped app comes back as it was.

    One that is not stopped gets back what it lost, and nothing of it is ever taken away.
    """
    kept = {facts.service for facts in observed.of_release(release.number)}
    needed = {service.name for service in release.spec.needed()}
    companions = _companions(release, observed, digests or {}, needed)
    steps: list[op.AnyOperation] = [
        *opening(release.spec, observed),
        *(step for step in companions if step.service in needed),
    ]
    if not release.placements:
        pass
    elif kept.issuperset(placement.name for placement in release.placements):
        steps.append(op.StartStopped(release=release.number, cause="a start was asked for"))
    else:
        number = release.number
        steps += [
            op.WriteProject(
                releases=(number,),
                before=(number,),
                companions=companions_of(release),
                cause="its containers are gone",
            ),
            op.StartRelease(
                release=number,
                named=tuple(service.name for service in release.spec.introduced()),
                cause="a start was asked for",
            ),
        ]
    if release.placements:
        steps.append(ready(release, settle=True))
    if release.spec.routes:
        steps.append(switch(release, None, {}))
    # Nobody who asks waits for a worker.
    steps += [step for step in companions if step.service not in needed]
    if not observed.stopped:
        return op.Plan(app=release.app, operations=tuple(steps), pivot=-1)
    steps.append(op.RecordStopped(stopped=False, cause="it shall run after a reboot too"))
    return op.Plan(
        app=release.app, operations=tuple(steps), pivot=len(steps) - 1, release=release.number
    )


def _companions(
    release: Release, observed: Observed, digests: Mapping[str, str], needed: Collection[str]
) -> list[op.ConvergeService]:
    return [
        op.ConvergeService(
            service=change.service.name,
            release=release.number,
            releases=(release.number,),
            companions=companions_of(release),
            before=release.number,
            resting=observed.stopped,
            leave_running=change.keep,
            settle=0.0 if change.service.name in needed else change.service.rollout.settle,
            cause="a start was asked for",
        )
        for change in changes(release.spec, release.images, observed, digests)
    ]


def plan_restart(release: Release, names: Collection[str]) -> op.Plan:
    """How companions are replaced in place by equal ones, each after those it depends on.

    Those that shall follow them (`restart: true`) do, but what a route leads to: that is told.
    """
    spec = release.spec
    needed = {service.name for service in spec.needed()}
    causes = dict.fromkeys(names, "a restart was asked for")
    steps: list[op.AnyOperation] = []
    for service in spec.companions():
        follows = [d.service for d in service.depends_on if d.restart and d.service in causes]
        if follows:
            causes.setdefault(service.name, f"{follows[0]}, which it depends on, is replaced")
        if service.name in causes and service not in spec.tasks():
            steps.append(
                op.ConvergeService(
                    service=service.name,
                    release=release.number,
                    releases=(release.number,),
                    companions=companions_of(release),
                    before=release.number,
                    restart=True,
                    settle=0.0 if service.name in needed else service.rollout.settle,
                    cause=causes[service.name],
                )
            )
    left = [
        f"{service.name} depends on {dependency.service} and is not replaced with it"
        for service in spec.released()
        for dependency in service.depends_on
        if dependency.restart and dependency.service in causes
    ]
    return op.Plan(
        app=release.app,
        operations=tuple(steps),
        pivot=len(steps) - 1,
        before=release.number,
        notes=tuple(left),
    )


def plan_remove(app: str, observed: Observed, *, volumes: bool) -> op.Plan:
    """How an app leaves, with or without its data."""
    live = observed.serving
    steps: list[op.AnyOperation] = []
    if live is not None:
        if live.spec.routes:
            steps += [
                op.WithdrawRoutes(release=live.number, cause="nobody shall reach it any more"),
                drain(live, "requests in flight finish first"),
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
        op.RemoveNetwork(cause="nothing is left in them"),
        op.PruneImages(keep=0, cause="no release needs its images any more"),
        op.ForgetApp(cause="its name and domains become free"),
    ]
    return op.Plan(
        app=app,
        operations=tuple(steps),
        pivot=0 if live else -1,
        before=observed.live.number if observed.live else 0,
    )
