"""Reading the kernel's socket tables (`/proc/net/tcp`, `tcp6`); pure functions over their text.

Only this package and its tests import it. The columns are described in the kernel's
Documentation/networking/proc_net_tcp.rst: slot, local address, remote address, state, queues,
timer, retransmits, uid, timeout, inode.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, NamedTuple

from cove.ports import Listener

_LOCAL: Final = 1
_REMOTE: Final = 2
_STATE: Final = 3
_UID: Final = 7
_INODE: Final = 9
_UNOWNED: Final = "0"  # the inode of a socket that no process holds any more

# include/net/tcp_states.h
_LISTEN: Final = "0A"
# What may still carry a request or its answer, seen from the dialling side:
#   01 ESTABLISHED
#   02 SYN_SENT    a request that waits for its connection
#   04 FIN_WAIT1,  05 FIN_WAIT2   our side has said all it will and reads on (half-closed)
#   08 CLOSE_WAIT  the container has said all it will and may read on
# Left out are the states in which both sides have closed: 06 TIME_WAIT, 09 LAST_ACK, 0B CLOSING.
_CARRYING: Final = frozenset({"01", "02", "04", "05", "08"})

_WORD: Final = 4  # addresses are printed as 32-bit words in the machine's own byte order
_MAPPED: Final = bytes(10) + b"\xff\xff"  # ::ffff:0:0/96, RFC 4291, 2.5.5.2


class Socket(NamedTuple):
    """A listening socket and the inode by which its holders know it."""

    listener: Listener
    inode: str


def encode(address: str, port: int) -> frozenset[str]:
    """The forms in which the tables print an endpoint: an IPv4 one may also appear mapped.

    Raises ValueError unless `address` is numeric.
    """
    packed = ip_address(address).packed
    forms = [packed, _MAPPED + packed] if len(packed) == _WORD else [packed]
    return frozenset(f"{_hex(form)}:{port:04X}" for form in forms)


def count(table: str, remotes: frozenset[str]) -> int:
    """How many connections to any of the encoded endpoints may still carry something.

    A socket no process holds does not count: whoever dialled has closed it and reads no answer,
    and the kernel may keep it for minutes when the other end is gone.
    """
    return sum(
        fields[_REMOTE] in remotes and fields[_STATE] in _CARRYING and fields[_INODE] != _UNOWNED
        for fields in _rows(table)
    )


def listening(table: str) -> Iterator[Socket]:
    """The sockets of one table that wait for connections."""
    for fields in _rows(table):
        if fields[_STATE] == _LISTEN:
            address, _, port = fields[_LOCAL].partition(":")
            yield Socket(Listener(_decode(address), int(port, 16)), fields[_INODE])


def owners(tables: Iterable[str], port: int) -> frozenset[int]:
    """The numbers of the users who listen on a port, whatever the address."""
    listeners = (row for table in tables for row in _rows(table) if row[_STATE] == _LISTEN)
    ending = f":{port:04X}"
    return frozenset(int(row[_UID]) for row in listeners if row[_LOCAL].endswith(ending))


def holders(tables: Iterable[str], port: int) -> frozenset[str]:
    """The inodes of the sockets that listen on a port, whatever the address."""
    return frozenset(
        socket.inode
        for table in tables
        for socket in listening(table)
        if socket.listener.port == port
    )


def _rows(table: str) -> Iterator[list[str]]:
    for line in table.splitlines()[1:]:  # the first names the columns
        fields = line.split(None, _INODE + 1)
        if len(fields) > _INODE:
            yield fields


def _hex(packed: bytes) -> str:
    words = (packed[i : i + _WORD] for i in range(0, len(packed), _WORD))
    return "".join(f"{int.from_bytes(word, sys.byteorder):08X}" for word in words)


def _decode(text: str) -> str:
    size = 2 * _WORD
    words = (int(text[i : i + size], 16) for i in range(0, len(text), size))
    packed = b"".join(word.to_bytes(_WORD, sys.byteorder) for word in words)
    if packed.startswith(_MAPPED) and len(packed) > _WORD:
        packed = packed[len(_MAPPED) :]
    return str(IPv4Address(packed) if len(packed) == _WORD else IPv6Address(packed))
