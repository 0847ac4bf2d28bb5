"""What an app file leaves open and its images decide: ports and volumes. Pure."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping

from msgspec.structs import replace

from cove.errors import InvalidFile, Refused
from cove.model.app import App, Mount, Route, Service
from cove.model.release import Image

_LONGEST_SLUG = 40  # leaves room for the rest of a volume's name, 63 characters in all


def resolve(app: App, images: Mapping[str, Image]) -> App:
    """The app with every route's port decided and every image volume given a name.

    Raises InvalidFile (`port-undecided`) when an image exposes no port or several and the file
    names none.
    """
    routes = tuple(_with_port(r, images[r.service]) for r in app.routes)
    routed = {route.service for route in routes}
    services = tuple(_with_image_volumes(app.name, s, images[s.name]) for s in app.services)
    services = tuple(
        s if s.name in routed else _with_health_port(s, images[s.name]) for s in services
    )
    return replace(app, services=services, routes=routes)


def carry_volumes(app: App, before: App) -> None:
    """Raises Refused (`volume-changed`) when data would end up out of sight.

    When a volume would change its place in the container; and when a service goes by another name,
    so that the volume its image declares would get another name too, and begin empty.
    """
    for service in app.services:
        had = {s.name: s for s in before.services}.get(service.name)
        if had is None:
            _check_renamed(app, service, before)
            continue
        targets = {m.source: m.target for m in had.mounts if m.kind == "volume"}
        named = {m.target: m.source for m in had.mounts if m.kind == "volume"}
        for mount in service.mounts:
            if mount.kind != "volume":
                continue
            other = named.get(mount.target)
            if other is not None and other != mount.source and mount.source not in targets:
                raise Refused(
                    f"{mount.target} of {service.name} is volume {other} now; "
                    f"volume {mount.source} would hide its data",
                    code="volume-changed",
                    hint=f"keep `{other}:{mount.target}`, or copy the data first: mount both, "
                    f"{other} at another path, and deploy in two steps",
                )


def _check_renamed(app: App, new: Service, before: App) -> None:
    """A service that was not there, with a volume nobody named, in place of one that leaves.

    Whether it is the same service under another name cannot be known; who names the volume says.
    """
    staying = {service.name for service in app.services}
    mounted = {m.source for s in app.services for m in s.mounts if m.kind == "volume"}
    left = {
        m.target.rstrip("/"): (old.name, m.source)
        for old in before.services
        if old.name not in staying
        for m in old.mounts
        if m.kind == "volume" and m.source not in mounted
    }
    for mount in new.mounts:
        path = mount.target.rstrip("/")
        if path in left and mount.source == volume_name(mount.target, _owner(app.name, new)):
            old, source = left[path]
            raise Refused(
                f"{mount.target} of {new.name} would begin empty: its data is in the volume "
                f"{source} of {old}, which is no longer in the file",
                code="volume-changed",
                hint=f"if {new.name} is {old} under another name, write "
                f"`volumes: [{source}:{mount.target}]`; if it shall begin empty, name another "
                "volume there",
            )


def check_handover(app: App, before: App) -> None:
    """Raises Refused (`handover`) where two services would write one volume, or open one port.

    `before` runs. A service that goes by another name ends only after its successor has begun; a
    database would be run twice on the same data.
    """
    released = {s.name for s in app.released()}, {s.name for s in before.released()}
    roles = {s.name: s.name in released[0] for s in app.services}
    had = {s.name: s.name in released[1] for s in before.services}
    leaving = [s for s in before.services if roles.get(s.name) is not had[s.name]]
    coming = [s for s in app.services if had.get(s.name) is not roles[s.name]]
    for new in coming:
        for old in leaving:
            if new.name == old.name:
                continue  # the planner sees to it that the old one has stopped
            if roles[new.name] and had[old.name]:
                continue  # releases follow each other, whatever their services are called
            shared = sorted(_exclusive(new) & _exclusive(old))
            if shared:
                raise _handover(app.name, new.name, old.name, shared[0])


def _exclusive(service: Service) -> set[str]:
    """What no two services may have by accident, in words."""
    written = {
        f"{'volume' if m.kind == 'volume' else 'path'} {m.source}"
        for m in service.mounts
        if m.kind != "tmpfs" and not m.read_only
    }
    return written | {f"port {p.published}/{p.protocol}" for p in service.ports}


def _handover(app: str, new: str, old: str, what: str) -> Refused:
    return Refused(
        f"{new} would use the {what} while {old} of the release that serves still does",
        code="handover",
        hint=f"`cove stop {app}` and deploy again: nothing then runs twice, and data stays; "
        "or keep the service's name",
    )


def volume_name(path: str, service: str = "") -> str:
    """The name a volume gets that an image declares by its path alone; no two paths share one."""
    stem = f"image-{service}_" if service else "image-"
    slug = re.sub(r"[^a-z0-9]+", "-", path.lower()).strip("-")
    if path.rstrip("/") == "/" + slug.replace("-", "/") and len(slug) <= _LONGEST_SLUG:
        return stem + slug
    return f"{stem}{slug[:_LONGEST_SLUG] or 'root'}-{zlib.crc32(path.encode()):08x}"


def _with_image_volumes(app: str, service: Service, image: Image) -> Service:
    covered = {mount.target.rstrip("/") for mount in service.mounts}
    missing = [path for path in image.volumes if path.rstrip("/") not in covered]
    owner = _owner(app, service)
    extra = tuple(Mount(kind="volume", source=volume_name(p, owner), target=p) for p in missing)
    return replace(service, mounts=(*service.mounts, *extra))


def _owner(app: str, service: Service) -> str:
    """Two services of one image have volumes of their own; the short form's needs no name."""
    return "" if service.name == app else service.name


def _with_health_port(service: Service, image: Image) -> Service:
    """A service nobody is routed to is still asked at its health path."""
    health = service.health
    if not health.path or health.port:
        return service
    port = _only_port(image, "health", f"health: {{path: {health.path}, port: 8000}}")
    return replace(service, health=replace(health, port=port))


def _with_port(route: Route, image: Image) -> Route:
    if route.port:
        return route
    example = image.ports[0] if image.ports else 8000
    where = f"{route.domain}{route.path}"
    return replace(route, port=_only_port(image, where, f"port: {example}"))


def _only_port(image: Image, where: str, example: str) -> int:
    if len(image.ports) == 1:
        return image.ports[0]
    found = ", ".join(str(p) for p in image.ports)
    reason = f"exposes {found}" if found else "exposes no port"
    raise InvalidFile(
        f"{where}: the port cannot be decided: {image.reference} {reason}",
        code="port-undecided",
        hint=f"say which port the app listens on, for example `{example}`",
    )
