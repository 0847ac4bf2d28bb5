"""The public status page through the real proxy: what it shows, and what it cannot do."""

from __future__ import annotations

import gzip
import http.client
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from support.agent import Agent, ApiError, running
from support.appfiles import app_file, host
from support.engine import docker
from support.images import Images
from support.pebble import Pebble, use
from support.polling import until
from support.web import Answer

PAGE = "status.localhost"
LONG = 180.0  # seconds; a dead port is noticed within 70, and a page is made every 10
NOBODY = 65534  # Debian's user that owns nothing
HOSTILE = "</title><script>alert('1')</script>{{env}}\"&"


def show(agent: Agent, domain: str = PAGE, **page: Any) -> dict[str, Any]:
    """A page that is set; what the agent says of it."""
    return agent.api("POST", "/v1/status-pages", {"domain": domain, **page})


def pages(agent: Agent) -> list[dict[str, Any]]:
    """The pages there are."""
    return list(agent.api("GET", "/v1/status-pages")["pages"])


def seen(agent: Agent, domain: str = PAGE) -> dict[str, Any]:
    """What the page tells programs."""
    answer = agent.web.get(domain, "/status.json")
    assert answer.status == 200, answer
    return dict(json.loads(answer.text))


def level(agent: Agent, app: str) -> str:
    """What is said of a service; empty where it is not shown."""
    found = (one["level"] for one in seen(agent)["services"] if one["name"] == app)
    return next(found, "")


def port(agent: Agent) -> int:
    """Where the agent hands pages out, on loopback."""
    return int(json.loads((agent.data_dir / "instance.json").read_text())["page_port"])


def ask(agent: Agent, head: str) -> str:
    """What the loopback port answers to a request as written; up to its end."""
    with socket.create_connection(("127.0.0.1", port(agent)), 30) as channel:
        channel.sendall(head.encode())
        return b"".join(iter(lambda: channel.recv(65536), b"")).decode("utf-8", "replace")


def parsed(feed: str | bytes) -> ET.Element:
    """The feed, which is cove's own."""
    return ET.fromstring(feed)  # noqa: S314 - no stranger's document


def refusal(call: Any) -> str:
    """Why something is refused."""
    with pytest.raises(ApiError) as caught:
        call()
    assert caught.value.code == "route-taken"
    return str(caught.value.body["message"])


@pytest.fixture
def shop(agent: Agent, images: Images) -> Iterator[Agent]:
    """An app that is live and was seen up, and no page; neither is left."""
    agent.deploy(app_file("shop", images.hello)).expect("live")
    up = {"routes": [{"state": "up"}]}
    until(lambda: _states(agent) == up, "it is seen up", LONG)
    yield agent
    for page in pages(agent):
        agent.api("POST", "/v1/status-pages/remove", {"domain": page["domain"]})
    agent.act("shop", "remove")


def _states(agent: Agent) -> dict[str, Any]:
    found = agent.api("GET", "/v1/uptime", app="shop")["routes"]
    return {"routes": [{"state": one["state"]} for one in found]}


def test_the_page_shows_an_app_going_down_and_coming_back(shop: Agent, images: Images):
    """Over TLS of the local authority; of the app it tells nothing but how it does."""
    said = show(shop, apps=[{"app": "shop", "label": "Web shop"}], title="Example")
    assert said["page"]["shown"] == ["Web shop"]
    assert said["page"]["url"] == f"https://{PAGE}:{shop.https_port}/"
    page = shop.web.get(PAGE)
    assert page.status == 200
    assert "All services are operational" in page.text
    assert "Web shop" in page.text
    assert re.search(r"script-src|unsafe|\*", page.headers["content-security-policy"]) is None
    assert PAGE in str(shop.web.certificate(PAGE)["subjectAltName"])
    plain = shop.web.plain(PAGE)
    assert (plain.status, plain.headers["location"]) == (301, f"https://{PAGE}:{shop.https_port}/")
    (name,) = shop.owned.containers("shop")
    address = shop.app("shop")["replicas"][0]["address"]
    docker("pause", name)
    try:
        until(lambda: level(shop, "Web shop") == "down", "the page says so", LONG, pause=2)
        down = shop.web.get(PAGE)
        assert "All services are down" in down.text
        assert "so far" in down.text
    finally:
        docker("unpause", name)
    until(lambda: level(shop, "Web shop") == "operational", "it is well again", LONG, pause=2)
    after = seen(shop)
    (incident,) = after["incidents"]
    assert incident["ended"] > incident["began"]
    feed = shop.web.get(PAGE, "/feed.atom")
    titles = [t.text for t in parsed(feed.text).iter("{http://www.w3.org/2005/Atom}title")]
    assert len(titles) == 2
    for text in (down.text, json.dumps(after), feed.text):
        for secret in (address, images.hello, name, "healthz", "127.0.0.1", host("shop"), "502"):
            assert secret not in text, secret


