"""Images from a real registry: pulled with progress, recorded by digest, and its refusals told."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import engine
from support.agent import Agent, running
from support.appfiles import app_file, host
from support.images import Images
from support.registry import Registry


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """The agent's home, where `docker login` would leave its credentials."""
    return Path(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def agent(home: Path) -> Iterator[Agent]:
    """An agent with a home of its own."""
    with running(Agent(env={"HOME": str(home)})) as agent:
        yield agent


@pytest.fixture(scope="module")
def registry(tmp_path_factory) -> Iterator[Registry]:
    """An open registry."""
    yield from serving(Registry(tmp_path_factory.mktemp("registry")))


@pytest.fixture(scope="module")
def private(tmp_path_factory) -> Iterator[Registry]:
    """A registry that asks for a login."""
    yield from serving(Registry(tmp_path_factory.mktemp("private"), login=True))


def serving(registry: Registry) -> Iterator[Registry]:
    """A registry while it is needed; none of its images stays on this machine."""
    try:
        registry.start()
        yield registry
    finally:
        registry.stop()
        registry.forget_local()


def publish(registry: Registry, images: Images, name: str, version: str) -> str:
    """Push an image with a layer of its own and take it off this machine; its digest."""
    local = f"{registry.host}/scratch:{version}"
    images.unique(local, version)
    digest = registry.push(local, name)
    registry.forget_local()
    return digest


def test_an_image_is_pulled_with_progress_and_recorded_by_digest(agent, images, registry):
    """A tag becomes a digest: in the record, and in what runs."""
    digest = publish(registry, images, "shop:1", "one")
    ended = agent.deploy(app_file("pulled", f"{registry.host}/shop:1")).expect("live")
    progress = [event["data"] for event in ended.events if event["kind"] == "progress"]
    assert progress
    assert all(0 <= one["done"] <= one["total"] for one in progress)
    assert agent.web.get(host("pulled")).version == "one"
    assert agent.releases("pulled")[0]["digest"] == digest
    compose = (agent.data_dir / "apps/pulled/compose.yaml").read_text()
    assert f"{registry.host}/shop@{digest}" in compose


def test_a_rollback_returns_to_the_digest_after_the_tag_has_moved(agent, images, registry):
    """The recorded bytes come back, even when the tag moved and they are gone from here."""
    name = "moved"
    text = app_file(name, f"{registry.host}/moving:latest")
    first = publish(registry, images, "moving:latest", "first")
    agent.deploy(text).expect("live")
    second = publish(registry, images, "moving:latest", "second")
    agent.deploy(text).expect("live")
    assert agent.web.get(host(name)).version == "second"
    assert [r["digest"] for r in agent.releases(name)] == [second, first]
    tag = f"{agent.instance.replace('_', '-')}.local/{name}/{name}:r1"
    for reference in (tag, f"{registry.host}/moving@{first}"):
        engine.delete(f"/images/{reference}")
        assert engine.image(reference) is None
    agent.act(name, "rollback").expect("live")
    assert agent.web.get(host(name)).version == "first"
    assert agent.releases(name)[0]["digest"] == first


def test_a_tag_that_does_not_exist(agent, images, registry):
    """A registry without the tag, or the repository: exit code 1, and the name is told."""
    publish(registry, images, "there:1", "there")
    for name in ("there:2", "nowhere:1"):
        text = app_file("absent", f"{registry.host}/{name}")
        said = agent.cove("deploy", "-", "--json", input=text)
        error = said.json["error"]
        assert (said.code, error["code"]) == (1, "image-missing"), error
        assert f"{registry.host}/{name}" in error["message"]


def test_a_private_image_needs_a_login(agent, images, private, home):
    """Without credentials the error says how to log in; with `docker login`'s own, it works."""
    publish(private, images, "secret:1", "private")
    text = app_file("private", f"{private.host}/secret:1")
    said = agent.cove("deploy", "-", "--json", input=text)
    error = said.json["error"]
    assert (said.code, error["code"]) == (1, "image-login"), error
    assert f"docker login {private.host}" in error["hint"]
    shutil.copytree(private.credentials(), home / ".docker")
    agent.deploy(text).expect("live")
    assert agent.web.get(host("private")).version == "private"


def test_a_registry_that_is_down(agent, images, registry):
    """An upgrade is refused and the old release serves; the local copy may be asked for."""
    name = "orphan"
    publish(registry, images, "orphan:1", "old")
    text = app_file(name, f"{registry.host}/orphan:1")
    agent.deploy(text).expect("live")
    before = agent.world()
    registry.stop()
    try:
        said = agent.cove("deploy", "-", "--json", input=text)
        error = said.json["error"]
        assert (said.code, error["code"]) == (3, "registry-down"), error
        assert "pull_policy: missing" in error["hint"]
        assert agent.world() == before
        agent.act(name, "restart").expect("live")
        local = app_file(name, f"{registry.host}/orphan:1", pull_policy="missing")
        agent.deploy(local).expect("live")
    finally:
        registry.start()
    assert agent.web.get(host(name)).version == "old"


def test_a_removed_app_takes_its_pulled_image_along(agent, images, registry):
    """Bytes that cove brought to this machine go with the last release that needed them."""
    digest = publish(registry, images, "guest:1", "guest")
    reference = f"{registry.host}/guest:1"
    agent.deploy(app_file("guest", reference)).expect("live")
    assert engine.image(reference)
    agent.act("guest", "remove").expect("done")
    assert engine.image(reference) is None
    assert engine.image(f"{registry.host}/guest@{digest}") is None
