"""What is shown of apps and certificates, put together from record and observation.

Imported inside `cove.agent` only.
"""

from __future__ import annotations

import asyncio
import time

from msgspec.structs import replace

from cove.agent.figures import Figures, figures
from cove.agent.platform import Parts
from cove.agent.powers import powers_of
from cove.errors import CoveError, NotFound, PlatformError
from cove.model.app import App, Route
from cove.model.certificates import Served
from cove.model.release import Image, Release, companion_names
from cove.model.views import (
    AppState,
    AppStatus,
    CertState,
    CertView,
    OutlineView,
    ReleaseView,
    ReplicaView,
    RouteView,
)
from cove.planning.planner import replaced_in_order
from cove.ports import AppRecord, ContainerFacts
from cove.rollout.losses import Serves, kept
from cove.rollout.outside import serves_outside
from cove.rollout.urls import release_urls, route_url

_WELL = frozenset({"running", "done"})
_DAY = 86400.0
# What is said of an app where only the proxy could be asked.
_OUTSIDE: dict[Serves, tuple[AppState, str]] = {
    "yes": ("degraded", "the proxy leads to release {} and it answers"),
    "no": ("down", "the proxy does not lead to release {}, or it does not answer"),
    "unknown": ("unknown", "release {} is the live one; whether it serves could not be checked"),
}
_EXPIRING = 21 * 86400.0  # seconds; renewal begins at 30 days, so this much means it failed


async def app_status(parts: Parts, name: str) -> AppStatus:
    """One app. Raises NotFound."""
    record = parts.store.app(name)
    if record is None:
        raise NotFound(f"there is no app {name}", hint="see them all: cove status")
    try:
        containers = await parts.engine.containers(name)
    except PlatformError as error:
        return await _unseen(parts, record, error)
    return _status(parts, record, containers, await figures(parts))


async def all_statuses(parts: Parts) -> list[AppStatus]:
    """Every app, by name, from one look at the containers."""
    records = sorted(parts.store.apps(), key=lambda record: record.name)
    try:
        containers = await parts.engine.containers()
    except PlatformError as error:
        return await asyncio.gather(*(_unseen(parts, record, error) for record in records))
    seen = await figures(parts)
    return [
        _status(parts, record, tuple(c for c in containers if c.app == record.name), seen)
        for record in records
    ]


async def _unseen(parts: Parts, record: AppRecord, error: PlatformError) -> AppStatus:
    """What the record and the proxy say of an app while Docker says nothing."""
    known = _status(parts, record, (), await figures(parts))
    replicas = tuple(replace(replica, state="unknown") for replica in known.replicas)
    known = replace(known, replicas=replicas)
    release = parts.store.release(record.name, record.live) if record.live else None
    if release is None or record.stopped or known.state == "rolling":
        return replace(known, problem=f"{error.message}; this is what is recorded")
    platform, settings = parts.rollouts.platform, parts.rollouts.proxy
    state, words = _OUTSIDE[await serves_outside(release, platform, settings)]
    words = words.format(release.number)
    return replace(known, state=state, problem=f"{error.message}; {words}")


def outline(parts: Parts) -> list[OutlineView]:
    """Every app with its services, by name."""
    views = []
    for record in parts.store.apps():
        release = parts.store.release(record.name, record.live) if record.live else None
        services = tuple(service.name for service in release.spec.services) if release else ()
        views.append(OutlineView(name=record.name, services=services))
    return views


def release_views(parts: Parts, name: str) -> list[ReleaseView]:
    """An app's releases, newest first. Raises NotFound."""
    if parts.store.app(name) is None:
        raise NotFound(f"there is no app {name}", hint="see them all: cove status")
    return [
        ReleaseView(
            number=release.number,
            status=release.status,
            image=_image(release),
            digest=_digest(release),
            created_at=release.created_at,
            by=release.by,
            why=release.why,
            error=release.error,
        )
        for release in parts.store.releases(name)
    ]


def cert_views(parts: Parts) -> list[CertView]:
    """Every name that is served over TLS, and every certificate."""
    now = time.time()
    return [_cert_view(one, now) for one in parts.certification.listing()]


