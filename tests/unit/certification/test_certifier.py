from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from itertools import pairwise
from typing import Any

import pytest
from msgspec.structs import replace

from cove.certification.policy import renewal_at
from cove.errors import NotFound, PlatformError, Refused
from cove.model.certificates import AcmeSettings, CertFacts, DnsSettings, Order, Outcome, Pair

from support.certification import DAY, LIFE, Place, facts, now
from support.store import opened, spec
from support.virtual_time import run

SHOP = "shop.example.com"
HOUR = 3600.0


@pytest.fixture
def place() -> Iterator[Place]:
    """A machine without apps."""
    with opened() as store:
        yield Place(store)


def no(_: Order) -> Outcome:
    """An authority that refuses."""
    return Outcome(error="the authority refused: no", hint="ask nicely")


def go(work: Coroutine[Any, Any, Any]) -> Any:
    """To its end, on the clock that jumps."""
    return run(work)


def test_a_public_name_is_obtained_and_listed(place):
    """One order, and the proxy is told of the pair."""
    place.live(spec())
    go(place.during(60))
    assert place.authority.count(SHOP) == 1
    assert place.proxy.certified[-1] == (f"acme/{SHOP}",)
    assert place.state(SHOP) == "none"
    assert place.public.presented == set()


def test_local_names_and_plain_http_are_not_put_to_an_authority(place):
    """Only what needs a public certificate."""
    shop = spec(domains=("shop.test", "a.localhost", SHOP))
    routes = (*shop.routes[:2], replace(shop.routes[2], tls="off"))
    place.live(replace(shop, routes=routes))
    go(place.during(60))
    assert place.authority.orders == []


def test_a_name_that_leads_elsewhere_costs_no_order_until_it_is_mended(place):
    """Tried for ever; once it leads here, the certificate comes within half a minute."""
    place.live(spec())
    place.public.astray[SHOP] = "nothing listens there"
    go(place.during(2 * HOUR))
    assert place.authority.orders == []
    assert place.state(SHOP) == "pending"
    assert 2 * HOUR / 31 < len(place.public.asked) < 2 * HOUR / 20
    place.public.astray.clear()
    mended = now()
    go(place.during(40))
    assert place.authority.count(SHOP) == 1
    assert place.authority.orders[0][1] - mended < 31


def test_one_bad_name_holds_back_no_other(place):
    """Each name has its own order and its own back-off."""
    place.authority.answer = lambda order: no(order) if order.domain == "bad.example.com" else None
    place.live(spec(domains=("bad.example.com", SHOP)))
    go(place.during(30))
    assert place.state(SHOP) == "none"
    assert place.state("bad.example.com") == "waiting"


def test_refusals_are_answered_with_longer_and_longer_waits(place):
    """A day of refusals costs few orders, whatever else happens."""
    place.authority.answer = no
    place.live(spec())
    go(place.during(DAY))
    times = [at for _, at in place.authority.orders]
    pauses = [round(b - a) for a, b in pairwise(times)]
    assert pauses == [302, 902, 3602, 10802, 21602, 43202]


def test_back_off_outlasts_a_restart(place):
    """The next agent waits on, and tells the same reason."""
    place.authority.answer = no
    place.live(spec())
    go(place.during(400))
    tried = place.authority.count(SHOP)
    place.certification = place.again()
    go(place.during(60))
    assert place.authority.count(SHOP) == tried == 2
    shown = next(one for one in place.certification.listing() if one.domain == SHOP)
    assert shown.progress
    assert (shown.progress.failures, shown.progress.hint) == (2, "ask nicely")


def test_a_deploy_does_not_shorten_a_back_off(place):
    """What the authority refused stays refused; what only led elsewhere is looked at again."""
    place.authority.answer = no
    release = place.live(spec())

    async def work() -> None:
        await place.during(10)
        for _ in range(5):
            place.certification.begin(release)
            await place.during(10)

    go(work())
    assert place.authority.count(SHOP) == 1


