"""Certificates: what rollouts ask of certification, and what that needs itself.

Imported as `cove.ports` only.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from collections.abc import Set as AbstractSet
from typing import Protocol

from cove.model import certificates as tls
from cove.model.app import App
from cove.model.release import Release


class Certificates(Protocol):
    """What rollouts need of certification: it keeps every routed domain certified."""

    async def check(self, spec: App) -> tuple[str, ...]:
        """Raises InvalidFile or Refused for certificates that cannot be; notes what is odd."""

    async def agree(self, spec: App) -> None:
        """Raises Refused (`route-taken`) where an own certificate names another app's domain."""

    def begin(self, release: Release) -> None:
        """A release is on its way: its public domains are obtained from now on."""

    async def ensure(self, release: Release) -> None:
        """Sees to it that what can be had at once lies ready for the proxy.

        That is the certificates of cove's own authority, and those that the release brings.
        """

    async def settle(self, release: Release, seconds: float) -> tuple[str, ...]:
        """Waits for the release's public certificates; returns why some are not there yet."""


class LocalCertificates(Protocol):
    """cove's own authority, which writes its certificates itself."""

    async def ensure(self, domains: Sequence[str]) -> None:
        """Sees to it that there is a valid certificate for each domain."""

    def due(self) -> tuple[str, ...]: ...
    def listing(self) -> tuple[tls.CertFacts, ...]: ...
    def prune(self, keep: AbstractSet[str]) -> tuple[str, ...]:
        """Deletes the certificates of all other domains, and says of which."""


class CertificateFiles(Protocol):
    """Certificates on disk, where the proxy reads them, by where they came from."""

    def save(self, source: tls.CertSource, pair: tls.Pair) -> None:
        """Replaces a domain's certificate and key so that a crash leaves a pair or none."""

    def facts(self, source: tls.CertSource, domain: str) -> tls.CertFacts | None:
        """What lies there; None unless certificate and key belong together."""

    def listing(self, source: tls.CertSource) -> tuple[tls.CertFacts, ...]: ...
    def stem(self, source: tls.CertSource, facts: tls.CertFacts) -> str:
        """The pair's place below the folder of certificates, without `.crt` and `.key`."""

    def tidy(self, source: tls.CertSource, keep: AbstractSet[str]) -> tuple[str, ...]:
        """Deletes other domains' certificates and replaced ones; says of which domains."""

    async def inspect(
        self, domain: str, chain: str, key: str, names: Sequence[str]
    ) -> tuple[tls.Pair, tuple[str, ...]]:
        """An own certificate, put in order; with remarks. Raises InvalidFile (`certificate`)."""


class Issuer(Protocol):
    """A public certificate authority."""

    async def issue(
        self, order: tls.Order, present: Callable[[tls.Challenge], Awaitable[None]]
    ) -> tls.Outcome:
        """Carries out an order; `present` returns once the challenge is answered publicly."""


class PublicSide(Protocol):
    """What answers challenges, on loopback where only the proxy leads to it."""

    async def present(self, challenge: tls.Challenge) -> None:
        """Answers a challenge; returns once the proxy leads to it."""

    def withdraw(self, domain: str) -> None: ...
    async def reaches(self, domain: str, settings: tls.AcmeSettings) -> str:
        """Fetches a nonce through the public name; why it did not come, or empty."""

    async def served(self, domain: str) -> str:
        """The fingerprint of the certificate that the proxy shows for a name; empty: none."""


class ProxyCertificates(Protocol):
    """The proxy's list of certificates, apart from every app's routes."""

    def certify(self, stems: Sequence[str]) -> None:
        """The pairs the proxy serves; written even when unchanged, so that it reads them again."""

    def lead_challenges(self, domains: Sequence[str]) -> None:
        """The names whose TLS-ALPN handshakes lead to cove itself."""
