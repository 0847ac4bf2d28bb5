"""A board as HTML. Pure. Imported in this package.

No script, no font, no image and no style from elsewhere. Every text is escaped, and the policy of
`POLICY` would keep one that was not from doing anything.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Final

from cove.model.statuspage import DAYS, Announcement, Board, Component, Incident, Part
from cove.observation.statuspage import words
from cove.observation.statuspage.style import HASH, STYLE

POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{HASH}'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
MOST_INCIDENTS: Final = 20
_GOOD, _FAIR = 0.999, 0.98  # as in `cove uptime`
_UNIT: Final = 4  # of a bar and the gap after it
_HEIGHT: Final = 32
_HEIGHTS: Final = {"g": 32, "f": 24, "b": 16, "n": 6}  # as in the style sheet
_SPANS: Final = {"24h": "24 hours", "7d": "7 days", "30d": "30 days", "90d": "90 days"}
_KEY: Final = {
    "g": "99.9 % and more",
    "f": "98 % and more",
    "b": "less",
    "n": "not watched",
}
_ICON: Final = {
    "operational": "2da160",
    "degraded": "d98a12",
    "down": "d6404a",
    "maintenance": "3c78d8",
}
_e = html.escape


def page(board: Board) -> str:
    """The whole document."""
    said = words.together(board.level, board.components)
    title = _e(board.title)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{_e(said)} · {title}</title>"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f'<link rel="icon" href="{_icon(board)}">'
        f'<link rel="alternate" type="application/atom+xml" title="{title}" href="feed.atom">'
        f"<style>{STYLE}</style></head>\n<body><header><h1>{title}</h1>"
        f'<p class="all {board.level}">{_e(said)}</p>'
        f"<p class=dim>As of {_time(board.at)}. All times are in UTC.</p></header>\n<main>"
        + "\n".join(filter(None, (_services(board), _maintenance(board), _incidents(board))))
        + '</main>\n<footer><p>Availability is the time up, of the time watched. <a href="feed.atom'
        '">Feed</a> · <a href="status.json">JSON</a></p></footer></body></html>\n'
    )


def _icon(board: Board) -> str:
    colour = _ICON.get(board.level, "8a939c")
    return (
        "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 8 8'%3E"
        f"%3Ccircle cx='4' cy='4' r='4' fill='%23{colour}'/%3E%3C/svg%3E"
    )


def _time(at: float) -> str:
    return f'<time datetime="{words.machine(at)}">{words.moment(at)}</time>'


def _services(board: Board) -> str:
    if not board.components:
        return ""
    shown = "".join(_service(component) for component in board.components)
    return f"<section><h2>Services</h2><ul class=list>{shown}</ul>{_key()}</section>"


def _service(one: Component) -> str:
    return (
        f"<li><div class=head><h3>{_e(one.name)}</h3>{_state(one)}</div>{_routes(one.routes)}"
        f"{_bars(one.days)}"
        f'<div class="ends dim"><span>{DAYS} days ago</span><span>Today</span></div>'
        f"{_figures(one)}</li>"
    )


def _state(part: Part) -> str:
    return f'<span class="state {part.level}">{words.LEVELS[part.level]}</span>'


def _figures(part: Part) -> str:
    pairs = (
        f"<div><dt>{text}</dt><dd>{words.share(part.availability.get(span))}</dd></div>"
        for span, text in _SPANS.items()
    )
    return f"<dl>{''.join(pairs)}</dl>"


def _routes(routes: Sequence[Part]) -> str:
    if not routes:
        return ""
    if len(routes) == 1:  # the service's state is its own
        return f"<p class=dim>{_e(routes[0].name)}</p>"
    shown = "".join(
        f"<li class=head><span>{_e(route.name)}</span>{_state(route)}</li>" for route in routes
    )
    return f"<ul class=routes>{shown}</ul>"


def _bars(days: Sequence[float | None]) -> str:
    """A bar for each day; days alike are one dashed line, which keeps the page small."""
    paths, at = [], 0
    for kind, group in groupby(days, key=_kind):
        length = len(list(group))
        paths.append(_path(kind, at * _UNIT, length * _UNIT))
        at += length
    width = len(days) * _UNIT - 1
    return (
        f'<svg role=img aria-label="{_spoken(days)}" viewBox="0 0 {width} {_HEIGHT}" '
        f'preserveAspectRatio="none">{"".join(paths)}</svg>'
    )


def _path(kind: str, at: int, length: int) -> str:
    middle = _HEIGHT - _HEIGHTS[kind] // 2
    return f'<path class={kind} d="M{at} {middle}h{length}"/>'


def _kind(share: float | None) -> str:
    if share is None:
        return "n"
    return "g" if share >= _GOOD else "f" if share >= _FAIR else "b"


def _spoken(days: Sequence[float | None]) -> str:
    kinds = [_kind(share) for share in days]
    counts = ((kinds.count(kind), text) for kind, text in _KEY.items())
    said = ", ".join(f"{count} {text}" for count, text in counts if count)
    return f"Availability on each of {len(days)} days: {said}"


def _key() -> str:
    marks = "".join(
        f'<span><svg aria-hidden=true viewBox="0 0 3 {_HEIGHT}" preserveAspectRatio="none">'
        f"{_path(kind, 0, 3)}</svg>{text}</span>"
        for kind, text in _KEY.items()
    )
    return f'<div class="key dim"><span>Available on a day:</span>{marks}</div>'


def _maintenance(board: Board) -> str:
    if not board.maintenance:
        return ""
    shown = "".join(_announcement(one) for one in board.maintenance)
    return f"<section><h2>Maintenance</h2><ul class=list>{shown}</ul></section>"


def _announcement(one: Announcement) -> str:
    about = ", ".join(one.names) or "All services"
    state = "Under way" if one.open else "Planned"
    level = "maintenance" if one.open else "paused"
    when = f"Until {_time(one.ends)}" if one.open else f"Next: {_time(one.begins)}"
    return (
        f'<li><div class=head><h3>{_e(about)}</h3><span class="state {level}">{state}</span>'
        f"</div><p class=dim>{words.weekly(one)}. {when}</p></li>"
    )


def _incidents(board: Board) -> str:
    shown = board.incidents[:MOST_INCIDENTS]
    if not shown:
        body = f"<p class=dim>None in {DAYS} days.</p>" if board.components else ""
        return f"<section><h2>Incidents</h2>{body}</section>" if body else ""
    more = len(board.incidents) - len(shown)
    note = f"<p class=dim>And {more} before.</p>" if more else ""
    items = "".join(_incident_items(shown, board.at))
    return f"<section><h2>Incidents</h2><ul class=list>{items}</ul>{note}</section>"


def _incident_items(incidents: Iterable[Incident], now: float) -> Iterator[str]:
    for one in incidents:
        level = "down" if not one.ended else "paused"
        until = f" to {_until(one)}" if one.ended else ""
        about = f"<p class=dim>{_e(', '.join(one.routes))}</p>" if one.routes else ""
        yield (
            f'<li id="i-{one.id}"><div class=head><h3>{_e(one.name)}: '
            f'{words.happened(one).lower()}</h3><span class="state {level}">'
            f"{words.duration(one, now)}</span></div>"
            f"<p class=dim>{_time(one.began)}{until}</p>{about}</li>"
        )


def _until(one: Incident) -> str:
    """Only the time of day where it ended on the day it began."""
    began, ended = words.moment(one.began), words.moment(one.ended)
    shown = ended.partition(" ")[2] if began[:10] == ended[:10] else ended
    return f'<time datetime="{words.machine(one.ended)}">{shown}</time>'
