"""The catalogue: every key of both forms, in one place. Imported by this package alone.

A new key of Compose's needs one line in `OPTIONS` (with its reader from `options`, or from
`host_keys` when it gives power over the host), or one in `REFUSED`. A key that cove acts on
itself needs a line in `SERVICE` or `APP` and a place in `service.py` or `forms.py`.
"""

from __future__ import annotations

from typing import Any, Final

from cove.appfile import attached_files, cove_keys, host_keys, mounts, networks, options, routes
from cove.appfile.dependencies import depends_on
from cove.appfile.environment import env_files, environment
from cove.appfile.ports import ports
from cove.appfile.scalars import (
    boolean,
    compose_size,
    duration,
    either,
    integer,
    list_of,
    one_or_list_of,
    port,
    word,
)
from cove.appfile.value import Reader, Value, fields

APP: Final[dict[str, Reader]] = {
    "name": cove_keys.app_name,
    "domain": routes.domains,
    "routes": routes.routes,
    "port": port,
    "tls": routes.tls,
    "access_log": cove_keys.access_log,
}

# What cove acts on itself; becomes fields of `Service`.
SERVICE: Final[dict[str, Reader]] = {
    "image": cove_keys.image,
    "env": environment,
    "environment": environment,
    "env_file": env_files,
    "volumes": mounts.volumes,
    "tmpfs": mounts.tmpfs,
    "configs": attached_files.uses(attached_files.CONFIG, inline=True),
    "secrets": attached_files.uses(attached_files.SECRET, inline=True),
    "networks": networks.attachments,
    "depends_on": depends_on,
    "ports": ports,
    "health": cove_keys.health,
    "rollout": cove_keys.rollout,
    "replicas": cove_keys.replicas,
    "pull_policy": cove_keys.pull_policy,
    "stop_grace_period": duration(zero=True),
}

# What gives power over the host, or may; Compose acts on it.
POWERS: Final[dict[str, Reader]] = {
    "cap_add": host_keys.cap_add,
    "cgroup": host_keys.namespace("cgroup", "private"),
    "cgroup_parent": host_keys.cgroup_parent,
    "devices": host_keys.devices,
    "gpus": host_keys.gpus,
    "ipc": host_keys.namespace("ipc", "private", "none", "shareable"),
    "network_mode": host_keys.network_mode,
    "pid": host_keys.namespace("pid"),
    "privileged": host_keys.privileged,
    "runtime": host_keys.runtime,
    "security_opt": host_keys.security_opt,
    "sysctls": host_keys.sysctls,
    "userns_mode": host_keys.namespace("userns"),
    "uts": host_keys.namespace("uts"),
}

# What Compose acts on; becomes `Service.options` in Compose's form.
OPTIONS: Final[dict[str, Reader]] = {
    "cap_drop": list_of(host_keys.capability, "a list of capabilities"),
    "command": options.command,
    "cpu_period": integer(1000, 1_000_000),  # microseconds; Linux, sched-bwc
    "cpu_quota": either("-1", -1, integer(1000, 10**12)),
    "cpu_shares": integer(2, 262_144),  # Linux's bounds of a cgroup's shares
    "cpus": options.cpus,
    "cpuset": options.cpuset,
    "deploy": options.deploy,
    "dns": one_or_list_of(options.ip_address, "an IP address or a list of them"),
    "dns_opt": list_of(options.dns_option, "a list of options"),
    "dns_search": one_or_list_of(options.dns_search, "a domain or a list of them"),
    "entrypoint": options.command,
    "expose": options.expose,
    "extra_hosts": options.extra_hosts,
    "group_add": list_of(options.group, "a list of groups"),
    "healthcheck": options.healthcheck,
    "hostname": options.hostname,
    "init": boolean,
    "labels": options.labels,
    "logging": options.logging,
    "mem_limit": options.memory,
    "mem_reservation": options.memory,
    "mem_swappiness": integer(0, 100),
    "memswap_limit": either("-1", -1, options.memory),
    "oom_score_adj": host_keys.oom_score,
    "pids_limit": options.pids,
    "platform": options.platform,
    "read_only": boolean,
    "restart": options.restart,
    "shm_size": compose_size(least=1),
    "stdin_open": boolean,
    "stop_signal": options.signal,
    "tty": boolean,
    "ulimits": options.ulimits,
    "user": options.user,
    "working_dir": options.directory,
    **POWERS,
}

