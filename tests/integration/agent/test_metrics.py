"""What containers do to the machine is seen, kept, and told in each way there is."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.agent import Agent, running
from support.appfiles import app_file, host
from support.images import Images
from support.places import free_port
from support.polling import until
from support.unix_http import UnixHttp

MIB = 1 << 20
# Two looks and some time: rows are told once the ten seconds they belong to are over.
SOON = 60.0
BURN = "while True: pass"
EAT = f"data = b'x' * (150 * {MIB}); import time; time.sleep(3600)"
# A child is killed again and again, and its parent lives on.
BURST = f"""
import os, time
while True:
    child = os.fork()
    if not child:
        data = [b'x' * {MIB} for _ in range(200)]
        os._exit(0)
    os.waitpid(child, 0)
    time.sleep(1)
"""
AGAIN = "import time; time.sleep(15); raise SystemExit(1)"


def program(images: Images, text: str, **keys: Any) -> dict[str, Any]:
    """A service that runs a Python program."""
    return {"image": images.hello, "entrypoint": ["python3", "-c", text], **keys}


@pytest.fixture(scope="module")
def agent(images: Images) -> Iterator[Agent]:
    """An agent with an app whose services each do something else."""
    services = {
        "web": {"image": images.hello, "x-cove": {"domain": host("shop"), "health": "/healthz"}},
        "burner": program(images, BURN, cpus=0.25),
        "eater": program(images, EAT),
        "bursting": program(images, BURST, mem_limit="64m", memswap_limit="64m"),
        "again": program(images, AGAIN, restart="always"),
    }
    with running(Agent()) as agent:
        agent.deploy(json.dumps({"name": "shop", "services": services})).expect("live")
        yield agent


def series(agent: Agent, kind: str, service: str = "", app: str = "shop") -> dict[str, Any]:
    """A series' values of the last ten minutes; empty while there are none."""
    view = agent.api("GET", "/v1/metrics", points=60, since=f"{time.time() - 600:.0f}")
    for one in view["series"]:
        wanted = (kind, app if kind in ("container", "route") else "", service)
        if (one["kind"], one["app"], one["service"]) == wanted:
            return dict(one["values"])
    return {}


def most(agent: Agent, kind: str, service: str, field: str) -> float:
    """The largest value of a field until now."""
    values = series(agent, kind, service).get(field, [])
    return max((value for value in values if value is not None), default=0.0)


def reaches(
    agent: Agent, service: str, field: str, right: Callable[[float], bool], kind: str = "container"
) -> None:
    """Waits until a figure is as it should be."""
    until(
        lambda: right(most(agent, kind, service, field)),
        f"{field} of {service}; {series(agent, kind, service).get(field)}",
        SOON,
        0.5,
    )


def test_a_container_that_burns_cpu_is_seen_and_throttled(agent):
    """Its processor time comes near its limit, which is shown, and so is being held back."""
    reaches(agent, "burner", "cpu", lambda cores: 0.15 < cores < 0.5)
    reaches(agent, "burner", "throttled", lambda share: share > 0.1)
    assert most(agent, "container", "burner", "cpu_limit") == 0.25


def test_a_container_that_eats_memory_is_seen(agent):
    """Its working set is what it holds."""
    reaches(agent, "eater", "memory", lambda size: 140 * MIB < size < 260 * MIB)


def test_killed_for_want_of_memory(agent):
    """Each kill is counted, and the limit shown, though the container lives on."""
    reaches(agent, "bursting", "oom_kills", lambda kills: kills >= 1)
    assert most(agent, "container", "bursting", "memory_limit") == 64 * MIB


def test_restarts_are_counted(agent):
    """Docker's restarts of a container that ends are told."""
    reaches(agent, "again", "restarts", lambda restarts: restarts >= 1)


