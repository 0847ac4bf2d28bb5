from __future__ import annotations

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cove.certification.policy import authority_pause, gate_pause, renewal_at

from support.certification import DAY, LIFE, facts

ALLOWED = 5  # failed validations of a name in an hour, by Let's Encrypt


@given(st.text(max_size=20), st.floats(60, 400 * DAY))
def test_a_certificate_is_renewed_with_a_third_of_its_life_left(domain, life):
    """Or up to a twentieth earlier, so that not all names come at once."""
    made = facts(domain, begun=1000.0, life=life)
    left = made.not_after - renewal_at(made)
    assert life / 3 <= left <= life * (1 / 3 + 1 / 20) + 1e-6
    assert renewal_at(made) == renewal_at(made)


def test_names_that_came_together_are_renewed_apart():
    """A hundred certificates of one moment are due at many."""
    due = {round(renewal_at(facts(f"{i}.example.com", begun=0.0, life=LIFE))) for i in range(100)}
    assert len(due) > 50


def test_failures_never_reach_what_an_authority_allows():
    """In every hour there are fewer tries than it would count."""
    tries = [0.0, *accumulate(authority_pause(n) for n in range(1, 30))]
    for begin in tries:
        assert sum(begin <= at < begin + 3600 for at in tries) < ALLOWED
    assert authority_pause(1000) == authority_pause(6) == 12 * 3600


def test_an_authority_is_left_alone_for_as_long_as_it_asked():
    """Its own wish counts where it is the longer."""
    assert authority_pause(1, 7200.0) == 7200.0
    assert authority_pause(1, 1.0) == 300.0


@pytest.mark.parametrize("tries", [5, 6, 100, 10_000])
def test_the_gate_goes_on_for_ever_at_a_steady_pace(tries):
    """After some quick tries, about every half minute."""
    assert 20 <= gate_pause(tries, "shop.example.com") <= 30


def test_the_gate_is_tried_again_soon_at_first():
    """A proxy or a record may be changing at this very moment."""
    assert sum(gate_pause(n, "shop.example.com") for n in range(1, 4)) < 10
