"""When something is due: renewals, and the next try after a failure. Pure.

Imported inside `cove.certification`. All times are seconds since the epoch.
"""

from __future__ import annotations

import zlib
from typing import Final

from cove.model.certificates import CertFacts
from cove.model.names import covers

# The gate costs the authority nothing, so it is tried for ever: soon after a deploy, when the
# proxy or the DNS may just be changing, then at a steady pace.
_GATE: Final = (1.0, 2.0, 5.0, 10.0)
_GATE_STEADY: Final = 24.0
_GATE_SPREAD: Final = 6.0
# Let's Encrypt allows 5 failed validations per name and hour: these make 3 in the first hour.
_AUTHORITY: Final = (300.0, 900.0, 3600.0, 3 * 3600.0, 6 * 3600.0, 12 * 3600.0)
_RENEW_LEFT: Final = 1 / 3  # of the lifetime
_RENEW_SPREAD: Final = 1 / 20  # of the lifetime, so that not all names come at once
_SPREAD: Final = 1 << 32


def renewal_at(facts: CertFacts) -> float:
    """When a certificate is to be renewed: a third of its life before its end, or a bit earlier."""
    lifetime = facts.not_after - facts.not_before
    return facts.not_after - lifetime * (_RENEW_LEFT + _RENEW_SPREAD * _chance(facts.fingerprint))


def gate_pause(tries: int, domain: str) -> float:
    """Seconds until the gate is tried again, after so many tries in a row."""
    if tries <= len(_GATE):
        return _GATE[max(tries, 1) - 1]
    return _GATE_STEADY + _GATE_SPREAD * _chance(f"{domain} {tries}")


def authority_pause(failures: int, asked: float = 0.0) -> float:
    """Seconds until the authority is asked again, after so many failures in a row.

    `asked` is how long it said it wants to be left alone.
    """
    return max(_AUTHORITY[min(max(failures, 1), len(_AUTHORITY)) - 1], asked)


def unfit(facts: CertFacts, domain: str, now: float) -> str:
    """Why a certificate that just came is not what was ordered; empty when it is.

    One that would be due at once must not make a circle of orders.
    """
    if not any(covers(name, domain) for name in facts.names):
        return f"the authority's certificate is for {', '.join(facts.names) or 'nobody'}"
    if facts.not_after <= now or renewal_at(facts) <= now:
        return "the authority's certificate has ended already, or nearly: is the clock right?"
    return ""


def _chance(seed: str) -> float:
    """A number from 0 to 1 that stays the same, so that a restart changes no appointment."""
    return zlib.crc32(seed.encode()) / _SPREAD
