"""Keys that give power over the host: refused without a grant, read with one."""

from __future__ import annotations

from typing import Any

import pytest

from cove.appfile.keys import POWERS
from cove.model.app import Mount

from support.appfile import app, problem, service

FOLDER = "/srv/shop"

# key, as written, the powers it takes, as Compose is to have it
GRANTED: list[tuple[str, str, list[str], Any]] = [
    ("cap_add", "[NET_ADMIN, CAP_SYS_TIME]", ["cap=NET_ADMIN", "cap=SYS_TIME"], None),
    ("cap_add", "[ALL]", ["cap=ALL"], ["ALL"]),
    ("cgroup", "host", ["cgroup=host"], "host"),
    ("cgroup_parent", "apps.slice", ["cgroup-parent"], "apps.slice"),
    (
        "devices",
        "[/dev/snd, '/dev/ttyUSB0:/dev/modem:rw']",
        ["device=/dev/snd", "device=/dev/ttyUSB0"],
        [
            {"source": "/dev/snd", "target": "/dev/snd", "permissions": "rwm"},
            {"source": "/dev/ttyUSB0", "target": "/dev/modem", "permissions": "rw"},
        ],
    ),
    (
        "devices",
        "[{source: /dev/snd, permissions: r}]",
        ["device=/dev/snd"],
        [{"source": "/dev/snd", "target": "/dev/snd", "permissions": "r"}],
    ),
    ("gpus", "all", ["gpus"], "all"),
    ("gpus", "[{driver: nvidia, count: 2}]", ["gpus"], [{"driver": "nvidia", "count": 2}]),
    ("ipc", "host", ["ipc=host"], "host"),
    ("pid", "host", ["pid=host"], "host"),
    ("privileged", "true", ["privileged"], True),
    ("runtime", "runsc", ["runtime=runsc"], "runsc"),
    (
        "security_opt",
        "['apparmor:unconfined', seccomp=unconfined]",
        ["security-opt=apparmor=unconfined", "security-opt=seccomp=unconfined"],
        ["apparmor=unconfined", "seccomp=unconfined"],
    ),
    ("sysctls", "{net.core.somaxconn: 1024}", ["sysctl=net.core.somaxconn"], None),
    ("sysctls", "[net.core.somaxconn=1024]", ["sysctl=net.core.somaxconn"], None),
    ("userns_mode", "host", ["userns=host"], "host"),
    ("uts", "host", ["uts=host"], "host"),
    ("oom_score_adj", "-500", ["oom-score"], -500),
    ("ulimits", "{rtprio: 10}", ["ulimit=rtprio"], {"rtprio": 10}),
]
COMPOSES = {"cap_add": ["NET_ADMIN", "SYS_TIME"], "sysctls": {"net.core.somaxconn": "1024"}}


@pytest.mark.parametrize(("key", "written", "powers", "composes"), GRANTED)
def test_with_a_grant_the_key_is_read_and_the_power_recorded(
    key: str, written: str, powers: list[str], composes: Any
) -> None:
    """In the form that Compose acts on."""
    found = app(f"image: a\n{key}: {written}\n", granted=powers)
    assert found.services[0].options == {key: composes or COMPOSES[key]}
    assert found.powers == tuple(powers)


@pytest.mark.parametrize(("key", "written", "powers", "composes"), GRANTED)
def test_each_power_is_needed(key: str, written: str, powers: list[str], composes: Any) -> None:
    """The finding names the command that gives the one that is missing."""
    for power in powers:
        found = problem(f"{key}: {written}\n", granted=[p for p in powers if p != power])
        assert found.endswith(f"needs a grant of the server's owner: cove allow shop {power}")


def test_every_power_key_is_tried_here() -> None:
    """But network_mode, which needs a second service."""
    assert {key for key, *_ in GRANTED} >= set(POWERS) - {"network_mode"}


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("privileged: false", {"privileged": False}),
        ("cap_add: [CHOWN, CAP_NET_BIND_SERVICE]", {"cap_add": ["CHOWN", "NET_BIND_SERVICE"]}),
        ("security_opt: [no-new-privileges]", {"security_opt": ["no-new-privileges:true"]}),
        ("ipc: private", {"ipc": "private"}),
        ("cgroup: private", {"cgroup": "private"}),
    ],
)
def test_what_is_no_power_needs_no_grant(text: str, options: dict[str, Any]) -> None:
    """Hardened files work as they are."""
    found = app(f"image: a\n{text}\n")
    assert (found.services[0].options, found.powers) == (options, ())


@pytest.mark.parametrize(("mode", "granted"), [("host", ["network-mode=host"]), ("none", [])])
def test_a_companion_may_be_outside_the_apps_network(mode: str, granted: list[str]) -> None:
    """The host's needs a grant; none at all is less than any app has."""
    text = f"image: a\ndomain: a.test\nservices: {{b: {{image: b, network_mode: {mode}}}}}\n"
    assert app(text, granted=granted).service("b").options == {"network_mode": mode}


