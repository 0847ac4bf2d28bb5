"""The catalogue: every key of the short form, in one place. Imported by this package alone.

A new key of Compose's needs one line in `OPTIONS` (with its reader from `options`), or one in
`REFUSED`. A key that cove acts on itself needs a line in `SERVICE` or `APP` and a place in
`service.py` or `loading.py`.
"""

from __future__ import annotations

from typing import Final

from cove.appfile import cove_keys, options, routes
from cove.appfile.environment import env_files, environment
from cove.appfile.mounts import GRANT, tmpfs, volumes
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
)
from cove.appfile.value import Reader

APP: Final[dict[str, Reader]] = {
    "name": cove_keys.app_name,
    "domain": routes.domains,
    "routes": routes.routes,
    "port": port,
    "tls": routes.tls,
}

# What cove acts on itself; becomes fields of `Service`.
SERVICE: Final[dict[str, Reader]] = {
    "image": cove_keys.image,
    "env": environment,
    "environment": environment,
    "env_file": env_files,
    "volumes": volumes,
    "tmpfs": tmpfs,
    "ports": ports,
    "health": cove_keys.health,
    "rollout": cove_keys.rollout,
    "replicas": integer(1, 10),
    "pull_policy": cove_keys.pull_policy,
    "stop_grace_period": duration(zero=True),
}

# What Compose acts on; becomes `Service.options` in Compose's form.
OPTIONS: Final[dict[str, Reader]] = {
    "cap_drop": list_of(options.capability, "a list of capabilities"),
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
    "oom_score_adj": options.oom_score,
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
}

_LATER: Final = "is not supported yet"
_OWN_NETWORK: Final = "is not supported yet; every app has a private network of its own"

REFUSED: Final[dict[str, str]] = {
    "services": "is not supported yet: a file describes one service, with its keys at the top",
    "secret_env": _LATER,
    "update": _LATER,
    "secrets": _LATER,
    "configs": _LATER,
    "depends_on": f"{_LATER}: a file describes one service",
    "links": f"{_LATER}: a file describes one service",
    "profiles": _LATER,
    "annotations": _LATER,
    "blkio_config": _LATER,
    "credential_spec": _LATER,
    "develop": _LATER,
    "domainname": _LATER,
    "label_file": f"{_LATER}; use labels",
    "mac_address": _LATER,
    "models": _LATER,
    "oom_kill_disable": _LATER,
    "post_start": _LATER,
    "pre_stop": _LATER,
    "storage_opt": _LATER,
    "networks": _OWN_NETWORK,
    "build": "is not supported: cove runs images and builds none",
    "scale": "is not supported; use replicas",
    "version": "means nothing to Compose any more; leave it out",
    "container_name": "is not supported: cove names containers, so that two can run at once",
    "extends": "is not supported: a file must stand for itself",
    "include": "is not supported: a file must stand for itself",
    "provider": GRANT,
    **dict.fromkeys(
        (
            "cap_add",
            "cgroup",
            "cgroup_parent",
            "cpu_rt_period",
            "cpu_rt_runtime",
            "device_cgroup_rules",
            "devices",
            "external_links",
            "gpus",
            "ipc",
            "isolation",
            "network_mode",
            "pid",
            "privileged",
            "runtime",
            "security_opt",
            "sysctls",
            "use_api_socket",
            "userns_mode",
            "uts",
            "volumes_from",
        ),
        GRANT,
    ),
}

KNOWN: Final[dict[str, Reader]] = {**APP, **SERVICE, **OPTIONS}
