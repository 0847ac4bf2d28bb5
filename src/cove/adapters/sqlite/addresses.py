"""Which address ranges apps get, and which addresses their replicas. Imported within the package.

Of an app's /26 the first address is the gateway, the rest of the lower half is given out here,
and the upper half is left to Docker's own dynamic addresses.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, ip_network
from itertools import chain

from cove.errors import InvalidFile, Refused

SUBNET_PREFIX = 26
_FIRST_STATIC, _LAST_STATIC = 2, 31
STATIC_ADDRESSES = _LAST_STATIC - _FIRST_STATIC + 1


def parse_pool(text: str) -> IPv4Network:
    """The range that apps' subnets are taken from; InvalidFile (`pool`) where it is not one."""
    try:
        pool = IPv4Network(text)
    except ValueError as error:
        raise InvalidFile(f"{text} is not an IPv4 range: {error}", code="pool") from error
    if pool.prefixlen > SUBNET_PREFIX:
        raise InvalidFile(
            f"{text} is too small: every app takes a /{SUBNET_PREFIX} of it", code="pool"
        )
    return pool


def free_subnet(pool: IPv4Network, recorded: Iterable[str], taken: Iterable[str]) -> str:
    """The first subnet of the pool that overlaps nothing; IPv6 ranges do not count.

    Raises Refused (`subnets-exhausted`).
    """
    networks = (ip_network(text, strict=False) for text in chain(recorded, taken))
    occupied = [n for n in networks if isinstance(n, IPv4Network) and n.overlaps(pool)]
    for subnet in pool.subnets(new_prefix=SUBNET_PREFIX):
        if not any(subnet.overlaps(other) for other in occupied):
            return str(subnet)
    raise Refused(
        f"every /{SUBNET_PREFIX} of the address pool {pool} is taken",
        code="subnets-exhausted",
        hint="remove an app or an unused Docker network, or give the agent a larger pool",
    )


def choose(db: sqlite3.Connection, app: str, subnet: str, count: int) -> list[str]:
    """Free addresses of the app, the never used and then the longest unused first.

    Raises Refused (`addresses-exhausted`).
    """
    rows = db.execute("SELECT address, release, freed FROM addresses WHERE app = ?", (app,))
    known = {row["address"]: row for row in rows}
    free = [a for a in _statics(subnet) if a not in known or known[a]["release"] is None]
    if count > len(free):
        raise _exhausted(app, count, len(free))
    free.sort(key=lambda address: known[address]["freed"] if address in known else 0)
    return free[:count]


def occupy(db: sqlite3.Connection, app: str, release: int, addresses: Iterable[str]) -> None:
    """Marks addresses as in use by a release."""
    db.executemany(
        "INSERT INTO addresses (app, address, release) VALUES (?, ?, ?)"
        " ON CONFLICT (app, address) DO UPDATE SET release = excluded.release",
        [(app, address, release) for address in addresses],
    )


def vacate(db: sqlite3.Connection, app: str, addresses: Iterable[str]) -> None:
    """Marks addresses as free, the first as the one freed longest ago; free ones stay as is."""
    for address in addresses:
        # A counter orders them, because the clock may be set back.
        db.execute(
            "UPDATE addresses SET release = NULL,"
            " freed = (SELECT max(freed) + 1 FROM addresses WHERE app = ?)"
            " WHERE app = ? AND address = ? AND release IS NOT NULL",
            (app, app, address),
        )


def held_by(db: sqlite3.Connection, app: str, release: int) -> list[str]:
    """The addresses in use by a release, in numerical order."""
    rows = db.execute("SELECT address FROM addresses WHERE app = ? AND release = ?", (app, release))
    return sorted((row["address"] for row in rows), key=IPv4Address)


def occupied(db: sqlite3.Connection, app: str) -> list[str]:
    """The addresses in use by any release of an app, in numerical order."""
    query = "SELECT address FROM addresses WHERE app = ? AND release IS NOT NULL"
    return sorted((row["address"] for row in db.execute(query, (app,))), key=IPv4Address)


def _statics(subnet: str) -> Sequence[str]:
    network = IPv4Network(subnet)
    return [str(network[i]) for i in range(_FIRST_STATIC, _LAST_STATIC + 1)]


def _exhausted(app: str, needed: int, free: int) -> Refused:
    return Refused(
        f"{app} needs {needed} addresses and has {free} free",
        code="addresses-exhausted",
        hint=f"use fewer replicas: an app has {STATIC_ADDRESSES} addresses, and a release "
        "shares them with the one it replaces",
    )
