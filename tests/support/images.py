"""Images for tests, built once per content and found again by every later run."""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import io
import json
import os
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from support.engine import docker, get, image

ROOT = Path(__file__).parents[2]
BUILDER = ROOT / "script/lib/python_image.py"
APP = ROOT / "examples/hello/app.py"
REPOSITORY = "cove-test/hello"
PYTHON = "/usr/local/bin/python3"  # in all of them
DATA = "/data"  # where the app of `keeping` counts


class Images:
    """The example app as images that differ in configuration."""

    def __init__(self) -> None:
        content = sys.version.encode() + BUILDER.read_bytes() + APP.read_bytes()
        self._base = f"{REPOSITORY}:{hashlib.sha256(content).hexdigest()[:12]}"
        self.builder = _builder()

    @property
    def hello(self) -> str:
        """The app, exposing port 8000."""
        return self._variant("hello", expose=["8000"])

    @property
    def second(self) -> str:
        """The same app as another image, so that an upgrade changes the image."""
        return self._variant("second", expose=["8000"], env={"VERSION": "second"})

    @property
    def portless(self) -> str:
        """The app without an exposed port."""
        return self._variant("portless", env={"VERSION": "portless"})

    @property
    def two_ports(self) -> str:
        """The app with two exposed ports."""
        return self._variant("two-ports", expose=["8000", "9000"])

    @property
    def keeping(self) -> str:
        """The app with a VOLUME of its own in which it counts."""
        tag = f"{self._base}-keeping"
        env = {"DATA_DIR": DATA}
        return self._once(
            tag,
            lambda: self.builder.build(tag, APP, env=env, expose=["8000"], volumes=[DATA]),
        )

    @property
    def foreign(self) -> str:
        """An image for a processor that this machine does not have."""
        architecture = "arm64" if get("/version")["Arch"] != "arm64" else "amd64"
        tag = f"{REPOSITORY}:for-{architecture}"
        return self._once(tag, lambda: _load_empty(tag, architecture))

    def unique(self, tag: str, version: str) -> None:
        """An image with a layer of its own that nothing else on this machine has."""
        container = docker("create", "--pull", "never", self.hello)
        try:
            with tempfile.TemporaryFile() as file:
                with tarfile.open(fileobj=file, mode="w") as archive:
                    _add(archive, "filling", os.urandom(4 << 20))
                file.seek(0)
                docker("cp", "-", f"{container}:/app", stdin=file)
            docker("commit", "--change", f"ENV VERSION={version}", container, tag)
        finally:
            docker("rm", container)

    def _variant(self, name: str, **configuration: Any) -> str:
        base = self._once(self._base, lambda: self.builder.build(self._base, APP))
        tag = f"{self._base}-{name}"
        return self._once(tag, lambda: self.builder.variant(base, tag, **configuration))

    def _once(self, tag: str, make: Callable[[], object]) -> str:
        if image(tag) is None:
            with turn():
                if image(tag) is None:
                    make()
        return tag


def _builder() -> ModuleType:
    """The program that builds images, as a module."""
    spec = importlib.util.spec_from_file_location("python_image", BUILDER)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _load_empty(tag: str, architecture: str) -> None:
    """An image with one empty layer, whose configuration alone names the processor."""
    layer = io.BytesIO()
    tarfile.open(fileobj=layer, mode="w").close()
    data = layer.getvalue()
    root = {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(data).hexdigest()}"]}
    config = {
        "architecture": architecture,
        "os": "linux",
        "config": {"Entrypoint": ["/none"], "ExposedPorts": {"8000/tcp": {}}},
        "rootfs": root,
    }
    manifest = [{"Config": "config.json", "RepoTags": [tag], "Layers": ["layer.tar"]}]
    with tempfile.TemporaryFile() as file:
        with tarfile.open(fileobj=file, mode="w") as archive:
            _add(archive, "config.json", json.dumps(config).encode())
            _add(archive, "layer.tar", data)
            _add(archive, "manifest.json", json.dumps(manifest).encode())
        file.seek(0)
        docker("load", stdin=file)


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    archive.addfile(info, io.BytesIO(data))


@contextmanager
def turn() -> Iterator[None]:
    """One builder at a time, over all test processes of the machine."""
    with (Path(tempfile.gettempdir()) / "cove-test-images.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
