"""An app's Compose file: everything that shall run, and nothing secret.

Released services carry their release in their name, so that two releases can stand side by side in
one project. Companions keep their name and hold nothing that differs from release to release.
Sensitive values appear as variables that only the Compose process is given.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from cove.model.app import (
    DEFAULT_NETWORK,
    App,
    Attachment,
    File,
    Mount,
    PublishedPort,
    Service,
    sibling_network,
)
from cove.model.names import before_service
from cove.model.release import Image, Placement, Release, companion_names
from cove.render.naming import (
    LABEL_APP,
    LABEL_CONFIG,
    LABEL_INSTANCE,
    LABEL_RELEASE,
    LABEL_SERVICE,
    Naming,
)

FILES_DIR = "files"  # beside the Compose file
# Docker's json-file log is unlimited by default; a burst of 300,000 lines loses none at 3 x 10 MB.
_LOGGING = {"driver": "json-file", "options": {"max-size": "10m", "max-file": "3"}}
_DIGEST = 16  # hexadecimal characters


def compose_document(
    app: str,
    releases: Sequence[Release],
    companions: Mapping[str, Release],
    naming: Naming,
    once: tuple[Release, str] | None = None,
) -> dict[str, Any]:
    """The Compose file that holds these releases side by side.

    `companions` names the release that each companion is defined by; `once` a release's service
    whose `before` command is to run.
    """
    services = {
        placement.name: _released(release, placement, naming)
        for release in releases
        for placement in release.placements
    }
    for name, release in companions.items():
        service = release.spec.service(name)
        services |= {
            container: _companion(release, service, container, naming)
            for container in companion_names(service)
        }
    if once is not None:
        services[before_service(once[1], once[0].number)] = _once(*once, naming)
    specs = [release.spec for release in (*releases, *companions.values())]
    used = sorted({key for s in services.values() for key in s.get("networks", ())})
    document = {
        "name": naming.project(app),
        "services": services,
        "networks": {key: _network(app, key, specs, naming) for key in used},
    }
    volumes = _volumes(app, services, specs, naming)
    return {**document, "volumes": volumes} if volumes else document


def companion_digests(spec: App, images: Mapping[str, Image], naming: Naming) -> dict[str, str]:
    """What each companion is made of, secrets included, by its name in the file.

    That is its own configuration alone: neither how many there are of it nor cove's networks
    beside its own, which come and go with routes, make it another.
    """
    return {
        service.name: _digest(spec, service, images[service.name], naming)
        for service in spec.companions()
        if service.name in images
    }


def earlier_digests(
    spec: App, images: Mapping[str, Image], naming: Naming
) -> dict[str, frozenset[str]]:
    """What containers of the same companions are labelled with that an earlier cove made.

    It counted a service's name among the aliases of replicas, and the networks beside its own.
    """
    own = {name for name in spec.own_networks() if name.startswith("_")}
    return {
        service.name: frozenset(
            _digest(spec, service, images[service.name], naming, beside=beside, named=named)
            for beside in (None, own, set[str]())
            for named in (False, True)
        )
        for service in spec.companions()
        if service.name in images
    }


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


def file_name(file: File) -> str:
    """What a config or secret is called on disk: other content, another name."""
    what = f"{file.mode:o} {file.uid} {file.gid}\n{file.content.value}"
    return hashlib.sha256(what.encode()).hexdigest()[: 2 * _DIGEST]


def project_files(services: Sequence[Service]) -> dict[str, File]:
    """The configs and secrets of the services, by the names they have on disk."""
    return {file_name(file): file for service in services for file in service.files}


def volume_sources(spec: App) -> set[str]:
    """The named volumes an app uses, by their names inside the app."""
    return {m.source for s in spec.services for m in s.mounts if m.kind == "volume"}


def _volumes(
    app: str, services: Mapping[str, Any], specs: Sequence[App], naming: Naming
) -> dict[str, Any]:
    used = {m["source"] for s in services.values() for m in s["volumes"] if m["type"] == "volume"}
    external = {v.name: v.external for spec in specs for v in spec.volumes if v.external}
    labels = {LABEL_INSTANCE: naming.prefix, LABEL_APP: app}
    return {
        name: {"external": True, "name": _escaped(external[name])}
        if name in external
        else {"name": naming.volume(app, name), "labels": labels}
        for name in sorted(used)
    }


def _network(app: str, key: str, specs: Sequence[App], naming: Naming) -> dict[str, Any]:
    external = {n.name: n.external for spec in specs for n in spec.networks if n.external}
    return {"external": True, "name": external.get(key) or naming.network(app, key)}


def _released(release: Release, placement: Placement, naming: Naming) -> dict[str, Any]:
    service = release.spec.service(placement.service)
    document = _service(release.spec, service, release.images[service.name])
    attachments = release.spec.attachments(service)
    networks: dict[str, Any] = {a.network: {} for a in attachments if a.network != DEFAULT_NETWORK}
    return {
        **document,
        "container_name": naming.container(release.app, placement.name),
        "environment": _environment(release.number, service),
        "networks": {DEFAULT_NETWORK: {"ipv4_address": placement.address}, **networks},
        "labels": {
            **document["labels"],
            **_labels(release.app, service, naming),
            LABEL_RELEASE: str(release.number),
        },
    }


def _once(release: Release, name: str, naming: Naming) -> dict[str, Any]:
    """The container of a service's `before` command: the service's own but for what it serves with.

    Its entry point stays, as with `docker compose run`; ports and addresses are the service's.
    """
    service = release.spec.service(name)
    document = _service(release.spec, service, release.images[name])
    own = release.spec.own_networks()
    networks: dict[str, Any] = {}
    for attachment in release.spec.attachments(service):
        networks[attachment.network] = {}
        if sibling_network(attachment.network) in own:
            networks[sibling_network(attachment.network)] = {}
    return {
        **document,
        "command": _escaped(service.rollout.before),
        "restart": "no",
        "ports": [],
        "healthcheck": {"disable": True},
        "container_name": naming.container(release.app, before_service(name, release.number)),
        "environment": _environment(release.number, service),
        "networks": networks,
        "labels": {
            **document["labels"],
            **_labels(release.app, service, naming),
            LABEL_RELEASE: str(release.number),
        },
    }


def _companion(
    release: Release, service: Service, container: str, naming: Naming
) -> dict[str, Any]:
    spec, image = release.spec, release.images[service.name]
    document = _companion_base(spec, service, image, naming)
    labels = {
        **document["labels"],
        LABEL_CONFIG: _digest(spec, service, image, naming),
    }
    beside = {name for name in spec.own_networks() if name.startswith("_")}
    # Replicas are Compose services of their own: together they answer to the file's name.
    named = container != service.name
    networks = _networks(spec.attachments(service), service, beside, named=named)
    return {
        **document,
        "container_name": naming.container(release.app, container),
        "environment": _environment(release.number, service),
        "labels": labels,
        # Compose takes networks or a network mode, never both.
        **({"networks": networks} if networks else {}),
    }


def _companion_base(spec: App, service: Service, image: Image, naming: Naming) -> dict[str, Any]:
    document = _service(spec, service, image)
    labels = {**document["labels"], **_labels(spec.name, service, naming)}
    return {**document, "labels": labels}


def _networks(
    attachments: Sequence[Attachment], service: Service, beside: Collection[str], *, named: bool
) -> dict[str, Any]:
    """A companion's networks, with those of `beside` that are beside one of them."""
    networks: dict[str, Any] = {}
    for attachment in attachments:
        aliases = [*((service.name,) if named else ()), *attachment.aliases]
        networks[attachment.network] = {"aliases": aliases} if aliases else {}
        if sibling_network(attachment.network) in beside:
            networks[sibling_network(attachment.network)] = {}
    return networks


