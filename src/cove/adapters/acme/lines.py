"""What the agent and the child that speaks to an authority say to each other, a line each.

Shared by both sides, so nothing heavy is imported here.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from cove.model.certificates import Challenge, Order, Outcome

LIVE: Final = b"live\n"  # the agent's answer to `Present`
LONGEST: Final = 1 << 20  # bytes of one line; a chain is some kilobytes


class Account(Struct, frozen=True, kw_only=True):
    """An account at one authority: its key as a JWK, and its address there."""

    key: str
    uri: str = ""


class Request(Struct, frozen=True, kw_only=True):
    """The one line the agent begins with."""

    order: Order
    account: Account | None
    agent: str  # how cove calls itself to the authority


class Present(Struct, frozen=True, tag="present"):
    """The challenge must be answered publicly before the child goes on."""

    challenge: Challenge


class Registered(Struct, frozen=True, tag="registered"):
    """The account is known to the authority; it is to be kept."""

    account: Account


class Ended(Struct, frozen=True, tag="ended"):
    """The last line."""

    outcome: Outcome


Said = Present | Registered | Ended
