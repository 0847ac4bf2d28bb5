"""What observing costs the proxy: its throughput as cove sets it up, beside a bare Traefik.

    script/bench proxy            14 rounds of 3 s for each setting, about three minutes
    script/bench proxy --quick    2 rounds of 3 s

Every setting is a Traefik of its own on loopback in front of one nginx; each round asks all of
them in turn, so that what disturbs the machine disturbs all alike. Needs `wrk` and `nginx`
(script/setup --bench). Exit status 1 when a goal is missed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from bench.lab import machine
from bench.lab.instance import BIND, BenchError, free_ports, run
from cove.model.access import ACCESS_LOGS, AccessLog
from cove.render.proxy import PROXY_ENVIRONMENT, ProxyPorts, base_document, static_document
from cove.render.traefik import TRANSPORT

# Of bare, by requests per second: docs/decisions/0022-what-observing-may-cost.md
GOALS = {"access log: off": 0.90, "access log: errors": 0.80}
HOST = "bench.localhost"
CONNECTIONS = 32
START_LIMIT = 20.0
POLL = 0.1
_NGINX = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log /dev/null;
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_requests 1000000000;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen {bind}:{port} reuseport;
    location / {{ return 200 "hello from the container\\n"; }}
  }}
}}
"""


@dataclass
class Setting:
    """One way to set Traefik up, and what its rounds found."""

    name: str
    document: dict[str, Any]
    environment: dict[str, str]
    port: int
    transport: dict[str, Any]  # how it dials containers; empty: as Traefik does by itself
    pid: int = 0
    rates: list[float] = field(default_factory=list)
    cost: list[float] = field(default_factory=list)
    slowest: list[float] = field(default_factory=list)
    rss: float = 0.0


def settings() -> list[Setting]:
    """Bare, and as cove sets it up with each choice of access log."""
    found = []
    for name in ("bare", *(f"access log: {choice}" for choice in reversed(ACCESS_LOGS))):
        port, secure, api = free_ports(3)
        choice: AccessLog = next((c for c in ACCESS_LOGS if name.endswith(c)), "off")
        ports = ProxyPorts(http=port, https=secure, api=api, bind=BIND, access_log=choice)
        document = static_document(ports)
        environment = dict(PROXY_ENVIRONMENT)
        transport = base_document(0)["http"]["serversTransports"]
        if name == "bare":
            document.pop("metrics")
            environment = {}
            transport = {}
        found.append(Setting(name, document, environment, port, transport))
    return found


@contextlib.contextmanager
def upstream(folder: Path) -> Iterator[int]:
    """Runs nginx; its port."""
    binary = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if binary is None:
        raise BenchError("nginx is missing: script/setup --bench")
    (port,) = free_ports(1)
    file = folder / "nginx.conf"
    file.write_text(_NGINX.format(folder=folder, bind=BIND, port=port))
    with child([binary, "-c", str(file), "-e", "/dev/null"], {}, folder / "nginx.log"):
        yield port


@contextlib.contextmanager
def child(argv: list[str], environment: dict[str, str], log: Path) -> Iterator[int]:
    """Runs a program until the block ends; its pid."""
    with log.open("wb") as file:
        process = subprocess.Popen(argv, env=os.environ | environment, stdout=file, stderr=file)
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def proxy(setting: Setting, folder: Path, target: int) -> Iterator[None]:
    """Runs a Traefik with a route to the target, and waits until it answers."""
    binary = shutil.which("traefik", path=str(Path(sys.executable).parent))
    if binary is None:
        raise BenchError("the embedded Traefik is missing: script/setup")
    dynamic = folder / "dynamic"
    dynamic.mkdir(parents=True)
    setting.document["providers"]["file"]["directory"] = str(dynamic)
    (dynamic / "app.yml").write_text(json.dumps(_route(target, setting.transport)))
    file = folder / "traefik.yaml"
    file.write_text(yaml.safe_dump(setting.document))
    with child([binary, f"--configFile={file}"], setting.environment, folder / "log") as pid:
        setting.pid = pid
        _await(setting)
        yield


def _route(target: int, transport: dict[str, Any]) -> dict[str, Any]:
    balancer: dict[str, Any] = {"servers": [{"url": f"http://{BIND}:{target}"}]}
    balancer |= {"serversTransport": TRANSPORT} if transport else {}
    router = {"rule": f"Host(`{HOST}`)", "service": "bench_r1_web_80", "entryPoints": ["web"]}
    return {
        "http": {
            "routers": {"bench_0": router},
            "services": {"bench_r1_web_80": {"loadBalancer": balancer}},
            **({"serversTransports": transport} if transport else {}),
        }
    }


