"""A search whose reader leaves is ended, whatever had been told by then."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from cove.agent.api import log_endpoints
from cove.agent.api.log_endpoints import _Begun
from cove.errors import Refused
from cove.model.expressions import refused
from cove.model.views import LogView


class Search:
    """Views that come once they may."""

    def __init__(self) -> None:
        self.may = asyncio.Event()
        self.ended = False

    async def views(self) -> AsyncGenerator[LogView | None, None]:
        try:
            await self.may.wait()
            for at in (1.0, 2.0):
                yield LogView(at=at)
        finally:
            self.ended = True


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer begins soon, and tells often that it goes on."""
    monkeypatch.setattr(log_endpoints, "_BEGIN", 0.01)
    monkeypatch.setattr(log_endpoints, "_QUIET", 0.01)


@pytest.mark.parametrize("read", [0, 1, 2], ids=["unread", "kept alive", "longer"])
async def test_a_search_ends_when_its_reader_leaves_before_the_first_hit(read: int) -> None:
    """Also when nothing of the answer was sent."""
    search = Search()
    lines = await _Begun(search.views()).begin()
    parts = aiter(lines)
    for _ in range(read):
        assert await anext(parts) is None
    assert not search.ended
    await lines.aclose()
    assert search.ended


async def test_hits_are_told_in_their_order_and_then_it_ends() -> None:
    """The first was waited for, and comes first; left in the middle it ends as well."""
    for read in (1, 2, 3):
        search = Search()
        search.may.set()
        lines = await _Begun(search.views()).begin()
        parts = aiter(lines)
        found = [await anext(parts, None) for _ in range(read)]
        assert [view.at for view in found if view] == [1.0, 2.0][:read]
        await lines.aclose()
        assert search.ended


async def test_what_is_refused_is_raised_before_the_answer_begins() -> None:
    """Nothing is left running."""

    async def first() -> LogView:
        raise refused("it is none")

    async def views() -> AsyncGenerator[LogView | None, None]:
        yield await first()

    with pytest.raises(Refused):
        await _Begun(views()).begin()


async def test_a_reader_who_leaves_while_the_first_is_waited_for_ends_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The request is cancelled then."""
    monkeypatch.setattr(log_endpoints, "_BEGIN", 30.0)
    search = Search()
    waiting = asyncio.create_task(_Begun(search.views()).begin())
    await asyncio.sleep(0.02)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert search.ended
