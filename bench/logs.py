"""cove's log store beside VictoriaLogs, Loki and plain `docker logs`, on the same lines.

    script/bench logs            5 million lines of 72 hours; about eight minutes
    script/bench logs --quick    300,000 lines

Each runs alone, in 256 MiB with its page cache counted. The first run builds VictoriaLogs and
Loki from their Go modules (Go is needed, and ten minutes). Exit status 1 when a goal is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

from bench.lab import loglines, machine
from bench.lab.dockerlogs import docker_logs
from bench.lab.instance import BenchError
from bench.lab.logsystems import HOUR, QUERIES, Cove, Loki, Question, System, VictoriaLogs

FULL = 5_000_000
QUICK = 300_000
DOCKER = 300_000  # of them through Docker; the times are told for as many as the others have
LIMIT = 256 << 20
WARM = 7  # times each question is asked after the first
SAMPLE = 0.02  # seconds
SYSTEMS: dict[str, type[System]] = {"cove": Cove, "victorialogs": VictoriaLogs, "loki": Loki}


@dataclass
class Result:
    """What one system did. Milliseconds; `anon` is what its processes allocated, at most."""

    name: str
    lines: int = 0
    per_second: float = 0.0  # lines per second of the processor's time
    density: float = 0.0  # bytes on disk per raw byte
    anon: dict[str, float] = field(default_factory=dict)  # MiB, while taking lines and while asked
    rss: float = 0.0  # MiB
    found: dict[str, int] = field(default_factory=dict)
    cold: dict[str, float] = field(default_factory=dict)
    warm: dict[str, float] = field(default_factory=dict)
    delete: float | None = None
    trouble: str = ""


class Sampler:
    """The most anonymous memory of a control group while the block runs, in MiB."""

    def __init__(self, folder: Path) -> None:
        self._stat = folder / "memory.stat"
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.most = 0.0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(SAMPLE):
            for line in self._stat.read_text().splitlines():
                key, _, value = line.partition(" ")
                if key in ("total_rss", "anon"):
                    self.most = max(self.most, int(value) / machine.MIB)


def measure(system: System, lines: Path, raw: int, end: int) -> Result:
    """Everything of one system; what it could not do is in `trouble`."""
    result = Result(system.name)
    try:
        system.start()
        with Sampler(system.group.folder) as sampler:
            result.lines = system.ingest(lines)
        result.anon["ingest"] = sampler.most
        result.per_second = result.lines / system.group.cpu_seconds()
        result.density = system.size() / raw
        with Sampler(system.group.folder) as sampler:
            for name in QUERIES:
                _ask(system, Question(name, end), result)
        result.anon["queries"] = sampler.most
        result.rss = system.group.rss() / machine.MIB
        result.delete = system.delete_before(end - loglines.HOURS * HOUR * 2 // 3)
    except BenchError as error:
        result.trouble = str(error)
        _say(result.trouble)
    return result


def _ask(system: System, question: Question, result: Result) -> None:
    system.group.forget_pages(system.data)
    result.found[question.name], result.cold[question.name] = system.ask(question)
    times = [system.ask(question)[1] for _ in range(WARM)]
    result.warm[question.name] = statistics.median(times)
    cold, warm = result.cold[question.name], result.warm[question.name]
    _say(f"{system.name}: {question.name} {cold:.1f} / {warm:.1f} ms")


def show(results: list[Result], facts: dict[str, str]) -> None:
    """Prints the table, in the form of docs/benchmarks.md."""
    print("\n".join(f"{key:<10} {value}" for key, value in facts.items()), end="\n\n")
    heads = ("", "lines per CPU-s", "bytes per raw byte", "memory, MiB: taking in", "asked")
    print("| " + " | ".join((*heads, *QUERIES, "delete a third")) + " |")
    print("|---|" + "--:|" * (len(heads) + len(QUERIES)))
    for one in results:
        cells = [one.name]
        cells.append(f"{one.per_second:,.0f}" if one.per_second else "")
        cells.append(f"{one.density:.2f}" if one.density else "")
        cells += [
            f"{one.anon[key]:.0f}" if key in one.anon else "" for key in ("ingest", "queries")
        ]
        for name in QUERIES:
            known = name in one.cold
            cells.append(f"{one.cold[name]:.1f} / {one.warm[name]:.1f}" if known else "")
        cells.append("" if one.delete is None else f"{one.delete:.0f}")
        print("| " + " | ".join(cells) + " |")
    print("\nQueries in ms, page cache emptied / warm (median). Found:")
    for one in results:
        print(f"  {one.name:<14}", json.dumps(one.found), one.trouble)


def missed(results: list[Result]) -> list[str]:
    """What cove does worse than it should: slower than the best, or above a fifth of its memory."""
    cove = next((one for one in results if one.name == "cove"), None)
    others = [one for one in results if one.name in ("victorialogs", "loki") and one.warm]
    if cove is None:
        return []
    if cove.trouble:
        return [cove.trouble]
    found = [slower for name in QUERIES for slower in _slower(name, cove, others)]
    own = max(cove.anon.values())
    for one in others:
        other = max(one.anon.values())
        if own > other / 5:
            found.append(f"memory: {own:.0f} MiB are more than a fifth of {one.name}'s {other:.0f}")
    return found


def _slower(name: str, cove: Result, others: list[Result]) -> list[str]:
    found = []
    for kind in ("cold", "warm"):
        times = [getattr(one, kind)[name] for one in others if name in getattr(one, kind)]
        own = getattr(cove, kind)[name]
        if times and own > min(times):
            found.append(f"{name}, {kind}: {own:.1f} ms, the best has {min(times):.1f}")
    counts = {one.found[name] for one in (cove, *others) if name in one.found}
    if len(counts) > 1:
        found.append(f"{name}: not all find the same: {sorted(counts)}")
    return found


def _say(text: str) -> None:
    print(f"bench.logs: {text}", file=sys.stderr, flush=True)


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        prog="bench.logs",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--lines", type=int, default=0)
    parser.add_argument("--only", choices=[*SYSTEMS, "docker"], action="append")
    parser.add_argument("--folder", type=Path, help="for the data; some gigabytes")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK:,} lines")
    given = parser.parse_args(arguments)
    given.lines = given.lines or (QUICK if given.quick else FULL)
    return given


def run_all(given: argparse.Namespace, folder: Path) -> tuple[list[Result], int]:
    """Every system that was asked for, one after the other; and the raw bytes."""
    end = time.time_ns() // HOUR * HOUR
    lines = folder / "lines"
    _say(f"{given.lines:,} lines of {loglines.HOURS} hours")
    raw = loglines.write(lines, given.lines, end)
    results = []
    for name, kind in SYSTEMS.items():
        if given.only and name not in given.only:
            continue
        _say(name)
        try:
            system = kind(folder, LIMIT)
        except BenchError as error:
            _say(str(error))
            results.append(Result(name, trouble=str(error)))
            continue
        try:
            results.append(measure(system, lines, raw, end))
        finally:
            system.close()
            shutil.rmtree(system.data, ignore_errors=True)
    if not given.only or "docker" in given.only:
        _say("docker logs")
        results.append(_docker(lines, min(DOCKER, given.lines), given.lines))
    return results, raw


def _docker(lines: Path, some: int, all_: int) -> Result:
    """What was measured with fewer lines, for all of them."""
    result = Result("docker logs", lines=some)
    try:
        density, times = docker_logs(lines, some)
    except (BenchError, OSError, subprocess.SubprocessError) as error:
        result.trouble = str(error)
        return result
    result.density = density
    for name, (found, cold, warm) in times.items():
        result.found[name] = found
        scale = all_ / some if name != "last100" else 1
        result.cold[name], result.warm[name] = cold * scale, warm * scale
    result.trouble = f"measured with {some:,} lines, times scaled" if some < all_ else ""
    return result


def main(arguments: list[str] | None = None) -> int:
    """Measures; returns the exit status."""
    given = parse_arguments(arguments)
    if os.geteuid() != 0:
        _say("only root can limit a process's memory with its page cache")
        return 2
    facts, begun = machine.facts(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="cove-bench-", dir=given.folder) as folder:
        results, raw = run_all(given, Path(folder))
    facts["lines"] = f"{given.lines:,}, {raw / 1e6:.0f} MB, {loglines.HOURS} hours"
    facts["took"] = f"{time.monotonic() - begun:.0f} s"
    goals = missed(results)
    if given.json:
        found = {"machine": facts, "systems": [asdict(one) for one in results], "missed": goals}
        print(json.dumps(found, indent=2))
    else:
        show(results, facts)
    for goal in goals:
        _say(f"missed: {goal}")
    return 1 if goals else 0


if __name__ == "__main__":
    sys.exit(main())
