"""Whole files: what a reader sees while one is replaced, and what a crash leaves."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cove.durable import PUBLIC, replace_file, sync_folder


def mode(path: Path) -> int:
    """The permission bits of a file."""
    return path.stat().st_mode & 0o777


def test_a_new_file_is_private_whatever_the_umask(tmp_path: Path) -> None:
    """Nobody else may read a file for which no mode is asked."""
    before = os.umask(0)
    try:
        replace_file(tmp_path / "key", b"secret")
    finally:
        os.umask(before)
    assert (mode(tmp_path / "key"), (tmp_path / "key").read_bytes()) == (0o600, b"secret")


def test_a_strict_umask_does_not_take_a_mode_away(tmp_path: Path) -> None:
    """What the proxy must read is readable under the agent's umask too."""
    before = os.umask(0o077)
    try:
        replace_file(tmp_path / "cert", b"public", PUBLIC)
    finally:
        os.umask(before)
    assert mode(tmp_path / "cert") == PUBLIC


def test_what_a_crash_left_is_cleared_and_its_mode_not_taken_over(tmp_path: Path) -> None:
    """A staged file of before, readable for all, does not become the new one."""
    stale = tmp_path / ".key.new"
    stale.write_bytes(b"half")
    stale.chmod(0o666)
    replace_file(tmp_path / "key", b"whole")
    assert [path.name for path in tmp_path.iterdir()] == ["key"]
    assert mode(tmp_path / "key") == 0o600


def test_a_link_in_the_staged_files_place_is_not_followed(tmp_path: Path) -> None:
    """What a link points to stays as it was."""
    (tmp_path / "victim").write_bytes(b"untouched")
    (tmp_path / ".key.new").symlink_to(tmp_path / "victim")
    replace_file(tmp_path / "key", b"new")
    assert (tmp_path / "victim").read_bytes() == b"untouched"
    assert not (tmp_path / "key").is_symlink()


def test_a_file_that_cannot_be_written_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that fails at the last moment loses nothing that was there."""
    replace_file(tmp_path / "state", b"old")

    def fails(_: int) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OSError, match="no space"):
        replace_file(tmp_path / "state", b"new")
    assert (tmp_path / "state").read_bytes() == b"old"


def test_a_file_can_be_staged_in_another_folder(tmp_path: Path) -> None:
    """A watched folder sees the finished file and nothing else."""
    watched, staging = tmp_path / "watched", tmp_path / "staging"
    watched.mkdir()
    staging.mkdir()
    replace_file(watched / "app.yml", b"routes", staging=staging)
    assert [path.name for path in watched.iterdir()] == ["app.yml"]
    assert not list(staging.iterdir())


def test_a_folder_that_is_not_there_cannot_be_synced(tmp_path: Path) -> None:
    """The failure is the caller's to translate."""
    with pytest.raises(FileNotFoundError):
        sync_folder(tmp_path / "none")
