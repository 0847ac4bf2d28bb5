"""Wildcards, certificates of the user's own, and what `cove certs` says and sets."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from support.agent import Agent, ApiError
from support.appfiles import app_file
from support.dns_update import KEY, KEY_NAME, TOKEN, digitalocean, update_server
from support.images import Images
from support.pebble import Pebble, use
from support.polling import until
from support.web import Web

LONG = 90.0


@pytest.fixture(scope="module")
def pebble(agent: Agent, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pebble]:
    """An authority that validates at the agent's ports."""
    pebble = Pebble(tmp_path_factory.mktemp("pebble"), agent.http_port, agent.https_port)
    try:
        yield pebble.start()
    finally:
        pebble.stop()


def cert(agent: Agent, domain: str) -> dict[str, Any]:
    """A domain's line of `cove certs`."""
    found = agent.api("GET", "/v1/certs")["certs"]
    return next((one for one in found if one["domain"] == domain), {})


def await_valid(agent: Agent, domain: str) -> None:
    """Until a domain has its certificate."""
    until(lambda: cert(agent, domain).get("state") == "valid", f"{domain} is valid", LONG)


def names(web: Web, domain: str) -> list[str]:
    """What the certificate that is served for a name covers."""
    listed: Any = web.certificate(domain)["subjectAltName"]
    return [name for _, name in listed]


def test_a_wildcard_without_a_dns_provider_is_refused(agent, images: Images):
    """Before anything is touched, and with the command that helps."""
    text = app_file("wild", images.hello, domain="*.wild.example.com")
    ended = agent.deploy(text).expect("failed")
    assert ended.error["code"] == "wildcard-dns"
    assert "cove certs dns" in ended.error["hint"]
    assert agent.api("GET", "/v1/apps")["apps"] == []


def test_a_wildcard_of_the_local_authority_serves_every_name_below_it(agent, images: Images):
    """And a name of its own wins over the wildcard, whoever came first."""
    text = app_file("wild", images.hello, domain="*.wild.localhost", env={"VERSION": "wild"})
    agent.deploy(text).expect("live")
    assert agent.web.get("one.wild.localhost", "/version").text == "wild\n"
    text = app_file("exact", images.hello, domain="one.wild.localhost", env={"VERSION": "exact"})
    agent.deploy(text).expect("live")
    assert agent.web.get("one.wild.localhost", "/version").text == "exact\n"
    assert agent.web.get("two.wild.localhost", "/version").text == "wild\n"
    assert agent.web.plain("a.two.wild.localhost").status == 404
    agent.act("exact", "remove").expect("done")
    assert agent.web.get("one.wild.localhost", "/version").text == "wild\n"
    agent.act("wild", "remove").expect("done")


def test_a_wildcard_is_certified_through_signed_dns_updates(
    agent, images: Images, pebble, tmp_path
):
    """By RFC 2136: the record is written for the time of the proof alone; a wrong key is told."""
    use(agent, pebble)
    secret = tmp_path / "tsig"
    with update_server(pebble, "example.com") as server:
        secret.write_text("bm90LXRoZS1rZXk=\n")
        given = ["--server", server, "--key-name", KEY_NAME, "--secret-file", str(secret)]
        assert agent.cove("certs", "dns", "rfc2136", *given).code == 0
        text = app_file("wild", images.hello, domain="*.wild.example.com")
        agent.deploy(text).expect("live")
        until(lambda: cert(agent, "*.wild.example.com").get("state") == "waiting", "refused", LONG)
        secret.write_text(f"{KEY}\n")
        assert agent.cove("certs", "dns", "rfc2136", *given).code == 0
        await_valid(agent, "*.wild.example.com")
    web = replace(agent.web, root=pebble.issuing_root)
    assert web.get("some.wild.example.com").status == 200
    assert names(web, "other.wild.example.com") == ["*.wild.example.com"]
    assert KEY.encode() not in (agent.data_dir / "state.db").read_bytes()
    agent.act("wild", "remove").expect("done")


def test_a_wildcard_is_certified_through_digitalocean(agent, images: Images, pebble):
    """With a token that stays out of sight."""
    use(agent, pebble)
    with digitalocean(pebble, "example.com") as server:
        given = ("--server", server, "--secret-file", "-")
        said = agent.cove("certs", "dns", "digitalocean", *given, input=f"{TOKEN}\n")
        assert said.code == 0, said.err
        assert TOKEN not in said.out + said.err
        text = app_file("ocean", images.hello, domain="*.ocean.example.com")
        agent.deploy(text).expect("live")
        await_valid(agent, "*.ocean.example.com")
    agent.act("ocean", "remove").expect("done")


