"""Rollouts under load: what is lost, how long they take, and where the time goes.

    script/bench rollout            20 rollouts for each protocol, about a quarter of an hour
    script/bench rollout --quick    2 of each, Compose once, within two minutes

Beside each other in one run, under the same load through the same proxy: cove replacing an app
(start-first, then stop-first with half as many), and `docker compose up -d` recreating the same
container at a fixed address. Exit status 1 when cove lost a request.
"""

from __future__ import annotations

import argparse
import contextlib
import ipaddress
import json
import re
import statistics
import sys
import time
import urllib.request
from dataclasses import dataclass, field
from typing import Any

import yaml

from bench.lab import machine
from bench.lab.instance import BenchError, Instance, run
from bench.lab.load import Load
from cove.adapters.compose import find_compose
from cove.errors import CoveError
from cove.model.app import RolloutPolicy
from cove.render.traefik import TRANSPORT

HOST = "hello.localhost"
BASELINE_HOST = "compose.localhost"  # cove certifies it with the app; its route is the baseline's
BASELINE_ADDRESS = 60  # within the app's /26: in Docker's half, far from what it hands out first
PAUSE = 0.7  # seconds between two replacements
SERVE_LIMIT = 30.0
ROUTE_PAUSE = 1.0  # the proxy reads a changed file within 0.2 s
MOST_ROLLOUTS = 40  # so that a load is within its limit in time
ORDERS = ("start-first", "stop-first")
PROTOCOLS = {"h1": "HTTP/1.1", "h2": "TLS, HTTP/2"}


@dataclass
class Series:
    """Replacements of one kind under one load. Times in seconds."""

    what: str
    protocol: str
    seconds: list[float] = field(default_factory=list)
    steps: dict[str, list[float]] = field(default_factory=dict)
    load: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        medians = {title: round(statistics.median(s), 3) for title, s in self.steps.items()}
        load = {key: value for key, value in self.load.items() if key != "failures"}
        return {
            "what": self.what,
            "protocol": self.protocol,
            "replacements": len(self.seconds),
            "seconds": {"median": round(self.median, 3), "max": round(max(self.seconds), 3)},
            "step_medians": medians,
            "load": load,
        }

    @property
    def median(self) -> float:
        """Of the replacements' times."""
        return statistics.median(self.seconds)


class Bench:
    """One instance of cove, one app, one container of the baseline."""

    def __init__(self, instance: Instance, rate: float) -> None:
        """Build the two versions that replace each other."""
        self.instance = instance
        self.rate = rate
        self.images = [instance.build("1"), instance.build("2")]
        self._turn = 0
        self._protocol = ""

    def rollouts(self, order: str, protocol: str, count: int) -> Series:
        """Rolls out so many times under one load."""
        series = Series(order, protocol)
        if self._protocol != protocol:  # the route that the load is to find
            self.deploy(order, protocol)
            self._protocol = protocol
        with self._load(HOST, protocol) as load:
            for _ in range(count):
                done = self.deploy(order, protocol)
                series.seconds.append(done["seconds"])
                _add_steps(series, done["steps"])
                time.sleep(PAUSE)
        series.load = load.report
        return series

    def deploy(self, order: str, protocol: str) -> dict[str, Any]:
        """Rolls out the other version, with nothing but the order set."""
        text = f"image: {self._next()}\ndomain: [{HOST}, {BASELINE_HOST}]\nhealth: /healthz\n"
        text += "tls: off\n" if protocol == "h1" else ""
        text += "" if order == "start-first" else f"rollout: {{order: {order}}}\n"
        return self.instance.deploy("hello", text)

    def baseline(self, protocol: str, count: int) -> Series:
        """The same with nothing but Compose."""
        series = Series("compose up -d", protocol)
        compose = Baseline(self.instance)
        try:
            compose.up(self._next())
            compose.route(protocol)
            compose.await_answer()
            with self._load(BASELINE_HOST, protocol) as load:
                for _ in range(count):
                    series.seconds.append(compose.up(self._next()))
                    compose.await_answer()
                    time.sleep(PAUSE)
            series.load = load.report
        finally:
            compose.down()
        return series

    def _next(self) -> str:
        self._turn += 1
        return self.images[self._turn % 2]

    def _load(self, host: str, protocol: str) -> Load:
        if protocol == "h1":
            return Load(host, self.instance.http_port, protocol, self.rate)
        ca_file = self.instance.write_ca()
        return Load(host, self.instance.https_port, protocol, self.rate, ca_file=ca_file)


