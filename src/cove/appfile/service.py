"""Puts a service together from the keys that were read. Imported by this package alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from cove.appfile.environment import merged
from cove.appfile.keys import OPTIONS
from cove.appfile.mounts import report_shared_targets
from cove.appfile.value import Value
from cove.model.app import EnvValue, Service

# Keys that become a field each.
_FIELDS: Final = {
    "image": "image",
    "health": "health",
    "rollout": "rollout",
    "replicas": "replicas",
    "pull_policy": "pull_policy",
    "stop_grace_period": "stop_grace",
}
# Two spellings of one limit, the second inside `deploy.resources`.
_TWINS: Final = (
    ("cpus", ("limits", "cpus")),
    ("mem_limit", ("limits", "memory")),
    ("pids_limit", ("limits", "pids")),
    ("mem_reservation", ("reservations", "memory")),
)


def service(name: str, read: Mapping[str, Any], top: Mapping[str, Value]) -> Service:
    """The service; what does not fit together is recorded. `top` are the file's own values."""
    mounts = [*read.get("volumes", ()), *read.get("tmpfs", ())]
    report_shared_targets(mounts)
    options = {key: read[key] for key in OPTIONS if key in read}
    _report_twins(options, top)
    settings = {field: read[key] for key, field in _FIELDS.items() if key in read}
    found = Service(
        name=name,
        environment=_environment(read),
        mounts=tuple(mount for _, mount in mounts),
        ports=tuple(port for _, port in read.get("ports", ())),
        options=options,
        **{"image": "", **settings},
    )
    _report_contradictions(found, top)
    return found


def _environment(read: Mapping[str, Any]) -> dict[str, EnvValue]:
    """As in Compose, what the file says itself wins over its env files."""
    own = merged(read.get("env", {}), read.get("environment", {}))
    return {**read.get("env_file", {}), **{name: found for name, (found, _) in own.items()}}


def _report_twins(options: Mapping[str, Any], top: Mapping[str, Value]) -> None:
    resources = options.get("deploy", {}).get("resources", {})
    for key, (kind, twin) in _TWINS:
        other = resources.get(kind, {}).get(twin)
        if key in options and other not in {None, options[key]}:
            _report(top[key], f"contradicts deploy.resources.{kind}.{twin}; write one of them")


def _report_contradictions(found: Service, top: Mapping[str, Value]) -> None:
    if found.ports and found.replicas > 1:
        text = "two replicas cannot publish the same port of the host; leave ports out"
        _report(top["replicas"], text)
    if found.ports and found.rollout.order == "start-first":
        text = "start-first cannot work with ports: old and new cannot both hold them"
        _report(top["rollout"], text)


def _report(value: Value, text: str) -> None:
    value.reading.problems.add(value.node.at, value.path, text)