def test_a_domain_is_a_pages_or_an_apps(shop: Agent, images: Images):
    """Whoever is second is refused, whatever path or redirect it wants, and nothing changes."""
    assert refusal(lambda: show(shop, host("shop"), every=True)) == (
        f"{host('shop')}/ belongs to the app shop, and a status page needs its domain to itself"
    )
    assert pages(shop) == []
    show(shop, every=True)
    before = shop.world()
    taken = f"{PAGE} belongs to the status page"
    whole = app_file("thief", images.hello, domain=PAGE)
    assert refusal(lambda: shop.deploy(whole)) == taken
    for route in ({"domain": PAGE, "path": "/x"}, {"domain": "t.localhost", "redirect_from": PAGE}):
        wanted = app_file("thief", images.hello, domain=None, routes=[route])
        assert refusal(lambda wanted=wanted: shop.deploy(wanted)) == taken
    assert shop.world() == before
    assert shop.web.get(PAGE).status == 200
    shop.api("POST", "/v1/status-pages/remove", {"domain": PAGE})
    shop.deploy(whole).expect("live")
    shop.act("thief", "remove")


def test_names_and_titles_are_text_and_nothing_else(shop: Agent):
    """In the page, its JSON and its feed; what cannot be shown is refused."""
    show(shop, title=HOSTILE, apps=[{"app": "shop", "label": HOSTILE}])
    page = shop.web.get(PAGE).text
    assert "<script" not in page
    assert page.count("&lt;script&gt;") >= 3
    assert seen(shop)["title"] == HOSTILE
    feed = parsed(shop.web.get(PAGE, "/feed.atom").text)
    assert feed.findtext("{http://www.w3.org/2005/Atom}title") == HOSTILE
    for bad in ("a\nb", "\u202e", "x" * 81, "\x00"):
        with pytest.raises(ApiError) as caught:
            show(shop, title=bad)
        assert caught.value.code == "status-page"
    for bad in ("`) || Host(`a", "*.localhost", "a b", "", "x" * 300, "UPPER.localhost"):
        with pytest.raises(ApiError):
            show(shop, bad, every=True)
    assert [one["domain"] for one in pages(shop)] == [PAGE]


def test_an_app_that_is_not_there_is_not_shown(shop: Agent):
    """Nor is a page made that shows nothing."""
    with pytest.raises(ApiError) as caught:
        show(shop, apps=[{"app": "shpo"}])
    assert "did you mean shop?" in caught.value.body["message"]
    with pytest.raises(ApiError) as caught:
        show(shop)
    assert caught.value.code == "status-page"
    assert pages(shop) == []


def test_the_loopback_port_tells_no_more_than_the_page(shop: Agent):
    """Another user of the machine gets it for its name, and nothing for any other."""
    show(shop, apps=[{"app": "shop"}])
    ours = f"Host: {PAGE}\r\n\r\n"
    assert ask(shop, f"GET /status.json HTTP/1.1\r\n{ours}").startswith("HTTP/1.1 200 ")
    for name in ("127.0.0.1", host("shop"), "localhost", f"x.{PAGE}"):
        answer = ask(shop, f"GET / HTTP/1.1\r\nHost: {name}\r\n\r\n")
        assert answer.startswith("HTTP/1.1 404 ")
        assert answer.endswith("\r\n\r\nnot found\n")
    for path in ("/v1/apps", "/v1/version", "/../status.json", "//"):
        assert ask(shop, f"GET {path} HTTP/1.1\r\n{ours}").startswith("HTTP/1.1 404 ")
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE"):
        assert shop.web.get(PAGE, "/", method, b"x" if method == "POST" else b"").status == 405
    assert ask(shop, f"GET / HTTP/1.1\r\nContent-Length: 5\r\n{ours}").startswith("HTTP/1.1 413 ")
    chunked = f"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n{ours}"
    assert ask(shop, chunked).startswith("HTTP/1.1 413 ")
    head = shop.web.get(PAGE, "/", "HEAD")
    assert (head.status, head.text) == (200, "")


