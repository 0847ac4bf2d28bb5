"""What the value of each key of the catalogue may look like, as JSON Schema. Used by `schema`.

Never narrower than the readers: wherever a plain value is read, a text with a variable in it may
stand, a quoted number is as good as a number, and a word that an older YAML takes for a truth
value is a word. What a text must look like inside is left to the readers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from cove.appfile import attached_files, dependencies, host_keys, mounts, networks, options, ports
from cove.model.access import ACCESS_LOGS

Shape = dict[str, Any]

NULL: Final[Shape] = {"type": "null"}
ANY: Final[Shape] = {}
TEXT: Final[Shape] = {"type": ["string", "number", "boolean"]}
FILLED: Final[Shape] = {"type": "string", "pattern": r"\$"}
SWITCH: Final[Shape] = {
    "anyOf": [
        {"type": "boolean"},
        {"type": "string", "pattern": r"^(?:[Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee])$|\$"},
    ]
}
AMOUNT: Final[Shape] = {"type": ["string", "number"]}  # a duration, a size
_EXTENSION: Final = "^x-(?!cove$)"


def whole(low: int, high: int, *words: str) -> Shape:
    """A whole number, or one of some words."""
    number: Shape = {"type": "integer", "minimum": low, "maximum": high}
    text: Shape = {"type": "string", "pattern": r"^-?[0-9]+$|\$"}
    return {"anyOf": [number, text, *([{"enum": list(words)}] if words else [])]}


def words(*known: str) -> Shape:
    """One of a few words."""
    # An older YAML reads these as truth values; the app file does not.
    older = {"no": False, "off": False, "yes": True, "on": True}
    meant = [older[word] for word in known if word in older]
    return {"anyOf": [{"enum": [*known, *meant]}, FILLED]}


def items(shape: Shape) -> Shape:
    """A list."""
    return {"type": "array", "items": shape}


def one_or_more(shape: Shape) -> Shape:
    """One, or a list."""
    return {"anyOf": [shape, items(shape)]}


def named(shape: Shape) -> Shape:
    """A mapping of names that the file gives."""
    return {"type": "object", "additionalProperties": shape}


def perhaps(shape: Shape) -> Shape:
    """A key without a value counts as not given."""
    if shape == ANY:
        return shape
    return {"anyOf": [shape, NULL]}


def mapping(
    shapes: Mapping[str, Shape], *, required: Iterable[str] = (), extensible: bool = False
) -> Shape:
    """A mapping with these keys and no others; `x-…` is free where Compose leaves it so."""
    found: Shape = {
        "type": "object",
        "properties": {key: perhaps(shape) for key, shape in shapes.items()},
        "additionalProperties": False,
    }
    if extensible:
        found["patternProperties"] = {_EXTENSION: ANY}
    if required:
        found["required"] = list(required)
    return found


def of(catalogue: Iterable[str], shapes: Mapping[str, Shape], **more: Any) -> Shape:
    """The mapping of a catalogue's keys. KeyError for a key without a shape."""
    return mapping({key: shapes[key] for key in catalogue}, **more)


PORT: Final = whole(1, 65535)
NAMED_TEXTS: Final[Shape] = {"anyOf": [named(perhaps(TEXT)), items(TEXT)]}
TLS: Final[Shape] = {
    "anyOf": [
        words("auto", "local", "off"),
        mapping({"cert": TEXT, "key": TEXT}, required=("cert", "key")),
    ]
}

HEALTH: Final[dict[str, Shape]] = {
    "path": TEXT,
    "port": PORT,
    "interval": AMOUNT,
    "timeout": AMOUNT,
    "status": one_or_more(TEXT),
}
ROLLOUT: Final[dict[str, Shape]] = {
    "order": words("start-first", "stop-first"),
    "timeout": AMOUNT,
    "drain": AMOUNT,
    "settle": AMOUNT,
    "before": one_or_more(TEXT),
    "before_timeout": AMOUNT,
}
ROUTE: Final[dict[str, Shape]] = {
    "domain": TEXT,
    "path": TEXT,
    "strip_path": SWITCH,
    "port": PORT,
    "redirect_from": one_or_more(TEXT),
    "tls": TLS,
}

