"""What the core needs of the world: small protocols that adapters fulfil.

Imported by the core (planning, rollout, certification) and by adapters; imports only the model.
Every method raises `PlatformError` when the part behind it fails, unless it says otherwise.
"""

from __future__ import annotations

from msgspec import Struct

from cove.ports.certificates import (
    CertificateFiles,
    Certificates,
    Issuer,
    LocalCertificates,
    ProxyCertificates,
    PublicSide,
)
from cove.ports.commands import CommandRequest, Commands, Output, RunningCommand
from cove.ports.containers import (
    ChangeAction,
    Composer,
    ContainerChange,
    ContainerFacts,
    ContainerState,
    Engine,
    EngineInfo,
    Exit,
    ImageFacts,
    LastLines,
    LogLine,
    Progress,
    Sighting,
)
from cove.ports.machine import Host, Listener
from cove.ports.proxy import Probe, ProbeResult, Proxy, ProxyRoutes
from cove.ports.records import AppRecord, Grant, Journal, Step, Store


class Platform(Struct, frozen=True, kw_only=True):
    """The parts the core works with, wired by a composition root."""

    engine: Engine
    composer: Composer
    proxy: Proxy
    probe: Probe
    host: Host
    certificates: Certificates
    store: Store
    lines: LastLines | None = None  # None: nothing keeps them


__all__ = [
    "AppRecord",
    "CertificateFiles",
    "Certificates",
    "ChangeAction",
    "CommandRequest",
    "Commands",
    "Composer",
    "ContainerChange",
    "ContainerFacts",
    "ContainerState",
    "Engine",
    "EngineInfo",
    "Exit",
    "Grant",
    "Host",
    "ImageFacts",
    "Issuer",
    "Journal",
    "LastLines",
    "Listener",
    "LocalCertificates",
    "LogLine",
    "Output",
    "Platform",
    "Probe",
    "ProbeResult",
    "Progress",
    "Proxy",
    "ProxyCertificates",
    "ProxyRoutes",
    "PublicSide",
    "RunningCommand",
    "Sighting",
    "Step",
    "Store",
]