def test_who_dawdles_keeps_nobody_from_the_page(shop: Agent):
    """Nor do more connections than there may be, all of them silent."""
    show(shop, apps=[{"app": "shop"}])
    silent = [socket.create_connection(("127.0.0.1", port(shop)), 30) for _ in range(300)]
    try:
        assert shop.web.get(PAGE).status == 200
        silent[-1].sendall(f"GET / HTTP/1.1\r\nHost: {PAGE}\r\n\r\n".encode())
        assert silent[-1].recv(20).startswith(b"HTTP/1.1 200 ")
    finally:
        for channel in silent:
            channel.close()


def test_a_flood_is_turned_away_by_the_proxy(shop: Agent):
    """The page is for a few requests a second and client; apps' own routes do not notice.

    And no visitor of the page is in the proxy's log, whatever the answer was.
    """
    show(shop, apps=[{"app": "shop"}])
    with ThreadPoolExecutor(8) as pool:
        flood = list(pool.map(lambda _: shop.web.get(PAGE).status, range(120)))
        own = list(pool.map(lambda _: shop.web.get(host("shop"), "/healthz").status, range(120)))
    assert set(flood) == {200, 429}
    assert set(own) == {200}
    assert shop.web.get(host("shop"), "/none").status == 404
    proxy = f"{shop.instance}_proxy-proxy-1"
    log = until(lambda: _with("/none", docker("logs", proxy)), "the log is written", LONG)
    assert "429" not in log
    assert "_page" not in log


def _with(mark: str, text: str) -> str:
    return text if mark in text else ""


def test_an_unchanged_page_is_not_sent_again(shop: Agent):
    """And it is sent compressed to who can read that."""
    show(shop, apps=[{"app": "shop"}])

    def get(**headers: str) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", port(shop), timeout=30)
        connection.request("GET", "/", headers={"Host": PAGE, **headers})
        return connection.getresponse()

    def unchanged() -> bool:
        first = get()
        again = get(**{"If-None-Match": first.headers["ETag"]})
        return again.status == 304 and again.read() == b""

    until(unchanged, "the same page is asked for twice")
    packed = get(**{"Accept-Encoding": "br, gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    body = packed.read()
    assert b"All services are operational" in gzip.decompress(body)
    assert len(body) < 5000


def test_a_page_outlives_the_agent_and_the_proxy(shop: Agent):
    """A kill, and a proxy that was taken down: both come back with it, and requests wait."""
    show(shop, apps=[{"app": "shop"}])

    def held() -> bool:
        shop.kill9()
        with ThreadPoolExecutor(1) as pool:
            asked: Any = pool.submit(shop.web.get, PAGE)
            shop.start()
            answer: Answer = asked.result()
        return answer.status == 200

    until(held, "a request that came while nobody listened is answered", LONG)
    shop.api("POST", "/v1/shutdown", {"proxy": True})
    assert shop.exit_code() == 0
    shop.start()
    until(lambda: shop.web.get(PAGE).status == 200, "the page is there again", LONG)
    assert shop.version()["proxy"]["problem"] == ""  # type: ignore[index]


def test_a_page_is_there_before_docker_is(shop: Agent):
    """It says that nothing is known rather than that all is well, and becomes whole again."""
    show(shop, apps=[{"app": "shop"}])
    shop.stop()
    shop.env["DOCKER_HOST"] = "unix:///nowhere/docker.sock"
    try:
        shop.launch()

        def answer() -> str:
            with suppress(ConnectionRefusedError):
                return ask(shop, f"GET / HTTP/1.1\r\nHost: {PAGE}\r\n\r\n")
            return ""

        said = until(answer, "the page is there", LONG)
        assert said.startswith("HTTP/1.1 200 ")
        assert "The state of some services is not known" in said
        version = shop.version()
        assert version
        assert not version["ready"]
    finally:
        del shop.env["DOCKER_HOST"]
        shop.restart()
    until(lambda: level(shop, "shop") == "operational", "it is seen up again", LONG, pause=2)


def test_what_is_removed_is_gone(shop: Agent):
    """The route, the open port, the wish for a certificate; what it was is forgotten."""
    show(shop, apps=[{"app": "shop"}])
    file = shop.data_dir / "proxy/dynamic/_pages.yml"
    assert file.exists()
    wanted = {one["domain"]: one["app"] for one in shop.api("GET", "/v1/certs")["certs"]}
    assert wanted[PAGE] == "status page"
    shop.api("POST", "/v1/status-pages/remove", {"domain": PAGE})
    assert shop.web.plain(PAGE).status == 404
    assert not file.exists()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port(shop)), 5)
    wanted = {one["domain"]: one["app"] for one in shop.api("GET", "/v1/certs")["certs"]}
    assert wanted[PAGE] == ""
    shop.restart()
    assert pages(shop) == []
    assert shop.version()["proxy"]["problem"] == ""  # type: ignore[index]
    with pytest.raises(ApiError) as caught:
        shop.api("POST", "/v1/status-pages/remove", {"domain": PAGE})
    assert caught.value.code == "not-found"


