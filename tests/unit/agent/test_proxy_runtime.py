"""When the proxy's container is replaced: requests fail meanwhile, so seldom."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml
from msgspec.structs import replace

from cove.agent.instance import Instance
from cove.agent.proxy import ProxyParts, ProxyRuntime
from cove.ports import ContainerFacts
from cove.render.naming import LABEL_CONFIG, Naming
from cove.render.proxy import ProxyPorts

NAME = "cove-proxy-proxy-1"


class Docker:
    """An engine with the proxy's container, and the Compose that makes it."""

    def __init__(self, project: Path) -> None:
        self.project = project
        self.facts: ContainerFacts | None = None
        self.asked: list[str] = []  # how Compose was asked the last time

    async def container(self, _: str) -> ContainerFacts | None:
        return self.facts

    async def remove(self, _: str) -> None:
        """Nothing is half made."""

    async def run(self, _: str, __: Path, arguments: list[str], ___: object) -> None:
        document = yaml.safe_load((self.project / "compose.yaml").read_text())
        config = document["services"]["proxy"]["labels"][LABEL_CONFIG]
        self.asked = arguments
        self.facts = ContainerFacts(
            id="a" * 64, name=NAME, app="", service="proxy", release=0, state="running",
            config=config,
        )  # fmt: skip


class Calm:
    """What has nothing to do with it, and is as it should be."""

    async def ping(self) -> bool:
        return True

    async def ensure_default(self) -> None:
        """It is there."""

    def write_base(self, _: object) -> bool:
        return False


@pytest.fixture
def docker(tmp_path: Path) -> Docker:
    """Nothing runs yet."""
    return Docker(tmp_path / "proxy-project")


def runtime(tmp_path: Path, docker: Docker, ports: ProxyPorts) -> ProxyRuntime:
    """As an agent makes it."""
    instance = SimpleNamespace(folder=tmp_path, proxy=tmp_path / "proxy")
    calm = Calm()
    parts = SimpleNamespace(
        engine=docker, runner=docker, authority=calm, host=calm, api=calm, files=calm
    )
    naming = Naming("cove")
    return ProxyRuntime(
        cast("Instance", instance), naming, ports, cast("ProxyParts", parts), challenge_port=300
    )


@pytest.fixture(autouse=True)
def official(monkeypatch: pytest.MonkeyPatch) -> None:
    """The image is there."""

    async def image(_: object) -> str:
        return "traefik@sha256:1"

    monkeypatch.setattr(ProxyRuntime, "_image", image)


PORTS = ProxyPorts(http=8080, https=8443, api=9000, bind="127.0.0.1")


async def test_a_proxy_that_only_would_be_tuned_otherwise_is_left_alone(
    tmp_path: Path, docker: Docker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An upgrade of cove that changes what its memory may grow to costs no request."""
    await runtime(tmp_path, docker, PORTS).ensure()
    environment: dict[str, Any] = {"GOGC": "50"}
    monkeypatch.setattr("cove.render.proxy.PROXY_ENVIRONMENT", environment)
    await runtime(tmp_path, docker, PORTS).ensure()
    assert "--no-recreate" in docker.asked


async def test_a_proxy_whose_configuration_changed_is_replaced(
    tmp_path: Path, docker: Docker
) -> None:
    """And one that rests is started as it should be now."""
    await runtime(tmp_path, docker, PORTS).ensure()
    await runtime(tmp_path, docker, replace(PORTS, access_log="full")).ensure()
    assert "--no-recreate" not in docker.asked
    assert docker.facts
    docker.facts = replace(docker.facts, state="exited")
    await runtime(tmp_path, docker, replace(PORTS, access_log="full")).ensure()
    assert "--no-recreate" not in docker.asked


async def test_a_proxy_whose_folder_was_deleted_is_replaced(
    tmp_path: Path, docker: Docker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It watches what is no longer there."""
    await runtime(tmp_path, docker, PORTS).ensure()
    monkeypatch.setattr(Calm, "write_base", lambda *_: True)
    await runtime(tmp_path, docker, PORTS).ensure()
    assert "--force-recreate" in docker.asked
