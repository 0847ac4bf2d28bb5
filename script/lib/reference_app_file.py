"""docs/reference/app-file.md from the key catalogue. Imported by `script.lib.reference`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from textwrap import dedent

from cove.appfile import document as limits
from cove.appfile import keys, routes
from cove.appfile.reference import HEALTH, KEYS, ROLLOUT, ROUTES, Entry

HEAD = dedent(f"""\
    # The app file

    One YAML file describes one app: one service, with its keys at the top level. An image is all
    it needs; with a domain it is reachable.

    ```yaml
    image: ghcr.io/acme/shop:1.4
    domain: shop.localhost
    ```

    Keys of Compose mean what Compose means. Every key that is not listed here is refused, with the
    nearest known one: nothing is passed on unread. A key without a value counts as not given. Keys
    that begin with `x-` are ignored, so they can hold YAML anchors.

    - `$NAME` and `${{NAME:-default}}` are filled in from the environment of the `cove` command, or
      from a file `.env` beside the app file. A name that is not set and has no default is an error.
      `$$` is a dollar sign. An environment value that was filled in counts as secret.
    - Durations: `500ms`, `60s`, `1m30s`, `2h`; a bare number is seconds. Sizes: `64m`, `1g`.
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
    parts += ["## What Docker does with it\n", _table({k: KEYS[k] for k in keys.OPTIONS}, "")]
    parts += ["## Keys that are refused\n", _refused(keys.REFUSED, "")]
    parts += ["In a route:\n", _refused(routes.REFUSED, "routes[].")]
    return "\n".join(parts)


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
        lines.append(f"| `{path}` | {entry.text} | `{entry.example}` |")
    return "\n".join([*lines, ""])


def _refused(refused: Mapping[str, str], prefix: str) -> str:
    by_reason: dict[str, list[str]] = {}
    for name, reason in refused.items():
        by_reason.setdefault(reason, []).append(f"`{prefix}{name}`")
    lines = ["| keys | why |", "|---|---|"]
    lines += [f"| {', '.join(names)} | {reason} |" for reason, names in by_reason.items()]
    return "\n".join([*lines, ""])
