from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cove.planning import operations as op
from cove.planning.text import render, title

OPERATIONS: tuple[type[op.Operation], ...] = op.AnyOperation.__args__
numbers = st.integers(0, 10**6)
seconds = st.floats(0, 10**6)
texts = st.text(max_size=20)
BY_NAME: dict[str, st.SearchStrategy[object]] = {
    "cause": texts,
    "name": texts,
    "service": texts,
    "named": st.lists(texts, max_size=3).map(tuple),
    "internal": st.booleans(),
    "only": st.lists(texts, max_size=2).map(tuple),
    "resting": st.booleans(),
    "leave_running": st.booleans(),
    "restart": st.booleans(),
    "companions": st.dictionaries(texts, numbers, max_size=3),
    "subnet": texts,
    "created": st.booleans(),
    "stopped": st.booleans(),
    "releases": st.lists(numbers, min_size=1, max_size=3).map(tuple),
    "new_volumes": st.lists(texts, max_size=3).map(tuple),
    "names": st.lists(texts, max_size=3).map(tuple),
    "hold": st.dictionaries(texts, texts, max_size=3),
    "settle": seconds,
    "limit": seconds,
    **dict.fromkeys(("release", "watch", "candidate", "keep"), numbers),
}


def fields(kind: type[op.Operation]) -> dict[str, st.SearchStrategy[object]]:
    """Anything for each field; `before` is one release or several."""
    found = {}
    for field in msgspec.structs.fields(kind):
        before = BY_NAME["releases"] if kind is op.WriteProject else numbers
        found[field.name] = before if field.name == "before" else BY_NAME[field.name]
    return found


operation = st.one_of([st.builds(kind, **fields(kind)) for kind in OPERATIONS])
plans = st.builds(
    op.Plan,
    app=texts,
    operations=st.lists(operation, max_size=12).map(tuple),
    pivot=st.integers(-1, 11),
    release=numbers,
    before=numbers,
    notes=st.lists(texts, max_size=2).map(tuple),
)


@given(plans)
def test_a_plan_survives_the_journal(plan):
    """What recovery reads is what was planned."""
    assert op.decode(op.encode(plan)) == plan


@given(plans)
def test_every_plan_can_be_said(plan):
    """Each operation has its words, on a line of its own."""
    assert all(title(step) for step in plan.operations)
    assert render(plan).count(" because ") >= sum(bool(s.cause) for s in plan.operations)


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b'{"app":"x","operations":[{"type":"Nonsense"}]}']
)
def test_what_is_no_plan(data):
    """A journal of another version is no plan, and says so."""
    with pytest.raises(msgspec.DecodeError):
        op.decode(data)