def test_what_the_proxy_reaches_stays_in_the_apps_network() -> None:
    """There cove gives it the address that the proxy dials."""
    found = problem("network_mode: host\ndomain: a.test\n", granted=["network-mode=host"])
    assert found.startswith("2:15: network_mode: a service that has a domain, or is the only one")


def bind(source: str, *, read_only: bool = False, create: bool = True) -> Mount:
    """A path of the host at /x."""
    return Mount(kind="bind", source=source, target="/x", read_only=read_only, create=create)


@pytest.mark.parametrize(
    ("written", "mount", "power"),
    [
        ("/srv/data:/x", bind("/srv/data"), "host-bind=/srv/data"),
        ("/srv//data/:/x:rw", bind("/srv/data"), "host-bind=/srv/data"),
        ("/srv/a/../data:/x", bind("/srv/data"), "host-bind=/srv/data"),
        ("/srv/data:/x:ro", bind("/srv/data", read_only=True), "host-bind=/srv/data:ro"),
        ("./data:/x", bind("/srv/shop/data"), "host-bind=/srv/shop/data"),
        ("../data:/x", bind("/srv/data"), "host-bind=/srv/data"),
        (".:/x", bind("/srv/shop"), "host-bind=/srv/shop"),
        ("'${D}/a:/x'", bind("/srv/data/a"), "host-bind=/srv/data/a"),
        (
            "{type: bind, source: ./data, target: /x, read_only: true}",
            bind("/srv/shop/data", read_only=True),
            "host-bind=/srv/shop/data:ro",
        ),
        (
            "{type: bind, source: /srv/data, target: /x, bind: {create_host_path: false}}",
            bind("/srv/data", create=False),
            "host-bind=/srv/data",
        ),
        ("/run/docker.sock:/x", bind("/run/docker.sock"), "docker-socket"),
    ],
)
def test_a_path_of_the_host_becomes_a_mount(written: str, mount: Mount, power: str) -> None:
    """Absolute and tidy, whatever way it was written."""
    given: dict[str, Any] = {"folder": FOLDER, "variables": {"D": "/srv/data"}}
    found = app(f"image: a\nvolumes: [{written}]\n", granted=[power], **given)
    assert (found.services[0].mounts, found.powers) == ((mount,), (power,))
    assert power.partition("=")[0] in problem(f"volumes: [{written}]\n", **given)


@pytest.mark.parametrize(
    ("outer", "inner", "held"),
    [
        ("/srv:/a", "/srv/sub:/b", False),
        ("/srv:/a", "/srv/sub/deep:/b:ro", False),
        ("/srv:/a:ro", "/srv/sub:/b", True),
        ("/srv:/a", "/srv2:/b", True),
    ],
)
def test_no_path_lies_in_one_that_the_app_may_write(outer: str, inner: str, held: bool) -> None:
    """The app could make a link of it that leads anywhere, and only has to be restarted then."""
    granted = ["host-bind=/srv", "host-bind=/srv2"]
    text = f"volumes: ['{outer}', '{inner}']\n"
    if held:
        assert len(service(text, granted=granted).mounts) == 2
    else:
        found = problem(text, granted=granted)
        assert "volumes[1]: lies in a path that the app may write" in found
    family = (
        f"services:\n  a: {{image: a, volumes: ['{outer}'], x-cove: {{domain: a.test, port: 1}}}}\n"
        f"  b: {{image: b, volumes: ['{inner}']}}\n"
    )
    if held:
        assert len(app(family, granted=granted).services) == 2
    else:
        assert "services.b.volumes[0]: lies in" in problem(family, granted=granted)


def test_a_finding_does_not_tell_what_a_variable_held() -> None:
    """The power is named by its kind alone."""
    found = problem("volumes: ['$D:/x']\n", variables={"D": "/srv/hidden"})
    assert "cove allow shop host-bind=PATH[:ro]" in found
    assert "hidden" not in found


def test_a_power_with_a_space_can_be_pasted() -> None:
    """The command stands in the finding as a shell takes it."""
    found = problem("volumes: ['/srv/a b:/x']\n")
    assert "cove allow shop 'host-bind=/srv/a b';" in found


def test_a_writable_path_of_the_host_makes_an_app_stop_first() -> None:
    """Two copies must not share it, as with a volume."""
    granted = ["host-bind=/srv"]
    assert service("volumes: ['/srv/a:/x']\n", granted=granted).order == "stop-first"
    assert service("volumes: ['/srv/a:/x:ro']\n", granted=granted).order == "start-first"


def test_powers_are_asked_for_by_the_apps_name() -> None:
    """A grant belongs to one app, whatever else the file is called."""
    from cove.appfile import Server, load  # noqa: PLC0415 - the only test that asks itself

    asked = []

    def granted(name: str) -> frozenset[str]:
        asked.append(name)
        return frozenset({"privileged"}) if name == "shop" else frozenset()

    text = "name: $N\nimage: a\nprivileged: true\n"
    found = load(
        text,
        name="other.yml",
        env_files={},
        variables={"N": "shop"},
        server=Server("", granted),
    )
    assert (asked, found.powers) == (["shop"], ("privileged",))
