from __future__ import annotations

from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from cove.model.app import EnvValue, Mount, PublishedPort
from cove.model.release import Release
from cove.render.compose import compose_document, secret_environment
from cove.render.naming import Naming

from support.fakes import filled
from support.releases import DATA, app, image, release, route, web

NAMING = Naming("cove")
SECRET = EnvValue("hunter2$", sensitive=True)


def document(*releases: Release) -> dict[str, Any]:
    """The project's file as Compose reads it, from its text."""
    text = yaml.safe_dump(compose_document("shop", releases, {}, NAMING))
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def service(**given_: Any) -> dict[str, Any]:
    """The one service of a release."""
    (found,) = document(release(spec=app(web(**given_))))["services"].values()
    return dict(found)


def test_the_whole_file():
    """One release of one small service, down to the last key."""
    assert document(release()) == {
        "name": "cove-shop",
        "services": {
            "web-r1": {
                "restart": "unless-stopped",
                "logging": {"driver": "json-file", "options": {"max-size": "10m", "max-file": "3"}},
                "image": "sha256:1",
                "pull_policy": "never",
                "container_name": "cove-shop.web-r1",
                "environment": {},
                "networks": {"default": {"ipv4_address": "10.201.1.2"}},
                "volumes": [],
                "ports": [],
                "stop_grace_period": "10s",
                "labels": {
                    "cove.instance": "cove",
                    "cove.app": "shop",
                    "cove.release": "1",
                    "cove.service": "web",
                },
            }
        },
        "networks": {"default": {"external": True, "name": "cove-shop"}},
    }


def test_two_releases_side_by_side():
    """Each replica of each release is a service of its own, with an address of its own."""
    spec = app(web(replicas=2))
    services = document(release(1, spec), release(2, spec))["services"]
    assert sorted(services) == ["web-r1-1", "web-r1-2", "web-r2-1", "web-r2-2"]
    addresses = {s["networks"]["default"]["ipv4_address"] for s in services.values()}
    assert len(addresses) == 4
    assert {s["labels"]["cove.release"] for s in services.values()} == {"1", "2"}


def test_what_runs_is_named_by_its_bytes():
    """A tag may move between the pull and the start; what was resolved runs."""
    found = document(release(images={"web": image(run="acme/shop@sha256:" + "a" * 64)}))
    assert found["services"]["web-r1"]["image"] == "acme/shop@sha256:" + "a" * 64


def test_a_dollar_means_a_dollar():
    """What the user meant was settled before; Compose must not find variables in it."""
    found = service(
        environment={"PRICE": EnvValue("$5 ${HOME}")},
        options={"command": ["sh", "-c", "echo $HOME"], "labels": {"a": "$b"}},
        mounts=(Mount(kind="tmpfs", target="/$x"),),
    )
    assert found["environment"] == {"PRICE": "$$5 $${HOME}"}
    assert found["command"] == ["sh", "-c", "echo $$HOME"]
    assert found["labels"]["a"] == "$$b"
    assert found["volumes"] == [{"type": "tmpfs", "target": "/$$x"}]


def test_secrets_are_variables():
    """No sensitive value is in the file; Compose alone is handed it."""
    live, new = (release(n, app(web(environment={"TOKEN": SECRET}))) for n in (1, 2))
    text = yaml.safe_dump(compose_document("shop", [live, new], {}, NAMING))
    handed = secret_environment([live, new])
    assert "hunter2" not in text
    assert len(handed) == 2
    assert set(handed.values()) == {"hunter2$"}
    for name in handed:
        assert "${" + name + "}" in text


keys = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.-]{0,8}", fullmatch=True)
values = st.builds(EnvValue, st.text(max_size=12), st.booleans())


@given(st.dictionaries(keys, values, max_size=6), st.dictionaries(keys, values, max_size=6))
def test_every_value_arrives(old, new):
    """Whatever the names and values, a container gets exactly what its release recorded."""
    routes = (route(), route(service="we-b", path="/b"))
    specs = [
        app(web(environment=env), web(name="we-b", environment=env), routes=routes)
        for env in (old, new)
    ]
    releases = [release(number, spec) for number, spec in enumerate(specs, start=1)]
    handed = secret_environment(releases)
    rendered = compose_document("shop", releases, {}, NAMING)["services"]
    for one in releases:
        for placement in one.placements:
            wanted = one.spec.service(placement.service).environment
            found = filled(rendered[placement.name]["environment"], handed)
            assert found == {key: value.value for key, value in wanted.items()}


def test_volumes():
    """Volumes are named and labelled as the app's; both releases use the same."""
    spec = app(web(mounts=(DATA, Mount(kind="volume", source="ro", target="/ro", read_only=True))))
    found = document(release(1, spec), release(2, spec))
    labels = {"cove.instance": "cove", "cove.app": "shop"}
    assert found["volumes"] == {
        "data": {"name": "cove-shop_data", "labels": labels},
        "ro": {"name": "cove-shop_ro", "labels": labels},
    }
    assert found["services"]["web-r2"]["volumes"] == [
        {"type": "volume", "source": "data", "target": "/data", "read_only": False},
        {"type": "volume", "source": "ro", "target": "/ro", "read_only": True},
    ]


def test_tmpfs():
    """A size where one is given."""
    found = service(mounts=(Mount(kind="tmpfs", target="/t", tmpfs_size=1024),))
    assert found["volumes"] == [{"type": "tmpfs", "target": "/t", "tmpfs": {"size": 1024}}]


def test_ports():
    """Published ports are said in full; an address only where there is one."""
    found = service(
        ports=(
            PublishedPort(published=25, target=2525),
            PublishedPort(published=53, target=53, protocol="udp", host_ip="127.0.0.1"),
        )
    )
    assert found["ports"] == [
        {"target": 2525, "published": "25", "protocol": "tcp"},
        {"target": 53, "published": "53", "protocol": "udp", "host_ip": "127.0.0.1"},
    ]


def test_the_file_has_no_power_over_what_cove_sets():
    """An option or label that slipped through cannot pass for cove's own."""
    own = {"image": "evil", "networks": ["host"], "volumes": ["/:/host"], "ports": ["22:22"]}
    labels = {"cove.app": "other", "cove.release": "9", "mine": "1"}
    found = service(options={**own, "labels": labels, "user": "app", "pull_policy": "always"})
    assert found["image"] == "sha256:1"
    assert found["networks"] == {"default": {"ipv4_address": "10.201.1.2"}}
    assert (found["volumes"], found["ports"], found["pull_policy"]) == ([], [], "never")
    assert found["labels"]["cove.app"] == "shop"
    assert found["labels"]["cove.release"] == "1"
    assert (found["labels"]["mine"], found["user"]) == ("1", "app")


def test_what_the_file_may_choose():
    """Restart and logging have defaults, which the file replaces."""
    found = service(options={"restart": "no", "logging": {"driver": "none"}}, stop_grace=1.5)
    assert (found["restart"], found["logging"]) == ("no", {"driver": "none"})
    assert found["stop_grace_period"] == "1.5s"


def test_a_companion_without_a_network_is_in_none():
    """Compose takes a network mode or networks, never both."""
    job = web(name="job", options={"network_mode": "none"})
    live = release(spec=app(web(), job))
    found = compose_document("shop", [live], {"job": live}, NAMING)["services"]
    assert "networks" not in found["job"]
    assert found["job"]["network_mode"] == "none"
    assert list(found["web-r1"]["networks"]) == ["default"]
