"""What is missing of a release that shall run, from a glance at the containers. Pure.

Imported inside `cove.rollout` and by the agent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from cove.model.app import Service, sibling_network
from cove.model.release import Release
from cove.ports import Sighting

Serves = Literal["yes", "no", "unknown"]
_KEPT = frozenset({"always", "unless-stopped"})


def kept(service: Service) -> bool:
    """Whether Docker shall keep the service running; what the file lets end may rest."""
    return service.options.get("restart", "always") in _KEPT


def shall_run(release: Release) -> dict[str, Service]:
    """The containers of a release by Compose service; tasks have had their time."""
    tasks = {task.name for task in release.spec.tasks()}
    services = {p.name: release.spec.service(p.service) for p in release.placements}
    return services | {n: s for n, s in release.companions().items() if s.name not in tasks}


def lost(release: Release, seen: Sequence[Sighting]) -> list[str]:
    """What is wrong with a release that shall run: containers that are gone, stopped or cut off.

    One that ended although Docker shall keep it running was stopped by hand.
    """
    found = _own(release, seen)
    services = shall_run(release)
    wrong = [f"{name} is gone" for name in services if name not in found]
    for name, service in services.items():
        if name in found and found[name].state in ("exited", "created") and kept(service):
            wrong.append(f"{name} was stopped")
    wrong += [f"{name} is cut off from its network" for name in cut_off(release, seen)]
    outside = outside_of(release, seen)
    return wrong + [f"{name} is not in {', '.join(n)}" for name, n in outside.items()]


def cut_off(release: Release, seen: Sequence[Sighting]) -> list[str]:
    """Containers that run without the address, or without any, that others reach them by."""
    found = _own(release, seen)
    fixed = {placement.name: placement.address for placement in release.placements}
    cut = []
    for name, service in shall_run(release).items():
        one = found.get(name)
        if one is None or one.state != "running" or "network_mode" in service.options:
            continue
        there = fixed[name] in one.addresses if name in fixed else bool(one.addresses)
        if not there:
            cut.append(name)
    return cut


def outside_of(release: Release, seen: Sequence[Sighting]) -> dict[str, tuple[str, ...]]:
    """The app's networks that containers which run are not in, though they can be reached.

    The networks beside, in which siblings find what serves, are among them.
    """
    found = _own(release, seen)
    cut = cut_off(release, seen)
    outside = {}
    for name, service in shall_run(release).items():
        one = found.get(name)
        if one is not None and one.state == "running" and name not in cut:
            lacking = [n for n in _networks(release, service) if n not in one.networks]
            if lacking:
                outside[name] = tuple(lacking)
    return outside


def _networks(release: Release, service: Service) -> list[str]:
    own = release.spec.own_networks()
    within = [attachment.network for attachment in release.spec.attachments(service)]
    return [n for n in (*within, *map(sibling_network, within)) if n in own]


def serves(release: Release, seen: Sequence[Sighting]) -> Serves:
    """Whether each service of the release has a container that runs and can be reached."""
    found = _own(release, seen)
    up = {
        placement.service
        for placement in release.placements
        if placement.name in found
        and found[placement.name].state == "running"
        and placement.address in found[placement.name].addresses
    }
    return "yes" if {p.service for p in release.placements} <= up else "no"


def _own(release: Release, seen: Sequence[Sighting]) -> dict[str, Sighting]:
    app = release.app
    return {s.service: s for s in seen if s.app == app and s.release in (0, release.number)}