def _cert_view(one: Served, now: float) -> CertView:
    facts, progress = one.facts, one.progress
    return CertView(
        domain=one.domain,
        app=", ".join(one.apps),
        source=one.source,
        state=_cert_state(one, now),
        issuer=facts.issuer if facts else "",
        not_after=facts.not_after if facts else 0.0,
        days_left=int((facts.not_after - now) // _DAY) if facts else 0,
        error=progress.error if progress else "",
        hint=progress.hint if progress else "",
        attempts=progress.failures if progress else 0,
        next_try=progress.next_try if progress else 0.0,
    )


def _cert_state(one: Served, now: float) -> CertState:
    obstacle = one.progress.obstacle if one.progress else ""
    if one.facts is None or one.facts.not_after <= now:
        missing: CertState = "expired" if one.facts else "missing"
        return "issuing" if one.busy else obstacle or missing
    if obstacle:
        return "renewal-failed"
    if one.source == "acme":
        return "valid"
    return "expiring" if one.facts.not_after - now < _EXPIRING else "valid"


def _status(
    parts: Parts, record: AppRecord, containers: tuple[ContainerFacts, ...], seen: Figures
) -> AppStatus:
    release = parts.store.release(record.name, record.live) if record.live else None
    rollout = parts.rollouts.active(record.name)
    replicas = _replicas(parts, release, containers, seen)
    trouble = parts.rollouts.troubles.get(record.name)
    state = _state(record, replicas, rolling=rollout is not None)
    if trouble and state == "running":
        state = "degraded"
    tried = _tried(parts, record) if state == "empty" else None
    if tried is not None:
        state = "failed"
    shown = release or tried
    settings = parts.rollouts.proxy
    problem = _failure(tried) if tried else _problem(state, replicas)
    spec = release.spec if release else App(name=record.name, services=())
    together = seen.of(spec, spec.routes)
    return AppStatus(
        name=record.name,
        state=state,
        release=record.live,
        image=_image(shown) if shown else "",
        digest=_digest(shown) if shown else "",
        urls=tuple(release_urls(release.spec, settings)) if release else (),
        since=shown.created_at if shown else record.created_at,
        problem="; ".join(filter(None, (problem, _told(trouble)))),
        source=record.source,
        rollout=rollout,
        replicas=replicas,
        volumes=tuple(_volumes(parts, release)) if release else (),
        routes=tuple(
            _route(spec, route, route_url(route, settings), seen) for route in spec.routes
        ),
        order=replaced_in_order(release.spec) if release else "",
        powers=powers_of(parts, record.name),
        alerts=parts.observation.alerting.firing(record.name),
        availability=together.availability,
        rate=together.rate,
        failed=together.failed,
        p95=together.p95,
        memory=sum(replica.memory for replica in replicas),
        expires=together.expires,
        changed=next(iter(parts.store.rollouts(record.name, 1)), None),
    )


def _route(spec: App, route: Route, url: str, seen: Figures) -> RouteView:
    course, found = seen.course(route), seen.of(spec, (route,))
    return RouteView(
        url=url,
        target=f"{route.service}:{route.port}",
        tls=route.tls,
        redirect_from=route.redirect_from,
        uptime=course.state,
        uptime_since=course.since,
        availability=found.availability,
        rate=found.rate,
        failed=found.failed,
        p95=found.p95,
        expires=found.expires,
    )


def _tried(parts: Parts, record: AppRecord) -> Release | None:
    """The last release of an app of which none was ever live."""
    return next(iter(parts.store.releases(record.name)), None)


def _failure(release: Release) -> str:
    return f"its first deploy failed: {release.error}" if release.error else "it never served"


def _replicas(
    parts: Parts, release: Release | None, containers: tuple[ContainerFacts, ...], seen: Figures
) -> tuple[ReplicaView, ...]:
    if release is None:
        return ()
    found = {c.service: c for c in containers if c.release in (0, release.number)}
    own = {placement.name: placement.address for placement in release.placements}
    tasks = {name for task in release.spec.tasks() for name in companion_names(task)}
    ending = {name for name, service in release.companions().items() if not kept(service)} | tasks
    views = []
    for name in (*own, *release.companions()):
        facts = found.get(name)
        running = facts is not None and facts.running
        views.append(
            ReplicaView(
                name=name,
                release=release.number if name in own else 0,
                task=name in tasks,
                state=_replica_state(facts, task=name in tasks, ends=name in ending),
                address=own.get(name, ""),
                started_at=facts.started_at if facts else 0.0,
                restarts=facts.restarts if facts else 0,
                health=facts.health if facts else "",
                memory=parts.host.memory_used(facts.pid) if facts and running else 0,
                memory_limit=facts.memory_limit if facts else 0,
                cpu=seen.cpu(release.app, name) if running else None,
            )
        )
    return tuple(views)


def _replica_state(facts: ContainerFacts | None, *, task: bool, ends: bool) -> str:
    if facts is None:
        return "done" if task else "gone"  # it has run, or the release would not be live
    # Made by a Compose that was killed, and never run: the next sweep removes it.
    if task and facts.state == "created":
        return "done"
    return "done" if ends and facts.state == "exited" and not facts.exit_code else facts.state


def _state(record: AppRecord, replicas: tuple[ReplicaView, ...], *, rolling: bool) -> AppState:
    if rolling:
        return "rolling"
    if record.stopped:
        return "stopped"
    if not record.live:
        return "empty"
    running = sum(replica.state in _WELL for replica in replicas)
    if running == len(replicas):
        return "degraded" if any(r.health == "unhealthy" for r in replicas) else "running"
    return "degraded" if running else "down"


def _problem(state: AppState, replicas: tuple[ReplicaView, ...]) -> str:
    if state in ("stopped", "rolling"):
        return ""
    if state == "empty":
        return "no release of it was ever live"
    said = [f"{r.name} is {r.state}" for r in replicas if r.state not in _WELL]
    said += [f"{r.name} restarted {r.restarts} times" for r in replicas if r.restarts]
    said += [f"{r.name} is unhealthy" for r in replicas if r.health == "unhealthy"]
    return "; ".join(said)


def _told(trouble: CoveError | None) -> str:
    """Why cove has not put it right, and what to do."""
    if trouble is None:
        return ""
    hint = f" ({trouble.hint})" if trouble.hint else ""
    return f"cove cannot put it right: {trouble.message}{hint}"


def _image(release: Release) -> str:
    return ", ".join(dict.fromkeys(image.reference for image in _images(release)))


def _digest(release: Release) -> str:
    return ", ".join(dict.fromkeys(image.digest or image.id for image in _images(release)))


def _images(release: Release) -> list[Image]:
    """The released services' images first: they are what an app is known by."""
    first = {service.name for service in release.spec.released()}
    names = sorted(release.images, key=lambda name: name not in first)
    return [release.images[name] for name in names]


def _volumes(parts: Parts, release: Release) -> list[str]:
    return sorted(
        parts.naming.volume(release.app, mount.source)
        for service in release.spec.services
        for mount in service.mounts
        if mount.kind == "volume"
    )
