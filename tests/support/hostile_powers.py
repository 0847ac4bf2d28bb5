"""App files that ask for power over the host, or for what is not theirs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from support.hostile_case import NEEDS, Hostile, key_case, web

SOCKETS: Final = (
    ("as everybody writes it", "/var/run/docker.sock"),
    ("where it really is", "/run/docker.sock"),
    ("up and down", "/var/lib/../run/docker.sock"),
    ("with empty parts", "//var//run///docker.sock"),
    ("with a dot", "/var/run/./docker.sock"),
    ("with a slash at the end", "/var/run/docker.sock/"),
    ("through itself", "/run/docker.sock/../docker.sock"),
    ("through another process", "/proc/1/root/run/docker.sock"),
    ("of a user's own engine", "/run/user/1000/docker.sock"),
    ("of containerd", "/run/containerd/containerd.sock"),
    ("of podman", "/run/podman/podman.sock"),
    ("relative to the file", "../../var/run/docker.sock"),
    ("in a variable", "${SOCKET}"),
    ("half in a variable", "/var/run/docker${DOT:-.}sock"),
    ("the folder it is in", "/run"),
    ("the folder it is in, by its other name", "/var/run"),
    ("the folder of that", "/var"),
    ("everything", "/"),
    ("everything, untidily", "/srv/.."),
    ("the folder of containerd's", "/run/containerd"),
)


def sockets() -> Iterator[Hostile]:
    """Docker's socket in every spelling, the whole host being granted."""
    for how, path in SOCKETS:
        granted = ("host-bind=/",)
        variables = {"SOCKET": "/var/run/docker.sock"}
        for form, line in (
            ("short", f"volumes: ['{path}:/x']"),
            ("short, read-only", f"volumes: ['{path}:/x:ro']"),
            ("long", f"volumes: [{{type: bind, source: '{path}', target: /x}}]"),
        ):
            yield Hostile(
                f"Docker's socket {how}, {form}: no grant of a folder includes it",
                web(line),
                (4, "services.web.volumes[0]" + (".source" if form == "long" else "")),
                "docker-socket",
                granted,
                variables,
            )


def binds() -> Iterator[Hostile]:
    """Paths of the host that no grant covers, and mounts that are not what they seem."""
    given = ("host-bind=/srv/data", "host-bind=/srv/read:ro")
    for path, reason in (
        ("/etc:/x", "the host's passwords"),
        ("/etc/shadow:/x:ro", "one file of them, to read"),
        ("/:/host", "the whole host"),
        ("/root/.ssh:/x", "root's keys"),
        ("/srv/data-2:/x", "a folder whose name only begins like the granted one"),
        ("/srv/data/../../etc:/x", "out of the granted folder"),
        ("/srv:/x", "the folder around the granted one"),
        ("/srv/read:/x", "writing where reading was granted"),
        ("/srv/read/../data2:/x:ro", "out of the folder granted for reading"),
        ("../:/x", "the folder around the app file's"),
        ("./:/x", "the app file's folder itself"),
        ("$HOME:/x", "a path in a variable"),
        ("/proc/sys:/x", "the kernel's parameters"),
        ("/dev:/x", "every device"),
        ("/var/lib/docker:/x", "the data of all apps"),
        ("/sys/fs/cgroup:/x", "the limits of all apps"),
    ):
        yield Hostile(
            f"a path of the host: {reason}",
            web(f"volumes: ['{path}']"),
            (4, "services.web.volumes[0]"),
            NEEDS,
            given,
            {"HOME": "/root"},
        )
    yield Hostile(
        "a home, which is nobody's on the server",
        web("volumes: ['~root/x:/x']"),
        (4, "services.web.volumes[0]"),
        "nobody's home",
    )
    for line, path, words in (
        ("volumes: ['C:\\x:/x']", "volumes[0]", "Windows"),
        ("volumes: ['/srv/data:/x:shared']", "volumes[0]", '"ro" or "rw"'),
        ("volumes: ['/srv/data:/x/../..']", "volumes[0]", "tidy"),
        ("volumes: ['/srv/data:/']", "volumes[0]", "below /"),
        ("volumes: [{type: npipe, source: x, target: /x}]", "volumes[0].type", "Windows"),
        ("volumes: [{type: image, source: x, target: /x}]", "volumes[0].type", "not supported"),
        (
            "volumes: [{type: bind, source: /srv/data, target: /x, bind: {propagation: shared}}]",
            "volumes[0].bind.propagation",
            "rprivate",
        ),
        (
            "volumes: [{type: volume, source: /etc, target: /x}]",
            "volumes[0].source",
            "path of the host",
        ),
        ("tmpfs: '/x:exec,size=1m'", "tmpfs", "only size"),
    ):
        yield Hostile(
            f"a mount that is not what it seems: {line}",
            web(line),
            (4, f"services.web.{path}"),
            words,
            given,
        )


