"""A strict load generator: it never retries, and counts everything but a right answer as failed.

For measurements and tests, against this machine only. As a library:

    load = Load(Plan(host="hello.localhost", port=80, rate=300))
    await load.start()
    ...
    report = await load.stop()

On the command line (exit status 1 when a request failed):

    python -m bench.load --host hello.localhost --port 8080 --rate 300 --seconds 10 --json
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import sys
from pathlib import Path

from bench.loadgen.engine import Load
from bench.loadgen.plan import Mix, Plan
from bench.loadgen.report import Failure, Report

__all__ = ["Failure", "Load", "Mix", "Plan", "Report"]


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="bench.load", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--host", required=True, help="the Host header and SNI")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--address", default="127.0.0.1", help="a loopback address to connect to")
    parser.add_argument("--protocol", choices=["h1", "h1s", "h2"], default="h1")
    parser.add_argument("--rate", type=float, default=100.0, help="requests per second")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--connections", type=int, default=0)
    parser.add_argument("--timeout", type=float, default=30.0, help="seconds for each request")
    parser.add_argument("--mix", default="0.7,0.1,0.2", help="shares of GET, /sleep and /echo")
    parser.add_argument("--path", default="/", help="what the plain GET asks for")
    parser.add_argument("--ca", type=Path, help="a PEM file with the authority to trust")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(arguments)


def plan_from(given: argparse.Namespace) -> Plan:
    """Build the plan the command line asks for. Raise ValueError."""
    get, sleep, echo = (float(share) for share in given.mix.split(","))
    return Plan(
        host=given.host, port=given.port, rate=given.rate, protocol=given.protocol,
        address=given.address, mix=Mix(get, sleep, echo, given.path), timeout=given.timeout,
        connections=given.connections, ca_file=given.ca, seed=given.seed,
    )  # fmt: skip


async def run(plan: Plan, seconds: float) -> Report:
    """Load for some seconds, or until a SIGINT or SIGTERM."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    load = Load(plan)
    await load.start()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
    return await load.stop()


def main(arguments: list[str] | None = None) -> int:
    """Run the load the command line describes; return the exit status."""
    given = parse_arguments(arguments)
    try:
        report = asyncio.run(run(plan_from(given), given.seconds))
    except (ValueError, OSError) as error:
        print(f"bench.load: {error}", file=sys.stderr)
        return 2
    print(json.dumps(report.as_dict(), indent=2) if given.json else report)
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
