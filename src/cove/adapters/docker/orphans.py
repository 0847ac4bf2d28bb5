"""Which requests Docker works on for clients that are gone. Imported inside `adapters.docker` only.

Docker carries out what it was asked for, whoever asked: a stop ends a container, with its grace,
long after the client was killed. Docker's API does not tell. The kernel does: Docker closes its
end of a connection when the answer is written, so an end whose other end is closed is a request
under way, and one in the listener's queue is a request that Docker has yet to read.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct

# From <linux/sock_diag.h>, <linux/unix_diag.h>, <linux/netlink.h>.
_NETLINK_SOCK_DIAG: Final = 4
_SOCK_DIAG_BY_FAMILY: Final = 20
_REQUEST_DUMP: Final = 0x301  # NLM_F_REQUEST | NLM_F_ROOT | NLM_F_MATCH
_ERROR, _DONE = 2, 3
_SHOW_VFS, _SHOW_QUEUE = 0x2, 0x10
_VFS, _QUEUE, _SHUTDOWN = 1, 4, 6
_ESTABLISHED, _LISTEN = 1, 10
_BOTH: Final = 3  # RCV_SHUTDOWN | SEND_SHUTDOWN: the other end is closed
_ANY_COOKIE: Final = 0xFFFFFFFF
_VFS_FORM: Final = struct.Struct("=II")
_HEADER, _ATTRIBUTE = struct.Struct("=IHHII"), struct.Struct("=HH")
_ASKED, _MESSAGE = struct.Struct("=BBHIIIII"), struct.Struct("=BBBBIII")
_BUFFER: Final = 1 << 16
_WITHIN: Final = 1.0  # seconds; the kernel answers at once


class Ends(Struct, frozen=True):
    """Docker's ends of the connections to its socket."""

    listens: bool  # whether the listening socket itself is seen
    waiting: int = 0  # connections that Docker has not taken yet
    orphaned: frozenset[int] = frozenset()  # inodes of those whose other end is closed


def orphaned_requests(path: str) -> Ends | None:
    """What Docker's socket looks like from the kernel's side.

    None where that cannot be seen: a kernel without `unix_diag`, or a Docker that listens in
    another network namespace.
    """
    try:
        file = Path(path).stat()
        found = ends(_dump(), file.st_ino, file.st_dev)
    except OSError:
        return None
    return found if found.listens else None


def ends(answer: bytes, inode: int, device: int) -> Ends:
    """From the kernel's messages, those of the socket file with this inode on this device.

    Raises OSError where the kernel has refused.
    """
    # As the kernel numbers them itself: 32 bits of the inode, 12 and 20 of the device.
    file = _VFS_FORM.pack(inode & 0xFFFFFFFF, os.major(device) << 20 | os.minor(device))
    listens, waiting, orphaned = False, 0, set[int]()
    for state, number, attributes in _sockets(answer):
        if attributes.get(_VFS) != file:
            continue
        if state == _LISTEN:
            listens = True
            waiting += struct.unpack_from("=I", attributes.get(_QUEUE, bytes(4)))[0]
        elif attributes.get(_SHUTDOWN, b"\0")[0] == _BOTH:
            orphaned.add(number)
    return Ends(listens, waiting, frozenset(orphaned))


def _dump() -> bytes:
    states = 1 << _ESTABLISHED | 1 << _LISTEN
    show = _SHOW_VFS | _SHOW_QUEUE
    asked = _ASKED.pack(socket.AF_UNIX, 0, 0, states, 0, show, _ANY_COOKIE, _ANY_COOKIE)
    header = _HEADER.pack(_HEADER.size + len(asked), _SOCK_DIAG_BY_FAMILY, _REQUEST_DUMP, 1, 0)
    found = b""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as link:
        link.settimeout(_WITHIN)
        link.send(header + asked)
        while True:
            part = link.recv(_BUFFER)
            found += part
            if any(kind in (_ERROR, _DONE) for kind, _ in _messages(part)):
                return found


def _messages(answer: bytes) -> Iterator[tuple[int, bytes]]:
    place = 0
    while place + _HEADER.size <= len(answer):
        length, kind, *_ = _HEADER.unpack_from(answer, place)
        if length < _HEADER.size:
            raise OSError("the kernel's answer cannot be read")
        yield kind, answer[place + _HEADER.size : place + length]
        place += _aligned(length)


def _sockets(answer: bytes) -> Iterator[tuple[int, int, Mapping[int, bytes]]]:
    for kind, body in _messages(answer):
        if kind == _ERROR:
            code = -struct.unpack_from("=i", body)[0]
            raise OSError(code, os.strerror(code))
        if kind == _SOCK_DIAG_BY_FAMILY:
            _, _, state, _, number, *_ = _MESSAGE.unpack_from(body)
            yield state, number, dict(_attributes(body[_MESSAGE.size :]))


def _attributes(body: bytes) -> Iterator[tuple[int, bytes]]:
    place = 0
    while place + _ATTRIBUTE.size <= len(body):
        length, kind = _ATTRIBUTE.unpack_from(body, place)
        if length < _ATTRIBUTE.size:
            return
        yield kind, body[place + _ATTRIBUTE.size : place + length]
        place += _aligned(length)


def _aligned(length: int) -> int:
    return (length + 3) & ~3
