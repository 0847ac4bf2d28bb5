"""Real certificates for public names, from a real authority, through a real proxy."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from cove.ports import ProxyRoutes
from cove.render.traefik import ProxySettings, routes_to

from support.agent import Agent, Ended
from support.appfiles import app_file
from support.images import Images
from support.pebble import EAB_HMAC, EAB_KID, Pebble, use
from support.places import free_port
from support.polling import until
from support.proxies import RealGate
from support.releases import app, release, route
from support.traffic import Traffic
from support.web import Web

BLOCKED = "blocked.example.com"
SHORT = 30  # seconds of a certificate's life
LONG = 90.0  # seconds; generous, for a busy machine


@pytest.fixture(scope="module")
def pebble(agent: Agent, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pebble]:
    """An authority that validates at the agent's ports."""
    pebble = Pebble(
        tmp_path_factory.mktemp("pebble"),
        agent.http_port,
        agent.https_port,
        blocked=(BLOCKED,),
    )
    try:
        yield pebble.start()
    finally:
        pebble.stop()


def certs(agent: Agent) -> dict[str, dict[str, Any]]:
    """Every certificate by domain."""
    return {one["domain"]: one for one in agent.api("GET", "/v1/certs")["certs"]}


def names(web: Web, domain: str) -> list[str]:
    """What the certificate that is served for a name covers."""
    listed: Any = web.certificate(domain)["subjectAltName"]
    return [name for _, name in listed]


def notices(ended: Ended) -> str:
    """Everything a deploy remarked."""
    return "\n".join(event["text"] for event in ended.events if event["kind"] == "notice")


def trusting(agent: Agent, pebble: Pebble) -> Web:
    """The agent's proxy, believed with the authority's root alone."""
    return replace(agent.web, root=pebble.issuing_root)


def await_state(agent: Agent, domain: str, state: str) -> dict[str, Any]:
    """A domain's line of `cove certs` once it is in a state."""

    def there() -> dict[str, Any] | None:
        found = certs(agent).get(domain, {})
        return found if found.get("state") == state else None

    found = until(there, f"{domain} is {state}", LONG)
    assert found
    return found


@contextmanager
def stranger(port: int) -> Iterator[None]:
    """A web server that is not cove's, on the same port of another loopback address."""

    class Elsewhere(BaseHTTPRequestHandler):
        server_version, sys_version = "Stranger/1", ""

        def do_GET(self) -> None:
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.3", port), Elsewhere)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def leading(port: int, *, host: str) -> ProxyRoutes:
    """Routes of a proxy in front that lead all of a name to a port of loopback."""
    made = release(1, app(name="front", routes=(route(domain=host, port=port, tls="off"),)))
    placements = tuple(structs.replace(p, address="127.0.0.1") for p in made.placements)
    return routes_to(structs.replace(made, placements=placements), ProxySettings())


def test_a_public_domain_is_certified_by_the_deploy(agent, images: Images, pebble):
    """After the deploy the proxy serves a certificate of the authority for exactly this name."""
    use(agent, pebble)
    ended = agent.deploy(app_file("shop", images.hello, domain="shop.example.com")).expect("live")
    assert notices(ended) == ""
    web = trusting(agent, pebble)
    assert web.get("shop.example.com").status == 200
    assert "shop.example.com" in names(web, "shop.example.com")
    found = certs(agent)["shop.example.com"]
    assert (found["state"], found["source"], found["app"]) == ("valid", "acme", "shop")
    assert "Pebble" in found["issuer"]


def test_a_domain_is_certified_by_tls_alpn(agent, images, pebble):
    """With the other challenge, all goes over the port for HTTPS and nothing over that for HTTP."""
    use(agent, pebble, challenge="tls")
    try:
        agent.deploy(app_file("alpn", images.hello, domain="alpn.example.com")).expect("live")
        await_state(agent, "alpn.example.com", "valid")
        assert "alpn.example.com" in names(trusting(agent, pebble), "alpn.example.com")
        assert pebble.validated("alpn.example.com") > 0
        assert "http://alpn.example.com" not in pebble.log
        assert not (agent.data_dir / "proxy/dynamic/_challenges.yml").exists()
    finally:
        use(agent, pebble)