KNOWN: Final[dict[str, Reader]] = {**APP, **SERVICE, **OPTIONS}

# The Compose form: a service's keys, and cove's own for it under `x-cove`.
X_COVE: Final[dict[str, Reader]] = {
    "domain": routes.domains,
    "routes": routes.routes,
    "port": port,
    "tls": routes.tls,
    "health": cove_keys.health,
    "rollout": cove_keys.rollout,
    "replicas": cove_keys.replicas,
    "publish": cove_keys.publish,
}
X_COVE_REFUSED: Final[dict[str, str]] = {
    "name": "belongs to the app: x-cove.name, at the top of the file",
    "access_log": "belongs to the app: x-cove.access_log, at the top of the file",
    "profiles": "belongs to the service itself; those to activate to x-cove.profiles at the top",
}


def x_cove(value: Value) -> dict[str, Any]:
    """cove's own keys of one service."""
    return fields(value, X_COVE, refused=X_COVE_REFUSED)


_OF_COVE: Final = ("env", "health", "rollout", "replicas")
COMPOSE_SERVICE: Final[dict[str, Reader]] = {
    **{key: reader for key, reader in SERVICE.items() if key not in _OF_COVE},
    "configs": attached_files.uses(attached_files.CONFIG, inline=False),
    "secrets": attached_files.uses(attached_files.SECRET, inline=False),
    **OPTIONS,
    "profiles": cove_keys.profiles,
    "scale": cove_keys.replicas,
    "x-cove": x_cove,
}

# What a file describes beside its services.
DEFINITIONS: Final[dict[str, Reader]] = {
    "volumes": mounts.definitions,
    "networks": networks.definitions,
    "configs": attached_files.definitions(attached_files.CONFIG),
    "secrets": attached_files.definitions(attached_files.SECRET),
}
COMPOSE: Final[dict[str, Reader]] = {
    "name": cove_keys.app_name,
    **DEFINITIONS,
    "version": word,
    "x-cove": cove_keys.app_extension,
}

_LATER: Final = "is not supported yet"
_ALONE: Final = "is not supported: a file must stand for itself"
_BY_NAME: Final = "is not supported: services of an app reach each other by name; see depends_on"
_WINDOWS: Final = "exists on Windows only"

# Keys of a service that cove does not read, in either form.
REFUSED: Final[dict[str, str]] = {
    **dict.fromkeys(
        (
            "secret_env",
            "update",
            "annotations",
            "attach",
            "blkio_config",
            "develop",
            "domainname",
            "mac_address",
            "models",
            "oom_kill_disable",
            "post_start",
            "pre_stop",
            "storage_opt",
        ),
        _LATER,
    ),
    "label_file": f"{_LATER}; use labels",
    "build": "is not supported: cove runs images and builds none",
    "container_name": "is not supported: cove names containers, so that two can run at once",
    "cpu_rt_period": "is not supported: limit CPUs with cpus",
    "cpu_rt_runtime": "is not supported: limit CPUs with cpus",
    "credential_spec": _WINDOWS,
    "device_cgroup_rules": "is not supported; name the devices under devices",
    "extends": f"{_ALONE}; YAML anchors share keys between services",
    "external_links": f"{_ALONE}; an external network can be granted",
    "include": _ALONE,
    "isolation": _WINDOWS,
    "links": _BY_NAME,
    "provider": "is not supported: it would run a program on the server as root",
    "use_api_socket": "is not supported; the socket can be granted: mount /var/run/docker.sock",
    "volumes_from": "is not supported; name the volumes in both services",
}
SHORT_REFUSED: Final[dict[str, str]] = {
    **REFUSED,
    "profiles": "is not supported here: the service at the top of a file always runs",
    "scale": "is not supported here; use replicas",
    "version": "means nothing to Compose any more; leave it out",
}
_UNDER_X_COVE: Final = "is cove's own: it goes under x-cove"
COMPOSE_SERVICE_REFUSED: Final[dict[str, str]] = {
    **REFUSED,
    **dict.fromkeys(X_COVE, _UNDER_X_COVE),
    "env": "is not known to Compose; write environment",
}
COMPOSE_REFUSED: Final[dict[str, str]] = {
    "include": _ALONE,
    "models": _LATER,
    "access_log": "is cove's own key: write it under x-cove",
}
