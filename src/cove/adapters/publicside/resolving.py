"""From a public name to addresses, and whether they are this machine's.

Imported inside `cove.adapters.publicside`. The DNS library is loaded on first use: a server that
asks its system's resolver never pays for it.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from ipaddress import ip_address
from typing import Any, Final

from cove.model.certificates import split_server

_LIMIT: Final = 10.0  # seconds
# Addresses for documentation (RFC 5737, RFC 3849): nothing is sent, only a route is chosen.
_SOMEWHERE: Final = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))


class Unresolved(Exception):
    """A name has no address; says why."""


async def addresses(name: str, server: str) -> tuple[str, ...]:
    """The name's addresses, IPv4 first, from the system's resolver or from `server`.

    Raises Unresolved.
    """
    found = await (_from_server(name, server) if server else _from_system(name))
    if not found:
        raise Unresolved(f"{name} has no address in the DNS")
    return tuple(sorted(dict.fromkeys(found), key=lambda a: ip_address(a).version))


async def _from_system(name: str) -> list[str]:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(_LIMIT):
            found = await loop.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except TimeoutError:
        raise Unresolved(f"the DNS gave no answer for {name} within {_LIMIT:g} s") from None
    except (socket.gaierror, UnicodeError):
        raise Unresolved(f"{name} has no address in the DNS") from None
    return [str(entry[4][0]).partition("%")[0] for entry in found]


async def _from_server(name: str, server: str) -> list[str]:
    import dns.asyncresolver  # noqa: PLC0415 - see the module
    import dns.exception  # noqa: PLC0415
    import dns.resolver  # noqa: PLC0415

    resolver = dns.asyncresolver.Resolver(configure=False)
    address, resolver.port = split_server(server)
    resolver.nameservers = [address]
    found: list[str] = []
    refused: Any = None
    for kind in ("A", "AAAA"):
        try:
            answer = await resolver.resolve(name, kind, lifetime=_LIMIT, raise_on_no_answer=False)
        except dns.resolver.NXDOMAIN:
            break
        except dns.exception.DNSException as error:
            refused = error
            continue
        found += [str(data.address) for data in answer]
    if refused is not None and not found:
        raise Unresolved(f"the DNS server {server} gave no answer for {name}")
    return found


def is_own(address: str) -> bool:
    """Whether this machine has the address: only then can a socket be bound to it."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
    except OSError:
        return False
    return True


def own_addresses() -> tuple[str, ...]:
    """The addresses that this machine sends from."""
    found = []
    for family, somewhere in _SOMEWHERE:
        with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((somewhere, 9))
            found.append(str(probe.getsockname()[0]))
    return tuple(found)
