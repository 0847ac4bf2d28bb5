"""`Certification`: the port `Certificates`, and the loop that keeps every name certified.

Imported by the agent. It decides with `policy`, and does through ports; serving never waits for
it and no failure of an authority reaches a rollout as more than a notice.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from functools import partial

from msgspec.structs import replace

from cove.certification import agreement, own, wanted
from cove.certification.announcing import Announcer
from cove.certification.attempt import Attempt
from cove.certification.parts import CertParts
from cove.certification.policy import authority_pause, gate_pause, renewal_at, unfit
from cove.certification.showing import by_domain, excuse, served
from cove.certification.wanted import Wanted
from cove.errors import CoveError, NotFound, Refused
from cove.model.app import LOCAL_SUFFIXES, App, is_local_domain
from cove.model.certificates import (
    AcmeSettings,
    CertFacts,
    CertProgress,
    CertSource,
    Outcome,
    Pair,
    Served,
)
from cove.model.names import is_wildcard
from cove.model.release import Release

_log = logging.getLogger(__name__)
_LONGEST_SLEEP = 300.0  # seconds; bounds what a changed clock can do
_POLL = 0.1
_IN_FILES: tuple[CertSource, ...] = ("acme", "own")
_ORDERS = 2  # children that speak to an authority at once; each takes some 60 MB for seconds


class Certification:
    """Every name that a live release, or one on its way, routes over TLS."""

    def __init__(self, parts: CertParts, now: Callable[[], float] = time.time) -> None:
        self.parts = parts
        self.settings = AcmeSettings()
        self._now = now
        self._wanted: dict[str, Wanted] = {}
        self._facts: dict[str, CertFacts | None] = {}  # of public names
        self._progress: dict[str, CertProgress] = {}
        self._gate_tries: dict[str, int] = {}
        self._forced: set[str] = set()
        self._running: dict[str, asyncio.Task[None]] = {}
        self._proving: set[str] = set()  # not yet past the authority's questions
        self._slots = asyncio.Semaphore(_ORDERS)
        self._wake = asyncio.Event()
        self._announcer = Announcer(parts)
        self._looked = False

    # --- what rollouts ask for

    async def check(self, spec: App) -> tuple[str, ...]:
        """Raises InvalidFile or Refused for certificates that cannot be; notes what is odd."""
        for domain, source in wanted.of_app(spec).items():
            if source == "local" and not is_local_domain(domain):
                suffixes = ", ".join(LOCAL_SUFFIXES)
                raise Refused(
                    f"{domain} cannot have a certificate of cove's own authority, whose names end "
                    f"in {suffixes}",
                    code="local-ca-name",
                    hint="write `tls: auto`",
                )
            if is_wildcard(domain) and source == "acme" and self.settings.dns is None:
                raise Refused(
                    f"{domain} needs a certificate for a wildcard, which an authority gives only "
                    "to who can write into the DNS",
                    code="wildcard-dns",
                    hint="cove certs dns digitalocean --secret-file FILE, or rfc2136; "
                    "or give a certificate of your own: tls: {cert, key}",
                )
        return await own.check(spec, self.parts.files)

    async def agree(self, spec: App) -> None:
        """Raises Refused (`route-taken`) for a certificate that names another app's domain."""
        brought = await own.brought(spec, self.parts.files)
        resting = [record.name for record in self.parts.store.apps() if record.stopped]
        agreement.check(spec, brought, self._releases(), self.parts.files, resting)
        agreement.check_pages(spec, brought, self.parts.store.status_pages())

    def begin(self, release: Release) -> None:
        """A release is on its way: its public domains are obtained from now on."""
        self.refresh()
        for domain in self._public(release):
            progress = self._progress.get(domain)
            if progress is not None and progress.obstacle == "pending":
                # Whoever deploys may just have mended it.
                self._gate_tries.pop(domain, None)
                self._progress[domain] = replace(progress, next_try=self._now())
        self._wake.set()

    async def ensure(self, release: Release) -> None:
        """Sees to it that what can be had at once lies ready for the proxy."""
        found = wanted.of_app(release.spec)
        await self.parts.local.ensure([d for d, source in found.items() if source == "local"])
        await own.place(release.spec, self.parts.files)
        self.refresh()

    async def settle(self, release: Release, seconds: float) -> tuple[str, ...]:
        """Waits for the release's public certificates; returns why some are not there yet."""
        return await self._settled(self._public(release), seconds)

    async def _settled(self, domains: list[str], seconds: float) -> tuple[str, ...]:
        deadline = self._now() + seconds
        while missing := [d for d in domains if not self._valid(d)]:
            if self._now() >= deadline or all(self._hopeless(d, deadline) for d in missing):
                return tuple(excuse(domain, self._progress.get(domain)) for domain in missing)
            await asyncio.sleep(_POLL)
        return ()

    # --- what status pages ask for

    def check_page(self, domain: str) -> None:
        """Raises Refused (`route-taken`) where the certificate of an app names the domain."""
        agreement.check_page(domain, self._releases(), self.parts.files)

    async def ensure_page(self, domain: str) -> None:
        """Sees to the certificate of a page that was just recorded; a local one lies ready."""
        if wanted.source_of_page(domain) == "local":
            await self.parts.local.ensure([domain])
        self.refresh()

    async def settle_page(self, domain: str, seconds: float) -> tuple[str, ...]:
        """Waits for the page's public certificate; returns why it is not there yet."""
        public = [domain] if wanted.source_of_page(domain) == "acme" else []
        return await self._settled(public, seconds)

    # --- what the agent asks for

    def recall(self) -> None:
        """What an earlier agent left: the settings, and the attempts. Before anything else."""
        self._progress = {one.domain: one for one in self.parts.store.cert_progress()}
        try:
            self.settings = self.parts.store.acme_settings()
        except CoveError as error:
            _log.error("certificates: %s; the usual settings hold", error.message)

    async def run(self) -> None:
        """Obtains and renews until cancelled; no failure ends it."""
        while True:
            self._wake.clear()
            try:
                if not self._looked:
                    self.refresh()
                self._start_due()
                self._announcer.lead(self._led())
            except (CoveError, OSError) as error:
                _log.warning("certificates: %s", error)
            await self._sleep()

    def refresh(self) -> None:
        """Looks again at what is wanted and what lies ready, and tells the proxy."""
        self._look()
        self._announcer.publish()
        self._wake.set()

    def _look(self) -> None:
        self._looked = True
        pages = wanted.of_pages(self.parts.store.status_pages())
        self._wanted = {**pages, **wanted.of_releases(self._releases())}
        public = self._of("acme")
        # What is just coming counts once the proxy has shown it.
        self._facts = {
            domain: self._facts.get(domain)
            if domain in self._running
            else self.parts.files.facts("acme", domain)
            for domain in public
        }
        for domain in self._progress.keys() - public:
            self._forget(domain)

    async def maintain(self) -> None:
        """Every hour: the local authority's renewals, and certificates that nobody uses."""
        due = self.parts.local.due()
        if due:
            await self.parts.local.ensure(due)
            self._announcer.publish(again=True)
        self.refresh()
        if not self._rolling():
            self._prune()

    def renew(self, domain: str) -> None:
        """Tries a public name now, whatever its certificate and its back-off. Raises NotFound."""
        found = self._wanted.get(domain)
        if found is None or found.source != "acme":
            raise NotFound(
                f"no app has a public certificate for {domain}", hint="see them all: cove certs"
            )
        self._forced.add(domain)
        self._gate_tries.pop(domain, None)
        self._wake.set()

    def change(self, settings: AcmeSettings) -> None:
        """Another authority, or another way to speak to it; what waited is tried at once."""
        self.parts.store.set_acme_settings(settings)
        self.settings = settings
        for domain in list(self._progress):
            self._forget(domain)
        self._wake.set()

    def listing(self) -> list[Served]:
        """Every wanted name, whatever has become of it."""
        self._look()
        known: dict[CertSource, dict[str, CertFacts]] = {
            "local": by_domain(self.parts.local.listing()),
            "own": by_domain(self.parts.files.listing("own")),
            "acme": {domain: facts for domain, facts in self._facts.items() if facts},
        }
        return served(self._wanted.values(), known, self._progress, self._ordering)

    def uncertified(self) -> frozenset[str]:
        """The public names that never had a certificate, as of the last look."""
        return frozenset(domain for domain in self._of("acme") if not self._facts.get(domain))

    def ends(self) -> dict[str, float]:
        """When the certificate of each public name ends, as of the last look."""
        known = {domain: self._facts.get(domain) for domain in self._of("acme")}
        return {domain: facts.not_after for domain, facts in known.items() if facts}

    # --- the loop

    def _start_due(self) -> None:
        if not self._due():
            return
        self._look()  # an app may be gone since
        for domain in self._due():
            self._forced.discard(domain)
            task = asyncio.create_task(self._try(domain), name=f"certify-{domain}")
            self._running[domain] = task
            self._proving.add(domain)
            task.add_done_callback(partial(self._ended, domain))

    def _due(self) -> list[str]:
        idle = self._of("acme") - self._running.keys()
        return sorted(domain for domain in idle if self._due_at(domain) <= self._now())

    def _ended(self, domain: str, _: asyncio.Task[None]) -> None:
        self._running.pop(domain, None)
        self._proving.discard(domain)
        self._wake.set()

    def _due_at(self, domain: str) -> float:
        if domain in self._forced:
            return 0.0
        progress = self._progress.get(domain)
        if progress is not None and progress.obstacle:
            return progress.next_try
        facts = self._facts.get(domain)
        return renewal_at(facts) if facts else 0.0

    async def _sleep(self) -> None:
        idle = [self._due_at(d) for d in self._of("acme") if d not in self._running]
        pause = min([_LONGEST_SLEEP, *(at - self._now() for at in idle)])
        try:
            async with asyncio.timeout(max(pause, _POLL)):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _try(self, domain: str) -> None:
        attempt = Attempt(self.parts, self.settings, self._slots)
        try:
            problem = await attempt.gate(domain)
            if problem:
                self._pending(domain, problem)
                return
            self._met(domain)
            outcome = await attempt.order(domain)
            self._proving.discard(domain)
            self._announcer.lead(self._led())
            if outcome.pair is None:
                self._refused(domain, outcome)
                return
            await self._take(domain, outcome.pair, attempt)
        except (CoveError, OSError) as error:
            self._refused(domain, Outcome(error=str(error)))
        except Exception as bug:  # noqa: BLE001 - the last resort: a bug in one try is one refusal
            _log.exception("certificate for %s", domain)
            self._refused(domain, Outcome(error=f"a bug in cove: {type(bug).__name__}"))

    async def _take(self, domain: str, pair: Pair, attempt: Attempt) -> None:
        """Puts a new pair in its place, if it is what was asked for."""
        problem = unfit(pair.facts, domain, self._now())
        if not problem:
            self.parts.files.save("acme", pair)
            intact = self.parts.files.facts("acme", domain) == pair.facts
            problem = "" if intact else "the authority's certificate is not for our key"
        if problem:
            self._refused(domain, Outcome(error=problem))
            return
        self._forget(domain)
        self._announcer.publish()
        _log.info("%s has a certificate of %s", domain, pair.facts.issuer)
        await attempt.confirm(pair.facts, lambda: self._announcer.publish(again=True))
        self._facts[domain] = pair.facts

    def _met(self, domain: str) -> None:
        """The name leads here: what stood in the way is over, the authority's refusals are not."""
        progress = self._progress.get(domain)
        if progress is not None and progress.obstacle == "pending":
            self._gate_tries.pop(domain, None)
            after = replace(progress, obstacle="", error="", hint="", next_try=0.0)
            self._progress[domain] = after

    def _pending(self, domain: str, problem: str) -> None:
        tries = self._gate_tries.get(domain, 0) + 1
        self._gate_tries[domain] = tries
        before = self._progress.get(domain)
        after = CertProgress(
            domain=domain,
            obstacle="pending",
            failures=before.failures if before else 0,
            next_try=self._now() + gate_pause(tries, domain),
            last_try=self._now(),
            error=problem,
            hint="point the domain's A and AAAA records to this server, with the port open",
        )
        self._progress[domain] = after
        if before is None or (before.obstacle, before.error) != (after.obstacle, after.error):
            _log.info("%s does not reach this server: %s", domain, problem)
            self._save(after)

    def _refused(self, domain: str, outcome: Outcome) -> None:
        before = self._progress.get(domain)
        failures = (before.failures if before else 0) + 1
        after = CertProgress(
            domain=domain,
            obstacle="waiting",
            failures=failures,
            next_try=self._now() + authority_pause(failures, outcome.retry_after),
            last_try=self._now(),
            error=outcome.error,
            hint=outcome.hint,
        )
        self._progress[domain] = after
        _log.warning("no certificate for %s: %s", domain, outcome.error)
        self._save(after)

    def _save(self, progress: CertProgress) -> None:
        try:
            self.parts.store.save_cert_progress(progress)
        except CoveError as error:
            _log.warning("%s: %s", progress.domain, error.message)

    def _forget(self, domain: str) -> None:
        self._gate_tries.pop(domain, None)
        if self._progress.pop(domain, None) is not None:
            self.parts.store.forget_cert_progress(domain)

    # --- what is true

    def _led(self) -> list[str]:
        """TLS-ALPN handshakes come to cove only for the names that are being obtained."""
        if self.settings.challenge != "tls":
            return []
        return [domain for domain in self._of("acme") if self._opens(domain)]

    def _ordering(self, domain: str) -> bool:
        """Whether the authority is at it, or about to be for the first time."""
        progress = self._progress.get(domain)
        past_gate = progress is None or progress.obstacle != "pending"
        return domain in self._running and past_gate

    def _opens(self, domain: str) -> bool:
        if is_wildcard(domain):
            return False
        progress = self._progress.get(domain)
        unmet = progress is not None and progress.obstacle == "pending"
        return unmet or domain in self._proving

    def _prune(self) -> None:
        self.parts.local.prune(self._of("local"))
        for source in _IN_FILES:
            self.parts.files.tidy(source, self._of(source))
        self._announcer.publish()

    def _releases(self) -> Iterable[Release]:
        store = self.parts.store
        for record in store.apps():
            latest = store.rollouts(record.name, 1)
            coming = latest[0].release if latest and latest[0].outcome is None else 0
            for number in dict.fromkeys((record.live, coming)):
                release = store.release(record.name, number) if number else None
                if release is not None:
                    yield release

    def _rolling(self) -> bool:
        store = self.parts.store
        latest = [store.rollouts(record.name, 1) for record in store.apps()]
        return any(found and found[0].outcome is None for found in latest)

    def _of(self, source: CertSource) -> set[str]:
        return {one.domain for one in self._wanted.values() if one.source == source}

    def _public(self, release: Release) -> list[str]:
        return [d for d, source in wanted.of_app(release.spec).items() if source == "acme"]

    def _valid(self, domain: str) -> bool:
        facts = self._facts.get(domain)
        return facts is not None and facts.not_after > self._now()

    def _hopeless(self, domain: str, deadline: float) -> bool:
        """Whether a name was tried, and will not be again before the deadline."""
        progress = self._progress.get(domain)
        return (
            domain not in self._running
            and progress is not None
            and bool(progress.obstacle)
            and progress.next_try >= deadline
        )
