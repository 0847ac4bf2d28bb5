"""Which companions a release changes, and why. Pure; used by the planner."""

from __future__ import annotations

import re
from collections.abc import Mapping

from msgspec import Struct

from cove.model.app import App, Service
from cove.model.release import Image, Release, companion_names
from cove.planning.observed import Observed

# What of a service cove acts on itself: a change of it changes no container.
_OWN = frozenset({"name", "image", "pull_policy", "health", "rollout", "depends_on"})

_NUMBERS = re.compile(r"v?([0-9]{1,9}(?:\.[0-9]{1,9})*)(?:[-+_].*)?")


class Change(Struct, frozen=True, kw_only=True):
    """A companion that is not as a release wants it. `cause` completes "… because …"."""

    service: Service
    cause: str
    exists: bool  # whether something of it is there already
    restart: bool = False  # it is as wanted, and is replaced all the same
    keep: bool = False  # what runs of it is as wanted, and stays

    @property
    def interrupts(self) -> bool:
        """Whether something of it goes away for a moment."""
        return self.exists and not self.keep


def changes(
    spec: App,
    images: Mapping[str, Image],
    observed: Observed,
    digests: Mapping[str, str],
) -> tuple[Change, ...]:
    """The companions to converge, each after those it depends on; tasks are not among them."""
    tasks = {task.name for task in spec.tasks()}
    found: dict[str, Change] = {}
    for service in spec.companions():
        if service.name in tasks:
            continue
        cause = _cause(service, images, observed, digests)
        replaced = [d.service for d in service.depends_on if d.restart and d.service in found]
        exists = bool(observed.companion(service.name))
        if cause or replaced:
            found[service.name] = Change(
                service=service,
                cause=cause or f"{replaced[0]}, which it depends on, is replaced",
                exists=exists,
                restart=not cause,
                keep=exists and not replaced and _as_wanted(service, observed, digests),
            )
    return tuple(found.values())


def disruptive(spec: App, changed: tuple[Change, ...]) -> bool:
    """Whether a companion that the serving release needs goes away for a moment."""
    needed = {service.name for service in spec.needed()}
    return any(change.interrupts and change.service.name in needed for change in changed)


def _as_wanted(service: Service, observed: Observed, digests: Mapping[str, str]) -> bool:
    """Whether every container of it that shall be there is made of what it shall be."""
    names = companion_names(service)
    here = [facts for facts in observed.companion(service.name) if facts.service in names]
    return all(facts.config == digests.get(service.name) for facts in here)


def image_notes(spec: App, images: Mapping[str, Image], live: Release) -> list[str]:
    """What to know where an image changes under data that the one before has written."""
    tasks = spec.tasks()
    before = {s.name: s for s in live.spec.companions() if s.name in live.images}
    return [
        _image_note(service.name, live.images[service.name], images[service.name])
        for service in spec.companions()
        if service not in tasks
        and service.name in before.keys() & images.keys()
        and live.images[service.name].id != images[service.name].id
        and _written(service) & _written(before[service.name])
    ]


def _written(service: Service) -> set[str]:
    return {m.source for m in service.mounts if m.kind != "tmpfs" and not m.read_only}


def _image_note(name: str, had: Image, has: Image) -> str:
    if had.reference == has.reference:
        return f"{name} gets another image of {has.reference} on the same data"
    (old, before), (new, now) = _version(had.reference), _version(has.reference)
    known = min(len(before), len(now))  # 16 may be any 16.x
    if old == new and now[:known] < before[:known]:
        return (
            f"rolls {name} back to {has.reference} from {had.reference}: data written by the "
            "newer version may not be readable"
        )
    return (
        f"{name} goes from {had.reference} to {has.reference} on the same data: what the new "
        "image writes may not be readable to the one before"
    )


def _version(reference: str) -> tuple[str, tuple[int, ...]]:
    """A reference's repository, and the numbers its tag begins with."""
    repository, _, tag = reference.partition("@")[0].rpartition(":")
    found = _NUMBERS.fullmatch(tag)
    return repository, tuple(map(int, found[1].split("."))) if found else ()


def _cause(
    service: Service,
    images: Mapping[str, Image],
    observed: Observed,
    digests: Mapping[str, str],
) -> str:
    boxes = {facts.service: facts for facts in observed.companion(service.name)}
    names = companion_names(service)
    if not boxes:
        return "nothing of it runs yet"
    here = [boxes[name] for name in names if name in boxes]
    if not _as_wanted(service, observed, digests):
        return _difference(service, images, observed.live)
    if len(here) < len(names):
        return f"{len(names)} of it shall run"
    if not all(facts.running for facts in here) and not observed.stopped:
        return "it does not run"
    return "it was stopped" if observed.stopped else ""


def _difference(service: Service, images: Mapping[str, Image], live: Release | None) -> str:
    old = next((s for s in live.spec.services if s.name == service.name), None) if live else None
    if live is None or old is None:
        return "its configuration is another"
    had, has = live.images.get(service.name), images.get(service.name)
    if had and has and had.id != has.id:
        return f"its image changed: {has.reference}"
    fields = [f for f in old.__struct_fields__ if f not in _OWN]
    differing = [f for f in fields if getattr(old, f) != getattr(service, f)]
    listed = ", ".join(_keys(old, service) if f == "options" else f for f in differing)
    return f"its configuration changed: {listed}" if listed else "its configuration is another"


def _keys(old: Service, new: Service) -> str:
    keys = sorted(old.options.keys() | new.options.keys())
    return ", ".join(k for k in keys if old.options.get(k) != new.options.get(k))