def test_renew_tries_at_once(place):
    """A person may ask whenever they like; an unknown name is told."""
    place.authority.answer = no
    place.live(spec())

    async def work() -> None:
        await place.during(10)
        place.certification.renew(SHOP)
        await place.during(10)

    go(work())
    assert place.authority.count(SHOP) == 2
    with pytest.raises(NotFound):
        place.certification.renew("nobody.example.com")


def test_a_certificate_is_renewed_in_time_and_the_old_one_serves_on(place):
    """At its appointed time; a refusal of the renewal takes nothing away."""
    place.files.saved["acme", SHOP] = kept(facts(SHOP, begun=now() - 54 * DAY))
    due = renewal_at(place.files.saved["acme", SHOP].facts) - now()
    place.live(spec())
    go(place.during(due - HOUR))
    assert place.authority.orders == []
    place.authority.answer = no
    go(place.during(2 * HOUR))
    assert place.authority.count(SHOP) > 0
    assert place.proxy.certified[-1] == (f"acme/{SHOP}",)
    assert place.state(SHOP) == "waiting"
    place.authority.answer = lambda _: None
    go(place.during(DAY))
    assert place.state(SHOP) == "none"
    assert place.files.saved["acme", SHOP].facts.not_after > now() + LIFE - 2 * DAY


def kept(made: CertFacts) -> Pair:
    """A pair with these facts."""
    return Pair(chain="chain", key="key", facts=made)


def test_few_orders_are_under_way_at_once(place):
    """A hundred names do not start a hundred children."""
    place.live(spec(domains=tuple(f"n{i}.example.com" for i in range(30))))
    go(place.during(300))
    assert len(place.authority.orders) == 30
    assert place.authority.most_at_once == 2


def test_without_the_gate_the_authority_is_asked_at_once(place):
    """Whoever switches it off has a reason."""
    place.certification.change(AcmeSettings(gate=False))
    place.public.astray[SHOP] = "not to be reached from inside"
    place.live(spec())
    go(place.during(10))
    assert place.authority.count(SHOP) == 1
    assert place.public.asked == []


def test_other_settings_let_everything_be_tried_at_once(place):
    """Who mends what was wrong does not wait for a back-off."""
    place.authority.answer = no
    place.live(spec())
    go(place.during(10))
    place.authority.answer = lambda _: None
    place.certification.change(AcmeSettings(email="owner@example.com"))
    go(place.during(10))
    assert place.state(SHOP) == "none"
    assert place.store.cert_progress() == ()


def test_a_wildcard_takes_somebody_who_writes_into_the_dns(place):
    """Refused without; with, ordered, and never asked for through the gate."""
    wild = spec(domains=("*.shop.example.com",))
    with pytest.raises(Refused) as caught:
        go(place.certification.check(wild))
    assert caught.value.specific_code == "wildcard-dns"
    dns = DnsSettings(provider="digitalocean", secret="token")
    place.certification.change(AcmeSettings(dns=dns))
    assert go(place.certification.check(wild)) == ()
    place.live(wild)
    go(place.during(10))
    assert place.authority.count("*.shop.example.com") == 1
    assert place.public.asked == []
    assert "token" not in repr(dns)


def test_a_rollout_waits_for_its_certificates_within_reason(place):
    """Not at all when all are there, to the limit when the authority is slow; never an error."""
    release = place.live(spec())
    place.authority.seconds = 5.0

    async def work(seconds: float) -> tuple[tuple[str, ...], float]:
        begun = now()
        waiting = place.during(seconds + 1)
        task = asyncio.create_task(waiting)
        excuses = await place.certification.settle(release, seconds)
        took = now() - begun
        await task
        return excuses, took

    excuses, took = go(work(2.0))
    assert "still at it" in excuses[0]
    assert took == pytest.approx(2.0, abs=0.2)
    excuses, took = go(work(15.0))
    assert excuses == ()
    assert took < 7.0
    assert go(work(15.0)) == ((), 0.0)


def test_a_rollout_does_not_wait_for_what_will_not_come(place):
    """A refusal with its next try far away ends the wait, and says why."""
    place.authority.answer = no
    release = place.live(spec())
    go(place.during(10))
    excuses = go(place.certification.settle(release, 15.0))
    assert "the authority refused: no" in excuses[0]
    assert "cove certs" in excuses[0]


