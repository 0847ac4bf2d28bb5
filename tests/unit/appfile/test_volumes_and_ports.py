from __future__ import annotations

import pytest

from cove.model.app import Mount, PublishedPort

from support.appfile import problem, service

GRANT = "needs a grant of the server's owner: cove allow shop"
NAMED = "; a named volume needs none"
RELATIVE = "a relative path of the host means nothing in a file from elsewhere; write it out"
MIB = 1024 * 1024


def volume(source: str, target: str, *, read_only: bool = False) -> Mount:
    """A named volume."""
    return Mount(kind="volume", source=source, target=target, read_only=read_only)


@pytest.mark.parametrize(
    ("text", "mount"),
    [
        ("data:/data", volume("data", "/data")),
        ("data:/data:rw", volume("data", "/data")),
        ("data:/data:ro", volume("data", "/data", read_only=True)),
        ("my_data.1-x:/var/lib/x", volume("my_data.1-x", "/var/lib/x")),
        ("'data:/with space'", volume("data", "/with space")),
        ("{type: volume, source: data, target: /data}", volume("data", "/data")),
        (
            "{type: volume, source: data, target: /data, read_only: true}",
            volume("data", "/data", read_only=True),
        ),
        ("{type: tmpfs, target: /tmp}", Mount(kind="tmpfs", target="/tmp")),
        (
            "{type: tmpfs, target: /tmp, read_only: false, tmpfs: {size: 64m}}",
            Mount(kind="tmpfs", target="/tmp", tmpfs_size=64 * MIB),
        ),
        (
            "{type: tmpfs, target: /tmp, tmpfs: {size: 1048576}}",
            Mount(kind="tmpfs", target="/tmp", tmpfs_size=MIB),
        ),
    ],
)
def test_named_volumes_and_memory_are_mounts(text, mount):
    """Short and long form mean what they mean in Compose."""
    assert service(f"volumes: [{text}]\n").mounts == (mount,)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("/srv/data:/data", f"{GRANT} host-bind=/srv/data{NAMED}"),
        ("./data:/data", RELATIVE),
        ("../data:/data", RELATIVE),
        ("~/data:/data", '"~" is nobody\'s home here; write the path out'),
        (".:/data", RELATIVE),
        ("'C:\\data:/data'", "a path of Windows means nothing on the server"),
        (
            "/var/run/docker.sock:/var/run/docker.sock:ro",
            f"{GRANT} docker-socket{NAMED}",
        ),
        ("/data", 'a volume needs a name: write "data:/data"'),
        ("data", 'must read "name:/path" or "name:/path:ro", not "data"'),
        ("'data:'", 'must read "name:/path" or "name:/path:ro", not "data:"'),
        ("data:data", "the place in the container must be an absolute path below /"),
        ("data:/", "the place in the container must be an absolute path below /"),
        ("data:/a/../b", 'the place in the container must be a tidy path: no "..", no "//"'),
        ("data:/a/", 'the place in the container must be a tidy path: no "..", no "//"'),
        ("data:/a:z", 'the part after the path must be "ro" or "rw"'),
        ("data:/a:ro:x", 'the part after the path must be "ro" or "rw"'),
        (
            "-data:/a",
            (
                'a volume\'s name is letters, digits, "_", "-" and ".", 63 at most, '
                "and begins with a letter or digit"
            ),
        ),
        ("''", "must be one line, not empty, without spaces around it"),
        ("[a]", "must be text, not a list"),
        ("{type: volume, target: /a}", "a volume needs a name: add source"),
        ("{type: tmpfs, target: /a, source: b}", "a tmpfs has no source"),
        (
            "{type: volume, source: a, target: /a, tmpfs: {size: 1m}}",
            "tmpfs goes with type: tmpfs only",
        ),
    ],
)
def test_other_volumes_are_refused(text, words):
    """A path of the host is a power over it; a nameless volume would be lost."""
    assert problem(f"volumes: [{text}]\n") == f"2:11: volumes[0]: {words}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "{type: bind, source: /a, target: /a}",
            f"2:32: volumes[0].source: {GRANT} host-bind=/a{NAMED}",
        ),
        ("{type: npipe, target: /a}", "2:18: volumes[0].type: pipes exist on Windows only"),
        (
            "{type: cluster, target: /a}",
            ("2:18: volumes[0].type: cluster volumes are not supported yet"),
        ),
        (
            "{type: disk, target: /a}",
            '2:18: volumes[0].type: must be volume, tmpfs or bind, not "disk"',
        ),
        (
            "{type: volume, source: /a, target: /a}",
            "2:34: volumes[0].source: is a path of the host; write type: bind",
        ),
        (
            "{type: volume, source: a b, target: /a}",
            (
                "2:34: volumes[0].source: a volume's name is "
                'letters, digits, "_", "-" and ".", 63 at most, and begins with a letter or digit'
            ),
        ),
        (
            "{type: volume, source: a, target: b}",
            (
                "2:45: volumes[0].target: the place in the "
                "container must be an absolute path below /"
            ),
        ),
        (
            "{type: volume, source: a, target: '/b:c'}",
            ('2:45: volumes[0].target: the place in the container must not contain ":"'),
        ),
        ("{source: a, target: /a}", "2:11: volumes[0].type: is required"),
        ("{type: volume, source: a}", "2:11: volumes[0].target: is required"),
        (
            "{type: volume, source: a, target: /a, volume: {nocopy: true}}",
            "2:49: volumes[0].volume: its options are not supported yet",
        ),
        (
            "{type: tmpfs, target: /a, tmpfs: {mode: 1777}}",
            "2:45: volumes[0].tmpfs.mode: is not supported yet",
        ),
        (
            "{type: tmpfs, target: /a, bind: {propagation: private}}",
            "2:11: volumes[0]: bind goes with type: bind only",
        ),
    ],
)
def test_the_long_forms_parts_are_judged_one_by_one(text, words):
    """The finding stands at the part that is wrong."""
    assert problem(f"volumes: [{text}]\n") == words


