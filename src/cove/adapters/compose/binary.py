"""Where Compose v2 is on this machine. Imported inside `cove.adapters.compose` and by `doctor`."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from cove.errors import PlatformError

# Where Docker's own packages and Debian's put CLI plugins.
_PLUGIN_DIRS = (
    "/usr/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/local/lib/docker/cli-plugins",
    "/usr/local/libexec/docker/cli-plugins",
)
LEAST_VERSION = (2, 17)  # the first whose `up` takes `--pull never` and `--no-recreate` together
_VERSION = re.compile(r"v?(\d+)\.(\d+)")


class Compose(Struct, frozen=True):
    """A Compose binary; it can be run on its own, as a plugin or not."""

    path: str
    version: str


def find_compose() -> Compose:
    """The machine's own Compose v2, else the embedded one.

    Raises PlatformError (`compose-missing`).
    """
    for path in _candidates():
        version = _version(path)
        if version and _numbers(version) >= LEAST_VERSION:
            return Compose(str(path), version.lstrip("v"))
    raise PlatformError(
        "Docker Compose v2 was not found",
        code="compose-missing",
        hint="install docker-compose-plugin (or docker-compose-v2), or cove's `embedded` extra",
    )


def _candidates() -> Iterator[Path]:
    home = Path.home() / ".docker/cli-plugins"
    for folder in (home, *map(Path, _PLUGIN_DIRS)):
        yield folder / "docker-compose"
    spec = importlib.util.find_spec("compose")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        yield Path(place) / "docker-compose"
    on_path = shutil.which("docker-compose")
    if on_path:
        yield Path(on_path)


def _version(path: Path) -> str:
    if not path.is_file():
        return ""
    try:
        done = subprocess.run(
            [str(path), "version", "--short"],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _numbers(version: str) -> tuple[int, int]:
    match = _VERSION.match(version)
    return (int(match[1]), int(match[2])) if match else (0, 0)
