"""The container of a `before` command, as Compose is told of it."""

from __future__ import annotations

from typing import Any

from cove.model.app import App, EnvValue, PublishedPort, RolloutPolicy, Service
from cove.model.release import Release
from cove.render.compose import compose_document, secret_environment
from cove.render.naming import Naming

from support.fakes import filled
from support.releases import DATA, app, image, release, route, web

NAMING = Naming("cove")
POLICY = RolloutPolicy(before=("migrate", "--to=$HEAD"))


def rendered(spec: App, number: int = 1) -> tuple[dict[str, Any], dict[str, Any], Release]:
    """The service that runs `web`'s command, and that of `web` itself."""
    made = release(number, spec)
    services = compose_document("shop", [made], {}, NAMING, (made, "web"))["services"]
    return services[f"web-r{number}-before"], services[f"web-r{number}"], made


def test_it_is_the_service_but_for_what_it_serves_with():
    """Image, entry point, user, volumes and environment are the same; ports and address are not."""
    options = {"user": "app", "entrypoint": ["/start"], "command": ["serve"], "restart": "always"}
    env = {"LEVEL": EnvValue("a$b"), "KEY": EnvValue("hunter2", sensitive=True)}
    spec = app(
        web(
            rollout=POLICY,
            options={**options, "healthcheck": {"test": ["CMD", "x"]}},
            environment=env,
            mounts=(DATA,),
            ports=(PublishedPort(published=25, target=25),),
        )
    )
    once, own, made = rendered(spec)
    same = ("image", "user", "entrypoint", "volumes", "environment", "labels", "logging")
    assert {key: once[key] for key in same} == {key: own[key] for key in same}
    assert once["command"] == ["migrate", "--to=$$HEAD"]
    assert (once["restart"], once["ports"]) == ("no", [])
    assert once["healthcheck"] == {"disable": True}
    assert once["networks"] == {"default": {}}
    assert once["container_name"] == "cove-shop.web-r1-before"
    assert filled(once["environment"], secret_environment([made]))["KEY"] == "hunter2"


def test_it_finds_its_siblings():
    """It is in each network of its service, and where siblings find the release that serves."""
    api = Service(name="api", image="acme/api:1")
    spec = app(web(rollout=POLICY), api, routes=(route(), route(domain="a.test", service="api")))
    once, _, _ = rendered(spec)
    assert once["networks"] == {"default": {}, "_default": {}}
    assert image().run == once["image"]


def test_nothing_is_left_in_the_file():
    """A project without a command under way has no such service."""
    services = compose_document("shop", [release(1, app(web(rollout=POLICY)))], {}, NAMING)
    assert list(services["services"]) == ["web-r1"]
