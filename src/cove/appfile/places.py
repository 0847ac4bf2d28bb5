"""Whether a path stays below the app file's folder. Imports the standard library only.

Imported by this package and, through `references`, by the CLI.
"""

from __future__ import annotations

import posixpath
from typing import Final

LONGEST: Final = 1024  # characters of a path


def outside(path: str) -> str:
    """Why a path is none below the app file's folder; empty when it is one."""
    if len(path) > LONGEST:
        return f"is longer than {LONGEST} characters"
    if path.startswith(("/", "~")) or "\\" in path or not path.isprintable():
        return "must be a path below the app file's folder"
    if posixpath.normpath(path).split("/")[0] in {"..", "."}:
        return "must stay below the app file's folder"
    return ""
