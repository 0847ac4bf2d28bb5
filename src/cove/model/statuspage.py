"""Public status pages: what the owner has decided, and what the public is told.

Any layer may import it. Times are seconds since the epoch, shares are from 0 to 1.
"""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

# Worse ones last. `paused`: the owner has stopped it. `unknown`: nobody has looked for a while.
Level = Literal["operational", "paused", "unknown", "maintenance", "degraded", "down"]
DEFAULT_TITLE: Final = "Status"
DAYS: Final = 90


class ShownApp(Struct, frozen=True, kw_only=True):
    """An app on a page, and what the page calls it; an empty label: by its own name."""

    app: str
    label: str = ""


class StatusPage(Struct, frozen=True, kw_only=True):
    """A page under a domain of its own, which no app can have."""

    domain: str
    title: str = ""  # empty: `DEFAULT_TITLE`
    apps: tuple[ShownApp, ...] = ()  # in this order
    every: bool = False  # and every other app, by name, those to come included
    domains: bool = False  # whether each app's domains and paths are named
    maintenance: bool = False  # whether weekly maintenance windows are announced


class Part(Struct, frozen=True, kw_only=True):
    """A service, or one of its routes, as the public sees it."""

    name: str
    level: Level
    availability: dict[str, float | None]  # "24h", "7d", "30d", "90d"; None: nobody looked
    days: tuple[float | None, ...]  # `DAYS` of them, oldest first, today last


class Component(Part, frozen=True, kw_only=True):
    """A service with its routes, where those are named."""

    routes: tuple[Part, ...] = ()


class Incident(Struct, frozen=True, kw_only=True):
    """A time in which a service, or a part of it, did not answer; `ended` 0: it is not over."""

    id: str
    name: str
    began: float
    ended: float
    whole: bool  # whether nothing of the service answered at some moment
    routes: tuple[str, ...] = ()  # where they are named
    maintenance: bool = False  # whether it began in an announced window


class Announcement(Struct, frozen=True, kw_only=True):
    """A weekly window, in UTC. `begins` and `ends` are those of the present or next time."""

    names: tuple[str, ...]  # empty: everything on the page
    days: tuple[int, ...]  # 0 is Monday; empty: every day
    start: int  # minutes after midnight
    minutes: int
    begins: float
    ends: float
    open: bool


class Board(Struct, frozen=True, kw_only=True):
    """Everything a page tells. Nothing else of the server can be in any of its forms."""

    title: str
    url: str
    at: float  # when this was put together
    level: Level
    components: tuple[Component, ...]
    incidents: tuple[Incident, ...]  # newest first
    maintenance: tuple[Announcement, ...]  # the next first


class Content(Struct, frozen=True, kw_only=True):
    """One rendered document. `headers` are whole lines, without a line end."""

    media: str
    body: bytes
    packed: bytes  # the same, compressed by gzip
    etag: str
    headers: tuple[str, ...] = ()


class StatusPageView(Struct, frozen=True, kw_only=True):
    """A page as its owner sees it."""

    domain: str
    url: str
    title: str
    apps: tuple[ShownApp, ...]  # as they were chosen
    every: bool
    domains: bool
    maintenance: bool
    shown: tuple[str, ...]  # the names that it shows now
    missing: tuple[str, ...]  # chosen apps that are not there
    certified: bool  # whether it ever had a certificate; `cove certs` says why not
