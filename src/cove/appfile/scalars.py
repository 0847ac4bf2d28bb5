"""Readers of single values: words, numbers, switches, durations, sizes. Used by this package."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import Final, Literal

from cove.appfile.value import Reader, Value, each

_INTEGER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
_NUMBER: Final = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,15})?")
_SECONDS: Final = {
    "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0,
}  # fmt: skip
_PART: Final = r"([0-9]{1,12}(?:\.[0-9]{1,9})?)(us|µs|ms|s|m|h|d)"
_DURATION: Final = re.compile(rf"(?:{_PART})+")
_DURATION_PART: Final = re.compile(_PART)
# The grammar of Docker's own sizes: powers of 1024, in either case, the "b" optional.
_SIZE: Final = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?) ?([kmgt]?)(?:i?b)?", re.IGNORECASE)
_POWERS: Final = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
MAX_PORT: Final = 65535
DAY: Final = 86400.0


def text(value: Value) -> str:
    """Any text, several lines included."""
    return value.text()


def word(value: Value) -> str:
    """Text that is not empty and has no white space around or line ends within."""
    found = value.text()
    if not found or found != found.strip() or len(found.splitlines()) > 1:
        raise value.invalid("must be one line, not empty, without spaces around it")
    return found


def matching(pattern: str, wanted: str, *, longest: int = 255) -> Callable[[Value], str]:
    """A reader of text that matches a whole pattern; `wanted` describes it in errors."""
    compiled = re.compile(pattern, re.ASCII)

    def read(value: Value) -> str:
        found = value.text(wanted)
        if len(found) > longest or not compiled.fullmatch(found):
            raise value.invalid(f"must be {wanted}, not {value.shown()}")
        return found

    return read


def one_of(*choices: str) -> Callable[[Value], str]:
    """A reader of one of a few words."""
    wanted = f"{', '.join(choices[:-1])} or {choices[-1]}" if len(choices) > 1 else choices[0]

    def read(value: Value) -> str:
        found = value.text(wanted)
        if found not in choices:
            raise value.invalid(f"must be {wanted}, not {value.shown()}")
        return found

    return read


def boolean(value: Value) -> bool:
    """true or false, as in YAML 1.2."""
    found = value.text("true or false").lower()
    if found not in {"true", "false"}:
        raise value.invalid(f"must be true or false, not {value.shown()}")
    return found == "true"


def integer(low: int, high: int) -> Callable[[Value], int]:
    """A reader of whole numbers within bounds, both included."""
    wanted = f"a whole number from {low} to {high}"

    def read(value: Value) -> int:
        found = value.text(wanted)
        if not _INTEGER.fullmatch(found) or not low <= int(found) <= high:
            raise value.invalid(f"must be {wanted}, not {value.shown()}")
        return int(found)

    return read


port = integer(1, MAX_PORT)


def number(low: float, high: float) -> Callable[[Value], float]:
    """A reader of decimal numbers within bounds, both included."""
    wanted = f"a number from {low:g} to {high:g}"

    def read(value: Value) -> float:
        found = value.text(wanted)
        if not _NUMBER.fullmatch(found) or not low <= float(found) <= high:
            raise value.invalid(f"must be {wanted}, not {value.shown()}")
        return float(found)

    return read


def duration(
    *, zero: bool = False, least: float = 0.0, longest: float = DAY
) -> Callable[[Value], float]:
    """A reader of durations in seconds: `60s`, `1m30s`, `500ms`; a bare number is seconds."""

    def read(value: Value) -> float:
        seconds = _seconds(value.text('a duration such as "60s"'))
        if seconds is None:
            raise value.invalid(
                f'must be a duration such as "60s", "1m30s" or "500ms", not {value.shown()}'
            )
        if seconds > longest or (seconds == 0 and not zero):
            lowest = "0s" if zero else "more than 0s"
            raise value.invalid(f"must be {lowest} to {duration_text(longest)} long")
        if seconds < least:
            raise value.invalid(f"must be at least {duration_text(least)}")
        return seconds

    return read


def _seconds(found: str) -> float | None:
    if _NUMBER.fullmatch(found):
        return float(found)
    if not _DURATION.fullmatch(found):
        return None
    parts = _DURATION_PART.findall(found)
    return round(sum(float(amount) * _SECONDS[unit] for amount, unit in parts), 6)


def duration_text(seconds: float) -> str:
    """A duration as Compose takes it, in whole milliseconds where seconds do not do."""
    if seconds == int(seconds):
        return f"{int(seconds)}s"
    milliseconds = seconds * 1000
    if round(milliseconds, 3) == int(round(milliseconds, 3)):
        return f"{round(milliseconds)}ms"
    return f"{round(seconds * 1_000_000)}us"


def compose_duration(value: Value) -> str:
    """A duration that Compose is to read."""
    return duration_text(duration(zero=True)(value))


def plain_address(found: str) -> str:
    """An IP address in its one spelling; empty for anything else.

    Without a zone: that may be any text, a `$` or `{{` included.
    """
    try:
        return "" if "%" in found else str(ipaddress.ip_address(found.strip("[]")))
    except ValueError:
        return ""


def size(value: Value) -> int:
    """A size in bytes: `64m`, `1g`, `512kb`, `1048576`."""
    match = _SIZE.fullmatch(value.text('a size such as "64m"'))
    if match is None:
        raise value.invalid(f'must be a size such as "64m" or "1g", not {value.shown()}')
    found = int(float(match[1]) * 1024 ** _POWERS[match[2].lower()])
    if found > 2**62:
        raise value.invalid("is larger than any machine")
    return found


def compose_size(least: int = 0) -> Callable[[Value], str]:
    """A reader of sizes that Compose is to read: bytes, in digits."""

    def read(value: Value) -> str:
        found = size(value)
        if found < least:
            raise value.invalid(f"must be at least {least} bytes")
        return str(found)

    return read


def either(special: str, meaning: Literal[-1], reader: Reader) -> Reader:
    """A reader that takes one word with a fixed meaning beside what `reader` takes."""

    def read(value: Value) -> object:
        return meaning if not value.is_list and value.text() == special else reader(value)

    return read


def list_of(reader: Reader, wanted: str) -> Callable[[Value], list[object]]:
    """A reader of lists."""

    def read(value: Value) -> list[object]:
        return [item for _, item in each(value.items(wanted), reader)]

    return read


def one_or_list_of(reader: Reader, wanted: str) -> Callable[[Value], list[object]]:
    """A reader of lists where a single value stands for a list of one."""

    def read(value: Value) -> list[object]:
        return [item for _, item in each(value.one_or_many(wanted), reader)]

    return read
