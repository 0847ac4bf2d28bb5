"""How grave a line is, by what it says itself. Pure; imported inside `cove.observation.logs`.

Known: JSON (a word, or the numbers of bunyan and pino), `level=warn` of logfmt, `[error]` and
` ERROR ` at a line's beginning, klog (`E0131 12:00:00`), syslog's `<3>`, PostgreSQL's `FATAL:  `.
That a line was written to standard error says nothing: many programs write everything there.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec
from msgspec import Struct

from cove.model.logs import LEVELS

_WORDS: Final[dict[str, str]] = {
    "trace": "trace",
    "trc": "trace",
    "verbose": "trace",
    "debug": "debug",
    "dbg": "debug",
    "dbug": "debug",
    "fine": "debug",
    "info": "info",
    "inf": "info",
    "information": "info",
    "notice": "info",
    "log": "info",
    "warn": "warn",
    "wrn": "warn",
    "warning": "warn",
    "error": "error",
    "err": "error",
    "eror": "error",
    "fail": "error",
    "severe": "error",
    "fatal": "fatal",
    "ftl": "fatal",
    "crit": "fatal",
    "critical": "fatal",
    "alert": "fatal",
    "emerg": "fatal",
    "emergency": "fatal",
    "panic": "fatal",
    "dpanic": "fatal",
}
_BY_WORD: Final = {word: LEVELS.index(level) for word, level in _WORDS.items()}
_BY_WORD.update({word.upper(): level for word, level in list(_BY_WORD.items())})
_BY_WORD.update({word.capitalize(): level for word, level in list(_BY_WORD.items())})
_WARN, _ERROR, _FATAL = (LEVELS.index(level) for level in ("warn", "error", "fatal"))
# bunyan and pino: 10 trace, 20 debug, 30 info, 40 warn, 50 error, 60 fatal
_STEP: Final = 10
_KLOG: Final = {"I": LEVELS.index("info"), "W": _WARN, "E": _ERROR, "F": _FATAL}
_SYSLOG: Final = (6, 6, 6, 5, 4, 3, 3, 2)  # RFC 5424, 6.2.1, as indexes of LEVELS
_LOOKED_AT: Final = 128  # characters of a line: levels stand near its beginning
_LOGFMT: Final = re.compile(r"\b(?:level|lvl|severity)=\"?([A-Za-z]+)")
# Words in capitals stand out; in small letters only brackets or a colon make a word a level.
_CAPITALS: Final = re.compile(
    "TRACE|DEBUG|INFO|NOTICE|LOG:|WARNING|WARN|ERROR|ERR|SEVERE|FATAL|CRITICAL|CRIT|ALERT|EMERG|PANIC"
)
_BRACKETS: Final = re.compile(r"[\[<]([a-zA-Z]{3,11})[\]>]")
_NO_END: Final = frozenset("=(/\"'-_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
_NO_BEGIN: Final = _NO_END - {"("}
_LONGEST: Final = 11  # letters of a level's word: `information`
_HEADS: Final = re.compile(r"<(\d{1,3})>|([IWEF])\d{4} \d\d:\d\d:\d\d")
_TROUBLE: Final = (
    ("Traceback (most recent call last)", _ERROR),
    ("Exception in thread", _ERROR),
    ("panic: ", _FATAL),
    ("fatal error: ", _FATAL),
)
_COLOURS: Final = re.compile(r"\x1b\[[0-9;]*m")


class _Said(Struct):
    """The keys under which programs put a level."""

    level: Any = None
    severity: Any = None
    lvl: Any = None
    levelname: Any = None
    log_level: Any = msgspec.field(default=None, name="log.level")
    short: Any = msgspec.field(default=None, name="@l")  # compact log event format
    upper: Any = msgspec.field(default=None, name="Level")


_said: Final = msgspec.json.Decoder(_Said)


def detect(text: str) -> int:
    """The level as an index of `LEVELS`; 0 for a line that says none."""
    first = text[:1]
    if first == "{":
        return _of_json(text)
    head = text[:_LOOKED_AT]
    if first == "\x1b" or "\x1b[" in head:
        head = _COLOURS.sub("", head)
        first = head[:1]
    if first in "<IWEF" and (found := _HEADS.match(head)):
        number, letter = found.groups()
        return _KLOG[letter] if letter else _SYSLOG[int(number) & 7]
    if "=" in head and (found := _LOGFMT.search(head)):
        return _BY_WORD.get(found[1].lower(), 0)
    return _of_text(head)


def _of_text(head: str) -> int:
    if found := _CAPITALS.search(head):
        begin, end = found.span()
        whole = head[end : end + 1] not in _NO_END or not head[end:]
        if whole and (begin == 0 or head[begin - 1] not in _NO_BEGIN):
            return _BY_WORD[found[0].rstrip(":")]
    if "[" in head or "<" in head:
        for word in _BRACKETS.findall(head):
            if level := _BY_WORD.get(word.lower(), 0):
                return level
    return _of_beginning(head) if ":" in head or "(" in head else 0


def _of_beginning(head: str) -> int:
    """`error: …`, `Traceback …`."""
    word = head.partition(":")[0].rpartition(" ")[2]
    if len(word) <= _LONGEST and (level := _BY_WORD.get(word.lower(), 0)):
        return level
    for words, level in _TROUBLE:
        if head.startswith(words):
            return level
    return 0


def _of_json(text: str) -> int:
    try:
        said = _said.decode(text.partition("\n")[0])
    except (msgspec.DecodeError, RecursionError):
        return _of_text(text[:_LOOKED_AT])
    for value in (
        said.level,
        said.severity,
        said.lvl,
        said.levelname,
        said.log_level,
        said.short,
        said.upper,
    ):
        if isinstance(value, str):
            return _BY_WORD.get(value.lower(), 0)
        if isinstance(value, int | float):
            return _of_number(value)
    return 0


def _of_number(value: float) -> int:
    """bunyan's and pino's tens; syslog's 0 to 7."""
    if value >= _STEP:
        return min(int(value) // _STEP, _FATAL)
    return _SYSLOG[int(value)] if 0 <= value < len(_SYSLOG) else 0
