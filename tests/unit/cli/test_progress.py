from __future__ import annotations

import msgspec
import pytest

from cove.cli.options import Settings
from cove.cli.output import Output
from cove.cli.progress import FIRST_SIGN, NEXT_SIGNS, Progress
from cove.model.events import Event

from support.fake_agent import event, planned


class Clock:
    """A time that only moves when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def show(progress: Progress, **fields: object) -> None:
    """Shows one event."""
    progress.show(msgspec.convert(fields, Event))


def test_a_long_operation_gives_signs_of_life_in_a_plain_log(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The first soon, the next rarely, each with what is known of its progress."""
    clock = Clock()
    progress = Progress(Output(Settings()), clock)
    show(progress, **planned("pull shop:1"))
    show(progress, seq=2, at=clock.now, kind="started", index=0)
    clock.now += FIRST_SIGN - 1
    progress.tick()
    assert capsys.readouterr().err == ""
    data = {"done": 12_300_000, "total": 45_000_000, "text": "layer 2 of 3"}
    show(progress, seq=0, at=clock.now, kind="progress", index=0, data=data)
    clock.now += 1
    progress.tick()
    progress.tick()
    assert capsys.readouterr().err == "… pull shop:1  12.3/45.0 MB  layer 2 of 3  10s\n"
    clock.now += NEXT_SIGNS
    progress.tick()
    assert capsys.readouterr().err.endswith("40s\n")


def test_an_operation_without_a_plan_is_named_by_its_event(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Attaching to an old rollout, or an index out of the plan, must not fail."""
    clock = Clock()
    progress = Progress(Output(Settings()), clock)
    show(progress, seq=1, at=clock.now, kind="started", index=5, text="start shop-r1")
    show(progress, seq=2, at=clock.now + 2, kind="done", index=5, text="start shop-r1")
    assert capsys.readouterr().err == "✓ start shop-r1  2.0s\n"


def test_a_cause_that_says_because_is_not_doubled(capsys: pytest.CaptureFixture[str]) -> None:
    """Both forms of a cause read well."""
    progress = Progress(Output(Settings()), Clock())
    operations = [{"title": "start", "cause": "because it is new"}]
    show(progress, **event(1, "plan", operations=operations))
    show(progress, **event(2, "done", 0, seconds=1.0))
    assert capsys.readouterr().err == "✓ start  1.0s  — because it is new\n"


def test_events_cannot_write_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Titles and notices carry names from files and registries."""
    progress = Progress(Output(Settings()), Clock())
    show(progress, **planned("pull \x1b[2Jx"))
    show(progress, **event(2, "done", 0, seconds=1.0))
    show(progress, **event(3, "notice", text="a\x1b]0;b\x07c"))
    assert "\x1b" not in capsys.readouterr().err
