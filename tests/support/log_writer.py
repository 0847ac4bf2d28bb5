"""An app that writes numbered lines, and what is missing or repeated among those that were kept."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from msgspec import Struct

# Nine lines in ten to stdout, each stream numbered by itself; the last line names both counts.
WRITER = """
import os, signal, sys, time
rate, ended = int(os.environ["RATE"]), []
signal.signal(signal.SIGTERM, lambda *_: ended.append(1))
counts, begun, done = {1: 0, 2: 0}, time.monotonic(), 0
print("begun", flush=True)
while not ended:
    due = int((time.monotonic() - begun) * rate)
    lines = {1: [], 2: []}
    while done < due:
        done += 1
        stream = 2 if done % 10 == 0 else 1
        counts[stream] += 1
        lines[stream].append(f"<{counts[stream]}> " + "abcdefghij" * (1 + done % 9))
    for stream, some in lines.items():
        if some:
            os.write(stream, ("\\n".join(some) + "\\n").encode())
    time.sleep(0.01)
print(f"ended {counts[1]} {counts[2]}", flush=True)
"""
_NUMBER = re.compile(r"<(\d+)>")
_ENDED = re.compile(r"ended (\d+) (\d+)")


class Account(Struct, frozen=True, kw_only=True):
    """What became of the lines."""

    written: int
    lost: int
    repeated: int
    disordered: int


def writer_app(name: str, image: str, rate: int, **keys: Any) -> str:
    """An app without a route whose one service writes so many lines a second."""
    document = {
        "name": name,
        "image": image,
        "entrypoint": ["/usr/local/bin/python3", "-u", "-c", WRITER],
        "env": {"RATE": str(rate)},
        "health": False,
        **keys,
    }
    return json.dumps({key: value for key, value in document.items() if value is not False})


def account(lines: Iterable[dict[str, Any]]) -> Account:
    """Holds the kept lines of one container against what it said in the end that it wrote."""
    numbers: dict[str, list[int]] = {"stdout": [], "stderr": []}
    ended: tuple[int, int] | None = None
    for line in lines:
        numbers[line["stream"]] += map(int, _NUMBER.findall(line["text"]))
        if found := _ENDED.search(line["text"]):
            ended = int(found[1]), int(found[2])
    assert ended is not None, "the container's last line is missing"
    found_in_all = sum(len(some) for some in numbers.values())
    distinct = sum(len(set(some)) for some in numbers.values())
    written = sum(ended)
    return Account(
        written=written,
        lost=written - distinct,
        repeated=found_in_all - distinct,
        disordered=sum(some != sorted(some) for some in numbers.values()),
    )
