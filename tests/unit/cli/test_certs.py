from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from support.calling import Cove
from support.fake_agent import FakeAgent

SHOWN: dict[str, Any] = {
    "directory": "https://ca.example/dir",
    "email": "",
    "challenge": "http",
    "eab_kid": "me",
    "own_roots": False,
    "gate": True,
    "http_port": 80,
    "tls_port": 443,
    "dns_server": "",
    "dns_provider": "",
    "dns_provider_server": "",
}


def line(**given: Any) -> dict[str, Any]:
    """One certificate of the API's answer."""
    usual = {"domain": "a.example.com", "app": "a", "state": "valid", "issuer": "CA", "error": ""}
    return {**usual, "not_after": time.time() + 40.5 * 86400, "next_try": 0.0, "hint": "", **given}


def test_what_keeps_a_certificate_from_coming_stands_below_the_table(
    cove: Cove, agent: FakeAgent
) -> None:
    """With the next try and what to do; nothing is said of the others."""
    bad = line(
        domain="b.example.com",
        state="pending",
        not_after=0.0,
        error="nothing listens there",
        hint="open the port",
        next_try=time.time() + 20,
    )
    agent.answers["GET", "/v1/certs"] = (200, {"certs": [line(), bad], "ca": {}})
    assert cove("certs") == 0
    assert "40 days" in cove.out
    assert "b.example.com: nothing listens there (next try in " in cove.out
    assert "open the port" in cove.out
    assert cove.out.count("a.example.com") == 1


def test_settings_are_shown_without_being_changed(cove: Cove, agent: FakeAgent) -> None:
    """Without options there is only a GET."""
    agent.answers["GET", "/v1/certs/acme"] = (200, {"acme": SHOWN})
    assert cove("certs", "acme") == 0
    assert "https://ca.example/dir" in cove.out


def test_only_what_is_given_is_changed(cove: Cove, agent: FakeAgent, tmp_path: Path) -> None:
    """Keys and roots are read from files, and never stand on the command line."""
    (tmp_path / "key").write_text("c2VjcmV0\n")
    agent.answers["POST", "/v1/certs/acme"] = (200, {"acme": SHOWN})
    given = ("--eab-kid", "me", "--eab-hmac-file", str(tmp_path / "key"), "--no-gate")
    assert cove("certs", "acme", *given) == 0
    assert agent.bodies("POST", "/v1/certs/acme") == [
        {"eab_kid": "me", "eab_hmac": "c2VjcmV0", "gate": False}
    ]
    assert cove("certs", "acme", "--email", "") == 0
    assert agent.bodies("POST", "/v1/certs/acme")[1] == {"email": ""}
    assert cove("certs", "acme", "--root", str(tmp_path / "none")) == 2
    assert "cannot be read" in cove.err


def test_a_dns_provider_needs_its_secret_from_a_file(
    cove: Cove, agent: FakeAgent, tmp_path: Path
) -> None:
    """`none` takes the provider away."""
    (tmp_path / "token").write_text("token\n")
    agent.answers["POST", "/v1/certs/dns"] = (200, {"acme": SHOWN})
    assert cove("certs", "dns", "digitalocean") == 2
    assert "--secret-file" in cove.err
    assert cove("certs", "dns", "digitalocean", "--secret-file", str(tmp_path / "token")) == 0
    assert cove("certs", "dns", "none") == 0
    first, second = agent.bodies("POST", "/v1/certs/dns")
    assert (first["provider"], first["secret"]) == ("digitalocean", "token")
    assert second == {}


@pytest.mark.parametrize("json_wanted", [False, True])
def test_renew_names_what_is_tried(cove: Cove, agent: FakeAgent, json_wanted) -> None:
    """And where to look for what becomes of it."""
    agent.answers["POST", "/v1/certs/renew"] = (202, {"domain": "a.example.com"})
    assert cove("certs", "renew", "a.example.com", *(["--json"] if json_wanted else [])) == 0
    assert "a.example.com" in cove.out