@pytest.mark.parametrize(
    ("text", "mounts"),
    [
        ("/tmp", [("/tmp", 0)]),
        ("[/tmp, '/run:size=64m']", [("/tmp", 0), ("/run", 64 * MIB)]),
        ("'/run:size=1048576'", [("/run", MIB)]),
    ],
)
def test_tmpfs_is_a_mount_in_memory(text, mounts):
    """One target or several, with a size if wanted."""
    expected = [Mount(kind="tmpfs", target=path, tmpfs_size=size) for path, size in mounts]
    assert list(service(f"tmpfs: {text}\n").mounts) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("tmp", "the place in the container must be an absolute path below /"),
        ("/tmp:mode=1777", 'of the options only size is supported: "/tmp:size=64m"'),
        ("'/tmp:size=1m,mode=1777'", 'of the options only size is supported: "/tmp:size=64m"'),
        (
            "/tmp:size=big",
            'must be a size such as "64m" or "1g", not "/tmp:size=big"',
        ),
        ("{a: b}", 'must be a path such as "/tmp", not a mapping'),
    ],
)
def test_other_tmpfs_are_refused(text, words):
    """What the model cannot hold is not dropped in silence."""
    assert problem(f"tmpfs: {text}\n") == f"2:8: tmpfs: {words}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("volumes: [a:/x, b:/x]", '2:17: volumes[1]: "/x" is taken already, by volumes[0]'),
        ("volumes: [a:/x]\ntmpfs: /x", '3:8: tmpfs: "/x" is taken already, by volumes[0]'),
    ],
)
def test_a_place_in_the_container_is_mounted_once(text, words):
    """The second mount would hide the first."""
    assert problem(text + "\n") == words


def test_composes_top_level_volumes_are_told_apart_from_the_services():
    """In the short form the key is the service's, a list."""
    words = '2:10: volumes: must be a list such as ["uploads:/app/uploads"]'
    assert problem("volumes: {data: }\n") == words


def published(outer: int, inner: int, protocol: str = "tcp", ip: str = "") -> PublishedPort:
    """A port of the host."""
    return PublishedPort(
        published=outer,
        target=inner,
        protocol=protocol,  # type: ignore[arg-type]
        host_ip=ip,
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"8080:80"', [published(8080, 80)]),
        ("22:22", [published(22, 22)]),
        ('"53:53/udp"', [published(53, 53, "udp")]),
        ('"127.0.0.1:5432:5432/tcp"', [published(5432, 5432, ip="127.0.0.1")]),
        ('"[::1]:5432:5432"', [published(5432, 5432, ip="::1")]),
        ('"3000-3002:4000-4002"', [published(3000 + n, 4000 + n) for n in range(3)]),
        ("{target: 80, published: 8080}", [published(8080, 80)]),
        ('{target: 80, published: "8080"}', [published(8080, 80)]),
        (
            "{target: 53, published: 53, protocol: udp, host_ip: 127.0.0.1, mode: host, name: dns}",
            [published(53, 53, "udp", "127.0.0.1")],
        ),
    ],
)
def test_ports_are_published_beside_the_proxy(text, expected):
    """Short and long form; `22:22` is no number in base 60."""
    assert list(service(f"ports: [{text}]\n").ports) == expected


