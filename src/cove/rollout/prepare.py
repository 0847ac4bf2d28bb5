"""From a request to a release that is ready to be rolled out: every check, then the record.

Nothing that runs is touched here. Imported inside `cove.rollout`.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from msgspec import Struct
from msgspec.structs import replace

from cove import appfile
from cove.errors import EXIT_FAILED, Refused
from cove.model.access import ServerAccessLog, effective
from cove.model.app import App
from cove.model.events import Rollout
from cove.model.release import Image, Release
from cove.model.requests import DeployRequest
from cove.planning import operations as op
from cove.planning.observed import Observed
from cove.planning.planner import needs_gap, plan_rollout
from cove.planning.resolve import carry_volumes, check_handover, resolve
from cove.planning.text import title
from cove.ports import AppRecord, Store
from cove.render.compose import companion_digests
from cove.rollout import preflight
from cove.rollout.domains import check_certificates
from cove.rollout.images import resolve_images
from cove.rollout.work import Work, observe


class Candidate(Struct, frozen=True, kw_only=True):
    """What shall become a release, before its images are known.

    `again`: it was a release before, whose `before` commands have had their time.
    """

    spec: App
    why: str
    source: str
    again: bool = False


class Prepared(Struct, frozen=True, kw_only=True):
    """A recorded release with the plan that makes it live."""

    release: Release
    plan: op.Plan


def read(request: DeployRequest, store: Store) -> Candidate:
    """The request's app, checked against everything but its images.

    Raises InvalidFile, and Refused (`route-taken`, `source-differs`).
    """
    spec = appfile.load(
        request.text,
        name=request.name,
        env_files=request.env_files,
        variables=request.variables,
        files=request.files,
        server=appfile.Server(request.folder, lambda app: _powers(app, store)),
    )
    record = store.app(spec.name)
    try:
        check_claims(spec, store)
        if not request.take_over:
            _check_source(spec.name, request.origin, record)
    except Refused as error:
        if record is None or not record.live or record.stopped:
            error.exit_code = EXIT_FAILED  # nothing serves that could have been kept
        raise
    leading = (*spec.released(), *spec.services)[0]
    why = request.why or f"deploy of {leading.image}"
    return Candidate(spec=spec, why=why, source=request.origin)


def _powers(app: str, store: Store) -> frozenset[str]:
    return frozenset(grant.power for grant in store.grants(app))


def check_claims(spec: App, store: Store) -> None:
    """Raises Refused (`route-taken`), naming the owner of a route or a certificate.

    And InvalidFile (`certificate`) for two certificates for one domain.
    """
    claims = [claim for route in spec.routes for claim in route.claims()]
    store.check_no_page(claims)
    taken = store.claimed_by_others(spec.name, claims)
    if taken:
        listed = "; ".join(f"{claim} belongs to the app {owner}" for claim, owner in taken.items())
        owner = next(iter(taken.values()))
        raise Refused(
            listed,
            code="route-taken",
            hint=f"choose another domain or path, or `cove remove {owner}` first",
        )
    check_certificates(spec, store)


def with_remarks(plan: op.Plan, spec: App, work: Work) -> op.Plan:
    """The plan, saying what of the file means something else on this server than by itself."""
    notes = [*_neighbours(spec, work.platform.store), *_access_log(spec, work.proxy.access_log)]
    return replace(plan, notes=(*plan.notes, *notes))


def _neighbours(spec: App, store: Store) -> list[str]:
    """Domains that the app shares: a longer path takes requests from a shorter.

    That is allowed, but nobody shall find it out by chance.
    """
    domains = sorted({claim.partition("/")[0] for r in spec.routes for claim in r.claims()})
    beside = store.claims_beside(spec.name, domains)
    return [f"{claim} belongs to the app {owner}" for claim, owner in beside.items()]


def _access_log(spec: App, server: ServerAccessLog) -> list[str]:
    """The proxy logs more only once it is replaced, which a deploy must not cause."""
    logged = effective(spec.access_log, server)
    if spec.access_log in (None, logged):
        return []
    choice = "apps" if spec.access_log == "full" else "errors"
    text = f"access_log: {spec.access_log} is more than this server's proxy logs, so it is {logged}"
    return [f"{text}; its owner allows it: cove up --access-log {choice}"]


async def prepare(
    candidate: Candidate,
    rollout: Rollout,
    work: Work,
    fetch: Callable[[], Awaitable[dict[str, Image]]] | None = None,
) -> Prepared:
    """Fetches the images, decides what they leave open, and records a release and its plan."""
    await check_before(candidate.spec, work)
    if fetch is None:  # an earlier release was looked at in its time
        for remark in await work.platform.certificates.check(candidate.spec):
            work.emit("notice", text=remark)
    images = await _fetched(candidate.spec, work, fetch)
    await work.platform.certificates.agree(candidate.spec)
    spec = resolve(candidate.spec, images)
    taken = await work.platform.engine.subnets()
    record = work.platform.store.reserve_subnet(spec.name, candidate.source, taken)
    subnets = work.platform.store.reserve_networks(spec.name, spec.own_networks(), taken)
    observed = await observe(record, work.platform, work.naming, subnets)
    digests = companion_digests(spec, images, work.naming)
    gap = needs_gap(spec, images, observed, digests)
    check_beside(spec, observed, work, gap=gap)
    check_certificates(spec, work.platform.store)  # an image may have taken minutes to come
    release, hold = work.platform.store.create_release(
        rollout,
        spec=spec,
        images=images,
        why=candidate.why,
        source=candidate.source,
        hold=gap,
    )
    work.platform.certificates.begin(release)
    plan = plan_rollout(release, observed, hold, digests, before=not candidate.again)
    plan = with_remarks(plan, spec, work)
    await _keep_images(release, work)
    return Prepared(release=release, plan=plan)


async def check_before(spec: App, work: Work) -> None:
    """What is checked before any image is fetched; a plan asks the same. Raises Refused."""
    preflight.check_powers(spec, work.platform)
    await preflight.check_disk(work)


def check_beside(spec: App, observed: Observed, work: Work, *, gap: bool) -> None:
    """What is checked against what runs; a plan asks the same. Raises Refused."""
    check_data(spec, observed)
    preflight.check_memory(observed, work, gap=gap)
    preflight.check_host_ports(spec, observed, work)


def check_data(spec: App, observed: Observed) -> None:
    """Raises Refused (`volume-changed`, `handover`) for what data would not survive."""
    if observed.live is not None:
        carry_volumes(spec, observed.live.spec)
    if observed.serving is not None:
        check_handover(spec, observed.serving.spec)


async def _fetched(
    spec: App, work: Work, fetch: Callable[[], Awaitable[dict[str, Image]]] | None
) -> dict[str, Image]:
    references = ", ".join(sorted({service.image for service in spec.services}))
    work.emit("started", -1, f"fetch {references}", {"cause": "its exact bytes are recorded"})
    begun = time.monotonic()
    images = await (fetch() if fetch else resolve_images(spec, work))
    work.emit("done", -1, f"fetch {references}", {"seconds": round(time.monotonic() - begun, 3)})
    return images


async def _keep_images(release: Release, work: Work) -> None:
    """cove's own tag keeps the bytes from any pruning while the release may be rolled back to."""
    for service, image in release.images.items():
        tag = work.naming.image_tag(release.app, service, release.number)
        await work.platform.engine.tag(image.id, tag)


