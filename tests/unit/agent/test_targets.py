from __future__ import annotations

import pytest
from msgspec.structs import replace

from cove.agent.targets import choose
from cove.errors import NotFound, Refused
from cove.model.app import App, Route, Service
from cove.model.release import Placement, Release
from cove.ports import ContainerFacts, ContainerState

ROUTE = Route(domain="shop.example.com", service="web", port=80)


def release(*services: str, routed: bool = True) -> Release:
    """Release 3: `web` has two replicas, the others stand beside it."""
    spec = App(
        name="shop",
        services=tuple(Service(name=name, image="acme/shop:1") for name in services),
        routes=(ROUTE,) if routed else (),
    )
    placements = tuple(
        Placement(service="web", replica=n, name=f"web-r3-{n}", address=f"10.0.0.{n}")
        for n in (1, 2)
    )
    return Release(app="shop", number=3, spec=spec, images={}, placements=placements)


def container(service: str, state: ContainerState = "running", number: int = 3) -> ContainerFacts:
    """A container of a Compose service."""
    return ContainerFacts(
        id=service, name=service, app="shop", service=service, release=number, state=state
    )


def test_the_first_replica_that_runs_is_taken() -> None:
    """In the order of their numbers, whatever order Docker lists them in."""
    both = [container("web-r3-2"), container("web-r3-1")]
    assert choose(release("web"), both, "", 0).service == "web-r3-1"
    one = [container("web-r3-2"), container("web-r3-1", "exited")]
    assert choose(release("web"), one, "", 0).service == "web-r3-2"


def test_a_replica_is_meant_by_its_number() -> None:
    """And by no other; one that does not run is not replaced by its sibling."""
    both = [container("web-r3-1"), container("web-r3-2", "restarting")]
    assert choose(release("web"), both, "web", 1).service == "web-r3-1"
    with pytest.raises(Refused, match="web-r3-2 is restarting"):
        choose(release("web"), both, "web", 2)
    with pytest.raises(NotFound, match="has 2 replicas"):
        choose(release("web"), both, "web", 3)


def test_a_service_beside_keeps_its_name() -> None:
    """It carries no release; the number on its container may be an older one's."""
    found = [container("web-r3-1"), container("db", number=1)]
    assert choose(release("web", "db"), found, "db", 0).service == "db"


def test_a_service_beside_has_replicas_too() -> None:
    """Each is a container of its own, and its number means it."""
    live = release("web", "worker")
    workers = tuple(replace(s, replicas=2) if s.name == "worker" else s for s in live.spec.services)
    live = replace(live, spec=replace(live.spec, services=workers))
    found = [container("worker-2", number=0), container("worker", number=0)]
    assert choose(live, found, "worker", 0).service == "worker"
    assert choose(live, found, "worker", 2).service == "worker-2"
    with pytest.raises(NotFound, match="worker has 2 replicas"):
        choose(live, found, "worker", 3)


def test_without_a_name_the_service_with_a_route_is_meant() -> None:
    """Of several, the only one that people reach."""
    found = [container("db"), container("web-r3-1")]
    assert choose(release("db", "web"), found, "", 0).service == "web-r3-1"


def test_a_service_that_cannot_be_decided_is_asked_for() -> None:
    """The names to choose from are told."""
    with pytest.raises(NotFound, match="several services: web, db") as caught:
        choose(release("web", "db", routed=False), [], "", 0)
    assert "--service web" in caught.value.hint


def test_an_unknown_service_is_told_with_the_nearest() -> None:
    """And with all of them."""
    with pytest.raises(NotFound, match="did you mean web") as caught:
        choose(release("web", "db"), [], "wbe", 0)
    assert caught.value.hint == "its services: web, db"


def test_containers_of_another_release_are_not_taken() -> None:
    """What is being retired is not the app."""
    old = ContainerFacts(
        id="old", name="old", app="shop", service="web-r2-1", release=2, state="running"
    )
    with pytest.raises(Refused, match="web has no container"):
        choose(release("web"), [old], "", 0)
