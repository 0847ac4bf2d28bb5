"""Whether a line that contradicts the order was read before, by what Docker has kept."""

from __future__ import annotations

import pytest

from cove.model.logs import Stream
from cove.observation.logs.order import Doubt, repeated

from support.log_engine import FakeLogEngine


async def kept(*lines: tuple[Stream, int], cut: int = -1) -> FakeLogEngine:
    """Docker with these lines; its next answer breaks off after `cut` of them."""
    engine = FakeLogEngine()
    engine.run("c1")
    for stream, at in lines:
        await engine.write("c1", at, "x", stream)
    engine.cut = cut
    return engine


LINES: tuple[tuple[Stream, int], ...] = (
    ("stdout", 10),
    ("stderr", 15),
    ("stdout", 20),
    ("stdout", 30),
    ("stdout", 40),
)


@pytest.mark.parametrize("cut", [-1, 0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize("at", [20, 30, 40])
async def test_a_line_that_is_sent_again_is_known(at: int, cut: int) -> None:
    """Whatever came behind it, and wherever the look back broke off."""
    engine = await kept(*LINES, cut=cut)
    doubt = Doubt("stdout", last=40, count=1, at=at)
    assert await repeated(engine, "c1", [doubt]) == [True]


@pytest.mark.parametrize("cut", [-1, 0, 1, 2])
async def test_a_line_of_a_time_that_came_before_is_new(cut: int) -> None:
    """The clock was set back: it stands behind what is newer."""
    engine = await kept(("stdout", 10), ("stdout", 40), ("stdout", 20), cut=cut)
    assert await repeated(engine, "c1", [Doubt("stdout", last=40, count=1, at=20)]) == [False]


async def test_one_more_of_the_same_time_is_new() -> None:
    """Docker has more of them than were read."""
    engine = await kept(("stdout", 10), ("stdout", 40), ("stdout", 40))
    assert await repeated(engine, "c1", [Doubt("stdout", last=40, count=1, at=40)]) == [False]
    assert await repeated(engine, "c1", [Doubt("stdout", last=40, count=2, at=40)]) == [True]


async def test_of_what_docker_no_longer_has_nothing_is_known() -> None:
    """It counts as new: rather twice than lost."""
    engine = await kept(("stdout", 50))
    doubts = [Doubt("stdout", last=40, count=1, at=20), Doubt("stdout", last=40, count=1, at=40)]
    assert await repeated(engine, "c1", doubts) == [False, False]
