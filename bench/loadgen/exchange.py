"""One request under way, what counts as a correct answer, and how errors are named.

For the connections and the pools of bench/loadgen; imports nothing of cove.
"""

from __future__ import annotations

import abc
import asyncio
import errno
import json
import select
import ssl
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.loadgen.plan import Template

    Ended = Callable[["Exchange", str], None]  # with the failure's reason, "" for success


class Connection(asyncio.Protocol, abc.ABC):
    """What carries exchanges."""

    @abc.abstractmethod
    def abandon(self, exchange: Exchange) -> None:
        """Stop waiting for the answer; the exchange has ended already."""

    @abc.abstractmethod
    def close(self) -> None:
        """Close at once."""


class Exchange:
    """One request and its answer. `due` is a time of the event loop's clock, in seconds."""

    __slots__ = ("connection", "due", "ended", "template", "version")

    def __init__(self, template: Template, due: float) -> None:
        """Begin unsent."""
        self.template = template
        self.due = due
        self.version = ""
        self.ended = False
        self.connection: Connection | None = None


def verdict(template: Template, status: int, body: bytes | bytearray) -> str:
    """Return why a whole answer is a failure, "" when it is right."""
    if status != 200:
        return str(status)
    if not template.digest:
        return "" if body else "wrong body"
    try:
        answer = json.loads(body)
    except ValueError:
        return "wrong body"
    expected = {"length": len(template.body), "sha256": template.digest}
    return "" if answer == expected else "wrong body"


NAMES: tuple[tuple[type[BaseException], str], ...] = (
    (ConnectionRefusedError, "refused"),
    (ConnectionError, "reset"),
    (ssl.SSLError, "tls"),
    (TimeoutError, "timeout"),
)


def name_of(error: BaseException | None) -> str:
    """Return the name under which the end of a connection is counted."""
    if error is None:
        return "eof"
    for kind, name in NAMES:
        if isinstance(error, kind):
            return name
    number = error.errno if isinstance(error, OSError) else None
    return errno.errorcode.get(number or 0, "connection")


class ClosedByPeer:
    """Tells whether the other side has closed, even before the event loop noticed.

    A request must not be written on such a connection; it would count as a failure of a
    server that did nothing wrong.
    """

    def __init__(self, transport: asyncio.BaseTransport) -> None:
        """Watch a connected transport."""
        self._poll = select.poll()
        self._poll.register(transport.get_extra_info("socket").fileno(), select.POLLRDHUP)

    def __call__(self) -> bool:
        """Return True once the peer's end of stream or a reset has arrived."""
        return bool(self._poll.poll(0))
