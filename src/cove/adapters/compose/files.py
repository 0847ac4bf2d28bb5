"""Configs and secrets on disk, to be mounted. Imported inside `cove.adapters.compose` only.

They lie in a folder that only root can enter. Their own mode and owner are what the container
sees: a process there that is not root must be able to read them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from cove.durable import replace_file
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
    content = file.content.value.encode()
    replace_file(path, content, file.mode, owner=(file.uid, file.gid))