def powers() -> Iterator[Hostile]:
    """What a grant would allow."""
    for key, value, reason in (
        ("privileged", "true", "all of the host"),
        ("privileged", "'TRUE'", "all of the host, shouted"),
        ("privileged", "${P:-true}", "all of the host, by default of a variable"),
        ("pid", "host", "the host's processes"),
        ("ipc", "host", "the host's memory"),
        ("uts", "host", "the host's name"),
        ("userns_mode", "host", "the host's users"),
        ("cgroup", "host", "the host's cgroups"),
        ("network_mode", "host", "the host's network"),
        ("gpus", "all", "GPUs"),
        ("runtime", "runc-root", "another runtime"),
        ("cgroup_parent", "/system.slice", "another cgroup"),
        ("oom_score_adj", "-1000", "never killed"),
    ):
        yield key_case(key, value, f"a power of the host: {reason}", NEEDS)
    for line, path, reason in (
        ("cap_add: [ALL]", "cap_add[0]", "every capability"),
        ("cap_add: [SYS_ADMIN]", "cap_add[0]", "nearly every capability"),
        ("cap_add: [CAP_SYS_PTRACE]", "cap_add[0]", "a capability by its long name"),
        ("cap_add: [CHOWN, NET_ADMIN]", "cap_add[1]", "behind a harmless one"),
        ("devices: [/dev/sda]", "devices[0]", "the disk"),
        ("devices: ['/dev/../dev/mem:/dev/null']", "devices[0]", "the memory"),
        ("devices: [{source: /dev/kmsg}]", "devices[0]", "the kernel's log, long form"),
        ("security_opt: [seccomp=unconfined]", "security_opt[0]", "every system call"),
        ("security_opt: ['apparmor:unconfined']", "security_opt[0]", "no AppArmor"),
        ("security_opt: [label=disable]", "security_opt[0]", "no SELinux"),
        ("security_opt: [systempaths=unconfined]", "security_opt[0]", "writable /proc"),
        ("security_opt: ['no-new-privileges:false']", "security_opt[0]", "the reverse of it"),
        ("sysctls: {kernel.msgmax: 1}", "sysctls.kernel.msgmax", "the kernel"),
        ("sysctls: [net.ipv4.ip_forward=1]", "sysctls[0]", "the kernel, as a list"),
        ("ulimits: {rtprio: 99}", "ulimits.rtprio", "before all others"),
        (
            "deploy: {resources: {reservations: {devices: [{capabilities: [gpu]}]}}}",
            "deploy.resources.reservations.devices",
            "GPUs by the back door",
        ),
    ):
        yield Hostile(
            f"a power of the host: {reason}", web(line), (4, f"services.web.{path}"), NEEDS
        )
    yield Hostile(
        "a power that an anchor brings in",
        "x-a: &a {privileged: true}\nservices: {web: {image: acme/shop:1, <<: *a}}\n",
        (1, "services.web.privileged"),
        NEEDS,
    )
    yield Hostile(
        "a power of a companion beside a short form",
        "image: acme/shop:1\nservices:\n  db:\n    image: pg\n    privileged: true\n",
        (5, "services.db.privileged"),
        NEEDS,
    )
    yield Hostile(
        "a power that another app was given",
        web("privileged: true"),
        (4, "services.web.privileged"),
        "cove allow shop privileged",
        ("host-bind=/", "cap=ALL", "docker-socket"),
    )