def test_a_public_page_is_certified_like_an_app(shop: Agent, tmp_path: Path):
    """By the authority that is set, over HTTP and over TLS; the gate and the back-off are one."""
    pebble = Pebble(tmp_path, shop.http_port, shop.https_port)
    domain = "status.example.com"
    try:
        use(shop, pebble.start())
        assert show(shop, domain, apps=[{"app": "shop"}])["notes"] == []
        web = replace(shop.web, root=pebble.issuing_root)
        assert web.get(domain).status == 200
        use(shop, pebble, challenge="tls")
        assert web.get(domain).status == 200
        assert "HostRegexp" in (shop.data_dir / "proxy/dynamic/_pages.yml").read_text()
        pebble.point("away.example.com", "127.0.0.2")
        (note,) = show(shop, "away.example.com", apps=[{"app": "shop"}])["notes"]
        assert "does not reach this server" in note
        (away,) = [one for one in pages(shop) if one["domain"] == "away.example.com"]
        assert not away["certified"]
    finally:
        use(shop, pebble)
        pebble.stop()


def test_the_command_sets_lists_and_removes_pages(shop: Agent):
    """In words and as JSON; a change leaves alone what it does not name."""
    refused = shop.cove("status-page", "set", PAGE)
    assert (refused.code, "--all" in refused.err) == (2, True)
    first = shop.cove("status-page", "set", PAGE, "--app", "shop=Web shop", "--domains")
    assert (first.code, first.out) == (0, f"https://{PAGE}:{shop.https_port}/ shows Web shop\n")
    again = shop.cove("status-page", "set", PAGE, "--title", "Example", "--json")
    page = again.json["page"]
    assert (page["title"], page["shown"], page["domains"]) == ("Example", ["Web shop"], True)
    assert host("shop") in shop.web.get(PAGE).text
    listed = shop.cove("status-page")
    assert "Example" in listed.out
    assert shop.cove("status-page", "list", "--json").json["pages"] == pages(shop)
    assert PAGE in shop.cove("certs").out
    assert shop.cove("status-page", "remove", PAGE).code == 0
    assert "there is no status page" in shop.cove("status-page").out
    assert shop.cove("status-page", "remove", PAGE).code == 2
    assert f"the status page {PAGE} is removed" in shop.cove("events").out


def test_another_user_cannot_be_the_page(images: Images):
    """The port is root's, also while the agent is away."""
    if os.geteuid() != 0:
        pytest.fail("this needs root, which can become another user")
    with running(Agent()) as agent:
        agent.deploy(app_file("shop", images.hello)).expect("live")
        show(agent, every=True)
        agent.stop()
        program = (
            f"import os, socket; os.setgid({NOBODY}); os.setuid({NOBODY}); "
            f"socket.create_server(('127.0.0.1', {port(agent)}))"
        )
        argv = [sys.executable, "-I", "-c", program]
        ended = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
        assert "PermissionError" in ended.stderr
