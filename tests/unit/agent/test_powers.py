from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import cast

import pytest

from cove.agent import powers
from cove.agent.happenings import Happenings
from cove.agent.platform import Parts
from cove.errors import InvalidFile, NotFound
from cove.ports import Store

from support.store import opened


@pytest.fixture
def parts() -> Iterator[Parts]:
    """The one part that powers need, with two of them given."""
    with opened() as store:
        found = cast("Parts", SimpleNamespace(store=store, happenings=Happenings(store)))
        powers.grant(found, "shop", ["privileged", "host-bind=/srv/data"], "ann")
        yield found


def given(store: Store) -> list[str]:
    """What shop has."""
    return [grant.power for grant in store.grants("shop")]


def test_only_new_powers_are_said_to_have_changed(parts: Parts) -> None:
    """Giving one a second time, or twice at once, changes nothing."""
    assert powers.grant(parts, "shop", ["privileged", "pid=host", "pid=host"], "bob") == (
        "pid=host",
    )
    assert given(parts.store) == ["host-bind=/srv/data", "pid=host", "privileged"]


@pytest.mark.parametrize(
    "power", ["", "Privileged", "host-bind=", "host-bind=/srv/../etc", "privileged\n", "a" * 5000]
)
def test_what_is_no_power_is_refused_and_nothing_is_given(parts: Parts, power: str) -> None:
    """One bad word among good ones: none of them is given, nor taken."""
    before = given(parts.store)
    with pytest.raises(InvalidFile) as caught:
        powers.grant(parts, "shop", ["pid=host", power], "ann")
    assert caught.value.specific_code == "bad-power"
    with pytest.raises(InvalidFile):
        powers.revoke(parts, "shop", ["privileged", power], "ann")
    assert given(parts.store) == before


def test_taking_a_power_that_was_not_given_names_the_nearest(parts: Parts) -> None:
    """A typing error must not look like a power that is gone."""
    with pytest.raises(NotFound, match="did you mean host-bind=/srv/data"):
        powers.revoke(parts, "shop", ["privileged", "host-bind=/srv/dta"], "ann")
    assert given(parts.store) == ["host-bind=/srv/data", "privileged"]


def test_a_taken_power_is_gone(parts: Parts) -> None:
    """It is returned, once."""
    assert powers.revoke(parts, "shop", ["privileged", "privileged"], "ann") == ("privileged",)
    assert given(parts.store) == ["host-bind=/srv/data"]


def test_an_app_that_cannot_be_is_refused(parts: Parts) -> None:
    """What no app could ever be called has no powers."""
    with pytest.raises(InvalidFile, match="cannot be an app's name"):
        powers.grant(parts, "Shop!", ["privileged"], "ann")


def test_a_power_has_one_spelling(parts: Parts) -> None:
    """What is recorded, compared and taken is the same, however it was written."""
    assert powers.grant(parts, "shop", ["cap=cap_net_admin", "host-bind=/srv//data/"], "ann") == (
        "cap=NET_ADMIN",
    )
    assert powers.revoke(parts, "shop", ["cap=net_admin"], "ann") == ("cap=NET_ADMIN",)


def test_a_power_is_used_by_what_it_includes(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder given and a path below it used are one line; what is used without is another."""
    used = frozenset({"host-bind=/srv/data/x", "pid=host"})
    monkeypatch.setattr(powers, "used_powers", lambda *_: used)
    shown = [(one.power, one.granted, one.used) for one in powers.powers_of(parts, "shop")]
    assert shown == [
        ("host-bind=/srv/data", True, True),
        ("pid=host", False, True),
        ("privileged", True, False),
    ]