def test_requests_are_counted(agent):
    """What goes through the proxy is counted by outcome, with its duration and bytes."""
    for _ in range(40):
        assert agent.web.get(host("shop")).status == 200
    for _ in range(5):
        assert agent.web.get(host("shop"), "/no-such-page").status == 404
    reaches(agent, "web", "requests", lambda rate: rate > 0, "route")
    ok = {"app": "shop", "class": "ok"}
    told = "every request is counted"
    # cove itself looks whether the route answers, too
    until(lambda: scraped(agent, "cove_route_requests_total", **ok) >= 40, told, SOON, 0.5)
    assert scraped(agent, "cove_route_requests_total", app="shop", **{"class": "4xx"}) == 5
    assert 0 < most(agent, "route", "web", "p95") < 10
    assert most(agent, "route", "web", "sent") > 0


def test_routes_to_one_place_are_told_apart(agent, images):
    """In the metrics, in the status, and by the command; in the chart of both together as well."""
    name = "parted"
    one, two = f"one.{host(name)}", f"two.{host(name)}"
    routes = [{"domain": one}, {"domain": two, "path": "/api", "strip_path": True}]
    agent.deploy(app_file(name, images.hello, routes=routes)).expect("live")

    def counted(route: str) -> float:
        label = {"app": name, "service": name, "route": route, "class": "4xx"}
        return scraped(agent, "cove_route_requests_total", **label)

    def asked() -> bool:
        """Until the agent has looked at the proxy once, before what is counted."""
        agent.web.get(one, "/none")
        agent.web.get(two, "/api/none")
        agent.web.get(two, "/api/none")
        return counted(f"{one}/") > 0 and counted(f"{two}/api") > 0

    until(asked, "both are counted", SOON, 0.5)
    first, second = counted(f"{one}/"), counted(f"{two}/api")
    for domain, path, more in ((one, "/none", 3), (two, "/api/none", 5)):
        for _ in range(more):
            assert agent.web.get(domain, path).status == 404
    told = "each by itself"

    def apart() -> bool:
        grown = counted(f"{one}/") - first, counted(f"{two}/api") - second
        return grown[0] >= 3 and grown[1] >= 5

    until(apart, told, SOON, 0.5)

    def charted() -> set[str]:
        view = agent.api(
            "GET", "/v1/metrics", points=60, since=f"{time.time() - 600:.0f}", app=name
        )
        return {s["route"] for s in view["series"] if s["kind"] == "route"}

    until(lambda: charted() == {"", f"{one}/", f"{two}/api"}, "a chart of each", SOON, 0.5)
    shown = agent.cove("metrics", name).out
    assert f"{two}/api" in shown
    status = agent.api("GET", f"/v1/apps/{name}")["app"]
    rates = [route["rate"] for route in status["routes"]]
    assert all(rate > 0 for rate in rates)
    assert status["rate"] == pytest.approx(sum(rates), rel=0.01)


def test_the_machine_and_the_platform_are_seen(agent):
    """The machine, its disks, the proxy and the agent have series as well."""
    until(lambda: series(agent, "host"), "the machine was looked at", SOON, 0.5)
    values = series(agent, "host")
    assert max(v for v in values["memory"] if v is not None) > 0
    assert series(agent, "disk", "/")["size"]
    until(lambda: series(agent, "container", "proxy", "_proxy"), "the proxy", SOON, 0.5)
    assert series(agent, "container", "agent", "_agent")["memory"]


def test_the_command_draws_and_tells(agent):
    """`cove metrics` names every service, and with --json gives the series."""
    until(lambda: series(agent, "container", "burner"), "something was measured", SOON, 0.5)
    said = agent.cove("metrics")
    assert said.code == 0, said.err
    assert "machine" in said.out
    deep = agent.cove("metrics", "shop", "--since", "10m")
    assert all(name in deep.out for name in ("burner", "eater", "bursting", "cpu", "memory"))
    found = agent.cove("metrics", "shop", "--json", "--points", "10").json
    assert {one["service"] for one in found["series"]} >= {"burner", "eater"}
    assert len(found["times"]) <= 11
    assert agent.cove("metrics", "shpo").code == 2


