"""Configs and secrets on disk, to be mounted. Imported inside `cove.adapters.compose` only.

They lie in a folder that only root can enter. Their own mode and owner are what the container
sees: a process there that is not root must be able to read them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from cove.model.app import File


def write_files(folder: Path, files: Mapping[str, File]) -> None:
    """Every file lies there whole; one that does already, by its name of its content, is kept."""
    if files:
        folder.mkdir(mode=0o700, exist_ok=True)
    for name, file in files.items():
        path = folder / name
        if not path.exists():
            _write(path, file)


def delete_others(folder: Path, names: Iterable[str]) -> None:
    """Only the named files are left."""
    wanted = set(names)
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name not in wanted:
            path.unlink()


def _write(path: Path, file: File) -> None:
    staged = path.with_name(f".{path.name}.new")
    with open(staged, "w", encoding="utf-8", newline="", opener=_private) as stream:
        stream.write(file.content.value)
        stream.flush()
        os.fchown(stream.fileno(), file.uid, file.gid)
        os.fchmod(stream.fileno(), file.mode)
        os.fsync(stream.fileno())
    staged.replace(path)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
