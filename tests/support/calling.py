"""The `cove` command, called in this process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

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
