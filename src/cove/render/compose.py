"""An app's Compose file: everything that shall run, and nothing secret.

Routed services carry their release in their name, so that two releases can stand side by side in
one project. Sensitive values appear as variables that only the Compose process is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cove.model.app import Mount, PublishedPort, Service
from cove.model.release import Placement, Release
from cove.render.naming import LABEL_APP, LABEL_INSTANCE, LABEL_RELEASE, LABEL_SERVICE, Naming

NETWORK_KEY = "app"
# Docker's json-file log is unlimited by default; a burst of 300,000 lines loses none at 3 x 10 MB.
_LOGGING = {"driver": "json-file", "options": {"max-size": "10m", "max-file": "3"}}


def compose_document(app: str, releases: Sequence[Release], naming: Naming) -> dict[str, Any]:
    """The Compose file that holds these releases side by side."""
    services = {
        placement.name: _service(release, placement, naming)
        for release in releases
        for placement in release.placements
    }
    document: dict[str, Any] = {
        "name": naming.project(app),
        "services": services,
        "networks": {NETWORK_KEY: {"external": True, "name": naming.network(app)}},
    }
    volumes = {name for release in releases for name in volume_sources(release)}
    if volumes:
        labels = {LABEL_INSTANCE: naming.prefix, LABEL_APP: app}
        document["volumes"] = {
            name: {"name": naming.volume(app, name), "labels": labels} for name in sorted(volumes)
        }
    return document


def secret_environment(releases: Sequence[Release]) -> dict[str, str]:
    """The variables the Compose process needs to fill in what the file leaves out."""
    return {
        variable: service.environment[key].value
        for release in releases
        for service in release.spec.services
        for key, variable in secret_variables(release.number, service).items()
    }


def secret_variables(release: int, service: Service) -> dict[str, str]:
    """The variable that stands for each sensitive value, by its name in the container.

    Numbered: a name in the container may hold dots and dashes, a variable of Compose may not.
    """
    keys = [key for key, value in sorted(service.environment.items()) if value.sensitive]
    stem = f"COVE_R{release}_{service.name.replace('-', '_')}".upper()
    return {key: f"{stem}_{number}" for number, key in enumerate(keys, start=1)}


def volume_sources(release: Release) -> set[str]:
    """The named volumes a release uses, by their names inside the app."""
    return {
        mount.source
        for service in release.spec.services
        for mount in service.mounts
        if mount.kind == "volume"
    }


def _service(release: Release, placement: Placement, naming: Naming) -> dict[str, Any]:
    service = release.spec.service(placement.service)
    options = _escaped(service.options)
    return {
        "restart": "unless-stopped",
        "logging": _LOGGING,
        **options,
        "image": release.images[service.name].run,
        "pull_policy": "never",  # the rollout has pulled exactly these bytes already
        "environment": _environment(release, service),
        "networks": {NETWORK_KEY: {"ipv4_address": placement.address}},
        "volumes": [_mount(mount) for mount in service.mounts],
        "ports": [_port(port) for port in service.ports],
        "stop_grace_period": _seconds(service.stop_grace),
        "labels": {
            **options.get("labels", {}),
            LABEL_INSTANCE: naming.prefix,
            LABEL_APP: release.app,
            LABEL_RELEASE: str(release.number),
            LABEL_SERVICE: service.name,
        },
    }


def _environment(release: Release, service: Service) -> dict[str, str]:
    variables = secret_variables(release.number, service)
    return {
        key: "${" + variables[key] + "}" if value.sensitive else _escaped(value.value)
        for key, value in service.environment.items()
    }


def _mount(mount: Mount) -> dict[str, Any]:
    if mount.kind == "tmpfs":
        size = {"tmpfs": {"size": mount.tmpfs_size}} if mount.tmpfs_size else {}
        return {"type": "tmpfs", "target": _escaped(mount.target), **size}
    return {
        "type": "volume",
        "source": mount.source,
        "target": _escaped(mount.target),
        "read_only": mount.read_only,
    }


def _port(port: PublishedPort) -> dict[str, Any]:
    published = {"target": port.target, "published": str(port.published), "protocol": port.protocol}
    return {**published, "host_ip": _escaped(port.host_ip)} if port.host_ip else published


def _seconds(duration: float) -> str:
    """Without an exponent, which Compose would not read; microseconds are the finest it gets."""
    return f"{duration:.6f}".rstrip("0").rstrip(".") + "s"


def _escaped(value: Any) -> Any:
    """Compose interpolates `$` in values; what the user meant was settled before."""
    if isinstance(value, str):
        return value.replace("$", "$$")
    if isinstance(value, dict):
        return {key: _escaped(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_escaped(item) for item in value]
    return value
