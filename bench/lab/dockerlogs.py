"""`docker logs` with `grep` behind it, on a container that wrote the lines. For bench/."""

from __future__ import annotations

import io
import os
import secrets
import statistics
import subprocess
import tarfile
import tempfile
import time
from itertools import islice
from pathlib import Path

from bench.lab import loglines
from bench.lab.instance import BenchError, run

_WARM = 2  # times each question is asked after the first
# The container's only program: it writes a file to its standard output.
_PROGRAM = """package main
import ("io"; "os")
func main() { f, err := os.Open("/lines"); if err != nil { panic(err) }; io.Copy(os.Stdout, f) }
"""
_FILTERS = {
    "substring": ("grep", "-F", loglines.SUBSTRING),
    "word": ("grep", "-wF", loglines.NEEDLE),
    "regex": ("grep", "-E", loglines.PATTERN),
}


def docker_logs(lines: Path, count: int) -> tuple[float, dict[str, tuple[int, float, float]]]:
    """Bytes on disk per raw byte; for each question what it finds, and ms cold and warm.

    The container writes all lines at once, so every question but the last lines reads all of
    them: that is what json-file does for `--since` as well. Raises BenchError.
    """
    name = f"cove-bench-{secrets.token_hex(3)}"
    with tempfile.TemporaryDirectory(prefix="cove-bench-docker-") as folder:
        raw = _image(Path(folder), lines, count, name)
    try:
        run("docker", "run", "--name", name, "--network", "none", "--log-driver", "json-file", name)
        path = Path(run("docker", "inspect", "--format", "{{.LogPath}}", name))
        density = path.stat().st_size / raw
        return density, _times(name, path)
    finally:
        subprocess.run(["docker", "rm", "-f", name], capture_output=True, check=False)
        subprocess.run(["docker", "rmi", name], capture_output=True, check=False)


def _image(folder: Path, lines: Path, count: int, name: str) -> int:
    (folder / "main.go").write_text(_PROGRAM)
    program = folder / "write"
    env = {**os.environ, "CGO_ENABLED": "0"}
    run("go", "build", "-o", str(program), str(folder / "main.go"), env=env)
    with lines.open("rb") as file:
        texts = (one.text for one in islice(loglines.read(file), count))
        content = "".join(f"{text}\n" for text in texts).encode()
    with tarfile.open(folder / "image.tar", "w") as tar:
        tar.add(program, "write")
        entry = tarfile.TarInfo("lines")
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    run("docker", "import", "--change", 'ENTRYPOINT ["/write"]', str(folder / "image.tar"), name)
    return len(content)


def _times(name: str, path: Path) -> dict[str, tuple[int, float, float]]:
    found = {}
    questions = {"last100": (), **_FILTERS, "counts": ("cut", "-c", "1-16")}
    for question, behind in questions.items():
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)
        count, cold = _ask(name, question, behind)
        warm = statistics.median(_ask(name, question, behind)[1] for _ in range(_WARM))
        found[question] = (count, cold, warm)
    return found


def _ask(name: str, question: str, behind: tuple[str, ...]) -> tuple[int, float]:
    options = {"last100": ("--tail", "100"), "counts": ("--timestamps",)}.get(question, ())
    begun = time.perf_counter()
    with subprocess.Popen(
        ["docker", "logs", *options, name], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as logs:
        if behind:
            done = subprocess.run(behind, stdin=logs.stdout, capture_output=True, check=False)
            output = done.stdout
        else:
            assert logs.stdout
            output = logs.stdout.read()
    if logs.returncode:
        raise BenchError(f"docker logs ended with status {logs.returncode}")
    return output.count(b"\n"), (time.perf_counter() - begun) * 1e3
