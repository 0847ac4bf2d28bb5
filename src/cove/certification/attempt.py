"""One attempt at one public name: the gate, the order, the look at what is served.

Imported inside `cove.certification`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from cove.certification.parts import CertParts
from cove.model.certificates import AcmeSettings, CertFacts, Challenge, Order, Outcome
from cove.model.names import is_wildcard

_log = logging.getLogger(__name__)
_SERVED_WITHIN = 5.0  # seconds after the list was written; it takes a tenth of one
_LOOKS = 2
_POLL = 0.2


class Attempt:
    """With the settings as they were when it began; `slots` bounds the orders at once."""

    def __init__(self, parts: CertParts, settings: AcmeSettings, slots: asyncio.Semaphore) -> None:
        self._parts = parts
        self._settings = settings
        self._slots = slots

    async def gate(self, domain: str) -> str:
        """Why the name does not reach this server; empty when it does or nobody asks."""
        if is_wildcard(domain) or not self._settings.gate:
            return ""
        return await self._parts.public.reaches(domain, self._settings)

    async def order(self, domain: str) -> Outcome:
        """Puts the name to the authority."""
        async with self._slots:
            try:
                return await self._parts.issuer.issue(
                    Order(domain=domain, settings=self._settings), self._present
                )
            finally:
                self._parts.public.withdraw(domain)

    async def confirm(self, facts: CertFacts, again: Callable[[], None]) -> None:
        """Looks by a handshake whether the proxy serves the certificate; else has it told again."""
        clock = asyncio.get_running_loop().time
        for _ in range(_LOOKS):
            deadline = clock() + _SERVED_WITHIN
            while clock() < deadline:
                if await self._parts.public.served(facts.domain) == facts.fingerprint:
                    return
                await asyncio.sleep(_POLL)
            again()
        _log.warning("the proxy does not serve the certificate it was given for %s", facts.domain)

    async def _present(self, challenge: Challenge) -> None:
        await self._parts.public.present(challenge)
