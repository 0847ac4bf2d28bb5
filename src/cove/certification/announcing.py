"""What the proxy is told: the pairs that lie ready, and whose handshakes lead to cove.

Imported inside `cove.certification`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from cove.certification.parts import CertParts
from cove.model.certificates import CertSource
from cove.model.names import file_stem

_IN_FILES: Final[tuple[CertSource, ...]] = ("acme", "own")


class Announcer:
    """Remembers what was told, and tells only what has changed."""

    def __init__(self, parts: CertParts) -> None:
        self._parts = parts
        self._listed: tuple[tuple[str, str], ...] | None = None
        self._led: tuple[str, ...] | None = None

    def publish(self, *, again: bool = False) -> None:
        """Lists the pairs, where that or one of them has changed; `again`: in any case."""
        files = self._parts.files
        pairs = [(file_stem(f.domain), f.fingerprint) for f in self._parts.local.listing()]
        for source in _IN_FILES:
            pairs += [(files.stem(source, f), f.fingerprint) for f in files.listing(source)]
        listed = tuple(sorted(pairs))
        if again or listed != self._listed:
            self._parts.proxy.certify([stem for stem, _ in listed])
            self._listed = listed

    def lead(self, domains: Iterable[str]) -> None:
        """The names whose TLS-ALPN handshakes come to cove itself."""
        led = tuple(sorted(domains))
        if led != self._led:
            self._parts.proxy.lead_challenges(led)
            self._led = led
