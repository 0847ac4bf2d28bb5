"""Deciding from outside the containers whether a release may serve, and saying why it may not.

Imported inside `cove.rollout`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from msgspec.structs import replace

from cove.errors import CoveError, RolloutFailed
from cove.model.app import Health, Route, Service
from cove.model.names import example_of
from cove.model.release import Placement, Release
from cove.ports import ContainerFacts, Listener, ProbeResult
from cove.rollout.work import Work

LOG_LINES = 20
_FAIR_CHECK = 1.0  # seconds; with less an app that only answers slowly seems not to answer
_SHORTEST_CHECK = 0.1  # seconds; the last one before the limit still gets a chance
_FIRST_PAUSE = 0.05  # seconds; most apps are ready long before a fixed interval has passed
_ENDED = frozenset({"exited", "dead", "restarting", "removing"})
_MEGABYTE = 1 << 20
_KILLED = 137  # 128 + SIGKILL


async def await_ready(
    work: Work, release: Release, settle: float, only: Sequence[Placement] | None = None
) -> None:
    """Returns once every replica, or `only` these, is ready and at least `settle` seconds old.

    Raises RolloutFailed (`exited`, `oom`, `unhealthy`, `not-ready`) with the last log lines of
    the first replica that failed.
    """
    placements = release.placements if only is None else only
    waits = [asyncio.create_task(_Wait(work, release, p, settle).run()) for p in placements]
    if not waits:
        return
    try:
        done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
    finally:
        for task in waits:
            task.cancel()
        await asyncio.gather(*waits, return_exceptions=True)


async def check_alive(work: Work, release: Release) -> None:
    """Raises RolloutFailed when a replica has ended or restarted since it became ready."""
    found = {facts.service: facts for facts in await work.containers(release.number)}
    for placement in release.placements:
        facts = found.get(placement.name)
        if facts is None:
            raise RolloutFailed(f"the container of {placement.name} is gone", code="exited")
        if _ended(facts):
            raise await ended(work, placement.name, facts)


async def ended(work: Work, name: str, facts: ContainerFacts) -> CoveError:
    """The error that tells how a container ended."""
    exits = await work.platform.engine.exits([facts.id], facts.started_at - 3600)
    code = exits[0].code if exits else facts.exit_code
    # Docker misses some of the kernel's reports; with a limit, nothing else kills so.
    guessed = code == _KILLED and facts.memory_limit > 0
    oom = guessed or facts.oom_killed or any(e.oom for e in exits)
    log = await work.platform.engine.tail(facts.id, LOG_LINES)
    if oom:
        limit = (
            f" (its limit is {facts.memory_limit // _MEGABYTE} MB)" if facts.memory_limit else ""
        )
        return RolloutFailed(
            f"{name} ran out of memory{limit} and was killed",
            code="oom",
            hint="raise `mem_limit`, or make the app need less at start",
            log=log,
        )
    reason = facts.error or f"{name} exited with code {code}"
    return RolloutFailed(reason, code="exited", hint="its last log lines say why", log=log)


def _ended(facts: ContainerFacts) -> bool:
    return facts.state in _ENDED or facts.restarts > 0


class _Wait:
    """The wait for one replica."""

    def __init__(self, work: Work, release: Release, placement: Placement, settle: float) -> None:
        self.work = work
        self.release = release
        self.placement = placement
        self.settle = settle
        self.service: Service = release.spec.service(placement.service)
        self.failing_port = 0

    async def run(self) -> None:
        clock = asyncio.get_running_loop().time
        begun = clock()
        limit = self.service.rollout.timeout
        pause = _FIRST_PAUSE
        result = ProbeResult(ready=False)
        while True:
            facts = await self._facts()
            # A check that hangs may not outlast the limit; a ready release only settles.
            left = self.service.health.timeout if result.ready else begun + limit - clock()
            checked = await self._check(facts, left)
            # A check that is cut short says less than the one before it.
            if checked.ready or not result.detail or left > min(_FAIR_CHECK, limit / 4):
                result = checked
            if result.ready and self.work.now() - facts.started_at >= self.settle:
                return
            if not result.ready and clock() - begun > limit:
                raise await self._late(facts, result.detail)
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, self.service.health.interval)

    async def _facts(self) -> ContainerFacts:
        for facts in await self.work.containers(self.release.number):
            if facts.service == self.placement.name:
                break
        else:
            raise RolloutFailed(f"the container of {self.placement.name} is gone", code="exited")
        if _ended(facts):
            raise await ended(self.work, self.placement.name, facts)
        if facts.health == "unhealthy":
            log = await self.work.platform.engine.tail(facts.id, LOG_LINES)
            message = f"{self.placement.name} says by its own HEALTHCHECK that it is unhealthy"
            raise RolloutFailed(message, code="unhealthy", log=log)
        return facts

    async def _check(self, facts: ContainerFacts, left: float) -> ProbeResult:
        if not facts.running:
            return ProbeResult(ready=False, detail=f"it is {facts.state}")
        result = ProbeResult(ready=True)
        for port, health in self._checks():
            seconds = max(_SHORTEST_CHECK, min(health.timeout, round(left, 1)))
            result = await self.work.platform.probe.check(
                self.placement.address, port, replace(health, timeout=seconds), self._host()
            )
            if not result.ready:
                self.failing_port = port
                break
        return result

    def _checks(self) -> list[tuple[int, Health]]:
        """The health check, and that every other port a route leads to accepts connections."""
        routed = [r.port for r in self._routes()]
        health = self.service.health
        main = health.port or (routed[0] if routed else 0)
        others = [port for port in dict.fromkeys(routed) if port != main]
        connect = Health(timeout=health.timeout)
        return ([(main, health)] if main else []) + [(port, connect) for port in others]

    def _routes(self) -> list[Route]:
        return [r for r in self.release.spec.routes if r.service == self.service.name]

    def _host(self) -> str:
        routes = self._routes()
        return example_of(routes[0].domain) if routes else self.service.name

    async def _late(self, facts: ContainerFacts, detail: str) -> CoveError:
        listeners = self.work.platform.host.listeners(facts.pid)
        found, hint = _advice(self.failing_port, listeners)
        return RolloutFailed(
            f"{self.placement.name} was not ready within {self.service.rollout.timeout:g} s: "
            f"{detail}{found}",
            code="not-ready",
            hint=hint or self._hint(detail),
            log=await self.work.platform.engine.tail(facts.id, LOG_LINES),
        )

    def _hint(self, detail: str) -> str:
        path = self.service.health.path
        if path and "answered" in detail:
            good = ", ".join(f"{low} to {high}" for low, high in self.service.health.status)
            return (
                f"make GET {path} answer {good} once the app is ready, name another path with "
                "`health:`, or say which answers are good: `health: {status: …}`"
            )
        return "if it only needs longer, raise `rollout.timeout`"


def _advice(port: int, listeners: Sequence[Listener]) -> tuple[str, str]:
    """What the container listens on instead, and what to change."""
    # Docker's own DNS listens on 127.0.0.11 inside every container of a user-defined network.
    own = [one for one in listeners if one.address != "127.0.0.11"]
    on_port = [one for one in own if one.port == port]
    if on_port and all(_loopback(one.address) for one in on_port):
        return (
            f"; it listens on {on_port[0].address}:{port}, which only its container reaches",
            "make the app listen on 0.0.0.0",
        )
    others = sorted({one.port for one in own if not _loopback(one.address)})
    if on_port or not others:
        return ("", "")
    listed = ", ".join(str(p) for p in others)
    return (f"; it listens on port {listed}", f"write `port: {others[0]}`")


def _loopback(address: str) -> bool:
    return address.startswith("127.") or address == "::1"
