"""Certification over fakes and the real store, on a clock that jumps."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from msgspec.structs import replace

from cove.adapters.sqlite import SqliteStore
from cove.certification.certifier import Certification
from cove.certification.parts import CertParts
from cove.model.app import App
from cove.model.certificates import (
    AcmeSettings,
    CertFacts,
    CertSource,
    Challenge,
    Order,
    Outcome,
    Pair,
)
from cove.model.release import Release

from support.store import IMAGE
from support.virtual_time import InstantLoop
from support.world import EPOCH

DAY = 86400.0
LIFE = 90 * DAY


def now() -> float:
    """Seconds since the epoch, by the clock that jumps."""
    return EPOCH + InstantLoop.at


def facts(domain: str, *, begun: float | None = None, life: float = LIFE) -> CertFacts:
    """A certificate that begins now."""
    begun = now() if begun is None else begun
    return CertFacts(
        domain=domain,
        issuer="Test CA",
        not_before=begun,
        not_after=begun + life,
        serial="1",
        fingerprint=f"{domain} {begun}",
        names=(domain,),
    )


@dataclass
class FakeLocal:
    """cove's own authority."""

    certified: dict[str, CertFacts] = field(default_factory=dict)
    overdue: tuple[str, ...] = ()

    async def ensure(self, domains: Sequence[str]) -> None:
        self.certified.update({domain: facts(domain) for domain in domains})
        self.overdue = tuple(d for d in self.overdue if d not in domains)

    def due(self) -> tuple[str, ...]:
        return self.overdue

    def listing(self) -> tuple[CertFacts, ...]:
        return tuple(self.certified.values())

    def prune(self, keep: AbstractSet[str]) -> tuple[str, ...]:
        gone = tuple(d for d in self.certified if d not in keep)
        for domain in gone:
            del self.certified[domain]
        return gone


@dataclass
class FakeFiles:
    """The files that the proxy reads."""

    saved: dict[tuple[CertSource, str], Pair] = field(default_factory=dict)

    def save(self, source: CertSource, pair: Pair) -> None:
        self.saved[source, pair.facts.domain] = pair

    def facts(self, source: CertSource, domain: str) -> CertFacts | None:
        found = self.saved.get((source, domain))
        return found.facts if found else None

    def listing(self, source: CertSource) -> tuple[CertFacts, ...]:
        return tuple(pair.facts for (s, _), pair in self.saved.items() if s == source)

    def stem(self, source: CertSource, facts: CertFacts) -> str:
        return f"{source}/{facts.domain}"

    def tidy(self, source: CertSource, keep: AbstractSet[str]) -> tuple[str, ...]:
        gone = [key for key in self.saved if key[0] == source and key[1] not in keep]
        for key in gone:
            del self.saved[key]
        return tuple(domain for _, domain in gone)

    async def inspect(
        self, domain: str, chain: str, key: str, names: Sequence[str]
    ) -> tuple[Pair, tuple[str, ...]]:
        """The chain of these is a list of the names in it."""
        found = replace(facts(domain), names=tuple(chain.split()), fingerprint=chain)
        return Pair(chain=chain, key=key, facts=found), ()


@dataclass
class FakeAuthority:
    """A public authority; `answer` decides about each order."""

    answer: Callable[[Order], Outcome | None] = lambda _: None
    seconds: float = 2.0
    life: float = LIFE
    made: CertFacts | None = None  # what it hands out, whatever was asked for
    orders: list[tuple[str, float]] = field(default_factory=list)
    most_at_once: int = 0
    _at_once: int = 0

    async def issue(self, order: Order, present: Callable[[Challenge], Awaitable[None]]) -> Outcome:
        self.orders.append((order.domain, now()))
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        await present(Challenge(kind="http", domain=order.domain, token="t", content="c"))
        await asyncio.sleep(self.seconds)
        self._at_once -= 1
        said = self.answer(order)
        if said is not None:
            return said
        made = facts(order.domain, life=self.life) if self.made is None else self.made
        return Outcome(pair=Pair(chain="chain", key="key", facts=made))

    def count(self, domain: str) -> int:
        """How many orders a name cost."""
        return sum(ordered == domain for ordered, _ in self.orders)


@dataclass
class FakePublic:
    """The public side: names in `astray` lead elsewhere."""

    files: FakeFiles
    astray: dict[str, str] = field(default_factory=dict)
    presented: set[str] = field(default_factory=set)
    asked: list[float] = field(default_factory=list)

    async def present(self, challenge: Challenge) -> None:
        self.presented.add(challenge.domain)

    def withdraw(self, domain: str) -> None:
        self.presented.discard(domain)

    async def reaches(self, domain: str, settings: AcmeSettings) -> str:
        self.asked.append(now())
        await asyncio.sleep(0.05)
        return self.astray.get(domain, "")

    async def served(self, domain: str) -> str:
        found = self.files.facts("acme", domain)
        return found.fingerprint if found else ""


@dataclass
class FakeList:
    """What the proxy was told."""

    certified: list[tuple[str, ...]] = field(default_factory=list)
    led: list[tuple[str, ...]] = field(default_factory=list)

    def certify(self, stems: Sequence[str]) -> None:
        self.certified.append(tuple(stems))

    def lead_challenges(self, domains: Sequence[str]) -> None:
        self.led.append(tuple(domains))


class Place:
    """One agent's certification; `again` is what the next agent makes of the same state."""

    def __init__(self, store: SqliteStore) -> None:
        self.store = store
        self.local, self.files = FakeLocal(), FakeFiles()
        self.authority, self.proxy = FakeAuthority(), FakeList()
        self.public = FakePublic(self.files)
        self.certification = self.again()

    def again(self) -> Certification:
        """A fresh one, as after a restart."""
        parts = CertParts(
            local=self.local,
            files=self.files,
            issuer=self.authority,
            public=self.public,
            proxy=self.proxy,
            store=self.store,
        )
        made = Certification(parts, now)
        made.recall()
        return made

    def live(self, spec: App) -> Release:
        """A release of an app that serves."""
        self.store.reserve_subnet(spec.name, "test", ())
        rollout = self.store.open_rollout(spec.name, "deploy", "test")
        images = {service.name: IMAGE for service in spec.services}
        release, _ = self.store.create_release(
            rollout, spec=spec, images=images, why="", source="", hold=False
        )
        self.store.confirm(spec.name, release.number)
        self.store.close_rollout(rollout, "live")
        return release

    async def during(self, seconds: float) -> None:
        """Lets the loop work for so long."""
        # Each turn of a test has an event loop of its own; these belong to one.
        self.certification._wake = asyncio.Event()
        self.certification._slots = asyncio.Semaphore(2)
        self.certification._running.clear()
        task = asyncio.create_task(self.certification.run())
        await asyncio.sleep(seconds)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    def state(self, domain: str) -> str:
        """What stands in the way of a name."""
        for one in self.certification.listing():
            if one.domain == domain:
                return one.progress.obstacle if one.progress else "none"
        return "unknown"