def never() -> Iterator[Hostile]:
    """What no grant allows."""
    words = "is not supported"
    for key, value, reason in (
        ("provider", "{type: ./evil, options: {a: b}}", "runs a program as root"),
        ("extends", "{file: /etc/passwd, service: x}", "reads another file"),
        ("extends", "{file: ../other/compose.yml, service: x}", "reads another app's file"),
        ("extends", "db", "even of the same file"),
        ("build", ".", "runs what it likes while building"),
        ("develop", "{watch: [{path: /, action: sync}]}", "copies files of the host"),
        ("use_api_socket", "true", "Docker's socket under another name"),
        ("volumes_from", "['container:other']", "another app's volumes"),
        ("external_links", "[other_db_1]", "another app's container"),
        ("links", "[db]", "as Docker did it long ago"),
        ("container_name", "cove_proxy", "the proxy's name"),
        ("device_cgroup_rules", "['a *:* rwm']", "every device"),
        ("post_start", "[{command: x, privileged: true}]", "a privileged command"),
        ("pre_stop", "[{command: x, user: root}]", "a command as root"),
        ("label_file", "/etc/passwd", "reads a file of the host"),
        ("blkio_config", "{weight: 1000}", "the disk before others"),
        ("cpu_rt_runtime", "950000", "the CPU before others"),
        ("oom_kill_disable", "true", "never killed"),
        ("storage_opt", "{size: 1t}", "the disk of all"),
        ("mac_address", "02:42:ac:11:00:02", "somebody else's address"),
        ("annotations", "{a: b}", "read by runtimes"),
        ("models", "[llm]", "fetches what is no image"),
    ):
        yield key_case(
            key, value, f"not even with a grant: {reason}", words, granted=("privileged",)
        )
    yield key_case("credential_spec", "{file: x}", "reads a file of the host", "Windows")
    yield key_case("isolation", "hyperv", "of another system", "Windows")
    for key, value in (
        ("pid", "service:db"),
        ("pid", "container:cove_proxy"),
        ("ipc", "container:x"),
        ("network_mode", "container:other"),
        ("network_mode", "service:db"),
        ("network_mode", "bridge"),
    ):
        yield key_case(key, value, f"what is another container's: {key} {value}", words)
    for line, path, text in (
        ("security_opt: [seccomp=/etc/profile.json]", "security_opt[0]", "profile"),
        ("security_opt: [seccomp=profile.json]", "security_opt[0]", "not a profile in a file"),
        ("security_opt: [credentialspec=file]", "security_opt[0]", "no security option"),
        ("logging: {driver: syslog}", "logging.driver", "json-file or local"),
        ("logging: {options: {max-size: 900g}}", "logging.options.max-size", "100m"),
        ("pull_policy: build", "pull_policy", "builds none"),
        ("healthcheck: {test: x, interval: 1ms}", "healthcheck.interval", "500ms"),
        ("deploy: {restart_policy: {condition: any}}", "deploy.restart_policy", "restart"),
        ("deploy: {placement: {constraints: [x]}}", "deploy.placement", "Swarm"),
        ("deploy: {replicas: 0}", "deploy.replicas", "1 to 10"),
        ("scale: 1000", "scale", "1 to 10"),
        ("cpus: 0.000001", "cpus", "0.01"),
        ("mem_limit: 1k", "mem_limit", "at least"),
    ):
        yield Hostile(f"refused: {line}", web(line), (4, f"services.web.{path}"), text)
    for text, path in (
        ("include: [/etc/passwd]\n", "include"),
        ("include: [{path: ../x.yml, project_directory: /}]\n", "include"),
        ("models: {llm: {model: x}}\n", "models"),
    ):
        yield Hostile(f"at the top: {path}", web("", text), (4, path), words)


