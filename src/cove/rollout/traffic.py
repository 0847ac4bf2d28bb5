"""The operations between the proxy and a release: switch, hold, admit, drain, withdraw.

Imported inside `cove.rollout`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

from cove.errors import CoveError
from cove.model.release import Release
from cove.planning import operations as op
from cove.render.traefik import HOLD_LONGEST_PAUSE, routes_held, routes_to
from cove.rollout.companions import task_limit
from cove.rollout.readiness import check_alive
from cove.rollout.siblings import introduce
from cove.rollout.work import Work

PREFIX_LENGTH = 26  # of every app's network
# A request that was routed a moment before the switch has dialled by then.
_LEAST_DRAIN = 0.3
# A held request that sleeps between two attempts holds no connection that could be counted.
_LEAST_HOLD = HOLD_LONGEST_PAUSE + 0.2
_POLL = 0.1
_WATCH_EVERY = 3  # polls
_QUIET_POLLS = 2
_HOLD_MARGIN = 30.0  # seconds beyond what drain, stop and start may take together


async def switch(step: op.SwitchRoutes, work: Work) -> None:
    """Certificates first, then the routes, then the proxy's own word that they are live."""
    await publish(work, work.release(step.release))


async def undo_switch(step: op.SwitchRoutes, work: Work) -> None:
    """Back to what served; requests the new release has begun may finish."""
    if not step.before:
        await work.platform.proxy.withdraw(work.app)
    elif step.hold:
        await _hold_at_home(work, work.release(step.before))
    else:
        await publish(work, work.release(step.before))
    release = work.release(step.release)
    await wait_idle(work, release.endpoints(), _longest_drain(release))


async def publish(work: Work, release: Release) -> None:
    """Leads the app's routes to a release, and its siblings too."""
    await introduce(work, release)
    if not release.spec.routes:
        await work.platform.proxy.withdraw(work.app)
        return
    await work.platform.certificates.ensure(release)
    await work.platform.proxy.publish(work.app, routes_to(release, work.proxy))


async def hold(step: op.HoldRequests, work: Work) -> None:
    """New requests wait at addresses that the next serving release will answer at."""
    candidate = work.release(step.candidate) if step.candidate else None
    await _publish_hold(work, work.release(step.release), step.hold, candidate)


async def undo_hold(step: op.HoldRequests, work: Work) -> None:
    """The old release answers the waiting requests, and gets the routes back."""
    release = work.release(step.release)
    try:
        await _take(work, release, step.hold)
    except CoveError as error:
        work.emit("notice", text=f"held requests could not be handed back: {error.message}")
    await publish(work, release)
    await _give_up(work, release, step.hold, _longest_drain(release))


async def admit(step: op.AdmitHeld, work: Work) -> None:
    """The release answers at the hold addresses too."""
    await _take(work, work.release(step.release), step.hold)


async def undo_admit(step: op.AdmitHeld, work: Work) -> None:
    """Nobody answers at the hold addresses, and no request that was let through is cut off."""
    before, release = work.release(step.before), work.release(step.release)
    try:
        # New requests must go elsewhere, or these addresses would never become idle.
        await _hold_at_home(work, before)
    except CoveError as error:
        work.emit("notice", text=f"new requests could not be held: {error.message}")
    await _give_up(work, release, step.hold, _longest_drain(release))
    await _publish_hold(work, before, step.hold)


async def release_hold(step: op.ReleaseHold, work: Work) -> None:
    """Waits for the last held request, then takes the hold addresses away."""
    await _give_up(work, work.release(step.release), step.hold, step.limit)
    work.platform.store.free_addresses(work.app, step.hold.values())


async def drain(step: op.Drain, work: Work) -> None:
    """Ends as soon as the proxy holds no connection to the release, at the latest in time.

    Raises RolloutFailed when the watched release dies meanwhile.
    """
    release = work.release(step.release)
    watched = work.release(step.watch) if step.watch else None
    left = await wait_idle(work, release.endpoints(), step.limit, watched)
    if left:
        work.emit("notice", text=f"{left} connections were still open after {step.limit:g} s")


