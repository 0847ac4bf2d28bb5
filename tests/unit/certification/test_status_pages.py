"""Certificates for the domains of status pages."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from cove.errors import Refused
from cove.model.app import App, EnvValue, OwnCertificate
from cove.model.certificates import AcmeSettings
from cove.model.statuspage import StatusPage

from support.certification import Place
from support.store import opened, spec
from support.virtual_time import run

STATUS, LOCAL, BLOG = "status.example.com", "status.localhost", "blog.example.com"


@pytest.fixture
def place() -> Iterator[Place]:
    """A machine without apps."""
    with opened() as store:
        yield Place(store)


def show(place: Place, domain: str) -> None:
    """A page is set."""
    place.store.put_status_page(StatusPage(domain=domain, every=True))
    run(place.certification.ensure_page(domain))


def brings(*names: str) -> App:
    """An app with a certificate of its own for these names."""
    made = spec("blog", (BLOG,))
    own = OwnCertificate(chain=" ".join(names), key=EnvValue("key", sensitive=True))
    return replace(made, routes=(replace(made.routes[0], tls="own", certificate=own),))


def test_a_public_page_is_certified_by_the_authority(place):
    """Whoever sets it can wait for that; it is listed as what it is."""
    place.certification.change(AcmeSettings())
    show(place, STATUS)
    assert place.certification.uncertified() == {STATUS}

    async def settle() -> tuple[str, ...]:
        waiting = asyncio.create_task(place.certification.settle_page(STATUS, 60))
        await place.during(60)
        return tuple(await waiting)

    assert run(settle()) == ()
    assert place.authority.count(STATUS) == 1
    (listed,) = place.certification.listing()
    assert (listed.domain, listed.apps, listed.source) == (STATUS, ("status page",), "acme")


def test_a_local_page_is_certified_at_once(place):
    """Without any authority but cove's own; and nothing is waited for."""
    show(place, LOCAL)
    assert set(place.local.certified) == {LOCAL}
    assert run(place.certification.settle_page(LOCAL, 60)) == ()
    assert place.authority.orders == []


def test_a_page_keeps_its_certificate_until_it_is_removed(place):
    """The hourly look deletes only what nobody wants."""
    show(place, LOCAL)
    run(place.certification.maintain())
    assert set(place.local.certified) == {LOCAL}
    place.store.remove_status_page(LOCAL)
    run(place.certification.maintain())
    assert place.local.certified == {}


def test_a_certificate_that_an_app_brings_may_not_name_a_page(place):
    """Whichever of the two comes first: it could be shown in the page's place."""
    show(place, STATUS)
    said = f"the certificate that the app blog brings for {BLOG} is also for {STATUS}, the domain"
    with pytest.raises(Refused, match=said) as caught:
        run(place.certification.agree(brings(BLOG, STATUS)))
    assert caught.value.specific_code == "route-taken"
    run(place.certification.agree(brings(BLOG)))
    place.store.remove_status_page(STATUS)
    app = brings(BLOG, STATUS)
    run(place.certification.agree(app))
    run(place.certification.ensure(place.live(app)))
    with pytest.raises(Refused, match=said):
        place.certification.check_page(STATUS)
    place.certification.check_page("other.example.com")