class Baseline:
    """The same image in a Compose project of its own, in the app's network, behind the same proxy.

    Its route leads to its fixed address with the settings cove gives its own routes, so what
    differs is the replacement alone.
    """

    def __init__(self, instance: Instance) -> None:
        """Choose names; nothing is there yet."""
        self._data = instance.data
        self._file = instance.folder / "compose.yaml"
        self._route = instance.data / "proxy/dynamic/bench.yaml"
        self._project = instance.images
        self._network = f"{instance.prefix()}-hello"
        subnet = run(
            "docker", "network", "inspect", "--format", "{{(index .IPAM.Config 0).Subnet}}",
            self._network,
        )  # fmt: skip
        self._address = str(ipaddress.IPv4Network(subnet)[BASELINE_ADDRESS])
        self._compose = find_compose().path

    def up(self, image: str) -> float:
        """Replaces the container, and returns how long Compose took, in seconds."""
        service = {
            "image": image,
            "pull_policy": "never",
            "restart": "unless-stopped",
            "networks": {"app": {"ipv4_address": self._address}},
        }
        networks = {"app": {"external": True, "name": self._network}}
        self._file.write_text(yaml.safe_dump({"services": {"web": service}, "networks": networks}))
        begun = time.monotonic()
        self._run("up", "--detach")
        return time.monotonic() - begun

    def route(self, protocol: str) -> None:
        """Leads the baseline's domain to the container, as cove would."""
        router: dict[str, Any] = {
            "rule": f"Host(`{BASELINE_HOST}`)",
            "service": "bench",
            "entryPoints": ["web" if protocol == "h1" else "websecure"],
            "priority": 1000,  # above the app's own route for the domain
        }
        if protocol == "h2":
            router["tls"] = {}
        servers = [{"url": f"http://{self._address}:8000"}]
        service = {"loadBalancer": {"servers": servers, "serversTransport": TRANSPORT}}
        http = {"routers": {"bench": router}, "services": {"bench": service}}
        staged = self._data / "bench.yaml"
        staged.write_text(yaml.safe_dump({"http": http}))
        staged.rename(self._route)
        time.sleep(ROUTE_PAUSE)

    def await_answer(self) -> None:
        """Waits until the container answers. Raises BenchError."""
        deadline = time.monotonic() + SERVE_LIMIT
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://{self._address}:8000/healthz", timeout=1).close()
                return
            time.sleep(0.05)
        raise BenchError("the baseline's container does not answer")

    def down(self) -> None:
        """Removes the route and the container."""
        self._route.unlink(missing_ok=True)
        with contextlib.suppress(BenchError):
            self._run("down", "--timeout", "1")

    def _run(self, *arguments: str) -> None:
        project = ("--project-name", self._project, "--file", str(self._file))
        run(self._compose, *project, "--progress", "quiet", *arguments)


def _add_steps(series: Series, steps: list[tuple[str, float]]) -> None:
    """Adds up by title within one rollout: stop-first waits for readiness twice."""
    sums: dict[str, float] = {}
    for title, seconds in steps:
        general = re.sub(r"releases? \d+( and \d+)*", "release N", title)
        general = re.sub(r"^fetch .*", "fetch the image", general)
        sums[general] = sums.get(general, 0.0) + seconds
    for title, seconds in sums.items():
        series.steps.setdefault(title, []).append(seconds)


