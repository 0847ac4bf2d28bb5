"""What a check wants to know of a certificate, read from its bytes. Pure.

Imported inside `cove.adapters.probe`. The library for certificates would cost the agent 10 MB;
a validity and a list of names are a short walk over DER (X.690; RFC 5280, 4.1).
"""

from __future__ import annotations

import calendar
import time
from collections.abc import Iterator
from typing import Final, NamedTuple

_SUBJECT_ALT_NAME: Final = bytes.fromhex("551d11")  # 2.5.29.17, RFC 5280, 4.2.1.6
_UTC_TIME: Final = 0x17
_OID: Final = 0x06
_OCTETS: Final = 0x04
_VERSION: Final = 0xA0
_EXTENSIONS: Final = 0xA3
_DNS_NAME: Final = 0x82
_LONG: Final = 0x80
_MOST_LENGTH: Final = 4  # bytes of a length; a certificate is far below 4 GB
_CENTURY: Final = 50  # of a two-digit year, RFC 5280, 4.1.2.5.1


class Shown(NamedTuple):
    """A certificate's life, in seconds since the epoch, and the names it holds for."""

    not_before: float
    not_after: float
    names: tuple[str, ...]


def read(der: bytes) -> Shown:
    """Raises ValueError for what is no certificate."""
    try:
        (_, certificate), *_ = _items(der)
        (_, body), *_ = _items(certificate)
        fields = [field for field in _items(body) if field[0] != _VERSION]
        begin, end = _items(fields[3][1])  # serial number, algorithm, issuer, validity, …
        return Shown(_time(*begin), _time(*end), tuple(_names(fields)))
    except (IndexError, UnicodeDecodeError) as error:
        raise ValueError(str(error)) from error


def _names(fields: list[tuple[int, bytes]]) -> Iterator[str]:
    for tag, body in fields:
        if tag != _EXTENSIONS:
            continue
        for _, extension in _items(next(_items(body))[1]):
            parts = list(_items(extension))
            if parts[0] == (_OID, _SUBJECT_ALT_NAME) and parts[-1][0] == _OCTETS:
                for kind, name in _items(next(_items(parts[-1][1]))[1]):
                    if kind == _DNS_NAME:
                        yield name.decode("ascii").lower()


def _items(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The (tag, content) of each element, in order."""
    at = 0
    while at < len(data):
        tag, length, at = data[at], data[at + 1], at + 2
        if length & _LONG:
            size = length & ~_LONG
            if not 0 < size <= _MOST_LENGTH:
                raise ValueError("a length that DER has not")
            length = int.from_bytes(data[at : at + size], "big")
            at += size
        if at + length > len(data):
            raise ValueError("it is cut short")
        yield tag, data[at : at + length]
        at += length


def _time(tag: int, content: bytes) -> float:
    text = content.decode("ascii")
    if tag == _UTC_TIME:
        text = ("20" if int(text[:2]) < _CENTURY else "19") + text
    return float(calendar.timegm(time.strptime(text, "%Y%m%d%H%M%SZ")))