def test_a_range_may_hold_twenty_ports():
    """The limit counts ranges out."""
    assert len(service("ports: ['3000-3019:3000-3019']\n").ports) == 20


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "80",
            (
                '2:9: ports[0]: must name the host\'s port too, as in "8080:80"; the proxy needs '
                "no port here"
            ),
        ),
        (
            "80-90/udp",
            (
                '2:9: ports[0]: must name the host\'s port too, as in "8080:80-90/udp"; the '
                "proxy needs no port here"
            ),
        ),
        (
            "a:b",
            '2:9: ports[0]: must read "8080:80", "127.0.0.1:8080:80" or "53:53/udp", not "a:b"',
        ),
        (
            "'80:80/sctp'",
            (
                '2:9: ports[0]: must read "8080:80", "127.0.0.1:8080:80" or "53:53/udp", '
                'not "80:80/sctp"'
            ),
        ),
        ("'0:80'", "2:9: ports[0]: a port is a number from 1 to 65535, a range goes upwards"),
        ("'80:65536'", "2:9: ports[0]: a port is a number from 1 to 65535, a range goes upwards"),
        (
            "'80:123456789'",
            ("2:9: ports[0]: a port is a number from 1 to 65535, a range goes upwards"),
        ),
        ("'9-8:9-8'", "2:9: ports[0]: a port is a number from 1 to 65535, a range goes upwards"),
        ("'80-82:80-81'", "2:9: ports[0]: both ranges must be equally long"),
        ("'80-82:80'", "2:9: ports[0]: both ranges must be equally long"),
        ("'999.0.0.1:80:80'", "2:9: ports[0]: what stands before the ports must be an IP address"),
        ("'3000-3020:3000-3020'", "2:9: ports[0]: publishes 21 ports; 20 is the most"),
        ("'1-65535:1-65535'", "2:9: ports[0]: publishes 65535 ports; 20 is the most"),
        ("'1-15:1-15', '20-30:20-30'", "2:8: ports: publishes 26 ports; 20 is the most"),
        ("'80:80', '80:81'", "2:18: ports[1]: port 80 is published twice, first by ports[0]"),
        (
            "'80:80', '127.0.0.1:80:81'",
            ("2:18: ports[1]: port 80 is published twice, first by ports[0]"),
        ),
        (
            "'127.0.0.1:80:80', '127.0.0.1:80:81'",
            ("2:28: ports[1]: port 80 is published twice, first by ports[0]"),
        ),
        ("'1-5:1-5', '5:80'", "2:20: ports[1]: port 5 is published twice, first by ports[0]"),
        ("{target: 80}", "2:9: ports[0].published: is required"),
        ("{published: 80}", "2:9: ports[0].target: is required"),
        (
            "{target: 80, published: 80-81}",
            ('2:33: ports[0].published: must be a whole number from 1 to 65535, not "80-81"'),
        ),
        (
            "{target: 80, published: 80, host_ip: here}",
            ("2:46: ports[0].host_ip: what stands before the ports must be an IP address"),
        ),
        ("{target: 80, published: 80, porto: udp}", '2:37: ports[0]: unknown key "porto"'),
    ],
)
def test_other_ports_are_refused(text, words):
    """With the place of the port, or of the list where all together are too many."""
    assert problem(f"ports: [{text}]\n") == words


def test_the_same_port_on_two_addresses_or_protocols_is_no_clash():
    """Linux tells these apart."""
    text = "ports: ['127.0.0.1:53:53', '127.0.0.2:53:53', '53:53/udp']\n"
    assert len(service(text).ports) == 3


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "ports: ['80:80']\nreplicas: 2",
            (
                "3:11: replicas: two replicas cannot publish the same port of the host; "
                "leave ports out"
            ),
        ),
        (
            "ports: ['80:80']\nrollout: {order: start-first}",
            "3:10: rollout: start-first cannot work with ports: old and new cannot both hold them",
        ),
    ],
)
def test_what_two_containers_cannot_share_is_refused(text, words):
    """A port of the host has one holder."""
    assert problem(text + "\n") == words
