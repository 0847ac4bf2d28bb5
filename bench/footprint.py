"""What the platform costs while nothing happens and while apps write; how quick the command is.

    script/bench footprint            with 1 and 20 apps; about eight minutes
    script/bench footprint --quick    with 1 and 3 apps, and shorter looks

Exit status 1 when a goal is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.lab import machine
from bench.lab.instance import BenchError, Instance
from cove.errors import CoveError

SETTLE = 5.0  # seconds between the last deploy and the look
GOALS = {
    "agent, RSS in MiB": 64.0,
    "agent and Traefik, RSS in MiB": 150.0,
    "agent and Traefik, CPU in % of a core": 1.0,
    "cove --help, ms": 150.0,
    "agent while apps write, RSS in MiB": 64.0,
    "agent while apps write, CPU in % of a core": 2.0,
}
LINES = 1000  # a second, of all apps together
# What each app runs beside its web server: lines of a web server's kind, at an even pace.
TALKER = """
import os, time
if os.fork():
    os.execv("/usr/local/bin/python3", ["python3", "-I", "-u", "/app/app.py"])
rate, begun, done = float(os.environ["RATE"]), time.monotonic(), 0
while True:
    while done < (time.monotonic() - begun) * rate:
        done += 1
        some = (done * 7919 % 99991, done % 997, done % 83)
        words = "GET /cart/%d 200 user=%d duration=%.1fms" % some
        os.write(1, ("level=info request=%08x %s\\n" % (done * 2654435761 % 2**32, words)).encode())
    time.sleep(0.05)
