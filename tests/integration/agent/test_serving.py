from __future__ import annotations

import pytest

from support.agent import Agent
from support.appfiles import app_file, host
from support.images import Images
from support.polling import until

PERMANENT = (301, 308)


@pytest.fixture(scope="module")
def served(agent: Agent, images: Images) -> str:
    """The domain of an app that serves, with all that one file can ask of the proxy."""
    routes = [
        {"domain": host("site"), "redirect_from": ["www.site.localhost", "old.localhost"]},
        {"domain": host("site"), "path": "/stripped", "strip_path": True},
        {"domain": host("plain"), "tls": "off", "redirect_from": "other.localhost"},
    ]
    text = app_file("site", images.hello, routes=routes, env={"VERSION": "one"})
    ended = agent.deploy(text).expect("live")
    assert ended.data["serving"] == ended.data["release"] == 1
    return host("site")


def test_a_first_deploy_answers_over_https_with_a_certificate_of_the_local_authority(agent, served):
    """HTTPS works at once, verified against the local root, for exactly this name."""
    answer = agent.web.get(served, "/version")
    assert (answer.status, answer.text) == (200, "one\n")
    names = agent.web.certificate(served)["subjectAltName"]
    assert ("DNS", served) in names


def test_the_end_of_a_deploy_names_the_urls(agent, served):
    """Status shows the app as running, at its URLs with the proxy's own ports."""
    app = agent.app("site")
    assert app["state"] == "running"
    assert f"https://{served}:{agent.https_port}" in app["urls"]
    assert f"http://plain.localhost:{agent.http_port}" in app["urls"]


def test_http_redirects_to_https(agent, served):
    """A request for the same thing over plain HTTP is sent on, path and query kept."""
    answer = agent.web.plain(served, "/a/b?c=d&e=f")
    assert answer.status in PERMANENT
    assert answer.headers["location"] == f"https://{served}:{agent.https_port}/a/b?c=d&e=f"


def test_http2_is_negotiated(agent, served):
    """A client that offers HTTP/2 gets it, and one that does not gets HTTP/1.1."""
    assert agent.web.protocol(served, "h2", "http/1.1") == "h2"
    assert agent.web.protocol(served, "http/1.1") == "http/1.1"


@pytest.mark.parametrize("domain", ["www.site.localhost", "old.localhost"])
def test_redirect_from_keeps_path_and_query(agent, served, domain):
    """The other names of a site lead to its own, over HTTPS and over HTTP."""
    target = f"https://{served}:{agent.https_port}/deep/er?q=1&r=%20x"
    secure = agent.web.get(domain, "/deep/er?q=1&r=%20x")
    assert (secure.status in PERMANENT, secure.headers["location"]) == (True, target)
    plain = agent.web.plain(domain, "/deep/er?q=1&r=%20x")
    assert (plain.status in PERMANENT, plain.headers["location"]) == (True, target)


def test_strip_path_takes_the_prefix_away(agent, served):
    """The app sees the path without the route's prefix, and only where it ends at a slash."""
    assert agent.web.get(served, "/stripped/version").text == "one\n"
    assert agent.web.get(served, "/stripped?x=1").status == 200
    assert agent.web.get(served, "/strippedversion").status == 404


def test_a_route_with_tls_off_serves_plain_http(agent, served):
    """Without TLS the app answers on the HTTP port itself, and not over HTTPS."""
    assert agent.web.plain("plain.localhost", "/version").text == "one\n"
    with pytest.raises(OSError, match="certificate"):
        agent.web.get("plain.localhost")


def test_redirect_from_of_a_plain_route_stays_on_plain_http(agent, served):
    """The other name of a plain site leads to its HTTP port."""
    answer = agent.web.plain("other.localhost", "/x?y=z")
    assert answer.status in PERMANENT
    assert answer.headers["location"] == f"http://plain.localhost:{agent.http_port}/x?y=z"


def test_an_unknown_name_gets_404_and_no_apps_certificate(agent, served):
    """Nobody answers for a domain that no app claims."""
    assert agent.web.plain("nobody.localhost").status == 404
    with pytest.raises(OSError, match="certificate"):
        agent.web.get("nobody.localhost")


def test_two_apps_share_a_domain_by_path(agent, images, served):
    """A second app takes another path of the same domain; the rest stays with the first."""
    routes = [{"domain": served, "path": "/api", "strip_path": True}]
    text = app_file("api", images.hello, routes=routes, env={"VERSION": "api"})
    agent.deploy(text).expect("live")
    assert agent.web.get(served, "/api/version").text == "api\n"
    assert agent.web.get(served, "/version").text == "one\n"
    assert agent.web.get(served, "/apiversion").version == "one"
    agent.act("api", "remove").expect("done")
    assert agent.web.get(served, "/api/version").version == "one"
    assert agent.web.get(served, "/version").text == "one\n"


def test_an_app_without_a_domain_runs_unrouted(agent, images):
    """A worker has no route and still must stay up to become live."""
    ended = agent.deploy(app_file("worker", images.hello, domain=None, health=None)).expect("live")
    assert ended.data["urls"] == []
    assert agent.app("worker")["state"] == "running"


def test_every_replica_answers(agent, images):
    """Requests reach all replicas of a service."""
    agent.deploy(app_file("many", images.hello, replicas=3)).expect("live")
    assert len(agent.owned.containers("many")) == 3
    hosts: set[str] = set()

    def every() -> bool:
        text = agent.web.get(host("many")).text
        hosts.add(text.partition("<dt>Host</dt><dd>")[2].partition("<")[0])
        return len(hosts) == 3

    until(every, "answers of three replicas")
