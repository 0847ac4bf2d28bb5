"""Readers of `volumes` and `tmpfs`. Imported by this package alone.

Only what stays inside the app is readable here: named volumes and memory. A path of the host is a
power over it, which no file has by itself.
"""

from __future__ import annotations

import re
from typing import Any, Final

from cove.appfile.problems import quote
from cove.appfile.scalars import boolean, size, word
from cove.appfile.value import Value, each, fields
from cove.model import names
from cove.model.app import Mount

GRANT: Final = "needs a grant of the server's owner, which a later version of cove brings"
_HOST_PATH: Final = re.compile(r"[./~]|[A-Za-z]:\\")
_MAX_TARGET: Final = 255

Placed = tuple[Value, Mount]


def volumes(value: Value) -> list[Placed]:
    """A list of volumes, short (`name:/path[:ro]`) or long."""
    return each(value.items('a list such as ["uploads:/app/uploads"]'), _volume)


def tmpfs(value: Value) -> list[Placed]:
    """One target or several, each `/path` or `/path:size=64m`."""
    return each(value.one_or_many('a path such as "/tmp"'), _tmpfs)


def report_shared_targets(mounts: list[Placed]) -> None:
    """Records every place in the container that is mounted twice."""
    first: dict[str, Value] = {}
    for value, mount in mounts:
        if mount.target in first:
            text = f"{quote(mount.target)} is taken already, by {first[mount.target].path}"
            value.reading.problems.add(value.node.at, value.path, text)
        first.setdefault(mount.target, value)


def _volume(value: Value) -> Mount:
    return _long(value) if value.is_mapping else _short(value, word(value))


def _short(value: Value, found: str) -> Mount:
    if _HOST_PATH.match(found):
        raise value.invalid(_unnamed(found, value))
    source, _, rest = found.partition(":")
    target, _, mode = rest.partition(":")
    if not target:
        raise value.invalid(f'must read "name:/path" or "name:/path:ro", not {value.shown()}')
    if mode not in {"", "ro", "rw"}:
        raise value.invalid('the part after the path must be "ro" or "rw"')
    _check_name(source, value)
    _check_target(target, value)
    return Mount(kind="volume", source=source, target=target, read_only=mode == "ro")


def _unnamed(found: str, value: Value) -> str:
    if "docker.sock" in found:
        return f"Docker's socket is power over the whole server: it {GRANT}"
    if ":" not in found:
        example = "data:/path" if value.interpolated else f"data:{found}"
        return f"a volume needs a name: write {quote(example)}"
    return f"a path of the host {GRANT}; a named volume needs none"


def _check_name(source: str, value: Value) -> None:
    if not names.matches(names.VOLUME, source):
        raise value.invalid(
            'a volume\'s name is letters, digits, "_", "-" and ".", 63 at most, '
            "and begins with a letter or digit"
        )


def _check_target(target: str, value: Value) -> None:
    parts = target.split("/")
    if not target.startswith("/") or target == "/":
        raise value.invalid("the place in the container must be an absolute path below /")
    if any(part in {"", ".", ".."} for part in parts[1:]) or len(target) > _MAX_TARGET:
        raise value.invalid('the place in the container must be a tidy path: no "..", no "//"')
    if ":" in target or not target.isprintable():
        raise value.invalid('the place in the container must not contain ":"')


def _tmpfs(value: Value) -> Mount:
    target, _, options = word(value).partition(":")
    _check_target(target, value)
    key, _, amount = options.partition("=")
    if options and (key != "size" or "," in amount):
        raise value.invalid('of the options only size is supported: "/tmp:size=64m"')
    limit = size(value.having(amount)) if options else 0
    return Mount(kind="tmpfs", target=target, tmpfs_size=limit)


_FIELDS: Final[dict[str, Any]] = {
    "type": lambda value: (value, word(value)),
    "source": lambda value: (value, word(value)),
    "target": lambda value: (value, word(value)),
    "read_only": boolean,
    "tmpfs": lambda value: fields(
        value, {"size": size}, refused={"mode": "is not supported yet"}
    ).get("size", 0),
}
_REFUSED: Final = {
    "volume": "its options are not supported yet",
    "bind": f"a path of the host {GRANT}",
    "consistency": "means nothing on Linux; leave it out",
    "image": "is not supported yet",
}
_TYPES: Final = {
    "bind": f"a path of the host {GRANT}",
    "npipe": f"a pipe of the host {GRANT}",
    "cluster": "cluster volumes are not supported yet",
    "image": "mounting an image is not supported yet",
}


def _long(value: Value) -> Mount:
    read = fields(value, _FIELDS, refused=_REFUSED, required=("type", "target"))
    if "type" not in read or "target" not in read:
        raise value.already_reported()
    (kind_at, kind), (target_at, target) = read["type"], read["target"]
    if kind in _TYPES:
        raise kind_at.invalid(_TYPES[kind])
    if kind not in {"volume", "tmpfs"}:
        raise kind_at.invalid(f"must be volume or tmpfs, not {kind_at.shown()}")
    _check_target(target, target_at)
    return _memory(value, read, target) if kind == "tmpfs" else _named(value, read, target)


def _named(value: Value, read: dict[str, Any], target: str) -> Mount:
    if "source" not in read:
        raise value.invalid("a volume needs a name: add source")
    source_at, source = read["source"]
    if _HOST_PATH.match(source):
        raise source_at.invalid(f"a path of the host {GRANT}")
    _check_name(source, source_at)
    if "tmpfs" in read:
        raise value.invalid("tmpfs goes with type: tmpfs only")
    return Mount(
        kind="volume", source=source, target=target, read_only=read.get("read_only", False)
    )


def _memory(value: Value, read: dict[str, Any], target: str) -> Mount:
    if "source" in read:
        raise value.invalid("a tmpfs has no source")
    return Mount(
        kind="tmpfs",
        target=target,
        read_only=read.get("read_only", False),
        tmpfs_size=read.get("tmpfs", 0),
    )
