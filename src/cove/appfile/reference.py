"""What each key of the app file means, with an example: the source of the documentation.

Nothing that runs imports it; `script/docs` and the tests do. The tests hold that every key of the
catalogue stands here and that every example can be read.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Entry(NamedTuple):
    """A key's meaning in one or two sentences, and lines of an app file that use it."""

    text: str
    example: str
    grant: str = ""  # what the example needs of the server's owner


KEYS: Final[dict[str, Entry]] = {
    "name": Entry(
        "The app's name: letters, digits and dashes, 40 at most. Default: the file's name, or its "
        "folder's for `cove.yml` and `compose.yml`.",
        "name: shop",
    ),
    "image": Entry(
        "The image to run, as `docker pull` takes it. Required. Its digest is recorded at each "
        "deploy.",
        "image: ghcr.io/acme/shop:1.4",
    ),
    "domain": Entry(
        "Where the app answers: a domain or a list. Short for `routes`; write one or the other.",
        "domain: [shop.localhost, store.localhost]",
    ),
    "routes": Entry(
        "Where the app answers, in full: see [routes](#routes).",
        "routes:\n  - {domain: shop.localhost, path: /api, strip_path: true}",
    ),
    "port": Entry(
        "The port the app listens on inside its container. Default: the only one under `expose` "
        "and `ports`, else the only one that the image exposes.",
        "port: 8000",
    ),
    "tls": Entry(
        "`auto`: a certificate of a public authority, or of cove's own for names under "
        ".localhost, .test and .internal. `local`: of cove's own. `off`: plain HTTP. "
        "`{cert, key}`: your own, from two PEM files. Holds for every route that does not say "
        "otherwise.",
        "tls: off",
    ),
    "access_log": Entry(
        "Which of the app's requests the proxy logs: `full` (every one, where the server's owner "
        "allows it), `errors` (those that failed or took over a second) or `off`. Default: as the "
        "server. See [the access log](../guides/metrics.md#the-access-log).",
        "access_log: full",
    ),
    "health": Entry(
        "A path that answers once the app is ready, or a mapping: see [health](#health). Default: "
        "the port accepts a connection.",
        "health: /healthz",
    ),
    "rollout": Entry(
        "How one release replaces another: see [rollout](#rollout).",
        "rollout: {timeout: 2m, drain: 30s}",
    ),
    "replicas": Entry(
        "How many containers share the requests, 1 to 10. Default: 1.", "replicas: 2"
    ),
    "env": Entry(
        "Environment of the container. The same as `environment`; a name may stand in one of them.",
        "env: {LOG_LEVEL: info}",
    ),
    "environment": Entry(
        "Compose's spelling: a mapping or a list. A name without a value takes the variable of "
        "that name, and counts as secret.",
        "environment:\n  - LOG_LEVEL=info",
    ),
    "env_file": Entry(
        "Files with `NAME=value` lines, beside the app file. All their values count as secret. "
        "`required: false` lets a file be absent.",
        "env_file: [shop.env, {path: local.env, required: false}]",
    ),
    "volumes": Entry(
        "Named volumes, `name:/path` or `name:/path:ro`, or Compose's long form. A path of the "
        "host needs a grant, `host-bind=PATH`; a relative one starts at the app file's folder.",
        "volumes: [uploads:/app/uploads]",
    ),
    "configs": Entry(
        "Files that are put into the container, read-only. Each a name that is defined in the "
        "[Compose form](#configs-and-secrets), or a mapping that says where the content is.",
        "configs:\n  - {source: app.conf, target: /etc/app.conf, content: debug = false}",
    ),
    "secrets": Entry(
        "As `configs`, at `/run/secrets/NAME`; stored encrypted.",
        "secrets:\n  - {source: api_key, environment: API_KEY}",
    ),
    "networks": Entry(
        "Networks inside the app, beside `default`, which a service with a domain is always in.",
        "networks: [default, backend]",
    ),
    "depends_on": Entry(
        "Services that must be started, healthy or completed before this one starts: see "
        "[depends_on](#depends_on).",
        "depends_on: {db: {condition: service_healthy}}\n"
        'services:\n  db: {image: "postgres:16", healthcheck: {test: pg_isready}}',
    ),
    "tmpfs": Entry("Folders in memory, with an optional size.", 'tmpfs: ["/tmp:size=64m"]'),
    "ports": Entry(
        "Ports of the server that lead straight to the container, beside the proxy. Not needed "
        "for a domain. Old and new cannot both hold one, so the app is replaced stop-first.",
        'ports: ["127.0.0.1:5353:53/udp"]',
    ),
    "pull_policy": Entry(
        "When the registry is asked: `always` (default), `missing` or `never`.",
        "pull_policy: missing",
    ),
    "stop_grace_period": Entry(
        "How long the app has to end after SIGTERM before it is killed. Default: 10s.",
        "stop_grace_period: 30s",
    ),
    "cap_drop": Entry("Capabilities to take away.", "cap_drop: [ALL]"),
    "command": Entry("Replaces the image's command.", "command: [gunicorn, app:wsgi]"),
    "cpu_period": Entry("The scheduler's period, in microseconds.", "cpu_period: 100000"),
    "cpu_quota": Entry("CPU time per period, in microseconds; -1: no limit.", "cpu_quota: 50000"),
    "cpu_shares": Entry(
        "CPU weight against other containers; Docker's default: 1024.", "cpu_shares: 512"
    ),
    "cpus": Entry("At most so many CPUs.", 'cpus: "0.5"'),
    "cpuset": Entry("Only these CPUs.", 'cpuset: "0-1"'),
    "deploy": Entry(
        "Of Compose's `deploy`, `resources` and `replicas`. GPUs among the reservations need the "
        "grant `gpus`.",
        "deploy: {resources: {limits: {memory: 256m, cpus: 0.5}}}",
    ),
    "dns": Entry("DNS servers of the container.", "dns: [192.0.2.53]"),
    "dns_opt": Entry("Options of the resolver.", 'dns_opt: ["ndots:2"]'),
    "dns_search": Entry(
        "Domains that short names are looked up in.", "dns_search: [acme.internal]"
    ),
    "entrypoint": Entry("Replaces the image's entry point.", "entrypoint: [/bin/tini, --]"),
    "expose": Entry(
        "Ports the image listens on. A single one is where a domain leads without `port`.",
        'expose: ["8000"]',
    ),
    "extra_hosts": Entry("Names the container knows beside DNS.", "extra_hosts: {db: 192.0.2.7}"),
    "group_add": Entry("More groups for the container's user.", "group_add: [audio]"),
    "healthcheck": Entry(
        "Docker's own check, run inside the container. A release that it calls unhealthy is "
        "given up at once. cove needs none: see `health`.",
        "healthcheck: {test: [CMD, /app/check], interval: 10s}",
    ),
    "hostname": Entry("The container's host name.", "hostname: shop"),
    "init": Entry("Runs a small init that reaps processes.", "init: true"),
    "labels": Entry(
        "Labels of the container. Docker's, cove's and Traefik's name spaces are refused.",
        "labels: {team: payments}",
    ),
    "logging": Entry(
        "Docker's log driver, `json-file` (default: 3 files of 10 MB) or `local`.",
        "logging: {options: {max-size: 50m, max-file: 5}}",
    ),
    "mem_limit": Entry("At most so much memory; above it the kernel kills.", "mem_limit: 256m"),
    "mem_reservation": Entry("Memory to keep when the server runs short.", "mem_reservation: 128m"),
    "mem_swappiness": Entry("How readily the kernel swaps, 0 to 100.", "mem_swappiness: 10"),
    "memswap_limit": Entry(
        "Memory and swap together; -1: no limit on swap.", "memswap_limit: 512m"
    ),
    "oom_score_adj": Entry(
        "How early the kernel kills it when memory runs out, 0 to 1000. Below 0 with the grant "
        "`oom-score`.",
        "oom_score_adj: 500",
    ),
    "pids_limit": Entry("At most so many processes and threads; -1: no limit.", "pids_limit: 200"),
    "platform": Entry("Which platform of a multi-platform image.", "platform: linux/amd64"),
    "read_only": Entry("The container's own file system cannot be written.", "read_only: true"),
    "restart": Entry(
        "What Docker does when the container ends. Default: `unless-stopped`.",
        "restart: on-failure:5",
    ),
    "shm_size": Entry("Size of `/dev/shm`.", "shm_size: 128m"),
    "stdin_open": Entry("Keeps standard input open.", "stdin_open: true"),
    "stop_signal": Entry(
        "What asks the app to end. Default: the image's, else SIGTERM.", "stop_signal: SIGINT"
    ),
    "tty": Entry("Gives the container a terminal.", "tty: true"),
    "ulimits": Entry(
        "Limits of the container's processes. `nice` and `rtprio` need the grant `ulimit=NAME`.",
        "ulimits: {nofile: {soft: 4096, hard: 8192}}",
    ),
    "user": Entry("Which user runs it.", 'user: "1000:1000"'),
    "working_dir": Entry("The folder it starts in.", "working_dir: /app"),
    "cap_add": Entry(
        "Capabilities to add. Those that Docker gives every container need no grant.",
        "cap_add: [NET_ADMIN]",
        "cap=NET_ADMIN",
    ),
    "cgroup": Entry("`private`, or the host's cgroup namespace.", "cgroup: host", "cgroup=host"),
    "cgroup_parent": Entry(
        "The cgroup that the container's is made in.", "cgroup_parent: apps.slice", "cgroup-parent"
    ),
    "devices": Entry("Devices of the host.", "devices: [/dev/dri]", "device=/dev/dri"),
    "gpus": Entry("GPUs of the host.", "gpus: all", "gpus"),
    "ipc": Entry("`private`, `none`, `shareable`, or the host's.", "ipc: host", "ipc=host"),
    "network_mode": Entry(
        "`none`, or the host's network; only of services that no domain leads to, beside others.",
        'domain: shop.localhost\nservices:\n  scan: {image: "acme/scan:1", network_mode: host}',
        "network-mode=host",
    ),
    "pid": Entry("The host's processes.", "pid: host", "pid=host"),
    "privileged": Entry(
        "All that the host's root may. Every other power is smaller.",
        "privileged: true",
        "privileged",
    ),
    "runtime": Entry("Another runtime of Docker's.", "runtime: runsc", "runtime=runsc"),
    "security_opt": Entry(
        "`no-new-privileges:true` needs no grant, every other option one.",
        "security_opt: [apparmor=unconfined]",
        "security-opt=apparmor=unconfined",
    ),
    "sysctls": Entry(
        "Parameters of the kernel in the container's namespaces.",
        "sysctls: {net.core.somaxconn: 1024}",
        "sysctl=net.core.somaxconn",
    ),
    "userns_mode": Entry("The host's user namespace.", "userns_mode: host", "userns=host"),
    "uts": Entry("The host's host name.", "uts: host", "uts=host"),
}

