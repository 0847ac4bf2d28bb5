"""Releases and observations as planners and renderers are given them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cove.model.app import App, Mount, RolloutPolicy, Route, Service
from cove.model.release import Image, Placement, Release, names_for
from cove.planning.observed import Observed
from cove.ports import ContainerFacts
from cove.render.compose import companion_digests
from cove.render.naming import Naming

DATA = Mount(kind="volume", source="data", target="/data")
SUBNET = "10.201.0.0/26"
NAMING = Naming("cove")


def web(**given: Any) -> Service:
    """The service that most apps have."""
    return Service(**{"name": "web", "image": "acme/shop:1", **given})


def route(**given: Any) -> Route:
    """A route to it."""
    return Route(**{"domain": "shop.test", "service": "web", "port": 8000, **given})


def app(*services: Service, routes: Iterable[Route] | None = None, name: str = "shop") -> App:
    """An app; one routed service unless said otherwise."""
    return App(
        name=name,
        services=services or (web(),),
        routes=(route(),) if routes is None else tuple(routes),
    )


def image(**given: Any) -> Image:
    """An image that exposes one port."""
    settings = {"reference": "acme/shop:1", "run": "sha256:1", "id": "sha256:1", "ports": (8000,)}
    return Image(**{**settings, **given})


def release(number: int = 1, spec: App | None = None, **given: Any) -> Release:
    """A release of an app, its replicas with addresses."""
    spec = spec or app()
    names = [
        (s.name, replica, name)
        for s in spec.released()
        for replica, name in enumerate(names_for(s, number), start=1)
    ]
    placements = tuple(
        Placement(service=service, replica=replica, name=name, address=f"10.201.{number}.{host}")
        for host, (service, replica, name) in enumerate(names, start=2)
    )
    images = {s.name: image() for s in spec.services}
    settings = {"why": "deploy of acme/shop:1", "images": images, "placements": placements}
    return Release(app=spec.name, number=number, spec=spec, **{**settings, **given})


def observed(live: Release | None = None, **given: Any) -> Observed:
    """What runs: every container of the live release, unless said otherwise."""
    containers = [_container(live, p) for p in live.placements] if live else []
    if live:
        containers += [_companion(live, name, s.name) for name, s in live.companions().items()]
    volumes = {m.source for s in (live.spec.services if live else ()) for m in s.mounts}
    settings = {
        "live": live,
        "stopped": False,
        "subnets": {"default": SUBNET},
        "networks": frozenset({"default"} if live else ()),
        "volumes": frozenset(volumes),
        "containers": tuple(containers),
    }
    return Observed(**{**settings, **given})


def _companion(live: Release, name: str, role: str) -> ContainerFacts:
    config = companion_digests(live.spec, live.images, NAMING)[role]
    return ContainerFacts(
        id=name,
        name=name,
        app=live.app,
        service=name,
        release=0,
        role=role,
        config=config,
        state="running",
    )


def _container(live: Release, placement: Placement) -> ContainerFacts:
    name = placement.name
    return ContainerFacts(
        id=name,
        name=name,
        app=live.app,
        service=name,
        role=placement.service,
        release=live.number,
        state="running",
    )


SLOW = RolloutPolicy(drain=30, settle=7)