def test_a_name_that_leads_elsewhere_is_never_put_to_the_authority_until_it_is_mended(
    agent, images, pebble
):
    """The deploy goes live and says why; two names of one app do not wait for each other."""
    pebble.point("bad.example.com", "127.0.0.2")
    domains = ["good.example.com", "bad.example.com"]
    ended = agent.deploy(app_file("two", images.hello, domain=domains)).expect("live")
    assert "bad.example.com does not reach this server yet" in notices(ended)
    assert "127.0.0.2" in notices(ended)
    assert "good.example.com" in names(trusting(agent, pebble), "good.example.com")
    found = await_state(agent, "bad.example.com", "pending")
    assert "nothing listens at 127.0.0.2" in found["error"]
    assert found["hint"]
    # What is not certified is served all the same, with the proxy's own certificate.
    with pytest.raises(ssl.SSLCertVerificationError):
        trusting(agent, pebble).get("bad.example.com")
    first = found["next_try"]
    until(lambda: certs(agent)["bad.example.com"]["next_try"] > first, "another try", LONG)
    assert pebble.validated("good.example.com") > 0
    assert pebble.validated("bad.example.com") == 0
    pebble.point("bad.example.com")
    await_state(agent, "bad.example.com", "valid")
    assert "bad.example.com" in names(trusting(agent, pebble), "bad.example.com")


def test_another_server_at_the_name_is_named(agent, images, pebble):
    """The explanation has the status and the Server header of whoever answered."""
    with stranger(agent.http_port):
        pebble.point("taken.example.com", "127.0.0.3")
        text = app_file("taken", images.hello, domain="taken.example.com")
        agent.deploy(text).expect("live")
        found = await_state(agent, "taken.example.com", "pending")
        assert "something else answers at 127.0.0.3: status 404 (Stranger/1)" in found["error"]
    assert pebble.validated("taken.example.com") == 0
    agent.act("taken", "remove").expect("done")
    assert "taken.example.com" not in certs(agent)


def test_a_refusal_waits_out_its_back_off_whatever_else_changes(agent, images, pebble):
    """One order, then none: not at other apps' deploys, and not after the agent's restart."""
    ended = agent.deploy(app_file("blocked", images.hello, domain=BLOCKED)).expect("live")
    assert "the authority refused" in notices(ended)
    found = await_state(agent, BLOCKED, "waiting")
    orders = pebble.orders
    assert found["attempts"] == 1
    assert found["next_try"] > 0
    agent.deploy(app_file("other", images.hello)).expect("live")
    agent.restart()
    again = await_state(agent, BLOCKED, "waiting")
    assert {**again, "days_left": 0} == {**found, "days_left": 0}
    assert pebble.orders == orders
    agent.api("POST", "/v1/certs/renew", {"domain": BLOCKED})
    until(lambda: certs(agent)[BLOCKED]["attempts"] == 2, "the second refusal", LONG)
    assert pebble.orders == orders + 1
    agent.act("blocked", "remove").expect("done")


def test_certificates_outlast_the_agent(agent, images, pebble):
    """After a restart the same certificates are served, and nothing is ordered."""
    before = trusting(agent, pebble).certificate("shop.example.com")["serialNumber"]
    orders = pebble.orders
    agent.restart()
    assert trusting(agent, pebble).certificate("shop.example.com")["serialNumber"] == before
    await_state(agent, "shop.example.com", "valid")
    assert pebble.orders == orders


def test_without_an_authority_the_deploy_still_goes_live(agent, images, pebble):
    """An authority that cannot be reached costs nothing but the certificate."""
    use(agent, pebble, directory=f"https://127.0.0.1:{free_port()}/dir")
    ended = agent.deploy(app_file("lone", images.hello, domain="lone.example.com")).expect("live")
    assert "cannot be reached" in notices(ended)
    use(agent, pebble)
    await_state(agent, "lone.example.com", "valid")


