"""The data directory belongs to the agent alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from cove.agent.instance import Instance
from cove.errors import PlatformError


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777, 0o1777])
def test_a_directory_that_others_write_to_is_refused(tmp_path: Path, mode: int) -> None:
    """They could put a link where the agent, which is root, is about to write."""
    folder = tmp_path / "d"
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(PlatformError) as caught:
        Instance(folder).open()
    assert caught.value.specific_code == "data-dir"
    assert "chmod 700" in caught.value.hint
    assert not any(folder.iterdir())


def test_a_directory_of_its_own_is_made_private(tmp_path: Path) -> None:
    """Nobody else looks into what the agent makes."""
    folder = tmp_path / "d"
    Instance(folder).open()
    assert folder.stat().st_mode & 0o777 == 0o700
