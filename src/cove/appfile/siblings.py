"""What must hold among the services of a file, and with the rest of it. Used by this package alone.

Every finding is recorded in its place; what is returned is whole once there are none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from msgspec.structs import replace

from cove.appfile import attached_files, dependencies, networks
from cove.appfile.mounts import report_nested, report_shared_targets
from cove.appfile.ports import report_twice
from cove.appfile.problems import quote
from cove.appfile.routes import report_clashes
from cove.appfile.service import Part
from cove.appfile.value import Value, nearest
from cove.model.app import App, Attachment, File, Mount, Network, Service, Volume

# Of the 64 addresses of an app's network cove gives 30 to containers (`adapters.sqlite.addresses`).
_ADDRESSES: Final = 30
_MAX_CONTENTS: Final = 8 * 1024 * 1024  # characters
_RELEASED: Final = re.compile(r".*-r[0-9]+(?:-[0-9]+|-before)?")
_REPLICA: Final = re.compile(r"(.+)-[0-9]+")


@dataclass(frozen=True, slots=True)
class Definitions:
    """What a file describes beside its services.

    `implied`: a name that is used needs no definition, as in the short form.
    """

    networks: networks.Networks
    volumes: dict[str, tuple[Value, Volume]]
    files: Mapping[str, attached_files.Contents]
    implied: frozenset[str]


class Services(NamedTuple):
    """The services of a file: those to run, those in no active profile, and the unreadable."""

    parts: list[Part]
    dropped: set[str]
    unread: set[str]


def app(name: str, parts: Sequence[Part], beside: Services, defined: Definitions) -> App:
    """The app that the parts make together."""
    report_clashes([draft for part in parts for draft in part.drafts()])
    services = {part.name: part.service() for part in parts}
    dependencies.report_circles({part.name: part.read.get("depends_on", []) for part in parts})
    for part in parts:
        services[part.name] = _joined(part, services, beside, defined)
    found = App(
        name=name,
        services=tuple(services.values()),
        routes=tuple(route for part in parts for route in part.routes()),
    )
    found = replace(found, services=_reachable(found))
    report_twice([port for part in parts for port in part.read.get("ports", ())])
    report_nested([mount for part in parts for mount in part.read.get("volumes", ())])
    _report_names(parts, services)
    _report_completions(found, parts)
    _report_befores(found, parts)
    _report_network_modes(found, parts)
    _report_addresses(found, parts)
    _report_size(found, parts)
    return replace(found, networks=_networks(found, defined), volumes=_volumes(found, defined))


def _joined(
    part: Part, services: Mapping[str, Service], beside: Services, defined: Definitions
) -> Service:
    read = part.read
    depends = tuple(
        found
        for value, found in read.get("depends_on", ())
        if found.service not in beside.unread
        and dependencies.holds(part.name, value, found, services, beside.dropped)
    )
    _report_undefined("network", _network_names(part), defined.networks, defined)
    _report_undefined("volume", _volume_names(part), defined.volumes, defined)
    return replace(services[part.name], depends_on=depends, files=_files(part, defined))


def _network_names(part: Part) -> list[tuple[Value, str]]:
    found = [(value, attachment.network) for value, attachment in part.read.get("networks", ())]
    return [(value, name) for value, name in found if name != networks.DEFAULT]


def _volume_names(part: Part) -> list[tuple[Value, str]]:
    mounts: Sequence[tuple[Value, Mount]] = part.read.get("volumes", ())
    return [(value, mount.source) for value, mount in mounts if mount.kind == "volume"]


def _report_undefined(
    kind: str, used: list[tuple[Value, str]], known: Mapping[str, Any], defined: Definitions
) -> None:
    for value, name in used:
        if name in known or kind in defined.implied:
            continue
        shown = "this" if value.interpolated else quote(name)
        guess = nearest(value, name, list(known))
        advice = guess or f": add it under {kind}s"
        _report(value, f"there is no {kind} {shown} at the top of the file{advice}")


def _files(part: Part, defined: Definitions) -> tuple[File, ...]:
    uses = [*part.read.get("configs", ()), *part.read.get("secrets", ())]
    found = attached_files.filled(uses, defined.files)
    # The places of mounts are taken too, so all of them are looked at together.
    mounts = [*part.read.get("volumes", ()), *part.read.get("tmpfs", ())]
    placed = [(value, Mount(kind="volume", target=file.target)) for value, file in found]
    if placed:
        report_shared_targets([*mounts, *placed])
    return tuple(file for _, file in found)


def _reachable(found: App) -> tuple[Service, ...]:
    """The services, each where it can be reached.

    Those that a route leads to or that are replaced side by side are always in the app's default
    network, where cove gives addresses.
    """
    released = {service.name for service in found.released()}
    return tuple(
        replace(s, networks=(Attachment(network=networks.DEFAULT), *s.networks))
        if s.name in released and s.networks and not _in_default(s)
        else s
        for s in found.services
    )


def _in_default(service: Service) -> bool:
    return any(attachment.network == networks.DEFAULT for attachment in service.networks)


def _report_names(parts: Sequence[Part], services: Mapping[str, Service]) -> None:
    """No two containers may come to have one name, nor may two services in what is made of it."""
    spellings: dict[str, str] = {}
    for part in parts if len(parts) > 1 else ():
        if _RELEASED.fullmatch(part.name):
            _report_key(part, 'must not end like a release ("-r1")')
        replica = _REPLICA.fullmatch(part.name)
        other = services.get(replica[1]) if replica else None
        if other is not None and other.replicas > 1:
            _report_key(part, f"is the name of a replica of {quote(other.name)}")
        first = spellings.setdefault(part.name.replace("_", "-"), part.name)
        if first != part.name:
            _report_key(part, f'differs from {quote(first)} in "-" and "_" only')


def _report_completions(found: App, parts: Sequence[Part]) -> None:
    """Who depends on the end of a service that is kept running waits for ever."""
    released = {service.name for service in found.released()}
    for part in parts:
        for value, dependency in part.read.get("depends_on", ()):
            if dependency.condition == "completed" and dependency.service in released:
                text = f"{quote(dependency.service)} has a domain, so it never completes"
                _report(value, text)


def _report_befores(found: App, parts: Sequence[Part]) -> None:
    """What has no releases of its own has no moment before one either."""
    released = {service.name for service in found.released()}
    for part in parts:
        policy = part.read.get("rollout")
        if policy is not None and policy.before and part.name not in released:
            text = (
                "before is for services with a domain; to run something before this one, let it "
                "depend on a service: service_completed_successfully"
            )
            _report(part.entries["rollout"], text)


def _report_network_modes(found: App, parts: Sequence[Part]) -> None:
    released = {service.name for service in found.released()}
    for part in parts:
        mode = part.read.get("network_mode")
        if mode is not None and part.name in released:
            text = (
                "a service that has a domain, or is the only one, is replaced side by side in the "
                "app's own network; leave network_mode out"
            )
            _report(part.entries["network_mode"], text)
        elif mode is not None and "networks" in part.read:
            _report(part.entries["network_mode"], "goes with no networks; write one of them")


def _report_addresses(found: App, parts: Sequence[Part]) -> None:
    """During a rollout two releases of what has a domain stand side by side."""
    once = sum(service.replicas for service in found.services)
    twice = sum(service.replicas for service in found.released())
    if once + twice > _ADDRESSES:
        text = (
            f"the app needs {once + twice} addresses ({once} containers, {twice} of them twice "
            f"during a rollout), and its network has {_ADDRESSES}; use fewer services or replicas"
        )
        last = parts[-1]
        last.value.reading.problems.add(last.value.key_at, "services", text)


def _report_size(found: App, parts: Sequence[Part]) -> None:
    """What services repeat counts each time: all of it becomes part of each release."""
    values = [value for s in found.services for value in s.environment.values()]
    values += [file.content for s in found.services for file in s.files]
    if sum(len(value.value) for value in values) > _MAX_CONTENTS:
        at = parts[-1].value
        text = "environments, configs and secrets are larger than 8 MB together"
        at.reading.problems.add(at.key_at, "services", text)


def _networks(found: App, defined: Definitions) -> tuple[Network, ...]:
    used = {attachment.network for s in found.services for attachment in s.networks}
    return tuple(
        defined.networks[name][1] if name in defined.networks else Network(name=name)
        for name in sorted(used - {networks.DEFAULT})
    )


def _volumes(found: App, defined: Definitions) -> tuple[Volume, ...]:
    used = {m.source for s in found.services for m in s.mounts if m.kind == "volume"}
    return tuple(
        volume for name, (_, volume) in defined.volumes.items() if name in used and volume.external
    )


def _report(value: Value, text: str) -> None:
    value.reading.problems.add(value.node.at, value.path, text)


def _report_key(part: Part, text: str) -> None:
    part.value.reading.problems.add(part.value.key_at, part.value.path, text)
