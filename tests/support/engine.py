"""The Docker Engine as tests look at it: what carries an instance's label, and its removal.

Everything is found by the label of one cove instance; nothing else on the machine is touched.
"""

from __future__ import annotations

import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

from support.unix_http import UnixHttp, request

ABSENT = 404


def socket_path() -> Path:
    """Where the Engine listens."""
    host = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
    assert host.startswith("unix://"), f"these tests need the Docker of this machine, not {host}"
    return Path(host.removeprefix("unix://"))


def get(path: str, filters: dict[str, list[str]] | None = None, **query: Any) -> Any:
    """The JSON that the Engine answers; None for what is not there."""
    if filters:
        query["filters"] = json.dumps(filters)
    status, body = request(socket_path(), "GET", path, query=query)
    if status == ABSENT:
        return None
    assert status < 400, (path, status, body)
    return body


def delete(path: str, **query: Any) -> None:
    """Remove something; that it is gone already, or still in use, is for the caller to notice."""
    request(socket_path(), "DELETE", path, query=query)


def abandon(method: str, path: str, body: Any = None) -> None:
    """Ask for something and hang up at once, as whoever is killed does."""
    connection = UnixHttp(socket_path())
    data = json.dumps(body or {}).encode()
    try:
        connection.request(method, path, data, {"Content-Type": "application/json"})
    finally:
        connection.close()


def docker(*arguments: str, **options: Any) -> str:
    """Run the docker command and return what it printed."""
    done = subprocess.run(
        ["docker", *arguments], check=False, capture_output=True, text=True, **options
    )
    assert done.returncode == 0, (arguments, done.stderr)
    return str(done.stdout).strip()


def image(reference: str) -> dict[str, Any] | None:
    """An image's description; None where there is none."""
    found: dict[str, Any] | None = get(f"/images/{quote(reference, safe='')}/json")
    return found


class Belongings:
    """What one cove instance owns on the Engine, and of one app where one is named."""

    def __init__(self, instance: str) -> None:
        self.instance = instance

    def containers(self, app: str = "") -> dict[str, dict[str, Any]]:
        """Containers by name, the proxy's left out, in any state."""
        listed = get("/containers/json", {"label": self._labels(app)}, all=1)
        found = {entry["Names"][0].lstrip("/"): entry for entry in listed}
        return {name: entry for name, entry in found.items() if "cove.app" in entry["Labels"]}

    def networks(self, app: str = "") -> set[str]:
        """The names of networks."""
        return {entry["Name"] for entry in get("/networks", {"label": self._labels(app)})}

    def volumes(self, app: str = "") -> set[str]:
        """The names of volumes."""
        listed = get("/volumes", {"label": self._labels(app)})
        return {entry["Name"] for entry in listed.get("Volumes") or ()}

    def tags(self, app: str = "") -> set[str]:
        """cove's own tags, which keep images from being pruned."""
        prefix = f"{self.instance.replace('_', '-')}.local/" + (f"{app}/" if app else "")
        listed = [tag for entry in get("/images/json") for tag in entry["RepoTags"] or ()]
        return {tag for tag in listed if tag.startswith(prefix)}

    def remove_all(self) -> list[str]:
        """Remove everything, the proxy too; returns what is left."""
        containers = get("/containers/json", {"label": self._labels("")}, all=1)
        with ThreadPoolExecutor(4) as several:  # the Engine takes half a second for each
            paths = [f"/containers/{container['Id']}" for container in containers]
            list(several.map(lambda path: delete(path, force=1, v=1), paths))
        for network in self.networks():
            delete(f"/networks/{network}")
        for volume in self.volumes():
            delete(f"/volumes/{volume}", force=1)
        for tag in self.tags():
            delete(f"/images/{quote(tag, safe='')}", noprune=0)
        left = [
            entry["Id"] for entry in get("/containers/json", {"label": self._labels("")}, all=1)
        ]
        return [*left, *self.networks(), *self.volumes(), *self.tags()]

    def _labels(self, app: str) -> list[str]:
        labels = [f"cove.instance={self.instance}"]
        return [*labels, f"cove.app={app}"] if app else labels