def others() -> Iterator[Hostile]:
    """What belongs to other apps, to Docker, or to cove."""
    for line, key, words in (
        ("other: {external: true}", "other.external", NEEDS),
        ("other: {name: cove-other}", "other.name", NEEDS),
        ("other: {external: true, name: host}", "other.name", NEEDS),
        ("other: {external: true, name: '${N}'}", "other.name", "external-network=NAME"),
        ("other: {driver: host}", "other.driver", "bridge"),
        (
            "other: {driver: macvlan, driver_opts: {parent: eth0}}",
            "other.driver_opts",
            "cove makes",
        ),
        ("other: {ipam: {config: [{subnet: 10.0.0.0/8}]}}", "other.ipam", "cove makes"),
        ("other: {attachable: true}", "other.attachable", "no other container"),
        ("default: {external: true, name: bridge}", "default.name", NEEDS),
        ("default: {internal: true}", "default", "the proxy reaches"),
        ("'../x': {}", "../x", "lower-case"),
        ("a: , b: , c: , d: , e: , f: , g: , h: , i: ", "", "8 is the most"),
    ):
        path = f"networks.{key}" if key else "networks"
        beside = f"networks: {{{line}}}\n"
        yield Hostile(
            f"a network: {line}", web("", beside), (4, path), words, (), {"N": "hidden-net-7"}
        )
    for line, key, words in (
        ("d: {external: true}", "d.external", NEEDS),
        ("d: {name: cove-other_data}", "d.name", NEEDS),
        ("d: {external: true, name: cove-other_data}", "d.name", NEEDS),
        (
            "d: {driver: local, driver_opts: {type: none, o: bind, device: /etc}}",
            "d.driver_opts",
            "mount anything",
        ),
        ("d: {driver_opts: {type: nfs, o: addr=10.0.0.1, device: ':/'}}", "d.driver_opts", "mount"),
        ("d: {driver: vieux/sshfs}", "d.driver", "local"),
        ("d: {labels: {cove.app: other}}", "d.labels", "cove's own"),
        ("'../d': ", "../d", "a volume's name"),
    ):
        beside = f"volumes: {{{line}}}\n"
        yield Hostile(f"a volume: {line}", web("", beside), (4, f"volumes.{key}"), words)
    for line, path, words in (
        ("networks: [other]", "networks[0]", "no network"),
        ("networks: {default: {ipv4_address: 10.0.0.1}}", "networks.default.ipv4_address", "cove"),
        ("networks: {default: {mac_address: x}}", "networks.default.mac_address", "cove"),
        ("networks: {default: {aliases: ['a b']}}", "networks.default.aliases[0]", "host's name"),
        ("volumes: ['other:/x']", "volumes[0]", "no volume"),
        ("secrets: [other]", "secrets[0]", "nothing says"),
        ("configs: [{source: other}]", "configs[0]", "nothing says"),
        ("labels: {com.docker.compose.project: other}", "labels.com.docker.compose.project", "own"),
        ("labels: [cove.app=other]", "labels[0]", "cove's own"),
        ("labels: ['${L}=other']", "labels[0]", "cove's own"),
        (
            "labels: {traefik.http.routers.x.rule: Host(`a`)}",
            "labels.traefik.http.routers.x.rule",
            "not read",
        ),
        ("environment: {'A B': x}", 'environment."A B"', "no name"),
        ("environment: ['=x']", "environment[0]", "no name"),
        ("environment: {'': x}", 'environment.""', "no name"),
        ('environment: {A: "x\\0"}', "environment.A", "control characters"),
        ("extra_hosts: ['a b:1.2.3.4']", "extra_hosts[0]", "host's name"),
        ("image: cove.local/other/web:r1", "image", "given before"),
    ):
        place = (4, f"services.web.{path}" if path != "image" else "")
        yield Hostile(
            f"what is not its own: {line}", web(line), place, words, (), {"L": "cove.app"}
        )


def outside() -> Iterator[Hostile]:
    """Files of whoever deploys."""
    for path in (
        "/etc/shadow",
        "../shop.env",
        "a/../../x",
        "~/.ssh/id_ed25519",
        "./../x",
        "..",
        ".",
        "$HOME/.aws/credentials",
        "a\\..\\..\\x",
    ):
        words = "variables are not" if "$" in path else "below the app file's folder"
        more = {"variables": {"HOME": "/root"}, "files": {path: "x"}}
        yield key_case("env_file", f"'{path}'", f"an env file outside: {path}", words, **more)
        for kind in ("configs", "secrets"):
            yield Hostile(
                f"a file of {kind} outside: {path}",
                web(f"{kind}: [x]", f"{kind}: {{x: {{file: '{path}'}}}}\n"),
                (5, f"{kind}.x.file"),
                words,
                (),
                {"HOME": "/root"},
                {path: "x"},
            )
    for line, path, words in (
        ("target: /run/secrets/../../etc/passwd", "target", "tidy"),
        ("target: ../../etc/passwd", "target", "tidy"),
        ("target: //etc/x", "target", "tidy"),
        ("target: /a:/b", "target", '":"'),
        ("mode: 4755", "mode", "octal"),
        ("mode: '04755'", "mode", "octal"),
        ("uid: root", "uid", "whole number"),
        ("uid: -1", "uid", "whole number"),
    ):
        yield Hostile(
            f"a secret's place: {line}",
            web(f"secrets: [{{source: x, {line}}}]", "secrets: {x: {environment: X}}\n"),
            (4, f"services.web.secrets[0].{path}"),
            words,
            (),
            {"X": "x"},
        )
    for line, path, words in (
        ("x: {external: true}", "x.external", "Swarm"),
        ("x: {name: other}", "x.name", "Swarm"),
        ("x: {content: a, template_driver: golang}", "x.template_driver", "Swarm"),
        ("x: {content: a, environment: B}", "x", "one of"),
        ("x: {}", "x", "one of"),
        ("x: {environment: 'A B'}", "x.environment", "variable"),
        ('x: {content: "a\\0b"}', "x.content", "control"),
    ):
        yield Hostile(
            f"a config: {line}",
            web("", f"configs: {{{line}}}\n"),
            (4, f"configs.{path}"),
            words,
            (),
            {"B": "b"},
        )
