"""A board as JSON, and its incidents as an Atom feed. Pure. Imported in this package."""

from __future__ import annotations

from html import escape
from typing import Any, Final

import msgspec

from cove.model.statuspage import Board, Incident, Part
from cove.observation.statuspage import words

VERSION: Final = 1  # of the JSON document
MOST_INCIDENTS: Final = 100
MOST_ENTRIES: Final = 30
_PLACES: Final = 5  # of a share; a second of a day is 0.00001


def document(board: Board) -> bytes:
    """The JSON document. Times are seconds since the epoch, shares from 0 to 1."""
    return msgspec.json.encode(
        {
            "version": VERSION,
            "title": board.title,
            "url": board.url,
            "at": int(board.at),
            "level": board.level,
            "summary": words.together(board.level, board.components),
            "services": [
                {**_part(one), "routes": [_part(route) for route in one.routes]}
                for one in board.components
            ],
            "incidents": [_incident(one) for one in board.incidents[:MOST_INCIDENTS]],
            "maintenance": board.maintenance,
        }
    )


def _part(part: Part) -> dict[str, Any]:
    return {
        "name": part.name,
        "level": part.level,
        "availability": {span: _rounded(share) for span, share in part.availability.items()},
        "days": [_rounded(share) for share in part.days],
    }


def _rounded(share: float | None) -> float | None:
    """Downwards: an outage must be seen."""
    return None if share is None else int(share * 10**_PLACES) / 10**_PLACES


def _incident(one: Incident) -> dict[str, Any]:
    return {
        "id": one.id,
        "service": one.name,
        "began": int(one.began),
        "ended": int(one.ended) if one.ended else None,
        "whole": one.whole,
        "routes": one.routes,
        "maintenance": one.maintenance,
    }


def feed(board: Board) -> bytes:
    """The newest incidents (RFC 4287). An incident that ends is the same entry, updated."""
    entries = board.incidents[:MOST_ENTRIES]
    newest = max((one.ended or one.began for one in entries), default=board.at)
    url = escape(board.url)
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom">'
        f"<title>{escape(board.title)}</title><id>{url}</id>"
        f'<link href="{url}"/><link rel="self" href="{url}feed.atom"/>'
        f"<updated>{words.machine(newest)}</updated><author><name>{escape(board.title)}</name>"
        "</author>" + "".join(_entry(one, url) for one in entries) + "</feed>\n"
    ).encode()


def _entry(one: Incident, url: str) -> str:
    began, ended = words.moment(one.began), words.moment(one.ended) if one.ended else ""
    took = f", {words.duration(one, one.ended)}" if one.ended else ""
    text = f"From {began} UTC" + (f" to {ended} UTC{took}." if ended else "; it is not over.")
    about = f" {', '.join(one.routes)}" if one.routes else ""
    title = f"{one.name}: {words.happened(one).lower()}{took}"
    return (
        f"<entry><title>{escape(title)}</title><id>{url}#i-{one.id}</id>"
        f'<link href="{url}#i-{one.id}"/><published>{words.machine(one.began)}</published>'
        f"<updated>{words.machine(one.ended or one.began)}</updated>"
        f"<content>{escape(text + about)}</content></entry>"
    )
