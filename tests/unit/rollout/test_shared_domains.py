"""Apps that share a domain: allowed, and said before it happens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from cove.errors import InvalidFile, Refused
from cove.model.events import Rollout
from cove.model.requests import DeployRequest

from support.site import Site, request
from support.virtual_time import run

SHARED = "shop.test/ belongs to the app shop"


def other(path: str, domain: str = "shop.test") -> DeployRequest:
    """A deploy of another app on a path."""
    return DeployRequest(
        text=f"name: blog\nimage: acme/shop:2\nport: 80\n"
        f"routes: [{{domain: {domain}, path: {path}}}]\nrollout: {{settle: 0s, drain: 5s}}\n",
        origin="desk:/blog.yml",
    )


def test_a_plan_tells_of_a_shared_domain(here: Site) -> None:
    """Requests to the longer path would no longer reach the app that has the shorter one."""
    asyncio.run(here.deploy())
    assert SHARED in asyncio.run(here.rollouts.plan(other("/login"))).notes


def test_domains_of_ones_own_are_no_news(here: Site) -> None:
    """Neither the app's own claims nor a domain that only ends or begins alike."""
    asyncio.run(here.deploy())
    assert not asyncio.run(here.rollouts.plan(request(image="acme/shop:2"))).notes
    for domain in ("p.test", "www.shop.test", "shop.test.test"):
        assert not asyncio.run(here.rollouts.plan(other("/login", domain))).notes


def test_a_rollout_tells_of_a_shared_domain(here: Site) -> None:
    """Who deploys without looking at the plan is told as well."""

    async def both() -> list[str]:
        await here.deploy()
        rollout = await here.finished(here.rollouts.deploy(other("/login")))
        plan = next(event for event in here.events(rollout) if event.kind == "plan")
        return list(plan.data["notes"])

    assert SHARED in asyncio.run(both())


PEM = "-----BEGIN {0}-----\n{1}\n-----END {0}-----\n"


def brings(app: str, cert: str, *, path: str = "/", domain: str = "shop.test") -> DeployRequest:
    """A deploy of an app with a certificate of its own; or without one, for an empty `cert`."""
    tls = ", tls: {cert: c.pem, key: k.pem}" if cert else ""
    return DeployRequest(
        text=f"name: {app}\nimage: acme/shop:2\nport: 80\n"
        f"routes: [{{domain: {domain}, path: {path}{tls}}}]\n"
        "rollout: {settle: 0s, drain: 5s}\n",
        origin=f"desk:/{app}.yml",
        files={"c.pem": PEM.format("CERTIFICATE", cert), "k.pem": PEM.format("PRIVATE KEY", "K")},
    )


def live(here: Site, request: DeployRequest) -> None:
    """The deploy is live at its end."""

    async def deployed() -> Rollout:
        return await here.finished(here.rollouts.deploy(request))

    assert run(deployed()).outcome == "live"


@pytest.mark.parametrize(
    ("first", "second", "says"),
    [
        ("", "AAAA", "cove obtained for the app shop; one of blog's own would take its place"),
        ("AAAA", "", "the app shop brings; one that cove obtains for blog would take its place"),
        ("AAAA", "BBBB", "the app shop brings; another one of blog's own would take its place"),
    ],
)
def test_a_domain_has_one_certificate(here: Site, first: str, second: str, says: str) -> None:
    """Whichever app comes second is refused, before anything is touched."""
    live(here, brings("shop", first))
    with pytest.raises(Refused, match=says) as caught:
        here.rollouts.deploy(brings("blog", second, path="/login"))
    assert caught.value.specific_code == "route-taken"
    live(here, brings("blog", second, path="/login", domain="blog.test"))


@pytest.mark.parametrize("second", ["AAAA", "AAAA\r\n"])
def test_the_same_certificate_twice(here: Site, second: str) -> None:
    """Two apps may bring the same, whatever its lines end with."""
    live(here, brings("shop", "AAAA"))
    live(here, brings("blog", second, path="/login"))


def test_plain_http_needs_no_certificate(here: Site) -> None:
    """A path without TLS is no part of it."""
    live(here, brings("shop", "AAAA"))
    plain = brings("blog", "AAAA", path="/login")
    live(here, replace(plain, text=plain.text.replace("{cert: c.pem, key: k.pem}", "off")))


def test_two_apps_get_a_renewed_certificate(here: Site) -> None:
    """While one rests; with the old one it does not start again."""
    live(here, brings("shop", "AAAA"))
    live(here, brings("blog", "AAAA", path="/login"))
    with pytest.raises(Refused, match="the app blog brings") as caught:
        here.rollouts.deploy(brings("shop", "BBBB"))
    assert "cove stop blog, then deploy both" in caught.value.hint

    async def done(begin: Callable[[], Rollout]) -> Rollout:
        return await here.finished(begin())

    run(done(lambda: here.rollouts.stop("blog", "ann")))
    live(here, brings("shop", "BBBB"))
    ended = run(done(lambda: here.rollouts.start("blog", "ann")))
    assert here.error(ended)["code"] == "route-taken"
    live(here, brings("blog", "BBBB", path="/login"))


def test_what_another_app_s_certificate_names(here: Site) -> None:
    """A plan, a deploy, a rollback and a start are refused, and what serves goes on."""
    live(here, request())
    live(here, request(image="acme/shop:2"))
    here.world.disagreement = "it could be shown there"

    async def ended(begin: Callable[[], Rollout]) -> str | None:
        return (await here.finished(begin())).outcome

    with pytest.raises(Refused, match="it could be shown there"):
        run(here.rollouts.plan(request(image="acme/shop:3")))
    assert run(ended(lambda: here.rollouts.deploy(request(image="acme/shop:3")))) == "kept"
    assert run(ended(lambda: here.rollouts.rollback("shop", None, "ann"))) == "kept"
    assert here.world.answers("shop") == {"r2"}
    run(ended(lambda: here.rollouts.stop("shop", "ann")))
    assert run(ended(lambda: here.rollouts.start("shop", "ann"))) == "failed"


def test_a_release_on_its_way_counts(here: Site) -> None:
    """Of two that begin at once, one is live."""

    async def both() -> list[str | None]:
        begun = [
            here.rollouts.deploy(brings("shop", "AAAA")),
            here.rollouts.deploy(brings("blog", "BBBB", path="/login")),
        ]
        return [(await here.finished(rollout)).outcome for rollout in begun]

    assert sorted(map(str, run(both()))) == ["failed", "live"]


def test_one_app_brings_one_certificate_for_a_domain(here: Site) -> None:
    """Two would take turns."""
    text = (
        "name: shop\nimage: acme/shop:1\nport: 80\nroutes:\n"
        "- {domain: shop.test, tls: {cert: c.pem, key: k.pem}}\n"
        "- {domain: shop.test, path: /a, tls: {cert: d.pem, key: k.pem}}\n"
    )
    files = {**brings("shop", "AAAA").files, "d.pem": PEM.format("CERTIFICATE", "BBBB")}
    with pytest.raises(InvalidFile, match="brings two certificates for"):
        here.rollouts.deploy(DeployRequest(text=text, origin="desk:/shop.yml", files=files))