def describe(plan: op.Plan) -> list[dict[str, str]]:
    """The plan's operations as clients show them."""
    return [{"title": title(step), "cause": step.cause} for step in plan.operations]


def candidate_of(release: Release, why: str) -> Candidate:
    """An earlier release, to be made again as it was."""
    return Candidate(spec=release.spec, why=why, source=release.source, again=True)


def other_source(app: str, origin: str, record: AppRecord | None) -> str:
    """Where the app came from, if that was another file; empty where nothing differs."""
    if record is None or not record.live or not record.source or record.source == origin:
        return ""
    return f"the app {app} was deployed from {record.source}; this is {origin}"


def _check_source(app: str, origin: str, record: AppRecord | None) -> None:
    differs = other_source(app, origin, record)
    if not differs:
        return
    raise Refused(
        differs,
        code="source-differs",
        hint="give this one another `name:`; if it is the same app in a new place: "
        "cove deploy --take-over",
    )


def provisional(candidate: Candidate, images: dict[str, Image], number: int) -> Release:
    """The release a plan would make, for showing it without recording anything.

    Raises InvalidFile as `resolve` does; what only a missing image could tell stays open.
    """
    known = all(service.name in images for service in candidate.spec.services)
    spec = resolve(candidate.spec, images) if known else candidate.spec
    return Release(
        app=spec.name,
        number=number,
        spec=spec,
        images=images,
        placements=(),
        why=candidate.why,
        source=candidate.source,
    )