_ENV_FILE: Final = mapping({"path": TEXT, "required": SWITCH}, required=("path",))
_MOUNT: Final = of(
    mounts.FIELDS,
    {
        "type": words("volume", "tmpfs", "bind"),
        "source": TEXT,
        "target": TEXT,
        "read_only": SWITCH,
        "tmpfs": mapping({"size": AMOUNT}),
        "bind": mapping({"create_host_path": SWITCH, "propagation": words("rprivate", "private")}),
    },
    required=("type", "target"),
)
_PORT: Final = of(
    ports.FIELDS,
    {
        "target": PORT,
        "published": TEXT,
        "host_ip": TEXT,
        "protocol": words("tcp", "udp"),
        "mode": words("ingress", "host"),
        "name": TEXT,
        "app_protocol": TEXT,
    },
    required=("target",),
)
_CONTENT: Final[dict[str, Shape]] = {"file": TEXT, "environment": TEXT, "content": TEXT}
_FILE: Final[dict[str, Shape]] = {
    "source": TEXT,
    "target": TEXT,
    "uid": whole(0, 2**31 - 1),
    "gid": whole(0, 2**31 - 1),
    "mode": AMOUNT,
}
CONTENT: Final = of(attached_files.SOURCES, _CONTENT, extensible=True)
FILES: Final = items({"anyOf": [TEXT, of(attached_files.USE, _FILE, required=("source",))]})
FILES_INLINE: Final = items(
    {
        "anyOf": [
            TEXT,
            of(
                (*attached_files.USE, *attached_files.SOURCES),
                {**_FILE, **_CONTENT},
                required=("source",),
            ),
        ]
    }
)
_ATTACHMENT: Final = of(networks.ATTACHMENT, {"aliases": items(TEXT)})
_DEPENDENCY: Final = of(
    dependencies.FIELDS,
    {
        "condition": words("service_started", "service_healthy", "service_completed_successfully"),
        "required": SWITCH,
        "restart": SWITCH,
    },
)
SERVICE: Final[dict[str, Shape]] = {
    "image": TEXT,
    "env": NAMED_TEXTS,
    "environment": NAMED_TEXTS,
    "env_file": one_or_more({"anyOf": [TEXT, _ENV_FILE]}),
    "volumes": items({"anyOf": [TEXT, _MOUNT]}),
    "tmpfs": one_or_more(TEXT),
    "configs": FILES,
    "secrets": FILES,
    "networks": {"anyOf": [items(TEXT), named(perhaps(_ATTACHMENT))]},
    "depends_on": {"anyOf": [items(TEXT), named(perhaps(_DEPENDENCY))]},
    "ports": items({"anyOf": [TEXT, _PORT]}),
    "health": {"anyOf": [TEXT, {"$ref": "#/$defs/health"}]},
    "rollout": {"$ref": "#/$defs/rollout"},
    "replicas": whole(1, 10),
    "pull_policy": words("always", "missing", "if_not_present", "never"),
    "stop_grace_period": AMOUNT,
}

