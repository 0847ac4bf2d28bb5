"""Times, sizes and durations as people read and write them. Pure; the CLI's modules import it."""

from __future__ import annotations

import re
from datetime import datetime

from cove.errors import InvalidFile

_UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
_SECONDS = dict(_UNITS)
_CONTROL = re.compile(
    r"\x1b\[[0-9;]*m|\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|"
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f]|[\u202a-\u202e\u2066-\u2069]"
)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_PLAIN = "\x1b[0m"


def ago(moment: float, now: float) -> str:
    """How long ago, coarsely: `12 s ago`, `5 min ago`, `3 h ago`, `2 days ago`."""
    if not moment:
        return ""
    seconds = max(0, int(now - moment))
    if seconds < 60:
        return f"{seconds} s ago"
    if seconds < 3600:
        return f"{seconds // 60} min ago"
    if seconds < 2 * 86400:
        return f"{seconds // 3600} h ago"
    return f"{seconds // 86400} days ago"


def elapsed(seconds: float) -> str:
    """A duration as an operation shows it: `0.8s`, `42s`, `3m05s`."""
    if seconds < 10:
        return f"{seconds:.1f}s"
    whole = int(seconds)
    return f"{whole}s" if whole < 60 else f"{whole // 60}m{whole % 60:02}s"


def took(seconds: float) -> str:
    """A duration inside a sentence: `5.9 s`, `3 min 5 s`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60} s"


def size(count: float) -> str:
    """Bytes in SI units: `12.3 MB`."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(i?B)?", re.IGNORECASE)
_POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}


def count_of(text: str, option: str) -> int:
    """Bytes of `500M`, `2G`, `1.5GiB`; the letters mean powers of 1024. Raises InvalidFile."""
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise InvalidFile(
            f"{option}: {text!r} is no size", code="usage", hint="for example 500M or 2G"
        )
    return int(float(found[1]) * 1024 ** _POWERS[found[2].upper()])


def share(done: int, total: int) -> str:
    """Bytes done of bytes in all, in one unit: `12.3/45.0 MB`; empty where nothing is known."""
    if total <= 0:
        return size(done) if done > 0 else ""
    number, unit = size(total).split()
    scale = {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9}[unit]
    part = done / scale
    return f"{part:.0f}/{number} {unit}" if unit == "B" else f"{part:.1f}/{number} {unit}"


def moment(text: str, now: float, option: str = "--since") -> float:
    """Seconds since the epoch of `10m`, `1h30m`, or an ISO date and time (local if no zone).

    Raises InvalidFile.
    """
    if re.fullmatch(r"(?:\d+[dhms])+", text):
        return now - sum(int(n) * _SECONDS[u] for n, u in re.findall(r"(\d+)([dhms])", text))
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise InvalidFile(
            f"{option}: {text!r} is no duration and no date",
            code="usage",
            hint="for example 10m, 1h30m, 2d, or 2030-01-31T12:00",
        ) from None


def seconds(text: str, option: str) -> float:
    """Seconds of `90s`, `10m`, `1h30m`, `2d`, or 0. Raises InvalidFile."""
    if text == "0":
        return 0.0
    if re.fullmatch(r"(?:[0-9]{1,9}[dhms])+", text, re.ASCII):
        return float(sum(int(n) * _SECONDS[u] for n, u in re.findall(r"(\d+)([dhms])", text)))
    raise InvalidFile(
        f"{option}: {text!r} is no duration", code="usage", hint="for example 90s, 10m, 2h or 1d"
    )


def span(seconds: float) -> str:
    """A duration as `seconds` reads it: `0`, `90s`, `1h30m`."""
    left, parts = int(seconds), []
    for unit, size in _UNITS:
        if left >= size:
            parts.append(f"{left // size}{unit}")
            left %= size
    return "".join(parts) or "0"


def short_digest(digest: str) -> str:
    """The first 12 digits of a digest, as Docker shows an image's ID."""
    return digest.removeprefix("sha256:")[:12]


def clip(text: str, width: int) -> str:
    """The text in at most `width` columns, an ellipsis marking what was cut."""
    return text if len(text) <= width else text[: max(0, width - 1)] + "…"


def safe(text: str, *, colour: bool) -> str:
    """Foreign text made safe for a terminal: no control sequence survives but colours.

    Nor do the marks that change the direction of writing (Unicode's bidirectional overrides). A
    colour ends with the text.
    """

    def keep(match: re.Match[str]) -> str:
        return match[0] if colour and _COLOUR.fullmatch(match[0]) else ""

    kept = _CONTROL.sub(keep, text)
    return kept + _PLAIN if "\x1b" in kept and not kept.endswith(_PLAIN) else kept
