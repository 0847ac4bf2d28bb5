"""What the server adds to the reading of an app file. Used by this package, made by its callers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple


class Server(NamedTuple):
    """The machine an app file is read on.

    `folder` is where the file lies on that machine, empty for a file from elsewhere. `granted`
    tells the powers over the host that its owner has given an app, as `cove allow` spells them.
    """

    folder: str
    granted: Callable[[str], frozenset[str]]


ELSEWHERE: Final = Server("", lambda _: frozenset())