HEALTH: Final[dict[str, Entry]] = {
    "path": Entry(
        "The path to ask for. Without one, a connection is enough.", "health: {path: /healthz}"
    ),
    "port": Entry("Another port than the first route's.", "health: {path: /healthz, port: 9000}"),
    "interval": Entry(
        "The longest pause between two checks. Default: 500ms.", "health: {interval: 2s}"
    ),
    "timeout": Entry(
        "How long one check may take. Default: 5s.", "health: {path: /, timeout: 10s}"
    ),
    "status": Entry(
        'Which statuses mean ready: one, a range, or a list. Default: "200-399".',
        'health: {path: /, status: ["200-299", 401]}',
    ),
}

ROLLOUT: Final[dict[str, Entry]] = {
    "order": Entry(
        "`start-first`: both releases run until the new one is ready. `stop-first`: requests are "
        "held while the old one stops and the new one starts. Default: stop-first with a writable "
        "volume or a published port, else start-first.",
        "rollout: {order: stop-first}",
    ),
    "timeout": Entry(
        "How long a new release may take to become ready. Default: 60s.", "rollout: {timeout: 3m}"
    ),
    "drain": Entry(
        "The longest time requests in flight to the old release are waited for. The wait ends as "
        "soon as there are none. Default: 10s.",
        "rollout: {drain: 1m}",
    ),
    "settle": Entry(
        "The least age of a new container before it may take over. Catches apps that start, "
        "listen and die. Default: 5s.",
        "rollout: {settle: 0s}",
    ),
    "before": Entry(
        "A command, such as a migration, that a one-off container of the new release runs to its "
        "end before the release starts: see [upgrades](../guides/upgrade-and-rollback.md"
        "#a-command-before-the-release). Its failure refuses the release. Once per deploy, "
        "whatever `replicas` says; not on a rollback or restart. Default: none.",
        "rollout: {before: [python, manage.py, migrate]}",
    ),
    "before_timeout": Entry(
        "How long `before` may take. Default: 15m.",
        "rollout: {before: [python, manage.py, migrate], before_timeout: 30m}",
    ),
}

ROUTES: Final[dict[str, Entry]] = {
    "domain": Entry("The domain. Required.", "routes: [{domain: shop.localhost}]"),
    "path": Entry(
        "Only this path and what is below it. Default: everything. The most specific route wins.",
        "routes: [{domain: shop.localhost, path: /api}]",
    ),
    "strip_path": Entry(
        "The app sees `/x` where the client asked for `/api/x`. Default: false.",
        "routes: [{domain: shop.localhost, path: /api, strip_path: true}]",
    ),
    "port": Entry(
        "Another port than the app's `port`.", "routes: [{domain: shop.localhost, port: 9000}]"
    ),
    "redirect_from": Entry(
        "Domains that are redirected here with path and query kept (301).",
        "routes: [{domain: shop.localhost, redirect_from: [www.shop.localhost]}]",
    ),
    "tls": Entry(
        "As the app's `tls`, for this route.", "routes: [{domain: shop.localhost, tls: off}]"
    ),
}
