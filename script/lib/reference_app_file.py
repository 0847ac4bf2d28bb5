"""docs/reference/app-file.md from the key catalogue. Imported by `script.lib.reference`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from textwrap import dedent

from cove.appfile import document as limits
from cove.appfile import keys, networks, options, routes
from cove.appfile.attached_files import REFUSED as NO_CONTENT
from cove.appfile.mounts import DEFINITION_REFUSED as NO_VOLUME
from cove.appfile.reference import HEALTH, KEYS, ROLLOUT, ROUTES, Entry
from cove.appfile.reference_compose import CONTENT, DEPENDS_ON, TABLES, TOP, X_COVE
from cove.model.powers import KINDS, spelled

HEAD = dedent(f"""\
    # The app file

    One YAML file describes one app. In its short form that is one service, with its keys at the
    top level. An image is all it needs; with a domain it is reachable.

    ```yaml
    image: ghcr.io/acme/shop:1.4
    domain: shop.localhost
    ```

    With several services it is a Compose file: see [the Compose form](#the-compose-form).

    Keys of Compose mean what Compose means. Every key that is not listed here is refused, with the
    nearest known one: nothing is passed on unread. A key without a value counts as not given. Keys
    that begin with `x-` are ignored, so they can hold YAML anchors.

    - `$NAME` and `${{NAME:-default}}` are filled in from the environment of the `cove` command, or
      from a file `.env` beside the app file. A name that is not set and has no default is an error.
      `$$` is a dollar sign. An environment value that was filled in counts as secret.
    - Durations: `500ms`, `60s`, `1m30s`, `2h`; a bare number is seconds. Sizes: `64m`, `1g`.
    - Files that an app file names lie in its folder or below.
    - true and false are written `true` and `false`; `tls: off` is a word.
    - At most {limits.MAX_BYTES // 1024} KB, {limits.MAX_NODES:,} values, {limits.MAX_DEPTH} levels.
    """)


def document() -> str:
    """Every known key with its meaning and example, then every refused one with its reason."""
    parts = [HEAD]
    parts += ["## What the app is and where it answers\n", *_keys(["image", *keys.APP])]
    rest = [key for key in keys.SERVICE if key != "image"]
    parts += ["## How it runs, is checked and is replaced\n", *_keys(rest)]
    for title, entries in (("health", HEALTH), ("rollout", ROLLOUT), ("routes", ROUTES)):
        parts += [f"## {title}\n", _table(entries, f"{title}[]" if title == "routes" else title)]
    docker = {k: KEYS[k] for k in keys.OPTIONS if k not in keys.POWERS}
    parts += ["## What Docker does with it\n", _table(docker, "")]
    parts += _compose()
    parts += _grants()
    parts += _all_refused()
    return "\n".join(parts)


COMPOSE = dedent("""\
    ## The Compose form

    A standard Compose file without an image at the top. Every service has its keys as Compose knows
    them, and cove's own under `x-cove`.

    ```yaml
    services:
      web:
        image: ghcr.io/acme/shop:1.4
        ports: ["8000:8000"]
        environment: {DATABASE_URL: "postgres://postgres:${DB_PASSWORD}@db/postgres"}
        depends_on: {db: {condition: service_healthy}}
        x-cove: {domain: shop.localhost, health: /healthz, publish: false}
      db:
        image: postgres:16
        environment: {POSTGRES_PASSWORD: "${DB_PASSWORD}"}
        volumes: ["data:/var/lib/postgresql/data"]
        healthcheck: {test: [CMD, pg_isready, -U, postgres], interval: 5s}
    volumes: {data: }
    ```

    The short form may have `services` beside it: the service at the top is named as the app.
    Volumes and networks then need no definition, and a list at the top (`volumes`, `networks`,
    `configs`, `secrets`) belongs to the service there, a mapping to the app.

    ```yaml
    image: ghcr.io/acme/shop:1.4
    domain: shop.localhost
    depends_on: [cache]
    services:
      cache: {image: "valkey/valkey:8"}
    ```

    A name that ends like a release (`-r1`) or is another's replica is refused. At most 50 services,
    30 containers, those with a domain counted twice.
    """)
TITLES = {
    TOP.path: "At the top of a Compose file",
    X_COVE.path: "x-cove",
    DEPENDS_ON.path: "depends_on",
    CONTENT.path: "configs and secrets",
}


def _compose() -> Iterator[str]:
    yield COMPOSE
    for table in TABLES:
        yield f"### {TITLES.get(table.path, table.path)}\n"
        yield f"{table.text}\n"
        yield _table(table.keys, table.path)


def _grants() -> Iterator[str]:
    yield dedent("""\
        ## Grants

        Power over the host comes from the server's owner, not from a file. Without a grant the
        finding names the command that gives it. See [grants](../guides/grants.md).
        """)
    lines = ["| power | lets an app |", "|---|---|"]
    lines += [f"| `{spelled(name)}` | {kind.text} |" for name, kind in KINDS.items()]
    yield "\n".join([*lines, ""])
    yield "The keys that need one:\n"
    yield _table({k: KEYS[k] for k in keys.POWERS}, "")


def _all_refused() -> Iterator[str]:
    yield "## Keys that are refused\n"
    yield _refused(keys.REFUSED, "")
    yield "In the short form:\n"
    short = {k: v for k, v in keys.SHORT_REFUSED.items() if k not in keys.REFUSED}
    yield _refused(short, "")
    yield "In the Compose form:\n"
    compose = keys.COMPOSE_SERVICE_REFUSED.items()
    yield _refused({k: v for k, v in compose if k not in keys.REFUSED}, "services.NAME.")
    yield "Elsewhere:\n"
    for refused, prefix in (
        (routes.REFUSED, "routes[]."),
        (options.DEPLOY_REFUSED, "deploy."),
        (networks.REFUSED, "networks.NAME."),
        (networks.ATTACHMENT_REFUSED, "services.NAME.networks.NETWORK."),
        (NO_VOLUME, "volumes.NAME."),
        (NO_CONTENT, "configs.NAME."),
    ):
        yield _refused(refused, prefix)


def _keys(names: Iterable[str]) -> Iterator[str]:
    for name in names:
        entry = KEYS[name]
        yield f"### `{name}`\n\n{entry.text}\n\n```yaml\n{_whole(entry.example)}\n```\n"


def _whole(example: str) -> str:
    """The example with the one key that no file can be without."""
    return example if example.startswith("image:") else f"image: acme/shop:1.4\n{example}"


def _table(entries: Mapping[str, Entry], prefix: str) -> str:
    lines = ["| key | meaning | example |", "|---|---|---|"]
    for name, entry in entries.items():
        path = f"{prefix}.{name}" if prefix else name
        example = entry.example.replace("\n", "<br>").replace("  ", "&nbsp; ")
        shown = f"`{entry.example}`" if "\n" not in entry.example else f"<code>{example}</code>"
        grant = f" Grant of the example: `{entry.grant}`." if entry.grant else ""
        lines.append(f"| `{path}` | {entry.text}{grant} | {shown} |")
    return "\n".join([*lines, ""])


def _refused(refused: Mapping[str, str], prefix: str) -> str:
    by_reason: dict[str, list[str]] = {}
    for name, reason in refused.items():
        by_reason.setdefault(reason, []).append(f"`{prefix}{name}`")
    lines = ["| keys | why |", "|---|---|"]
    lines += [f"| {', '.join(names)} | {reason} |" for reason, names in by_reason.items()]
    return "\n".join([*lines, ""])
