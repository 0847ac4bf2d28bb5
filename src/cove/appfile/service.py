"""Puts a service together from the keys that were read. Imported by this package alone.

What it needs of its siblings and of the rest of the file, `siblings` adds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cove.appfile.environment import merged
from cove.appfile.keys import OPTIONS
from cove.appfile.mounts import report_shared_targets
from cove.appfile.options import exposed
from cove.appfile.routes import Draft
from cove.appfile.value import Value
from cove.model.app import EnvValue, Route, Service

# Keys that become a field each.
_FIELDS: Final = {
    "image": "image",
    "health": "health",
    "rollout": "rollout",
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


@dataclass(frozen=True, slots=True)
class Part:
    """One service as its own keys describe it, in either form.

    `entries` are its values by key, those under `x-cove` included; `read` what they mean.
    """

    name: str
    value: Value
    entries: Mapping[str, Value]
    read: Mapping[str, Any]

    def service(self) -> Service:
        """The service by itself; what does not fit together is recorded."""
        read = self.read
        mounts = [*read.get("volumes", ()), *read.get("tmpfs", ())]
        report_shared_targets(mounts)
        options = {key: read[key] for key in OPTIONS if key in read}
        _report_twins(options, self.entries)
        replicas = _replicas(read, self.entries)
        _take_from_deploy(options)
        settings = {field: read[key] for key, field in _FIELDS.items() if key in read}
        found = Service(
            name=self.name,
            environment=_environment(read),
            mounts=tuple(mount for _, mount in mounts),
            ports=tuple(port for _, port in read.get("ports", ())),
            networks=tuple(attachment for _, attachment in read.get("networks", ())),
            options=options,
            replicas=replicas,
            **{"image": "", **settings},
        )
        _report_contradictions(found, self.entries)
        return found

    def drafts(self) -> list[Draft]:
        """Its routes, short and long form together."""
        for key in ("domain", "routes"):
            if key in self.entries and self.entries[key].null:
                text = "nothing is written here; leave the key out where there is no domain"
                at = self.entries[key]
                at.reading.problems.add(at.key_at, at.path, text)
        if "domain" in self.entries and "routes" in self.entries:
            later = max(
                self.entries["domain"], self.entries["routes"], key=lambda value: value.key_at
            )
            text = "write either domain or routes, not both"
            later.reading.problems.add(later.key_at, later.path, text)
        return [*self.read.get("domain", ()), *self.read.get("routes", ())]

    def routes(self) -> list[Route]:
        """Its routes, with the service's own port and certificates where they name none."""
        port = self.read.get("port") or self._only_port()
        tls = self.read.get("tls", "auto")
        return [draft.route(self.name, port, tls) for draft in self.drafts()]

    def _only_port(self) -> int:
        """The port that `ports` and `expose` hint at; 0 where they name none or several."""
        exposed_ports = [exposed(text) for text in self.read.get("expose", ())]
        if any(len(several) > 1 for several in exposed_ports):
            return 0
        ports = {port.target for _, port in self.read.get("ports", ()) if port.protocol == "tcp"}
        ports.update(self.read.get("targets", ()), *exposed_ports)
        return ports.pop() if len(ports) == 1 else 0


def _replicas(read: Mapping[str, Any], entries: Mapping[str, Value]) -> int:
    """The number of containers, which Compose has two more spellings for."""
    given = {key: read[key] for key in ("replicas", "scale") if key in read}
    in_deploy = read.get("deploy", {}).get("replicas")
    if in_deploy is not None:
        given["deploy"] = in_deploy
    if len(set(given.values())) > 1:
        _report(entries[list(given)[-1]], f"contradicts {next(iter(given))}; write one of them")
    return int(next(iter(given.values()), 1))


def _take_from_deploy(options: dict[str, Any]) -> None:
    """Leaves of `deploy` what Compose is to act on."""
    resources = options.pop("deploy", {}).get("resources")
    if resources:
        options["deploy"] = {"resources": resources}


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
        _report(next(top[k] for k in ("replicas", "scale", "deploy") if k in top), text)
    if found.ports and found.rollout.order == "start-first":
        text = "start-first cannot work with ports: old and new cannot both hold them"
        _report(top["rollout"], text)


def _report(value: Value, text: str) -> None:
    value.reading.problems.add(value.node.at, value.path, text)
