"""The process of a command, as the Engine comes to know it."""

from __future__ import annotations

from typing import Any, cast

import pytest

from cove.adapters.docker.client import DockerClient, EngineError
from cove.adapters.docker.execution import DockerCommand
from cove.errors import PlatformError

from support.virtual_time import run

RUNS = {"Running": True, "Pid": 4711, "ExitCode": None}
STARTING = {"Running": True, "Pid": 0, "ExitCode": None}
PREPARED = {"Running": False, "Pid": 0, "ExitCode": None}
ENDED = {"Running": False, "Pid": 4711, "ExitCode": 0}
DOWN = PlatformError("Docker does not answer", code="docker-down")
BUSY = EngineError(500, "context deadline exceeded")
GONE = EngineError(404, "no such exec")


class Engine:
    """It gives one answer after the other, and the last one for ever."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def get(self, path: str) -> Any:
        assert path == "/exec/e1/json"
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def pid(engine: Engine) -> int:
    """The process of the command, as far as the Engine says."""
    streams = cast("Any", None)
    command = DockerCommand(cast("DockerClient", engine), "e1", streams, streams, tty=False)
    return run(command.pid())


@pytest.mark.parametrize("before", [(), (STARTING,) * 9, (PREPARED, STARTING), (DOWN,), (BUSY,)])
def test_the_process_is_waited_for(before):
    """A command may write before the Engine knows its process; and an Engine may be busy."""
    assert pid(Engine(*before, RUNS)) == 4711


@pytest.mark.parametrize("last", [ENDED, GONE])
def test_one_that_has_ended_has_none(last):
    """Nothing is waited for then."""
    engine = Engine(STARTING, last)
    assert pid(engine) == 0
    assert engine.asked == 2


@pytest.mark.parametrize("answer", [STARTING, DOWN])
def test_the_wait_has_an_end(answer):
    """An Engine that never tells is not asked for ever."""
    engine = Engine(answer)
    assert pid(engine) == 0
    assert engine.asked < 100