def issued(folder: Path, *domains: str, days: float = 90) -> tuple[Path, Path]:
    """A certificate and key of one's own, self-signed, ending in so many days."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = dt.datetime.now(dt.UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "my own")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=100))
        .not_valid_after(now + dt.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(d) for d in domains]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    paths = folder / "cert.pem", folder / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(pem))
    paths[1].write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths


def deployed(agent: Agent, folder: Path, images: Images, **keys: Any) -> Any:
    """`cove deploy` of an app with its own certificate, in a folder with the files."""
    own = {"cert": "cert.pem", "key": "key.pem"}
    text = app_file("mine", images.hello, domain="mine.example.com", tls=own, **keys)
    (folder / "mine.yml").write_text(text)
    return agent.cove("deploy", str(folder / "mine.yml"))


def test_an_own_certificate_is_served_and_its_key_stays_secret(agent, images: Images, tmp_path):
    """From the files beside the app file; after a restart too; renewed by another deploy."""
    certificate, key = issued(tmp_path, "mine.example.com")
    said = deployed(agent, tmp_path, images)
    assert said.code == 0, said.err
    web = replace(agent.web, root=certificate)
    assert web.get("mine.example.com").status == 200
    found = cert(agent, "mine.example.com")
    assert (found["state"], found["source"], found["issuer"]) == ("valid", "own", "my own")
    inside = key.read_text().splitlines()[1].encode()
    assert inside not in (agent.data_dir / "state.db").read_bytes()
    first = web.certificate("mine.example.com")["serialNumber"]
    agent.restart()
    assert web.certificate("mine.example.com")["serialNumber"] == first
    certificate, _ = issued(tmp_path, "mine.example.com")
    assert deployed(agent, tmp_path, images).code == 0
    second = replace(agent.web, root=certificate).certificate("mine.example.com")["serialNumber"]
    assert second != first
    agent.act("mine", "rollback").expect("live")
    with pytest.raises(OSError, match="certificate"):
        replace(agent.web, root=certificate).get("mine.example.com")
    agent.act("mine", "remove").expect("done")


def test_a_domain_has_one_certificate(agent, images: Images, tmp_path):
    """Who comes later is refused, with or without one; the first goes on being served."""
    certificate, _ = issued(tmp_path, "mine.example.com")
    assert deployed(agent, tmp_path, images).code == 0
    route = {"domain": "mine.example.com", "path": "/later"}
    (tmp_path / "later").mkdir()
    issued(tmp_path / "later", "mine.example.com")
    pair = {"cert": "cert.pem", "key": "key.pem"}

    def later(tls: object) -> str:
        return app_file("later", images.hello, routes=[route | {"tls": tls}])

    for tls in ("auto", pair):
        text = later(tls)
        (tmp_path / "later" / "later.yml").write_text(text)
        said = agent.cove("deploy", str(tmp_path / "later" / "later.yml"))
        assert said.code == 1
        assert "that the app mine brings" in said.err
    (tmp_path / "later.yml").write_text(later(pair))  # beside the files of the first
    assert agent.cove("deploy", str(tmp_path / "later.yml")).code == 0
    web = replace(agent.web, root=certificate)
    assert web.get("mine.example.com").status == 200
    for name in ("later", "mine"):
        agent.act(name, "remove").expect("done")


@pytest.mark.parametrize("case", ["expired", "other key", "other name", "missing"])
def test_an_own_certificate_is_looked_at_first(agent, images: Images, tmp_path, case):
    """What cannot serve is refused and says why; a name that is not covered is remarked."""
    days = -1 if case == "expired" else 90
    named = "else.example.com" if case == "other name" else "mine.example.com"
    certificate, key = issued(tmp_path, named, days=days)
    if case == "other key":
        kept = certificate.read_text()
        issued(tmp_path, named)
        certificate.write_text(kept)
    if case == "missing":
        key.unlink()
    said = deployed(agent, tmp_path, images)
    expected = {
        "expired": (1, "expired on"),
        "other key": (1, "does not belong to the key"),
        "other name": (0, "covers else.example.com"),
        "missing": (2, "was not found"),
    }
    code, text = expected[case]
    assert text in said.err
    assert bool(said.code) == bool(code)
    if not code:
        agent.act("mine", "remove").expect("done")


def test_the_settings_are_shown_without_their_secrets_and_bad_ones_change_nothing(agent, pebble):
    """`cove certs acme` shows what was set; the account's key is shown to nobody."""
    use(agent, pebble, eab_kid="me", eab_hmac="c2VjcmV0")
    shown = agent.cove("certs", "acme")
    assert shown.code == 0, shown.err
    assert pebble.directory in shown.out
    assert "c2VjcmV0" not in shown.out
    before = agent.cove("certs", "acme", "--json").json
    for bad in (
        ("--directory", "http://acme.example.com/"),
        ("--email", "nobody"),
        ("--dns-server", "a:b:c:d"),
    ):
        said = agent.cove("certs", "acme", *bad)
        assert said.code == 2, (bad, said.out, said.err)
    assert agent.cove("certs", "acme", "--json").json == before
    with pytest.raises(ApiError) as caught:
        agent.api("POST", "/v1/certs/renew", {"domain": "nobody.example.com"})
    assert caught.value.status == 404
    assert agent.cove("certs", "acme", "--reset").code == 0
    assert "letsencrypt" in agent.cove("certs", "acme").out
