"""A real OCI registry on a free port of loopback: Debian's docker-registry, for as long as a test.

The Engine takes a registry on 127.0.0.1 without TLS.
"""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

from support.engine import delete, docker, get, image
from support.places import free_port
from support.polling import until

USER, PASSWORD = "ann", "secret"
HTPASSWD = f"{USER}:$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"  # bcrypt


class Registry:
    """A registry in a folder; `login` makes it ask for a name and a password."""

    def __init__(self, folder: Path, *, login: bool = False) -> None:
        program = shutil.which("docker-registry")
        assert program, "Debian's docker-registry is missing: script/setup --test"
        self._program = program
        self._folder = folder
        self._login = login
        self._process: subprocess.Popen[bytes] | None = None
        self.host = f"127.0.0.1:{free_port()}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._folder.mkdir(parents=True, exist_ok=True)
        config = self._folder / "config.json"
        config.write_text(json.dumps(self._config()))  # JSON is YAML
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, "serve", str(config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        until(self._answers, "the registry answers")

    def stop(self) -> None:
        """End it; what was pushed stays for another start."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def push(self, source: str, name: str) -> str:
        """Push an image of this machine under a name; returns the digest."""
        reference = f"{self.host}/{name}"
        docker("tag", source, reference)
        docker("--config", str(self.credentials()), "push", reference)
        described = image(reference)
        assert described
        repository = reference.rpartition(":")[0]
        digests = [d for d in described["RepoDigests"] if d.startswith(f"{repository}@")]
        return str(digests[-1]).partition("@")[2]

    def credentials(self) -> Path:
        """A Docker configuration folder as `docker login` leaves it."""
        folder = self._folder / "docker"
        folder.mkdir(exist_ok=True)
        auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        auths = {self.host: {"auth": auth}} if self._login else {}
        (folder / "config.json").write_text(json.dumps({"auths": auths}))
        return folder

    def forget_local(self) -> None:
        """Take every name of this registry's images off this machine."""
        for entry in get("/images/json"):
            for name in [*(entry["RepoTags"] or ()), *(entry["RepoDigests"] or ())]:
                if name.startswith(f"{self.host}/"):
                    delete(f"/images/{name}")

    def _config(self) -> dict[str, object]:
        config: dict[str, object] = {
            "version": "0.1",
            "log": {"level": "warn"},
            "storage": {"filesystem": {"rootdirectory": str(self._folder / "data")}},
            "http": {"addr": self.host},
        }
        if self._login:
            path = self._folder / "htpasswd"
            path.write_text(f"{HTPASSWD}\n")
            config["auth"] = {"htpasswd": {"realm": "test", "path": str(path)}}
        return config

    def _answers(self) -> bool:
        assert self._process
        assert self._process.poll() is None, (self._folder / "log").read_text()
        with suppress(OSError):
            try:
                urllib.request.urlopen(f"http://{self.host}/v2/", timeout=5).close()
            except urllib.error.HTTPError as error:
                error.close()
                return error.code == 401
            return True
        return False