def measure(given: argparse.Namespace) -> list[Series]:
    """Every series that was asked for, one after the other."""
    orders = ORDERS if given.order == "both" else (given.order,)
    protocols = tuple(PROTOCOLS) if given.protocol == "both" else (given.protocol,)
    found: list[Series] = []
    with Instance() as instance:
        bench = Bench(instance, given.rate)
        for protocol in protocols:
            for order in orders:
                count = given.rollouts if order == orders[0] else max(1, given.rollouts // 2)
                _say(f"{count} rollouts, {order}, {PROTOCOLS[protocol]}")
                found.append(bench.rollouts(order, protocol, count))
            count = 1 if given.quick else given.rollouts
            _say(f"{count} times docker compose up -d, {PROTOCOLS[protocol]}")
            found.append(bench.baseline(protocol, count))
    return found


def _say(text: str) -> None:
    print(f"bench.rollout: {text}", file=sys.stderr, flush=True)


def show(found: list[Series], facts: dict[str, str]) -> None:
    """Prints the tables."""
    print("\n".join(f"{key:<10} {value}" for key, value in facts.items()), end="\n\n")
    columns = "{:<14} {:<12} {:>5} {:>8} {:>7} {:>9} {:>8} {:>8} {:>6} {:>7}"
    heads = ("replaced by", "protocol", "times", "requests", "FAILED", "longest", "median", "max")
    print(columns.format(*heads, "gen.", "machine"))
    print(columns.format("", "", "", "", "", "wait s", "s each", "s each", "CPU", "CPU"))
    for one in found:
        load = one.load
        counts = (len(one.seconds), load["sent"], load["failed"])
        times = (load["longest_wait_ms"] / 1000, one.median, max(one.seconds))
        shares = (load["generator_cpu"], load["machine_busy"])
        cells = [f"{seconds:.2f}" for seconds in times] + [f"{share:.0%}" for share in shares]
        print(columns.format(one.what, PROTOCOLS[one.protocol], *counts, *cells))
    for one in found:
        if one.load["reasons"]:
            print(f"\n{one.what}, {PROTOCOLS[one.protocol]}, failed: {one.load['reasons']}")
    for one in (one for one in found if one.steps):
        show_steps(one, found)


def show_steps(one: Series, found: list[Series]) -> None:
    """Prints where the time of a rollout goes, beside Compose's."""
    compose = [s.median for s in found if s.protocol == one.protocol and not s.steps]
    beside = f" ({one.median - compose[0]:.2f} s more than compose up -d)" if compose else ""
    print(f"\n{one.what}, {PROTOCOLS[one.protocol]}: median {one.median:.2f} s{beside}, of which")
    for title, seconds in one.steps.items():
        print(f"  {statistics.median(seconds):7.3f} s  {title}")


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        prog="bench.rollout",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rollouts", type=int, default=20, help="of each kind; stop-first: half")
    parser.add_argument("--rate", type=float, default=300.0, help="requests per second")
    parser.add_argument("--protocol", choices=[*PROTOCOLS, "both"], default="both")
    parser.add_argument("--order", choices=[*ORDERS, "both"], default="both")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="2 of each, Compose once")
    given = parser.parse_args(arguments)
    given.rollouts = 2 if given.quick else given.rollouts
    if not 0 < given.rollouts <= MOST_ROLLOUTS:
        parser.error(f"--rollouts must be from 1 to {MOST_ROLLOUTS}")
    return given


def main(arguments: list[str] | None = None) -> int:
    """Measures; returns the exit status."""
    given = parse_arguments(arguments)
    facts = machine.facts()
    begun = time.monotonic()
    try:
        found = measure(given)
    except (BenchError, CoveError) as error:
        _say(str(error))
        return 2
    policy = RolloutPolicy()
    facts["rollout"] = f"the defaults: settle {policy.settle:g} s, drain up to {policy.drain:g} s"
    facts["load"] = f"{given.rate:g}/s: 70 % GET, 10 % GET that take 1-2 s, 20 % POST of 1-64 KiB"
    facts["took"] = f"{time.monotonic() - begun:.0f} s"
    if given.json:
        print(json.dumps({"machine": facts, "series": [s.as_dict() for s in found]}, indent=2))
    else:
        show(found, facts)
    lost = sum(one.load["failed"] for one in found if one.steps)
    if lost:
        _say(f"{lost} requests were lost in rollouts")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