_GPU: Final[dict[str, Shape]] = {
    "driver": TEXT,
    "count": whole(1, 10_000, "all"),
    "device_ids": items(TEXT),
    "capabilities": items(TEXT),
}
_DEVICE: Final[dict[str, Shape]] = {"source": TEXT, "target": TEXT, "permissions": TEXT}
POWERS: Final[dict[str, Shape]] = {
    "cap_add": items(TEXT),
    "cgroup": words("private", "host"),
    "cgroup_parent": TEXT,
    "devices": items({"anyOf": [TEXT, of(host_keys.DEVICE, _DEVICE, required=("source",))]}),
    "gpus": {"anyOf": [words("all"), items(of(host_keys.GPU, _GPU))]},
    "ipc": words("private", "none", "shareable", "host"),
    "network_mode": words("none", "host"),
    "pid": words("host"),
    "privileged": SWITCH,
    "runtime": TEXT,
    "security_opt": items(TEXT),
    "sysctls": {"anyOf": [named(TEXT), items(TEXT)]},
    "userns_mode": words("host"),
    "uts": words("host"),
}
_LIMIT: Final = whole(-1, 2**59)
_LIMITS: Final[dict[str, Shape]] = {
    "cpus": AMOUNT,
    "memory": AMOUNT,
    "pids": whole(-1, 4_194_304),
}
_RESERVATIONS: Final[dict[str, Shape]] = {
    "cpus": AMOUNT,
    "memory": AMOUNT,
    "devices": items(of(host_keys.GPU, _GPU, required=("capabilities",))),
}
_DEPLOY: Final[dict[str, Shape]] = {
    "resources": of(
        options.RESOURCES,
        {"limits": mapping(_LIMITS), "reservations": mapping(_RESERVATIONS)},
    ),
    "replicas": whole(1, 10),
    "mode": words("replicated"),
}
OPTIONS: Final[dict[str, Shape]] = {
    "cap_drop": items(TEXT),
    "command": one_or_more(TEXT),
    "cpu_period": whole(1000, 1_000_000),
    "cpu_quota": whole(-1, 10**12),
    "cpu_shares": whole(2, 262_144),
    "cpus": AMOUNT,
    "cpuset": TEXT,
    "deploy": of(options.DEPLOY, _DEPLOY),
    "dns": one_or_more(TEXT),
    "dns_opt": items(TEXT),
    "dns_search": one_or_more(TEXT),
    "entrypoint": one_or_more(TEXT),
    "expose": items(TEXT),
    "extra_hosts": {"anyOf": [named(one_or_more(TEXT)), items(TEXT)]},
    "group_add": items(TEXT),
    "healthcheck": mapping(
        {
            "test": one_or_more(TEXT),
            "interval": AMOUNT,
            "timeout": AMOUNT,
            "retries": whole(1, 1000),
            "start_period": AMOUNT,
            "start_interval": AMOUNT,
            "disable": SWITCH,
        }
    ),
    "hostname": TEXT,
    "init": SWITCH,
    "labels": NAMED_TEXTS,
    "logging": mapping(
        {
            "driver": words("json-file", "local"),
            "options": mapping({"max-size": AMOUNT, "max-file": whole(1, 10)}),
        }
    ),
    "mem_limit": AMOUNT,
    "mem_reservation": AMOUNT,
    "mem_swappiness": whole(0, 100),
    "memswap_limit": AMOUNT,
    "oom_score_adj": whole(-1000, 1000),
    "pids_limit": whole(-1, 4_194_304),
    "platform": TEXT,
    "read_only": SWITCH,
    "restart": TEXT,
    "shm_size": AMOUNT,
    "stdin_open": SWITCH,
    "stop_signal": TEXT,
    "tty": SWITCH,
    "ulimits": named({"anyOf": [_LIMIT, mapping({"soft": _LIMIT, "hard": _LIMIT})]}),
    "user": TEXT,
    "working_dir": TEXT,
    **POWERS,
}
APP: Final[dict[str, Shape]] = {
    "name": TEXT,
    "domain": one_or_more(TEXT),
    "routes": items({"$ref": "#/$defs/route"}),
    "port": PORT,
    "tls": TLS,
    "access_log": words(*ACCESS_LOGS),
}

# The Compose form
_DOCKERS: Final[dict[str, Shape]] = {"external": SWITCH, "name": TEXT}
NETWORK: Final = of(
    networks.DEFINITION,
    {**_DOCKERS, "internal": SWITCH, "driver": words("bridge", "default")},
    extensible=True,
)
VOLUME: Final = of(mounts.DEFINITION, {**_DOCKERS, "driver": words("local")}, extensible=True)
DEFINITIONS: Final[dict[str, Shape]] = {
    "volumes": named(perhaps(VOLUME)),
    "networks": named(perhaps(NETWORK)),
    "configs": named(CONTENT),
    "secrets": named(CONTENT),
}
X_COVE: Final[dict[str, Shape]] = {**APP, **SERVICE, "publish": SWITCH}
COMPOSE_SERVICE: Final[dict[str, Shape]] = {
    **SERVICE,
    **OPTIONS,
    "profiles": items(TEXT),
    "scale": whole(1, 10),
    "x-cove": {"$ref": "#/$defs/x-cove-service"},
}
X_COVE_APP: Final[dict[str, Shape]] = {
    "name": TEXT,
    "access_log": APP["access_log"],
    "profiles": items(TEXT),
}
COMPOSE: Final[dict[str, Shape]] = {
    "name": TEXT,
    **DEFINITIONS,
    "version": TEXT,
    "x-cove": {"$ref": "#/$defs/x-cove-app"},
}
