"""A `cove` to call in-process, and a scripted agent behind it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.calling import Cove
from support.fake_agent import FakeAgent, serving


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