async def test_the_gate_passes_through_a_second_proxy(agent, images, tmp_path):
    """What stands before this proxy does not matter, as long as it leads here."""
    front = RealGate(tmp_path / "front")
    pebble = Pebble(tmp_path / "ca", front.ports.http, agent.https_port)
    domain = "behind.example.com"
    try:
        use(agent, pebble.start())
        text = app_file("behind", images.hello, domain=domain)
        ended = await asyncio.to_thread(agent.deploy, text)
        ended.expect("live")
        found = await asyncio.to_thread(await_state, agent, domain, "pending")
        assert "nothing listens at 127.0.0.1" in found["error"]
        assert pebble.validated(domain) == 0
        await front.start()
        await front.proxy.publish("front", leading(agent.http_port, host=domain))
        await asyncio.to_thread(await_state, agent, domain, "valid")
        assert pebble.validated(domain) > 0
    finally:
        await front.stop()
        pebble.stop()
        agent.act("behind", "remove").expect("done")


def test_a_renewal_loses_no_request(agent, images, tmp_path):
    """The served certificate changes while requests go on, and none of them fails."""
    pebble = Pebble(tmp_path / "short", agent.http_port, agent.https_port, lifetime=SHORT)
    try:
        use(agent, pebble.start())
        agent.deploy(app_file("brief", images.hello, domain="brief.example.com")).expect("live")
        await_state(agent, "brief.example.com", "valid")
        web = trusting(agent, pebble)
        first = web.certificate("brief.example.com")["serialNumber"]
        with Traffic(web, "brief.example.com") as traffic:
            until(
                lambda: web.certificate("brief.example.com")["serialNumber"] != first,
                "another certificate is served",
                LONG,
            )
            traffic.more(20)
        traffic.assert_lossless()
    finally:
        pebble.stop()
        agent.act("brief", "remove").expect("done")


def test_an_external_account_is_bound(agent, images, tmp_path):
    """Without the account the refusal says so; with it the certificate comes."""
    pebble = Pebble(tmp_path / "eab", agent.http_port, agent.https_port, account=True)
    try:
        use(agent, pebble.start())
        text = app_file("bound", images.hello, domain="bound.example.com")
        ended = agent.deploy(text).expect("live")
        assert "externalAccountBinding" in notices(ended)
        assert "--eab-kid" in certs(agent)["bound.example.com"]["hint"]
        use(agent, pebble, eab_kid=EAB_KID, eab_hmac=EAB_HMAC, email="owner@example.com")
        await_state(agent, "bound.example.com", "valid")
        files = [path for path in agent.data_dir.rglob("*") if path.is_file()]
        assert not [path for path in files if EAB_HMAC.encode() in path.read_bytes()]
    finally:
        pebble.stop()
        agent.act("bound", "remove").expect("done")


def test_an_agent_that_is_killed_takes_its_order_along_and_its_successor_orders_again(
    agent, images, tmp_path
):
    """No child outlives its agent; the name is certified all the same."""
    pebble = Pebble(tmp_path / "slow", agent.http_port, agent.https_port, slow=True)
    try:
        use(agent, pebble.start())
        agent.begin(app_file("cut", images.hello, domain="cut.example.com"))
        until(lambda: released(agent, "cut"), "the release is live", LONG)
        until(lambda: pebble.validated("cut.example.com"), "the order is under way", LONG)
        found = until(lambda: children(agent), "the child that speaks to the authority")
        agent.kill9()
        until(lambda: not any(map(speaks, found)), "no child is left")
        agent.start()
        await_state(agent, "cut.example.com", "valid")
        assert agent.app("cut")["state"] == "running"
    finally:
        pebble.stop()
        agent.act("cut", "remove").expect("done")


def released(agent: Agent, app: str) -> bool:
    """Whether an app has a live release."""
    listed = agent.api("GET", "/v1/apps")["apps"]
    return any(one["name"] == app and one["release"] for one in listed)


def children(agent: Agent) -> list[Path]:
    """The agent's processes that speak to an authority."""
    assert agent.process
    listed = Path(f"/proc/{agent.process.pid}/task/{agent.process.pid}/children").read_text()
    return [path for pid in listed.split() if speaks(path := Path("/proc") / pid)]


def speaks(process: Path) -> bool:
    """Whether a process speaks to an authority, and has not ended."""
    try:
        return b"cove.adapters.acme.child" in (process / "cmdline").read_bytes()
    except OSError:
        return False
