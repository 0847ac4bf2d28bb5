"""What services write, as it is kept and searched. Any layer may import it.

Times are nanoseconds since the epoch, as Docker tells them.
"""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

Stream = Literal["stdout", "stderr"]
Level = Literal["", "trace", "debug", "info", "warn", "error", "fatal"]
LEVELS: Final[tuple[Level, ...]] = ("", "trace", "debug", "info", "warn", "error", "fatal")
# cove's own, beside the apps'; no app's name begins so
PROXY_APP: Final = "_proxy"
AGENT_APP: Final = "_agent"
ACCESS: Final = "access"  # the proxy's lines about requests, apart from what it says of itself


class Source(Struct, frozen=True, kw_only=True, gc=False):
    """Where a record comes from. Equal sources are one stream of one container."""

    app: str
    service: str  # as the file calls it, in every release
    release: int = 0  # 0: no release owns it
    container: str = ""  # Docker's id
    name: str = ""  # the Compose service, which tells replicas apart
    stream: Stream = "stdout"


class Record(Struct, frozen=True, gc=False):
    """One logical line: a stack trace is one, its lines joined by newlines.

    There are tens of thousands at times, and nothing in them leads back to them: Python's search
    for cycles leaves them out.
    """

    at: int
    source: Source
    text: str
    level: int = 0  # an index of LEVELS; 0: it says none
    # In answers alone. 0: a hit; -2: the second of its stream before the hit it follows; 2: after
    context: int = 0


class Cursor(Struct, frozen=True):
    """How far one stream of a container is kept: to `last`, and how many lines of just then.

    Docker gives several lines the same time, and is asked again from a time on, inclusive.
    """

    container: str
    stream: Stream
    last: int
    count: int  # lines as Docker counts them, not records


class LogQuery(Struct, frozen=True, kw_only=True):
    """Which records are asked for; an empty field asks for all."""

    app: str = ""
    service: str = ""
    release: int = 0
    container: str = ""
    stream: Stream | Literal[""] = ""
    level: int = 0  # the least
    since: int = 0  # inclusive
    until: int = 0  # exclusive; 0: no end
    text: str = ""
    regex: bool = False  # `text` is a regular expression: model/expressions.py
    # `text` stands alone: beside it is no letter, digit or underscore, nor any other but ASCII
    word: bool = False
    ignore_case: bool = False  # ASCII letters of a plain text; all letters of a regular expression
    limit: int = 0  # records; 0: no limit
    before: int = 0  # records of context before each hit, of its own stream
    after: int = 0
    # Of the proxy's lines those about one app's requests; goes with its app and service alone.
    requests_of: str = ""
    apps_only: bool = False  # of what comes: none of cove's own lines and of the proxy's


class LogCount(Struct, frozen=True):
    """How many records of a level a service wrote in one minute."""

    minute: int  # minutes since the epoch
    service: str
    level: int
    records: int
    app: str = ""


class LogService(Struct, frozen=True, kw_only=True):
    """One service of which records are kept, its app perhaps removed since."""

    app: str
    service: str
    first: int
    last: int
    records: int
    raw: int  # bytes as written
    stored: int  # bytes as kept


class LogPolicy(Struct, frozen=True, kw_only=True):
    """How long and how much is kept; whatever limit is reached first counts."""

    days: float = 30.0
    total: int = 2 << 30  # bytes on disk
    per_app: int = 1 << 30  # bytes on disk
    share: float = 0.5  # of what the store and the free disk are together, at most