"""


@dataclass(frozen=True)
class Idle:
    """One look at the agent and the proxy. MiB, and percent of one core."""

    apps: int
    agent: machine.Memory
    proxy: machine.Memory
    agent_cpu: float
    proxy_cpu: float


@dataclass(frozen=True)
class Timing:
    """The wall time of one command, in milliseconds, and its ratio to `python -c pass`."""

    command: str
    median: float
    fastest: float
    ratio: float


def look(instance: Instance, apps: int, seconds: float) -> Idle:
    """Looks at an idle platform for so long."""
    time.sleep(SETTLE)
    agent, proxy = instance.agent.pid, instance.proxy_pid()
    before, begun = [machine.cpu_seconds(pid) for pid in (agent, proxy)], time.monotonic()
    time.sleep(seconds)
    passed = time.monotonic() - begun
    used = [machine.cpu_seconds(pid) - b for pid, b in zip((agent, proxy), before, strict=True)]
    return Idle(
        apps=apps,
        agent=machine.memory(agent),
        proxy=machine.memory(proxy),
        agent_cpu=used[0] / passed * 100,
        proxy_cpu=used[1] / passed * 100,
    )


def talk(instance: Instance, image: str, apps: int, seconds: float) -> Idle:
    """Lets every app write, and looks at the platform for so long."""
    talker = {
        "entrypoint": ["/usr/local/bin/python3", "-u", "-c", TALKER],
        "environment": {"RATE": str(LINES / apps)},
    }
    fill(instance, image, 1, apps, talker)
    return look(instance, apps, seconds)


def fill(
    instance: Instance, image: str, first: int, last: int, more: dict[str, Any] | None = None
) -> None:
    """Deploys the apps of these numbers, or replaces them."""
    for number in range(first, last + 1):
        app: dict[str, Any] = {"image": image, "domain": f"app{number}.localhost"}
        app |= {"health": "/healthz", "rollout": {"settle": "0s", "drain": "0s"}, **(more or {})}
        instance.deploy(f"app{number}", json.dumps(app))


def timings(instance: Instance, runs: int) -> list[Timing]:
    """Times commands in turns, so that what disturbs the machine disturbs all alike."""
    scripts = Path(sys.executable).parent
    cove = [str(scripts / "cove")]
    commands = {
        "python -I -S -c pass": [sys.executable, "-I", "-S", "-c", "pass"],
        "python -c pass": [sys.executable, "-c", "pass"],
        "cove --help": [*cove, "--help"],
        "cove version": [*cove, "version"],
        "cove status": [*cove, "status"],
    }
    environment = {**os.environ, "COVE_DATA_DIR": str(instance.data)}
    found: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(runs):
        for name, argv in commands.items():
            found[name].append(_timed(argv, environment))
    bare = statistics.median(found["python -c pass"])
    return [
        Timing(name, statistics.median(t), min(t), statistics.median(t) / bare)
        for name, t in found.items()
    ]


def _timed(argv: list[str], environment: dict[str, str]) -> float:
    begun = time.perf_counter()
    subprocess.run(argv, env=environment, stdout=subprocess.DEVNULL, check=True)
    return (time.perf_counter() - begun) * 1000


def measure(given: argparse.Namespace) -> tuple[list[Idle], list[Timing], Idle]:
    """Everything, on one instance; last, with apps that write."""
    looks: list[Idle] = []
    with Instance() as instance:
        image = instance.build("1")
        first = 1
        for apps in given.apps:
            _say(f"{apps} apps")
            fill(instance, image, first, apps)
            looks.append(look(instance, apps, given.seconds))
            first = apps + 1
        _say(f"{given.runs} runs of each command")
        times = timings(instance, given.runs)
        _say(f"{LINES} lines a second")
        talking = talk(instance, image, given.apps[-1], max(given.seconds, given.talk))
    return looks, times, talking


def goals(looks: list[Idle], times: list[Timing], talking: Idle) -> dict[str, tuple[float, float]]:
    """What was found for each goal, and the goal; with the most apps that were looked at."""
    idle = looks[-1]
    found = {
        "agent, RSS in MiB": idle.agent.rss,
        "agent and Traefik, RSS in MiB": idle.agent.rss + idle.proxy.rss,
        "agent and Traefik, CPU in % of a core": idle.agent_cpu + idle.proxy_cpu,
        "cove --help, ms": next(t.median for t in times if t.command == "cove --help"),
        "agent while apps write, RSS in MiB": talking.agent.rss,
        "agent while apps write, CPU in % of a core": talking.agent_cpu,
    }
    return {name: (found[name], goal) for name, goal in GOALS.items()}


def show(looks: list[Idle], times: list[Timing], talking: Idle, facts: dict[str, str]) -> None:
    """Prints the tables."""
    print("\n".join(f"{key:<10} {value}" for key, value in facts.items()), end="\n\n")
    columns = "{:<22} {:>8} {:>8} {:>10} {:>8}"
    print(columns.format("idle", "RSS MiB", "PSS MiB", "anon. MiB", "CPU %"))
    for idle in (*looks, talking):
        rows = (("agent", idle.agent, idle.agent_cpu), ("Traefik", idle.proxy, idle.proxy_cpu))
        if idle is talking:
            print(f"with {LINES} lines a second:")
        for name, memory, cpu in rows:
            sizes = [f"{size:.1f}" for size in (memory.rss, memory.pss, memory.anonymous)]
            print(columns.format(f"{name}, apps: {idle.apps}", *sizes, f"{cpu:.2f}"))
    columns = "{:<22} {:>10} {:>10} {:>8}"
    print("\n" + columns.format("command", "median ms", "fastest ms", "ratio"))
    for one in times:
        row = (f"{one.median:.0f}", f"{one.fastest:.0f}", f"{one.ratio:.1f}")
        print(columns.format(one.command, *row))
    print()
    for name, (found, goal) in goals(looks, times, talking).items():
        verdict = "ok" if found < goal else "MISSED"
        print(f"{verdict:<7} {name}: {found:.1f}, goal below {goal:g}")


def as_dict(
    looks: list[Idle], times: list[Timing], talking: Idle, facts: dict[str, str]
) -> dict[str, Any]:
    """Everything as JSON can hold it."""
    return {
        "machine": facts,
        "idle": [asdict(one) for one in looks],
        "writing": {"lines": LINES, **asdict(talking)},
        "commands": [asdict(one) for one in times],
        "goals": {
            n: {"found": f, "below": g} for n, (f, g) in goals(looks, times, talking).items()
        },
    }


def _say(text: str) -> None:
    print(f"bench.footprint: {text}", file=sys.stderr, flush=True)


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        prog="bench.footprint",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--apps", type=int, nargs="+", default=[1, 20], help="ascending")
    parser.add_argument("--seconds", type=float, default=40.0, help="of each look at the CPU")
    parser.add_argument("--runs", type=int, default=21, help="of each command")
    parser.add_argument("--talk", type=float, default=120.0, help="seconds with apps that write")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args(arguments)
    if given.quick:
        given.apps, given.seconds, given.runs, given.talk = [1, 3], 10.0, 5, 20.0
    if given.apps != sorted(given.apps) or not 0 < given.apps[0] <= given.apps[-1] <= 100:
        parser.error("--apps must ascend, from 1 to 100")
    return given


def main(arguments: list[str] | None = None) -> int:
    """Measures; returns the exit status."""
    given = parse_arguments(arguments)
    facts = machine.facts()
    try:
        looks, times, talking = measure(given)
    except (BenchError, CoveError) as error:
        _say(str(error))
        return 2
    if given.json:
        print(json.dumps(as_dict(looks, times, talking, facts), indent=2))
    else:
        show(looks, times, talking, facts)
    met = goals(looks, times, talking).values()
    return 0 if all(found < goal for found, goal in met) else 1


if __name__ == "__main__":
    sys.exit(main())