def test_top_tells_the_present(agent):
    """`cove top` shows who uses the processor at this moment."""
    said = agent.cove("top", "--times", "2", "--every", "1")
    assert said.code == 0, said.err
    assert said.out.count("APP") == 2
    assert "burner" in said.out


def exposition(agent: Agent) -> str:
    """The text on the agent's socket."""
    connection = UnixHttp(agent.socket)
    try:
        connection.request("GET", "/metrics")
        response = connection.getresponse()
        text = response.read().decode()
        return text if response.status == 200 else ""
    finally:
        connection.close()


def scraped(agent: Agent, name: str, **labels: str) -> float:
    """A sample of the text; 0 where it is not there."""
    for line in exposition(agent).splitlines():
        head, _, value = line.rpartition(" ")
        if head.startswith(f"{name}{{") and all(f'{k}="{v}"' in head for k, v in labels.items()):
            return float(value)
    return 0.0


def test_promtool_has_nothing_to_say(agent):
    """The text keeps to Prometheus' format and conventions."""
    promtool = shutil.which("promtool")
    assert promtool, "promtool is missing: script/setup --test"
    text = until(lambda: exposition(agent), "there is something to tell", SOON)
    done = subprocess.run(
        [promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_prometheus_scrapes_the_port(images, tmp_path):
    """A real Prometheus finds the agent up on the port asked for, and reads its samples."""
    prometheus = shutil.which("prometheus")
    assert prometheus, "prometheus is missing: script/setup --test"
    port, own = free_port(), free_port()
    agent = Agent()
    usual = agent.argv
    agent.argv = lambda: [*usual(), "--metrics-port", str(port)]  # type: ignore[method-assign]
    with running(agent):
        agent.deploy(app_file("shop", images.hello)).expect("live")
        config = {
            "global": {"scrape_interval": "1s"},
            "scrape_configs": [
                {"job_name": "cove", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
            ],
        }
        file = tmp_path / "prometheus.yml"
        file.write_text(json.dumps(config))
        argv = [prometheus, f"--config.file={file}", f"--storage.tsdb.path={tmp_path / 'data'}"]
        argv += [f"--web.listen-address=127.0.0.1:{own}"]
        with (tmp_path / "log").open("wb") as log:
            process = subprocess.Popen(argv, stdout=log, stderr=log)
        try:
            until(lambda: asked(own, 'up{job="cove"}') == ["1"], "it is up", SOON, 0.5)
            query = 'cove_container_memory_working_set_bytes{app="shop"}'
            assert until(lambda: asked(own, query), "it has samples", SOON, 0.5)
        finally:
            process.terminate()
            process.wait()
        assert agent.api("GET", "/v1/version")["metrics_port"] == port


def asked(port: int, query: str) -> list[str]:
    """The values that Prometheus answers; none while it does not."""
    url = f"http://127.0.0.1:{port}/api/v1/query?query={urllib.parse.quote(query)}"
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return [one["value"][1] for one in json.load(response)["data"]["result"]]
    except (OSError, ValueError):
        return []


def test_a_spoilt_file_harms_nothing(images, tmp_path: Path):
    """Damaged measurements are moved aside and told; the app serves all along."""
    with running(Agent()) as agent:
        agent.deploy(app_file("shop", images.hello)).expect("live")
        agent.stop()
        (agent.data_dir / "metrics.db").write_bytes(b"no database" * 1000)
        for ending in ("-wal", "-shm"):
            (agent.data_dir / f"metrics.db{ending}").unlink(missing_ok=True)
        agent.start()
        assert agent.web.get(host("shop")).status == 200
        until(lambda: series(agent, "host"), "measuring goes on", SOON, 0.5)
        assert (agent.data_dir / "metrics.db.damaged").exists()
        until(lambda: "metrics.db was damaged" in agent.cove("events").out, "it is told")