async def withdraw(step: op.WithdrawRoutes, work: Work) -> None:
    """The proxy answers for the app no longer."""
    await work.platform.proxy.withdraw(work.app)


async def undo_withdraw(step: op.WithdrawRoutes, work: Work) -> None:
    """The routes lead to the release again."""
    await publish(work, work.release(step.release))


async def wait_idle(
    work: Work,
    endpoints: Iterable[tuple[str, int]],
    limit: float,
    watched: Release | None = None,
    least: float = _LEAST_DRAIN,
) -> int:
    """Waits until no connection to the endpoints is open; returns how many are left in the end.

    Takes `least` seconds at least and about `limit` at most. The proxy closes an idle connection
    after 0.5 s, so an open one is a request in flight.
    """
    clock = asyncio.get_running_loop().time
    begun, quiet, polls = clock(), 0, 0
    endpoints = frozenset(endpoints)
    while True:
        if watched is not None and polls % _WATCH_EVERY == 0:
            await check_alive(work, watched)
        left = work.platform.host.connections(endpoints)
        quiet = 0 if left else quiet + 1
        elapsed = clock() - begun
        if elapsed >= limit or (quiet >= _QUIET_POLLS and elapsed >= least):
            return left
        polls += 1
        await asyncio.sleep(_POLL)


async def _publish_hold(
    work: Work, release: Release, hold: Mapping[str, str], candidate: Release | None = None
) -> None:
    released = [s.rollout.drain + s.stop_grace for s in release.spec.released()]
    ready = [s.rollout.timeout for s in (candidate or release).spec.released()]
    # Companions that the candidate needs are replaced one after another, and commands run so.
    spec = (candidate or release).spec
    tasks = {task.name for task in spec.tasks()}
    needed = [
        s.stop_grace + (task_limit(s) if s.name in tasks else s.rollout.timeout)
        for s in spec.needed()
    ]
    needed += [s.rollout.before_timeout for s in spec.prepared()]
    seconds = _HOLD_MARGIN + max(released, default=0) + max(ready, default=0) + sum(needed)
    routes = routes_held(release, hold, seconds, work.proxy, candidate)
    await work.platform.proxy.publish(work.app, routes)


async def _hold_at_home(work: Work, release: Release) -> None:
    """Requests wait at the resting release's own addresses, and go through once it runs again."""
    home = {s.name: release.of(s.name)[0].address for s in release.spec.routed()}
    await _publish_hold(work, release, home)


async def _take(work: Work, release: Release, hold: Mapping[str, str]) -> None:
    for pid, address in await _first_replicas(work, release, hold):
        await work.platform.host.add_address(pid, address, PREFIX_LENGTH)


def _longest_drain(release: Release) -> float:
    return max(service.rollout.drain for service in release.spec.services)


async def _give_up(work: Work, release: Release, hold: Mapping[str, str], limit: float) -> None:
    ports = {(route.service, route.port) for route in release.spec.routes}
    endpoints = {(hold[s], p) for s, p in ports if s in hold}
    await wait_idle(work, endpoints, max(_LEAST_HOLD, limit), least=_LEAST_HOLD)
    for pid, address in await _first_replicas(work, release, hold):
        await work.platform.host.remove_address(pid, address, PREFIX_LENGTH)


async def _first_replicas(
    work: Work, release: Release, hold: Mapping[str, str]
) -> list[tuple[int, str]]:
    """The process whose network takes each service's hold address."""
    pids = {f.service: f.pid for f in await work.containers(release.number) if f.running}
    firsts = {service: release.of(service)[0].name for service in hold if release.of(service)}
    return [(pids[name], hold[s]) for s, name in firsts.items() if pids.get(name)]
