"""Own certificates that name more than their app's domains."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from cove.errors import Refused
from cove.model.app import App, EnvValue, OwnCertificate

from support.certification import Place
from support.store import opened, spec
from support.virtual_time import run

SHOP, BLOG = "shop.example.com", "blog.example.com"


@pytest.fixture
def place() -> Iterator[Place]:
    """A machine without apps."""
    with opened() as store:
        yield Place(store)


def brings(app: str, domain: str, *names: str) -> App:
    """An app with a certificate of its own that covers these names."""
    made = spec(app, (domain,))
    own = OwnCertificate(chain=" ".join(names), key=EnvValue("key", sensitive=True))
    return replace(made, routes=(replace(made.routes[0], tls="own", certificate=own),))


def live(place: Place, app: App) -> None:
    """The app serves with its certificate."""
    run(place.certification.agree(app))
    run(place.certification.ensure(place.live(app)))


def refused(place: Place, app: App) -> str:
    """Why the app may not come."""
    with pytest.raises(Refused) as caught:
        run(place.certification.agree(app))
    assert caught.value.specific_code == "route-taken"
    return caught.value.message


def test_a_certificate_for_a_domain_of_another_app(place):
    """It could be shown in the place of the other's, whichever of the two comes first."""
    evil = brings("blog", BLOG, BLOG, SHOP)
    live(place, spec())
    assert refused(place, evil) == (
        f"the certificate that the app blog brings for {BLOG} is also for {SHOP}, a domain of the "
        "app shop: it could be shown there"
    )
    live(place, brings("blog", BLOG, BLOG, "other.example.com"))


def test_a_domain_that_the_certificate_of_another_app_names(place):
    """The other way round, and also while that app rests."""
    live(place, brings("blog", BLOG, BLOG, SHOP))
    assert refused(place, spec()).startswith("the certificate that the app blog brings")
    place.store.set_stopped("blog", stopped=True)
    refused(place, spec())


def test_one_certificate_for_the_domains_of_two_apps(place):
    """Each brings it; a renewed one comes while one of them rests."""
    both = ("blog", BLOG, BLOG, SHOP), ("shop", SHOP, BLOG, SHOP)
    for one in both:
        live(place, brings(*one))
    renewed = brings("shop", SHOP, BLOG, SHOP, "new.example.com")
    refused(place, renewed)
    place.store.set_stopped("blog", stopped=True)
    live(place, renewed)
    refused(place, brings(*both[0]))
    live(place, brings("blog", BLOG, BLOG, SHOP, "new.example.com"))


def test_a_wildcard_gives_way(place):
    """One that happens to cover another app's domain is shown to nobody who has an exact one."""
    live(place, spec())
    live(place, brings("blog", BLOG, "*.example.com"))
