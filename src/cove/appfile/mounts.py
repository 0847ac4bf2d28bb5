"""Readers of `volumes` and `tmpfs`. Imported by this package alone.

Named volumes and memory stay inside the app. A path of the host is a power over it, which the
server's owner gives: see `cove.model.powers`.
"""

from __future__ import annotations

import re
from typing import Any, Final

from cove.appfile.networks import DOCKERS, external
from cove.appfile.paths import of_host
from cove.appfile.problems import quote
from cove.appfile.scalars import boolean, one_of, size, word
from cove.appfile.value import Value, each, fields
from cove.model import names
from cove.model.app import Mount, Volume
from cove.model.powers import for_bind, is_below

_HOST_PATH: Final = re.compile(r"[./~]")
_WINDOWS_PATH: Final = re.compile(r"[A-Za-z]:\\")
_MAX_TARGET: Final = 255
_MOST: Final = 100  # of one service
_NAME_WORDS: Final = (
    'a volume\'s name is letters, digits, "_", "-" and ".", 63 at most, '
    "and begins with a letter or digit"
)

Placed = tuple[Value, Mount]
Volumes = dict[str, tuple[Value, Volume]]


def volumes(value: Value) -> list[Placed]:
    """A list of volumes, short (`name:/path[:ro]`) or long."""
    items = value.items('a list such as ["uploads:/app/uploads"]')
    if len(items) > _MOST:
        raise value.invalid(f"names {len(items)} volumes; {_MOST} is the most")
    return each(items, _volume)


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


def report_nested(mounts: list[Placed]) -> None:
    """Records every path of the host that lies in another which the app may write.

    There the app can put a symbolic link in its place, and Docker follows it whenever the
    container starts: out of all that was granted, and without cove being asked.
    """
    binds = [(value, mount) for value, mount in mounts if mount.kind == "bind"]
    folders = {mount.source for _, mount in binds if not mount.read_only}
    for value, mount in binds:
        above = next((f for f in sorted(folders) if is_below(mount.source, f)), None)
        if above is not None:
            text = "lies in a path that the app may write, and could be made a link to any other"
            shown = "" if value.interpolated else f" ({above})"
            advice = '; mount one of them, or that one with ":ro"'
            value.reading.problems.add(value.node.at, value.path, f"{text}{shown}{advice}")


def _volume(value: Value) -> Mount:
    return _long(value) if value.is_mapping else _short(value, word(value))


def _short(value: Value, found: str) -> Mount:
    if _WINDOWS_PATH.match(found):
        raise value.invalid("a path of Windows means nothing on the server")
    source, _, rest = found.partition(":")
    target, _, mode = rest.partition(":")
    if not target:
        raise value.invalid(_unnamed(found, value))
    if mode not in {"", "ro", "rw"}:
        raise value.invalid('the part after the path must be "ro" or "rw"')
    _check_target(target, value)
    if _HOST_PATH.match(found):
        return _bind(value, source, target, read_only=mode == "ro", create=True)
    _check_name(source, value)
    return Mount(kind="volume", source=source, target=target, read_only=mode == "ro")


def _unnamed(found: str, value: Value) -> str:
    if _HOST_PATH.match(found):
        example = "data:/path" if value.interpolated else f"data:{found}"
        return f"a volume needs a name: write {quote(example)}"
    return f'must read "name:/path" or "name:/path:ro", not {value.shown()}'


def _bind(value: Value, source: str, target: str, *, read_only: bool, create: bool) -> Mount:
    path = of_host(value, source)
    if not re.fullmatch(r"/[^:$\x00-\x1f\x7f]*", path):
        raise value.invalid('a path of the host must not contain ":" or "$"')
    wanted = for_bind(path, read_only=read_only)
    value.reading.grants.need(value, *wanted, instead="a named volume needs none")
    return Mount(kind="bind", source=path, target=target, read_only=read_only, create=create)


def _check_name(source: str, value: Value) -> None:
    if not names.matches(names.VOLUME, source):
        raise value.invalid(_NAME_WORDS)


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


