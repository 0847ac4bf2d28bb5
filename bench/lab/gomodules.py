"""Programs built from their Go modules, pinned, once for each version. For bench/."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bench.lab.instance import BenchError

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "cove-bench"
BUILD_LIMIT = 3600.0  # seconds; Loki takes ten minutes of two cores


@dataclass(frozen=True)
class GoProgram:
    """A program of a module; `edits` are for `go mod edit`, where it cannot be built as it is."""

    name: str
    module: str
    version: str
    package: str
    edits: tuple[str, ...] = ()

    def built(self) -> Path:
        """Its file. Raises BenchError that says how far building came."""
        binary = CACHE / f"{self.name}-{self.version}"
        if not binary.exists():
            CACHE.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix="cove-bench-go-") as folder:
                self._build(Path(folder) / "source", binary)
        return binary

    def _build(self, source: Path, binary: Path) -> None:
        # `go install` refuses modules with replacements, so the module is built from a copy
        found = self._go("mod", "download", "-json", f"{self.module}@{self.version}")
        shutil.copytree(json.loads(found)["Dir"], source)
        for path in (source, *source.rglob("*")):
            path.chmod(path.stat().st_mode | 0o200)
        shutil.rmtree(source / "vendor", ignore_errors=True)
        for edit in self.edits:
            self._go("mod", "edit", edit, cwd=source)
        self._go("build", "-trimpath", "-o", str(binary), self.package, cwd=source)

    def _go(self, *arguments: str, cwd: Path | None = None) -> str:
        env = {**os.environ, "GOFLAGS": "-mod=mod -buildvcs=false", "CGO_ENABLED": "0"}
        try:
            done = subprocess.run(
                ["go", *arguments],
                cwd=cwd,
                env=env,
                capture_output=True,
                text=True,
                check=False,
                timeout=BUILD_LIMIT,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise BenchError(f"{self.name}: go {arguments[0]}: {error}") from error
        if done.returncode:
            words = done.stderr.strip().splitlines()[-1:] or ["no word of why"]
            raise BenchError(f"{self.name}: go {' '.join(arguments[:2])}: {words[0]}")
        return done.stdout