def test_what_nobody_routes_is_pruned_and_never_renewed(place):
    """An app that is gone leaves no certificate and no memory behind."""
    release = place.live(spec())
    go(place.certification.ensure(release))
    place.authority.answer = no
    go(place.during(10))
    place.local.certified["old.test"] = facts("old.test")
    place.files.saved["acme", "old.example.com"] = kept(facts("old.example.com"))
    place.store.forget_app("shop")
    go(place.certification.maintain())
    assert place.files.saved == {}
    assert place.local.certified == {}
    assert place.store.cert_progress() == ()
    go(place.during(DAY))
    assert place.authority.count(SHOP) == 1


def test_nothing_is_pruned_while_a_rollout_is_under_way(place):
    """What comes next may use it."""
    place.local.certified["old.test"] = facts("old.test")
    place.live(spec())
    place.store.open_rollout("shop", "deploy", "test")
    go(place.certification.maintain())
    assert "old.test" in place.local.certified


def test_due_local_certificates_are_renewed_and_the_proxy_reads_again(place):
    """Every hour."""
    release = place.live(spec(domains=("shop.test",)))
    go(place.certification.ensure(release))
    told = len(place.proxy.certified)
    place.local.overdue = ("shop.test",)
    go(place.certification.maintain())
    assert place.local.overdue == ()
    assert len(place.proxy.certified) == told + 1


def test_challenges_over_tls_are_led_here_only_while_they_are_needed(place):
    """The detour of handshakes opens with the attempt and closes after it."""
    place.certification.change(AcmeSettings(challenge="tls"))
    place.live(spec())
    go(place.during(30))
    assert place.proxy.led == [(SHOP,), ()]


def test_a_failing_disk_does_not_end_the_loop(place, monkeypatch):
    """What cannot be recorded is tried again later."""

    def full(*_: object) -> None:
        raise PlatformError("the disk is full", code="disk-full")

    place.live(spec())
    monkeypatch.setattr(place.files, "save", full)
    go(place.during(10))
    assert place.state(SHOP) == "waiting"
    monkeypatch.undo()
    go(place.during(400))
    assert place.state(SHOP) == "none"


@pytest.mark.parametrize(
    "made",
    [
        facts("other.example.com"),
        facts(SHOP, begun=now() - LIFE),
        facts(SHOP, begun=now() + DAY, life=-1.0),
    ],
    ids=["other name", "ended", "nonsense"],
)
def test_a_certificate_that_was_not_ordered_is_a_refusal(place, made):
    """Whatever an authority hands out, nothing makes a circle of orders."""
    place.authority.made = made
    place.live(spec())
    go(place.during(HOUR / 2))
    assert place.state(SHOP) == "waiting"
    assert place.authority.count(SHOP) == 3
    assert place.files.saved == {}


def test_a_bug_in_one_try_is_one_refusal(place, monkeypatch):
    """The loop goes on, and waits as after any refusal."""

    def broken(_: Order) -> Outcome:
        raise ZeroDivisionError

    place.authority.answer = broken
    place.live(spec())
    go(place.during(60))
    assert place.state(SHOP) == "waiting"
    assert place.authority.count(SHOP) == 1


def test_a_public_name_cannot_have_a_local_certificate(place):
    """Said before anything is touched, not when the routes are written."""
    shop = spec()
    local = replace(shop, routes=(replace(shop.routes[0], tls="local"),))
    with pytest.raises(Refused) as caught:
        go(place.certification.check(local))
    assert caught.value.specific_code == "local-ca-name"


def test_a_name_that_is_tried_again_stays_pending_until_it_leads_here(place):
    """What `cove certs` shows does not flicker with every try."""
    place.live(spec())
    place.public.astray[SHOP] = "nothing listens there"
    shown: set[tuple[str, bool]] = set()

    async def work() -> None:
        task = asyncio.create_task(place.during(120))
        await asyncio.sleep(0.2)
        for _ in range(1000):
            await asyncio.sleep(0.1)
            shown.update((place.state(SHOP), one.busy) for one in place.certification.listing())
        await task

    go(work())
    assert shown == {("pending", False)}
