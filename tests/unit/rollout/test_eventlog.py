"""Following a rollout, from any point and across a restart of the agent."""

from __future__ import annotations

import asyncio

import pytest

from cove.model.events import Event

from support.site import Site, dying, request
from support.virtual_time import run
from support.world import Killed


async def heard(here: Site, rollout: int, after: int = 0) -> list[Event]:
    """Every event, the silences left out."""
    stream = here.rollouts.events.follow(rollout, after)
    return [event async for event in stream if event is not None]


def test_live_and_later_are_the_same(here):
    """Who comes late hears the same events but the progress, which is only for those present."""

    async def whole() -> tuple[list[Event], list[Event]]:
        here.world.images.pop("acme/shop:3")
        here.world.registry["acme/shop:3"] = here.world.images[f"sha256:{3:064x}"]
        rollout = here.rollouts.deploy(request(image="acme/shop:3"))
        live = await heard(here, rollout.id)
        await here.finished(rollout)
        return live, await heard(here, rollout.id)

    live, later = run(whole())
    assert [e.kind for e in live if e.seq == 0] == ["progress"]
    assert [e for e in live if e.seq] == later
    assert later[-1].kind == "finished"


@pytest.mark.parametrize("after", [1, 5, 11])
def test_resume(here, after):
    """A client that lost its connection goes on behind the last event it has."""

    async def whole() -> tuple[int, list[Event]]:
        rollout = await here.deploy()
        return rollout.id, await heard(here, rollout.id, after)

    _, events = run(whole())
    assert events[0].seq == after + 1
    assert events[-1].kind == "finished"


def test_nothing_after_the_end(here):
    """Who has the last event already is not kept waiting."""

    async def whole() -> list[Event]:
        rollout = await here.deploy()
        last = here.events(rollout)[-1].seq
        return await asyncio.wait_for(heard(here, rollout.id, last), 30)

    assert run(whole()) == []


def test_joining_in_the_middle(here):
    """Nothing is missed and nothing told twice, whenever one comes."""

    async def whole() -> list[list[Event]]:
        rollout = here.rollouts.deploy(request())
        followers = []
        while here.rollouts.active("shop"):
            followers.append(asyncio.create_task(heard(here, rollout.id)))
            await asyncio.sleep(0.004)
        return await asyncio.gather(*followers)

    every = run(whole())
    assert len(every) > 5
    for events in every:
        assert [e.seq for e in events] == list(range(1, len(events) + 1))
        assert events[-1].kind == "finished"


def test_silence_is_marked(here):
    """A follower can tell a quiet rollout from a dead connection."""

    async def first() -> object:
        rollout = here.store.open_rollout("shop", "deploy", "ann")
        return await anext(here.rollouts.events.follow(rollout.id))

    assert run(first()) is None


def test_an_agent_that_dies_before_the_last_word(here):
    """Whenever it died, a follower hears how the rollout ended."""

    async def whole(k: int) -> list[Event]:
        here.world.on_moment = dying(here.world, k)
        rollout = here.rollouts.deploy(request())
        with pytest.raises(Killed):
            await here.finished(rollout)
        here.restart()
        await here.recover()
        return await asyncio.wait_for(heard(here, rollout.id), 30)

    here.world.on_moment = None
    run(here.deploy())
    ends = [i for i, m in enumerate(here.world.moments) if "add_event finished" in m]
    total = len(here.world.moments)
    assert ends
    for k in range(ends[0], total):
        here.world.moments.clear()
        events = run(whole(k))
        assert [e.kind for e in events].count("finished") == 1
        assert events[-1].kind == "finished"
