"""How an endpoint is declared: its handler's docstring is its summary in the OpenAPI document.

Imported inside `cove.agent.api`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, TypeVar

import msgspec
from aiohttp import web
from msgspec import Struct

from cove.agent.api.answers import Handler

T = TypeVar("T")
_MARK = "_cove_endpoint"
LARGEST: Final = 2**53  # the largest whole number that JSON carries safely, RFC 8259, 6
_LATEST: Final = 1e11  # seconds since the epoch; Docker reads no time far beyond
_WHOLE: Final = re.compile(r"-?[0-9]{1,16}", re.ASCII)
_TIME: Final = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,20})?", re.ASCII)


class Endpoint(Struct, frozen=True, kw_only=True):
    """One endpoint. `answer` maps the body's keys to types; the key "" means the whole body."""

    method: str
    path: str
    summary: str
    answer: dict[str, Any]
    body: Any
    streams: bool
    text: bool  # plain text instead of JSON
    name: str


def endpoint(
    method: str,
    path: str,
    answer: dict[str, Any] | None = None,
    *,
    body: Any = None,
    streams: bool = False,
    text: bool = False,
) -> Callable[[T], T]:
    """Declares a method of a group as the handler of one path."""

    def mark(function: T) -> T:
        summary = (getattr(function, "__doc__", "") or "").partition("\n")[0].rstrip(".")
        found = Endpoint(
            method=method,
            path=path,
            summary=summary,
            answer=answer or {},
            body=body,
            streams=streams,
            text=text,
            name=getattr(function, "__name__", ""),
        )
        setattr(function, _MARK, found)
        return function

    return mark


def endpoints_of(group: object) -> list[tuple[Endpoint, Handler]]:
    """The endpoints a group declares, with their bound handlers."""
    members = (getattr(group, name) for name in vars(type(group)))
    return [(getattr(m, _MARK), m) for m in members if hasattr(m, _MARK)]


async def read_body(request: web.Request, kind: type[T]) -> T:
    """The request's JSON as a struct; an empty body means its defaults. Raises msgspec errors."""
    return msgspec.json.decode(await request.read() or b"{}", type=kind)


def whole(request: web.Request, key: str, usual: int, *, least: int = 0) -> int:
    """A whole number of the query. Raises ValueError for anything else."""
    text = request.query.get(key, str(usual))
    if not _WHOLE.fullmatch(text) or not least <= int(text) <= LARGEST:
        raise ValueError(f"{key} must be a whole number from {least}")
    return int(text)


def nanoseconds(request: web.Request, key: str) -> int:
    """A time of the query in seconds, as nanoseconds, exactly; 0 without one. Raises ValueError."""
    seconds(request, key)
    whole_part, _, fraction = request.query.get(key, "0").partition(".")
    return int(whole_part) * 1_000_000_000 + int(fraction[:9].ljust(9, "0"))


def flag(request: web.Request, key: str) -> bool:
    """A switch of the query, on for 1. Raises ValueError for anything but 0 and 1."""
    text = request.query.get(key, "0")
    if text not in ("0", "1"):
        raise ValueError(f"{key} must be 0 or 1")
    return text == "1"


def seconds(request: web.Request, key: str) -> float:
    """A time of the query, in seconds since the epoch; 0 without one. Raises ValueError."""
    text = request.query.get(key, "0")
    found = float(text) if _TIME.fullmatch(text) else -1.0
    if not 0 <= found <= _LATEST:
        raise ValueError(f"{key} must be seconds since the epoch")
    return found
