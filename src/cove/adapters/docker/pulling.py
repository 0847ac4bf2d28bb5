"""Fetching images: progress while it runs, and registry errors told apart.

Imported inside `cove.adapters.docker` only.
"""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Any

from cove.adapters.docker.client import DockerClient, EngineError
from cove.errors import CoveError, Refused
from cove.ports import Progress

_EVERY = 0.2  # seconds between two progress reports
_HUB = "https://index.docker.io/v1/"  # the key under which `docker login` keeps Docker Hub's
_DOWN = (
    "dial tcp",
    "no such host",
    "connection refused",
    "i/o timeout",
    "TLS handshake",
    "context deadline exceeded",
    "Client.Timeout",
    "EOF",
    "network is unreachable",
)
_MISSING = ("manifest unknown", "not found", "does not exist", "name unknown", "name invalid")
_LOGIN = ("unauthorized", "authentication required", "no basic auth", "access denied", "denied")


async def pull(
    client: DockerClient, reference: str, platform: str, progress: Progress, auth_file: Path
) -> None:
    """Fetches an image. Raises Refused with a code that says which way it failed."""
    headers = _auth(reference, auth_file)
    query = {"fromImage": _with_tag(reference), "platform": platform or None}
    try:
        async with client.stream("POST", "/images/create", headers=headers, **query) as response:
            meter = _Meter(progress)
            async for line in response.content:
                if line.strip():
                    meter.feed(json.loads(line))
    except EngineError as error:
        raise refusal(reference, error.message) from error


def refusal(reference: str, message: str) -> CoveError:
    """A registry's words as an error that says what to do."""
    registry = registry_of(reference)
    low = message.lower()
    if "no space left" in low:
        return EngineError(500, "no space left on device").translated()
    if "no matching manifest" in low or "does not match the specified platform" in low:
        return Refused(
            f"{reference} has no image for this machine's processor: {message}",
            code="image-platform",
            hint="build it for this platform, or for several at once",
        )
    if any(word.lower() in low for word in _DOWN):
        return Refused(
            f"the registry {registry} cannot be reached: {message}",
            code="registry-down",
            hint="try again, or write `pull_policy: missing` to use the copy on this machine",
        )
    if any(word in low for word in _LOGIN) and "manifest unknown" not in low:
        return Refused(
            f"{registry} does not hand out {reference}: it does not exist, or it needs a login",
            code="image-login",
            hint=f"check the name; for a private image, on the server: docker login {registry}",
        )
    if any(word in low for word in _MISSING):
        return Refused(
            f"{reference} does not exist in {registry}",
            code="image-missing",
            hint="check the name and the tag",
        )
    return Refused(f"{reference} could not be fetched: {message}", code="image-pull")


def registry_of(reference: str) -> str:
    """The registry's host; a reference without one means Docker Hub."""
    first, slash, _ = reference.partition("/")
    named = slash and ("." in first or ":" in first or first == "localhost")
    return first if named else "docker.io"


def _with_tag(reference: str) -> str:
    """Without a tag the Engine would fetch every tag of the repository."""
    last = reference.rpartition("/")[2]
    return reference if ":" in last or "@" in last else f"{reference}:latest"


def _auth(reference: str, auth_file: Path) -> dict[str, str]:
    """The credentials `docker login` stored for the registry, as the Engine wants them."""
    registry = registry_of(reference)
    try:
        auths = json.loads(auth_file.read_text()).get("auths", {})
    except (OSError, ValueError, AttributeError):
        return {}
    entry = auths.get(_HUB if registry == "docker.io" else registry) or {}
    try:
        user, _, password = base64.b64decode(entry.get("auth", "")).decode().partition(":")
    except ValueError:
        return {}
    if not user:
        return {}
    body = {"username": user, "password": password, "serveraddress": registry}
    return {"X-Registry-Auth": base64.urlsafe_b64encode(json.dumps(body).encode()).decode()}


class _Meter:
    """Adds the layers' bytes up and reports them now and then."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._layers: dict[str, tuple[int, int]] = {}
        self._last = 0.0

    def feed(self, line: dict[str, Any]) -> None:
        if "error" in line:
            detail = line.get("errorDetail") or {}
            raise EngineError(500, str(detail.get("message") or line["error"]))
        detail = line.get("progressDetail") or {}
        if line.get("status") == "Downloading" and detail.get("total"):
            self._layers[line.get("id", "")] = (detail.get("current", 0), detail["total"])
        elif line.get("status") in ("Download complete", "Pull complete"):
            _, total = self._layers.get(line.get("id", ""), (0, 0))
            self._layers[line.get("id", "")] = (total, total)
        if time.monotonic() - self._last >= _EVERY and self._layers:
            self._last = time.monotonic()
            done = sum(d for d, _ in self._layers.values())
            total = sum(t for _, t in self._layers.values())
            self._progress(done, total, str(line.get("status", "")))
