from __future__ import annotations

import time
from typing import Any

import pytest

from cove.cli import figures
from cove.cli.commands import certs, status

from support.calling import Cove
from support.fake_agent import VERSION, FakeAgent

SHOP: dict[str, Any] = {
    "name": "shop",
    "state": "running",
    "release": 12,
    "image": "ghcr.io/acme/shop:1.4",
    "digest": "sha256:0123456789abcdef0123",
    "urls": ["https://shop.example", "https://www.shop.example"],
    "since": time.time() - 7300,
    "problem": "",
    "source": "desk:/srv/shop.yml",
    "rollout": None,
    "replicas": [
        {
            "name": "shop-r12",
            "release": 12,
            "state": "running",
            "address": "10.90.0.3",
            "started_at": time.time() - 18060,
            "restarts": 2,
            "health": "healthy",
        }
    ],
    "volumes": ["shop_uploads"],
    "routes": [{"url": "https://shop.example", "target": "shop:8000", "tls": "auto"}],
}


def serve(agent: FakeAgent, *apps: dict[str, Any]) -> None:
    """Makes these the agent's apps."""
    agent.answers["GET", "/v1/apps"] = (200, {"apps": list(apps)})
    for app in apps:
        agent.answers["GET", f"/v1/apps/{app['name']}"] = (200, {"app": app})


FIGURES: dict[str, Any] = {
    "availability": 0.99996,
    "rate": 12.3,
    "failed": 0.0004,
    "p95": 0.0421,
    "memory": 52_400_000,
    "expires": time.time() + 61.5 * 86400,
    "changed": {"kind": "deploy", "outcome": "live", "ended_at": time.time() - 7300},
}
FIGURE_HEADERS = ["UPTIME", "REQ/S", "ERRORS", "P95", "MEMORY", "CERT"]
HEADERS = ["APP", "STATE", "RELEASE", *FIGURE_HEADERS, "LAST CHANGE"]


def cells(text: str) -> list[list[str]]:
    """The cells of each line."""
    lines = [line.split("  ") for line in text.splitlines()]
    return [[cell.strip() for cell in line if cell.strip()] for line in lines]


def test_status_is_one_line_per_app(cove: Cove, agent: FakeAgent) -> None:
    """How each does, on one screen, from one request; what is unknown is a dash."""
    serve(agent, {**SHOP, **FIGURES}, {"name": "blog", "state": "empty", "release": 0})
    assert cove("status") == 0
    figures = ["99.99 %", "12", "0.1 %", "42 ms", "52.4 MB", "61 days"]
    assert cells(cove.out) == [
        HEADERS,
        ["shop", "running", "12", *figures, "deploy 2 h ago"],
        ["blog", "empty", *["-"] * 8],
    ]
    assert [path for _, path, _ in agent.asked] == ["/v1/apps"]


def test_status_with_json_is_what_the_agent_said(cove: Cove, agent: FakeAgent) -> None:
    """Versioned; every figure is a number or null."""
    serve(agent, {**SHOP, **FIGURES})
    assert cove("status", "--json") == 0
    assert cove.answer == {"v": 1, "apps": [{**SHOP, **FIGURES}]}


def test_status_tells_what_fires_below(cove: Cove, agent: FakeAgent) -> None:
    """Of the server, also where there is no app, and of each app."""
    agent.answers["GET", "/v1/apps"] = (200, {"apps": [], "alerts": ["disk: it is 97 % full"]})
    assert cove("status") == 0
    assert "server: disk: it is 97 % full" in cove.out
    serve(agent, {**SHOP, "alerts": ["errors: 12 % of 300 answers were 5xx"]})
    assert cove("status") == 0
    assert "shop: errors: 12 % of 300 answers were 5xx" in cove.out


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"kind": "deploy", "outcome": "kept", "ended_at": 90},
            "deploy failed 1 min ago",
        ),
        ({"kind": "stop", "outcome": "done", "ended_at": 90}, "stop 1 min ago"),
        ({"kind": "restart", "outcome": None}, "restart under way"),
    ],
)
def test_the_last_change_says_how_it_ended(
    cove: Cove, agent: FakeAgent, change: dict[str, Any], said: str
) -> None:
    """One that failed is told as such. `ended_at` here is so many seconds ago."""
    if ago := change.get("ended_at"):
        change = change | {"ended_at": time.time() - ago}
    serve(agent, {**SHOP, "changed": change})
    assert cove("status") == 0
    assert said in cove.out


def test_a_narrow_terminal_is_spared_columns() -> None:
    """What matters least goes first; name and state stay however narrow it is."""
    row = dict.fromkeys(HEADERS, ("x" * 8, ""))
    assert status.fitting([row], 0, status.SPARED) == HEADERS
    assert status.fitting([row], 101, status.SPARED) == HEADERS
    assert status.fitting([row], 100, status.SPARED) == HEADERS[:-1]
    narrow = status.fitting([row], 38, status.SPARED)
    assert narrow == ["APP", "STATE", "ERRORS", "P95"]
    assert status.fitting([row], 5, status.SPARED) == ["APP", "STATE"]