def _await(setting: Setting) -> None:
    request = urllib.request.Request(f"http://{BIND}:{setting.port}/", headers={"Host": HOST})
    deadline = time.monotonic() + START_LIMIT
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(request, timeout=2).close()  # noqa: S310 - loopback
            return
        time.sleep(POLL)
    raise BenchError(f"{setting.name} does not answer")


def ask(setting: Setting, seconds: float) -> None:
    """One round of load on one setting."""
    before = machine.cpu_seconds(setting.pid)
    argv = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds:g}s", "--latency"]
    text = run(*argv, "-H", f"Host: {HOST}", f"http://{BIND}:{setting.port}/")
    used = machine.cpu_seconds(setting.pid) - before
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    count = re.search(r"(\d+) requests in", text)
    late = re.search(r"99%\s+([\d.]+)(us|ms|s)", text)
    if not (rate and count and late) or "Non-2xx" in text or "Socket errors" in text:
        raise BenchError(f"{setting.name}: {text}")
    setting.rates.append(float(rate[1]))
    setting.cost.append(used / int(count[1]) * 1e6)
    setting.slowest.append(float(late[1]) * {"us": 0.001, "ms": 1, "s": 1000}[late[2]])
    setting.rss = machine.memory(setting.pid).rss


def measure(rounds: int, seconds: float) -> list[Setting]:
    """Every round asks every setting, in turns that begin with another each time."""
    if shutil.which("wrk") is None:
        raise BenchError("wrk is missing: script/setup --bench")
    found = settings()
    with contextlib.ExitStack() as stack:
        top = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cove-bench-")))
        top.chmod(0o755)  # nginx's worker is another user
        target = stack.enter_context(upstream(top))
        for number, setting in enumerate(found):
            stack.enter_context(proxy(setting, top / str(number), target))
        for setting in found:
            ask(setting, 1)  # warm, and not counted
            setting.rates, setting.cost, setting.slowest = [], [], []
        for number in range(rounds):
            for setting in found[number % len(found) :] + found[: number % len(found)]:
                ask(setting, seconds)
    return found


def ratio(setting: Setting, bare: Setting) -> float:
    """The median of the rounds' ratios: both of a round were measured within seconds."""
    pairs = zip(setting.rates, bare.rates, strict=True)
    return statistics.median(mine / theirs for mine, theirs in pairs)


def cheapness(setting: Setting, bare: Setting) -> float:
    """The same by processor time for a request, which other work on the machine disturbs less."""
    pairs = zip(setting.cost, bare.cost, strict=True)
    return statistics.median(theirs / mine for mine, theirs in pairs)


def as_dict(found: list[Setting], facts: dict[str, str]) -> dict[str, Any]:
    """Everything as JSON can hold it."""
    return {
        "machine": facts,
        "goals": GOALS,
        "settings": [
            {
                "name": s.name,
                "requests_per_second": round(statistics.median(s.rates)),
                "of_bare": round(ratio(s, found[0]), 3),
                "cpu_us_per_request": round(statistics.median(s.cost), 1),
                "bare_cpu_of_its": round(cheapness(s, found[0]), 3),
                "p99_ms": round(statistics.median(s.slowest), 2),
                "rss_mib": round(s.rss, 1),
            }
            for s in found
        ],
    }


def show(result: dict[str, Any]) -> None:
    """Prints the table."""
    print("\n".join(f"{key:<10} {value}" for key, value in result["machine"].items()), end="\n\n")
    columns = "{:<22} {:>9} {:>8} {:>8} {:>8} {:>8} {:>8}"
    print(columns.format("setting", "req/s", "of bare", "CPU us", "by CPU", "p99 ms", "RSS MiB"))
    for one in result["settings"]:
        print(columns.format(*(str(value) for value in one.values())))


def main(arguments: list[str] | None = None) -> int:
    """Measures; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="bench.proxy",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=14)
    parser.add_argument("--seconds", type=float, default=3.0, help="of load, for each setting")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args(arguments)
    if given.quick:
        given.rounds = 2
    facts = machine.facts()
    try:
        found = measure(given.rounds, given.seconds)
    except BenchError as error:
        print(f"bench.proxy: {error}", file=sys.stderr)
        return 2
    result = as_dict(found, facts)
    if given.json:
        print(json.dumps(result, indent=2))
    else:
        show(result)
    reached = {one["name"]: one["of_bare"] for one in result["settings"]}
    return 0 if all(reached[name] >= goal for name, goal in GOALS.items()) else 1


if __name__ == "__main__":
    sys.exit(main())
