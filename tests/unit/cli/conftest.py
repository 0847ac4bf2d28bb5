"""A `cove` to call in-process, and a scripted agent behind it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.fake_agent import FakeAgent, serving

from cove.cli.main import run


class Cove:
    """Runs commands; holds what the last one said."""

    def __init__(self, capsys: pytest.CaptureFixture[str], data_dir: Path) -> None:
        self._capsys = capsys
        self.data_dir = data_dir
        self.out = ""
        self.err = ""

    def __call__(self, *arguments: str) -> int:
        self._capsys.readouterr()
        code = run(list(arguments))
        self.out, self.err = self._capsys.readouterr()
        return code

    @property
    def answer(self) -> dict[str, Any]:
        """The one JSON object on stdout."""
        found: dict[str, Any] = json.loads(self.out)
        return found


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data directory of every call, and a quiet environment."""
    folder = tmp_path / "data"
    folder.mkdir()
    monkeypatch.setenv("COVE_DATA_DIR", str(folder))
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def cove(capsys: pytest.CaptureFixture[str], data_dir: Path) -> Cove:
    """The command."""
    return Cove(capsys, data_dir)


@pytest.fixture
def agent(data_dir: Path) -> Iterator[FakeAgent]:
    """A scripted agent that answers on the data directory's socket."""
    with serving(FakeAgent(), data_dir) as fake:
        yield fake
