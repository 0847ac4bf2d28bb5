"""Releases and what they ran with. Any layer may import it."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from cove.model.app import App, Route, Service
from cove.model.names import container_service

ReleaseStatus = Literal["pending", "live", "superseded", "failed"]


class Image(Struct, frozen=True, kw_only=True):
    """An image as it was resolved: `run` names exactly these bytes, whatever the tag does later."""

    reference: str  # as the file has it
    run: str  # repository@digest, or cove's own tag for an image known only locally
    id: str
    digest: str = ""
    ports: tuple[int, ...] = ()  # the TCP ports it exposes
    volumes: tuple[str, ...] = ()  # the VOLUME paths it declares
    architecture: str = ""
    pulled: bool = False  # whether its bytes came to this machine for this release


class Placement(Struct, frozen=True, kw_only=True):
    """One replica of a released service: its Compose service and its fixed address."""

    service: str
    replica: int
    name: str
    address: str


class Release(Struct, frozen=True, kw_only=True):
    """A numbered, immutable snapshot of an app: resolved file, image digests, who and why."""

    app: str
    number: int
    spec: App
    images: dict[str, Image]
    placements: tuple[Placement, ...]
    status: ReleaseStatus = "pending"
    created_at: float = 0.0  # seconds since the epoch
    by: str = ""
    why: str = ""
    source: str = ""  # where the file came from
    error: str = ""

    def companions(self) -> dict[str, Service]:
        """The containers beside the release's own, by Compose service, each after its needs."""
        return {n: s for s in self.spec.companions() for n in companion_names(s)}

    def of(self, service: str) -> tuple[Placement, ...]:
        """The replicas of one service."""
        return tuple(p for p in self.placements if p.service == service)

    def upstreams(self, route: Route) -> tuple[str, ...]:
        """The URLs the proxy dials for one route."""
        return tuple(f"http://{p.address}:{route.port}" for p in self.of(route.service))

    def endpoints(self) -> frozenset[tuple[str, int]]:
        """Every (address, port) the proxy may hold connections to."""
        return frozenset((p.address, r.port) for r in self.spec.routes for p in self.of(r.service))


def companion_names(service: Service) -> tuple[str, ...]:
    """The Compose services that carry a companion: the same in every release.

    The first has the service's own name, so that another number of them leaves it as it is.
    """
    return (service.name, *(f"{service.name}-{i}" for i in range(2, service.replicas + 1)))


def names_for(service: Service, release: int) -> tuple[str, ...]:
    """The Compose services that carry a released service in one release."""
    return tuple(
        container_service(service.name, release, i, service.replicas)
        for i in range(1, service.replicas + 1)
    )
