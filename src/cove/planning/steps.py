"""Steps that several plans share, each with its cause. Pure; used by the planners."""

from __future__ import annotations

from cove.model.app import DEFAULT_NETWORK, App
from cove.model.release import Release
from cove.planning import operations as op
from cove.planning.observed import Observed


def opening(spec: App, observed: Observed) -> list[op.AnyOperation]:
    """The networks that are not there yet."""
    return [
        op.PrepareNetwork(
            subnet=observed.subnets.get(name, "of its own"),
            created=True,
            name=name,
            internal=internal,
            cause=_network_cause(name),
        )
        for name, internal in spec.own_networks().items()
        if name not in observed.networks
    ]


def companions_of(release: Release | None) -> dict[str, int]:
    """Every companion of a release, defined by it."""
    return (
        dict.fromkeys((s.name for s in release.spec.companions()), release.number)
        if release
        else {}
    )


def ready(release: Release, *, settle: bool) -> op.AwaitReady:
    """The wait until a release answers, and for new ones until they are of age."""
    seconds = longest_settle(release) if settle else 0.0
    cause = "only a release that answers may serve"
    return op.AwaitReady(release=release.number, settle=seconds, cause=cause)


def switch(new: Release, old: Release | None, hold: dict[str, str]) -> op.SwitchRoutes:
    """The routes' way from one release to another."""
    before = old.number if old else 0
    return op.SwitchRoutes(release=new.number, before=before, hold=hold, cause="it is ready")


def drain(release: Release, cause: str, watch: Release | None = None) -> op.Drain:
    """The end of what is under way."""
    return op.Drain(
        release=release.number,
        watch=watch.number if watch else 0,
        limit=longest_drain(release),
        cause=cause,
    )


def longest_drain(release: Release) -> float:
    """Seconds."""
    return max((service.rollout.drain for service in release.spec.released()), default=0.0)


def longest_settle(release: Release) -> float:
    """Seconds."""
    return max((service.rollout.settle for service in release.spec.released()), default=0.0)


def _network_cause(name: str) -> str:
    if name == DEFAULT_NETWORK:
        return "every app has a private network"
    if name.startswith("_"):
        return "in it siblings find the release that serves"
    return "the file names it"