def _placed_word(value: Value) -> tuple[Value, str]:
    return value, word(value)


_propagation: Final = one_of("rprivate", "private")
FIELDS: Final[dict[str, Any]] = {
    "type": _placed_word,
    "source": _placed_word,
    "target": _placed_word,
    "read_only": boolean,
    "tmpfs": lambda value: fields(
        value, {"size": size}, refused={"mode": "is not supported yet"}
    ).get("size", 0),
    "bind": lambda value: fields(
        value,
        {"create_host_path": boolean, "propagation": _propagation},
        refused=dict.fromkeys(("selinux", "recursive"), "is not supported yet"),
    ),
}
REFUSED: Final = {
    "volume": "its options are not supported yet",
    "consistency": "means nothing on Linux; leave it out",
    "image": "is not supported yet",
}
_TYPES: Final = {
    "npipe": "pipes exist on Windows only",
    "cluster": "cluster volumes are not supported yet",
    "image": "mounting an image is not supported yet",
}


def _long(value: Value) -> Mount:
    read = fields(value, FIELDS, refused=REFUSED, required=("type", "target"))
    if "type" not in read or "target" not in read:
        raise value.already_reported()
    (kind_at, kind), (target_at, target) = read["type"], read["target"]
    if kind in _TYPES:
        raise kind_at.invalid(_TYPES[kind])
    if kind not in {"volume", "tmpfs", "bind"}:
        raise kind_at.invalid(f"must be volume, tmpfs or bind, not {kind_at.shown()}")
    for key in {"tmpfs", "bind"} - {kind}:
        if key in read:
            raise value.invalid(f"{key} goes with type: {key} only")
    _check_target(target, target_at)
    if kind == "tmpfs":
        return _memory(value, read, target)
    return _of_source(value, read, target, kind)


def _of_source(value: Value, read: dict[str, Any], target: str, kind: str) -> Mount:
    if "source" not in read:
        raise value.invalid(
            "a path of the host is missing: add source"
            if kind == "bind"
            else "a volume needs a name: add source"
        )
    source_at, source = read["source"]
    read_only = read.get("read_only", False)
    if kind == "bind":
        create = read.get("bind", {}).get("create_host_path", True)
        return _bind(source_at, source, target, read_only=read_only, create=create)
    if _HOST_PATH.match(source):
        raise source_at.invalid("is a path of the host; write type: bind")
    _check_name(source, source_at)
    return Mount(kind="volume", source=source, target=target, read_only=read_only)


def _memory(value: Value, read: dict[str, Any], target: str) -> Mount:
    if "source" in read:
        raise value.invalid("a tmpfs has no source")
    return Mount(
        kind="tmpfs",
        target=target,
        read_only=read.get("read_only", False),
        tmpfs_size=read.get("tmpfs", 0),
    )


def definitions(value: Value) -> Volumes:
    """The top-level `volumes`: what each is, by name."""
    children = value.entries("a mapping of volumes")
    if len(children) > _MOST:
        raise value.invalid(f"names {len(children)} volumes; {_MOST} is the most")
    found: Volumes = {}
    for name, child in children.items():
        found[name] = (child, Volume(name=name))
        with child.collect():
            found[name] = (child, _definition(name, child))
    return found


def _definition(name: str, value: Value) -> Volume:
    if not names.matches(names.VOLUME, name):
        raise value.refused(_NAME_WORDS)
    read = {}
    if not value.null:
        read = fields(value.without_extensions(), DEFINITION, refused=DEFINITION_REFUSED)
    return Volume(name=name, external=external(value, read, name, "external-volume"))


DEFINITION: Final[dict[str, Any]] = {**DOCKERS, "driver": one_of("local")}
DEFINITION_REFUSED: Final = {
    "driver_opts": "is not supported: they could mount anything; mount a path of the host, which "
    "the server's owner can grant",
    "labels": "is not supported: the labels of a volume are cove's own",
}