def _digest(
    spec: App,
    service: Service,
    image: Image,
    naming: Naming,
    *,
    beside: Collection[str] | None = None,
    named: bool = False,
) -> str:
    """As if every network had one beside it: so most containers of an earlier cove are the same."""
    document = _companion_base(spec, service, image, naming)
    attachments = spec.attachments(service)
    if beside is None:
        beside = {sibling_network(attachment.network) for attachment in attachments}
    networks = _networks(attachments, service, beside, named=named)
    if networks:
        document["networks"] = networks
    values = {key: value.value for key, value in service.environment.items()}
    text = json.dumps([document, values], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGEST]


def _labels(app: str, service: Service, naming: Naming) -> dict[str, str]:
    return {LABEL_INSTANCE: naming.prefix, LABEL_APP: app, LABEL_SERVICE: service.name}


def _service(spec: App, service: Service, image: Image) -> dict[str, Any]:
    """What every kind of service has; environment, networks and cove's labels are still to come."""
    options = _escaped(service.options)
    task = service.name in {task.name for task in spec.tasks()}
    files = [_file(file) for file in service.files]
    return {
        "restart": "no" if task else "unless-stopped",
        "logging": _LOGGING,
        **options,
        "image": image.run,
        "pull_policy": "never",  # the rollout has pulled exactly these bytes already
        "volumes": [*(_mount(mount) for mount in service.mounts), *files],
        "ports": [_port(port) for port in service.ports],
        "stop_grace_period": _seconds(service.stop_grace),
        "labels": {k: v for k, v in options.get("labels", {}).items() if not _is_own(k)},
    }


def _is_own(label: str) -> bool:
    """No file may pass for cove; the reader of files has refused these before."""
    return label.startswith("cove.")


def _environment(release: int, service: Service) -> dict[str, str]:
    variables = secret_variables(release, service)
    return {
        key: "${" + variables[key] + "}" if value.sensitive else _escaped(value.value)
        for key, value in service.environment.items()
    }


def _file(file: File) -> dict[str, Any]:
    return {
        "type": "bind",
        "source": f"./{FILES_DIR}/{file_name(file)}",
        "target": _escaped(file.target),
        "read_only": True,
        "bind": {"create_host_path": False},
    }


def _mount(mount: Mount) -> dict[str, Any]:
    target = _escaped(mount.target)
    if mount.kind == "tmpfs":
        size = {"tmpfs": {"size": mount.tmpfs_size}} if mount.tmpfs_size else {}
        return {"type": "tmpfs", "target": target, **size}
    document = {
        "type": mount.kind,
        "source": _escaped(mount.source),
        "target": target,
        "read_only": mount.read_only,
    }
    bind = {"bind": {"create_host_path": mount.create}} if mount.kind == "bind" else {}
    return {**document, **bind}


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