@pytest.mark.parametrize(
    ("found", "shown"),
    [
        (figures.available(0.999999), "99.99 %"),
        (figures.available(1.0), "100 %"),
        (figures.failing(0.0), "0 %"),
        (figures.failing(0.000001), "0.1 %"),
        (figures.failing(0.5), "50 %"),
        (figures.per_second(0.0167), "0.02"),
        (figures.per_second(3.14), "3.1"),
        (figures.per_second(4321.0), "4321"),
        (figures.duration(1.26), "1.3 s"),
        (figures.certificate(100.0, 200.0), "0 days"),
    ],
)
def test_figures_never_look_better_than_they_are(found: tuple[str, str], shown: str) -> None:
    """An outage is no 100 %, a failed request no 0 %."""
    assert found[0] == shown


def test_status_tells_problems_and_rollouts_below(cove: Cove, agent: FakeAgent) -> None:
    """What is wrong has its own line; a rollout under way says how to follow it."""
    rollout = {"app": "shop", "kind": "deploy", "by": "ann@desk"}
    serve(agent, {**SHOP, "problem": "1 of 2 replicas is down", "rollout": rollout})
    assert cove("status") == 0
    assert "shop: 1 of 2 replicas is down" in cove.out
    assert "a deploy by ann@desk is under way; cove attach shop" in cove.err


def test_status_of_nothing_tells_how_to_begin(cove: Cove, agent: FakeAgent) -> None:
    """The empty state names the next command."""
    assert cove("status") == 0
    assert cove.out == "no apps yet\n"
    assert "cove deploy --image nginx" in cove.err


def test_status_in_depth(cove: Cove, agent: FakeAgent) -> None:
    """One app shows its image's digest, volumes, file; routes and containers with their figures."""
    route = {**SHOP["routes"][0], **FIGURES, "uptime": "app-down", "uptime_since": time.time() - 90}
    replica = {**SHOP["replicas"][0], "cpu": 0.254, "memory": 61e6, "memory_limit": 64e6}
    serve(agent, {**SHOP, **FIGURES, "routes": [route], "replicas": [replica]})
    assert cove("status", "shop") == 0
    for shown in (
        "release 12, since 2 h ago",
        "ghcr.io/acme/shop:1.4  0123456789ab",
        "https://shop.example  shop:8000  auto  app down, 1 min ago  99.99 %  12     0.1 %   42 ms",
        "61 days",
        "25.4 %",
        "61.0/64.0 MB",
        "deploy 2 h ago",
        "shop_uploads",
        "desk:/srv/shop.yml",
        "shop-r12",
        "10.90.0.3",
        "healthy",
        "5 h ago",
    ):
        assert shown in cove.out


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("stopped", "cove start shop"),
        ("down", "cove logs shop"),
        ("empty", "cove remove shop"),
        ("failed", "shop never served: deploy it again, or take it away: cove remove shop"),
    ],
)
def test_status_of_an_app_that_does_not_run_names_the_next_command(
    cove: Cove, agent: FakeAgent, state: str, said: str
) -> None:
    """A state that calls for something says for what."""
    serve(agent, {**SHOP, "state": state})
    assert cove("status", "shop") == 0
    assert said in cove.err


def test_status_of_all_names_the_next_command_of_a_failed_one(cove: Cove, agent: FakeAgent) -> None:
    """With the reason above it."""
    serve(agent, {**SHOP, "state": "failed", "problem": "its first deploy failed: it exited"})
    assert cove("status") == 0
    assert "shop: its first deploy failed: it exited" in cove.out
    assert "take it away: cove remove shop" in cove.err


def test_history_of_an_app_that_never_served_names_the_next_command(
    cove: Cove, agent: FakeAgent
) -> None:
    """Nothing can be gone back to."""
    failed = {"number": 1, "status": "failed", "error": "it exited"}
    agent.answers["GET", "/v1/apps/shop/releases"] = (200, {"releases": [failed]})
    assert cove("history", "shop") == 0
    assert "deploy it again, or take it away: cove remove shop" in cove.err
    assert "rollback" not in cove.err


def test_history_lists_releases(cove: Cove, agent: FakeAgent) -> None:
    """Newest first, as the agent has them, with who, why and what failed."""
    release = {
        "number": 2,
        "status": "failed",
        "image": "shop:2",
        "digest": "sha256:0123456789abcdef",
        "created_at": time.time() - 5,
        "by": "ann@desk",
        "why": "faster",
        "error": "exited with status 1\nmore",
    }
    old = {**release, "number": 1, "status": "superseded", "error": "", "why": ""}
    agent.answers["GET", "/v1/apps/shop/releases"] = (200, {"releases": [release, old]})
    assert cove("history", "shop") == 0
    _, first, second = cove.out.splitlines()
    assert first.split()[:2] == ["2", "failed"]
    for shown in ("ann@desk", "shop:2@0123456789ab", "faster", "exited with status 1"):
        assert shown in first
    assert "more" not in first
    assert second.startswith("1 ")
    assert "cove rollback shop RELEASE" in cove.err


