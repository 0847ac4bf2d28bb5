"""Log lines as services write them, the same in every run but for the time they end at.

Eight services over 72 hours: access logs, JSON, plain lines, stack traces. For bench/.
"""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

HOURS = 72
SERVICES = ("edge", "cdn", "shop", "cart", "pay", "mail", "jobs", "users")
NEEDLE = "7f3a9c41d2e8"  # one line, a third of the way
SUBSTRING = "nd stock fail"  # within words: some dozen lines in a million
PATTERN = r'"msg": "order payment (ok|failed)".*"ms": 1[0-9]}'  # some dozen in a million
_HEAD = struct.Struct("<BBQI")  # service, level, nanoseconds, bytes
_SEED = 4

PATHS = ("/", "/api/v1/orders/{n}", "/products/{n}", "/login", "/static/app.{h}.js", "/healthz",
         "/search?q={w}", "/api/v1/users/{n}/cart")  # fmt: skip
AGENTS = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15",
    "curl/8.5.0",
    "kube-probe/1.29",
)
WORDS = (
    "order", "payment", "shipped", "cart", "checkout", "user", "session", "cache", "queue", "retry",
    "timeout", "invoice", "customer", "basket", "refund", "stock",
)  # fmt: skip
LEVELS = ("info",) * 80 + ("debug",) * 12 + ("warn",) * 6 + ("error",) * 2
NUMBERS = {"debug": 2, "info": 3, "warn": 4, "error": 5}  # as in cove.model.logs.LEVELS


class Line(NamedTuple):
    """One record of a service, by its number."""

    service: int
    level: int
    at: int
    text: str


def write(path: Path, count: int, end: int) -> int:
    """Writes so many lines whose last is before `end` (ns); returns their raw bytes."""
    chance, raw = random.Random(_SEED), 0  # noqa: S311 - no secrets
    step = HOURS * 3600 * 10**9 // count
    begin = end - count * step
    with path.open("wb", buffering=1 << 20) as file:
        for index in range(count):
            line = _line(chance, begin + index * step + chance.randrange(step))
            if index == count // 3:
                line = line._replace(text=f"payment gateway: reference {NEEDLE} is unknown")
            text = line.text.encode()
            file.write(_HEAD.pack(line.service, line.level, line.at, len(text)) + text)
            raw += len(text) + 1
    return raw


def read(file: BinaryIO) -> Iterator[Line]:
    """The lines that `write` wrote."""
    while head := file.read(_HEAD.size):
        service, level, at, size = _HEAD.unpack(head)
        yield Line(service, level, at, file.read(size).decode())


def _line(chance: random.Random, at: int) -> Line:
    service = chance.randrange(len(SERVICES))
    level = chance.choice(LEVELS)
    if service < 2:
        return Line(service, 0, at, _access(chance))
    if service > 5:
        return Line(service, NUMBERS[level], at, _plain(chance, level))
    if level == "error" and chance.random() < 0.1:
        return Line(service, 5, at, _trace(chance))
    return Line(service, NUMBERS[level], at, _json(chance, level))


def _access(chance: random.Random) -> str:
    path = chance.choice(PATHS).format(
        n=chance.randrange(200_000), h=f"{chance.getrandbits(32):08x}", w=chance.choice(WORDS)
    )
    address = ".".join(str(chance.randrange(1, 255)) for _ in range(4))
    status = chance.choice((200, 200, 200, 200, 304, 404, 500))
    return (
        f'{address} - - "GET {path} HTTP/1.1" {status} {chance.randrange(200, 60_000)} "-"'
        f' "{chance.choice(AGENTS)}" {chance.random() / 2:.3f} {chance.getrandbits(64):016x}'
    )


def _json(chance: random.Random, level: str) -> str:
    end = "failed" if level == "error" else "ok"
    return json.dumps({
        "level": level,
        "msg": f"{chance.choice(WORDS)} {chance.choice(WORDS)} {end}",
        "user_id": chance.randrange(50_000),
        "order": f"ord_{chance.getrandbits(48):012x}",
        "trace_id": f"{chance.getrandbits(128):032x}",
        "ms": chance.randrange(1, 900),
    })  # fmt: skip


def _plain(chance: random.Random, level: str) -> str:
    return (
        f"[{level.upper()}] app.{chance.choice(WORDS)}: {chance.choice(WORDS)}"
        f" {chance.choice(WORDS)} id={chance.randrange(10**6)}"
    )


def _trace(chance: random.Random) -> str:
    calls = "".join(
        f'  File "/app/{chance.choice(WORDS)}.py", line {chance.randrange(900)}, in'
        f" {chance.choice(WORDS)}\n"
        for _ in range(chance.randrange(4, 14))
    )
    return f"Traceback (most recent call last):\n{calls}ValueError: invalid {chance.choice(WORDS)}"
