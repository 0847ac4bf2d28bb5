"""What each key of the Compose form means, with an example. See `cove.appfile.reference`.

Nothing that runs imports it; `script/docs` and the tests do. An example stands in its table's
`frame`, which makes a whole app file of it.
"""

from __future__ import annotations

from textwrap import indent
from typing import Final, NamedTuple

from cove.appfile.reference import Entry


class Table(NamedTuple):
    """The keys of one mapping: its path, the words before it, and a file to put examples into."""

    path: str
    text: str
    frame: str
    keys: dict[str, Entry]

    def whole(self, entry: Entry) -> str:
        """The example as an app file."""
        if entry.example.startswith("services:"):
            return f"{entry.example}\n"
        before, _, after = self.frame.partition("@\n")
        margin = before.rpartition("\n")[2]
        return before.removesuffix(margin) + indent(entry.example, margin) + "\n" + after


_SERVICE: Final = "services:\n  web:\n    image: acme/shop:1\n"
_DB: Final = "  db:\n    image: postgres:16\n    healthcheck: {test: pg_isready}\n"

TOP: Final = Table(
    "",
    "At the top of the file. `x-*` is ignored, so it can hold YAML anchors.",
    "@\n" + _SERVICE,
    {
        "name": Entry("The app's name; see `name` above.", "name: shop"),
        "services": Entry(
            "The services by name: lower-case letters, digits, dashes, underscores, 40 at most.",
            "services: {worker: {image: acme/worker:1}}",
        ),
        "volumes": Entry(
            "The volumes that services use, by name. Usually nothing more is said.",
            "volumes: {data: }",
        ),
        "networks": Entry(
            "The networks of the app beside `default`, 8 at most.",
            "networks: {backend: {internal: true}}",
        ),
        "configs": Entry(
            "Files for containers; see [configs and secrets](#configs-and-secrets).",
            "configs: {app.conf: {content: debug = false}}",
        ),
        "secrets": Entry(
            "The same, stored encrypted.", "secrets: {db_password: {environment: DB_PASSWORD}}"
        ),
        "version": Entry("Means nothing; old files have it.", 'version: "3.8"'),
        "x-cove": Entry("cove's own keys for the app.", "x-cove: {name: shop}"),
    },
)
X_COVE_APP: Final = Table(
    "x-cove",
    "At the top of the file, about the app.",
    "x-cove:\n  @\nservices:\n  web:\n    image: acme/shop:1\n    profiles: [full]\n",
    {
        "name": Entry("Instead of `name`.", "profiles: [full]\nname: shop"),
        "access_log": Entry("See `access_log` above.", "profiles: [full]\naccess_log: full"),
        "profiles": Entry(
            "The profiles to activate. A service with `profiles` of which none is active is left "
            "out, unread.",
            "profiles: [full]",
        ),
    },
)
SERVICE: Final = Table(
    "services.NAME",
    "A service has the keys of the short form that Compose knows, and these. `env`, `health`, "
    "`rollout`, `domain` and the like go under its `x-cove`.",
    _SERVICE + '    @\n  extra: {image: "acme/shop:1", profiles: [full]}\n'
    "x-cove: {profiles: [full]}\n",
    {
        "profiles": Entry("Runs only if one of them is active.", "profiles: [full]"),
        "scale": Entry("How many containers, as `deploy.replicas`.", "scale: 2"),
        "x-cove": Entry("cove's own keys for the service.", "x-cove: {domain: shop.localhost}"),
    },
)
X_COVE: Final = Table(
    "services.NAME.x-cove",
    "In a service.",
    _SERVICE + '    ports: ["8000:8000"]\n    x-cove:\n      @\n',
    {
        "domain": Entry("Where the service answers; see `domain` above.", "domain: shop.localhost"),
        "routes": Entry(
            "The same in full: see [routes](#routes).",
            "routes:\n  - {domain: shop.localhost, path: /api}",
        ),
        "port": Entry("The port that its routes lead to.", "port: 8000"),
        "tls": Entry("The certificates of its routes.", "tls: off"),
        "health": Entry("See [health](#health).", "health: /healthz"),
        "rollout": Entry("See [rollout](#rollout).", "rollout: {drain: 30s}"),
        "replicas": Entry("How many containers, 1 to 10.", "replicas: 2\npublish: false"),
        "publish": Entry(
            "`false`: the service's `ports` are not published on the server, since the proxy "
            "serves it; a single one tells where its routes lead. Default: true.",
            "publish: false\ndomain: shop.localhost",
        ),
    },
)
DEPENDS_ON: Final = Table(
    "services.NAME.depends_on.OTHER",
    "A list of names is short for `service_started`.",
    _SERVICE + "    depends_on:\n      db:\n        @\n" + _DB,
    {
        "condition": Entry(
            "`service_started`, `service_healthy` (by its `healthcheck`) or "
            "`service_completed_successfully`.",
            "condition: service_healthy",
        ),
        "required": Entry(
            "`false`: the other may be left out by its profile. Default: true.", "required: false"
        ),
        "restart": Entry(
            "Whether replacing the other also restarts this one. Default: false.", "restart: true"
        ),
    },
)
ATTACHMENT: Final = Table(
    "services.NAME.networks.NETWORK",
    "A list of names is short for mappings without keys. Without `networks` a service is in "
    "`default`.",
    _SERVICE + "    networks:\n      backend:\n        @\nnetworks: {backend: }\n",
    {"aliases": Entry("More names of the service there.", "aliases: [shop-web]")},
)
NETWORK: Final = Table(
    "networks.NAME",
    "A network inside the app.",
    _SERVICE + "networks:\n  backend:\n    @\n",
    {
        "internal": Entry("Without a way out of the server.", "internal: true"),
        "driver": Entry("Only `bridge`, which it is anyway.", "driver: bridge"),
        "external": Entry(
            "A network of Docker that exists, not one of the app.",
            "external: true",
            "external-network=backend",
        ),
        "name": Entry(
            "Its name in Docker; the same grant.", "name: monitoring", "external-network=monitoring"
        ),
    },
)
VOLUME: Final = Table(
    "volumes.NAME",
    "A named volume of the app.",
    _SERVICE + "volumes:\n  data:\n    @\n",
    {
        "driver": Entry("Only `local`, which it is anyway.", "driver: local"),
        "external": Entry(
            "A volume of Docker that exists, not one of the app.",
            "external: true",
            "external-volume=data",
        ),
        "name": Entry(
            "Its name in Docker; the same grant.", "name: old_data", "external-volume=old_data"
        ),
    },
)
CONTENT: Final = Table(
    "configs.NAME",
    "The same under `secrets.NAME`. One of the three; text, 500 KB at most.",
    _SERVICE + "configs:\n  app.conf:\n    @\n",
    {
        "file": Entry("A file in the app file's folder or below.", "file: ./app.conf"),
        "environment": Entry("The value of a variable.", "environment: APP_CONF"),
        "content": Entry("The content itself; variables are filled in.", "content: debug = false"),
    },
)
FILE: Final = Table(
    "services.NAME.configs[]",
    "The same under `secrets`. A name alone is short for `source`.",
    _SERVICE + "    configs:\n      -\n        @\nconfigs: {app.conf: {content: x}}\n",
    {
        "source": Entry("What is defined at the top. Required.", "source: app.conf"),
        "target": Entry(
            "Where it is in the container. Default: `/NAME`; of a secret `/run/secrets/NAME`.",
            "source: app.conf\ntarget: /etc/app.conf",
        ),
        "uid": Entry("Whose it is, as a number. Default: 0.", 'source: app.conf\nuid: "1000"'),
        "gid": Entry("Which group's. Default: 0.", 'source: app.conf\ngid: "1000"'),
        "mode": Entry("Its mode in octal. Default: 0444.", "source: app.conf\nmode: 0440"),
    },
)

TABLES: Final = (
    TOP,
    SERVICE,
    X_COVE,
    X_COVE_APP,
    DEPENDS_ON,
    NETWORK,
    ATTACHMENT,
    VOLUME,
    CONTENT,
    FILE,
)