def test_plan_lists_operations_with_causes(cove: Cove, agent: FakeAgent) -> None:
    """What would happen, why, and that nothing did."""
    agent.answers["POST", "/v1/plan"] = (
        200,
        {
            "app": "shop",
            "release": 13,
            "release_now": 12,
            "operations": [
                {"title": "start shop-r13", "cause": "the image changed"},
                {"title": "stop shop-r12", "cause": "release 13 serves"},
            ],
            "notes": ["the volume stays"],
            "variables": ["TAG", "TOKEN"],
            "urls": ["https://shop.example"],
        },
    )
    assert cove("plan", "--image", "shop:2") == 0
    assert cove.out.splitlines() == [
        "shop: release 12 → 13",
        "   1. start shop-r13  the image changed",
        "   2. stop shop-r12   release 13 serves",
        "  • the volume stays",
        "  variables from your shell or .env: TAG, TOKEN",
        "  → https://shop.example",
    ]
    assert cove.err == "nothing was changed\n"


def test_certs_shows_what_ends_when(cove: Cove, agent: FakeAgent) -> None:
    """A row per domain, and what to do about an authority that is not trusted."""
    ends = time.time() + 40.5 * 86400
    agent.answers["GET", "/v1/certs"] = (
        200,
        {
            "certs": [
                {
                    "domain": "a.localhost",
                    "issuer": "cove",
                    "not_after": ends,
                    "app": "a",
                    "state": "valid",
                }
            ],
            "ca": {"pem": "PEM\n", "trusted": False, "path": "/x"},
        },
    )
    assert cove("certs") == 0
    assert "40 days" in cove.out
    assert "cove certs trust" in cove.err
    assert cove("certs", "ca") == 0
    assert cove.out == "PEM\n"


def test_certs_ca_without_an_authority_says_when_there_will_be_one(
    cove: Cove, agent: FakeAgent
) -> None:
    """No PEM is an error with a hint, not an empty line."""
    agent.answers["GET", "/v1/certs"] = (200, {"certs": [], "ca": {}})
    assert cove("certs", "ca") == 1
    assert ".localhost" in cove.err


def test_certs_trust_installs_the_authority_under_the_instances_name(
    cove: Cove, agent: FakeAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two instances on one machine do not overwrite each other's."""
    installed: list[tuple[str, str]] = []

    def install(pem: str, name: str) -> str:
        installed.append((pem, name))
        return "/trusted/here.crt"

    monkeypatch.setattr("cove.adapters.localca.trust.install_trust", install)
    agent.answers["GET", "/v1/certs"] = (200, {"certs": [], "ca": {"pem": "PEM"}})
    assert cove("certs", "trust") == 0
    assert installed == [("PEM", VERSION["instance"])]
    assert "/trusted/here.crt" in cove.out
    assert certs.command.name


def test_down_without_an_agent_is_no_error(cove: Cove) -> None:
    """What was asked for is so already."""
    assert cove("down") == 0
    assert cove.out == "cove is not running\n"


@pytest.mark.parametrize("apps", [False, True])
def test_down_tells_what_keeps_running(cove: Cove, agent: FakeAgent, apps: bool) -> None:
    """Containers outlive the platform unless --apps was given; that is said."""
    serve(agent, SHOP, {**SHOP, "name": "idle", "state": "stopped"})

    def shut_down(_: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        (cove.data_dir / "agent.sock").unlink()
        return 202, {}

    agent.answers["POST", "/v1/shutdown"] = shut_down
    assert cove("down", *(["--apps"] if apps else [])) == 0
    assert agent.bodies("POST", "/v1/shutdown") == [{"proxy": True, "apps": apps}]
    assert ("shop" in cove.err) is not apps
    assert "idle" not in cove.err


def test_up_with_an_agent_running_says_so(cove: Cove, agent: FakeAgent) -> None:
    """In either form it is no error, and nothing is started."""
    for words in (("up",), ("up", "-d"), ("up", "-d", "--http-port", "80")):
        assert cove(*words) == 0
        assert "already running, on ports 80 and 443" in cove.out


def test_up_with_other_ports_than_the_running_agents_is_refused(
    cove: Cove, agent: FakeAgent
) -> None:
    """Exit code 2, and the way to change them."""
    assert cove("up", "-d", "--http-port", "8080") == 2
    assert "cove down" in cove.err


@pytest.mark.parametrize(
    "option",
    [
        ("--bind", "127.0.0.1"),
        ("--pool", "10.9.0.0/16"),
        ("--access-log", "full"),
        ("--metrics-port", "9464"),
        ("--metrics-port", "0"),
    ],
)
def test_up_with_other_options_than_the_running_agents_is_refused(
    cove: Cove, agent: FakeAgent, option: tuple[str, str]
) -> None:
    """An address, a pool, a log or a port that is not in force is not passed over in silence."""
    assert cove("up", "-d", *option) == 2
    assert "cove down" in cove.err


def test_up_needs_a_data_directory_it_can_write(cove: Cove) -> None:
    """A path that cannot be is an error, not a traceback."""
    (cove.data_dir / "file").write_text("")
    assert cove("--data-dir", str(cove.data_dir / "file" / "below"), "up") == 1
    assert "cannot write to" in cove.err
