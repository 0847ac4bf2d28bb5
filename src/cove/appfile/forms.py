"""The two forms of an app file, told apart and read into one model. Used by this package alone.

The short form has an image at the top and describes one service there, named as the app; the
Compose form has `services` alone. Beside a short form `services` may hold companions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec.structs import replace

from cove.appfile import document
from cove.appfile.attached_files import CONFIG, SECRET, inline_definitions
from cove.appfile.filling import Filling, hidden
from cove.appfile.keys import (
    COMPOSE,
    COMPOSE_REFUSED,
    COMPOSE_SERVICE,
    COMPOSE_SERVICE_REFUSED,
    DEFINITIONS,
    KNOWN,
    SHORT_REFUSED,
    X_COVE,
)
from cove.appfile.ports import targets
from cove.appfile.problems import quote
from cove.appfile.service import Part
from cove.appfile.siblings import Definitions, Services, app
from cove.appfile.value import Value, fields, nearest
from cove.model import names
from cove.model.app import App

_MOST_SERVICES: Final = 50
_SERVICES: Final = "services"
_EXTENSION: Final = "x-cove"
_NAME_WORDS: Final = (
    'a service\'s name is lower-case letters, digits, "-" and "_", 40 at most, and begins and '
    "ends with a letter or digit"
)
_IMPLIED: Final = ("network", "volume")  # what the short form need not define
_AT_THE_TOP: Final = (
    "describes a service: write it under services.NAME{}, or add an image at the top for a "
    "service there"
)


def is_short(top: Mapping[str, Value]) -> bool:
    """Whether the top of the file describes a service itself."""
    return "image" in top or _SERVICES not in top


def read(name: str, root: Value, filling: Filling) -> App:
    """The app, its name being known. Findings are recorded; the app is whole without any."""
    top = root.entries()
    found = _short(name, root, filling) if is_short(top) else _compose(name, root, filling)
    return replace(found, powers=root.reading.grants.used(), hidden=hidden(root.reading))


def _access_log(own: Mapping[str, Any], read: Mapping[str, Any], top: Mapping[str, Value]) -> Any:
    """The app's choice, which the short form may also have at the top; None where it has none."""
    given = [one["access_log"] for one in (own, read.get(_EXTENSION, {})) if "access_log" in one]
    if len(set(given)) > 1:
        text = "contradicts x-cove.access_log; write one of them"
        top["access_log"].reading.problems.add(
            top["access_log"].node.at, top["access_log"].path, text
        )
    return given[0] if given else None


def _short(name: str, root: Value, filling: Filling) -> App:
    top = root.entries()
    beside: set[str] = {key for key in (_SERVICES, _EXTENSION) if key in top}
    if _SERVICES in top:
        beside |= {key for key in DEFINITIONS if key in top and top[key].is_mapping}
    own = filling.keys(root.without(beside).without_extensions(), KNOWN)
    main = Part(
        name,
        own,
        own.entries(),
        fields(
            own,
            KNOWN,
            refused=SHORT_REFUSED,
            required=("image",),
            beside=(_SERVICES, _EXTENSION),
        ),
    )
    rest = filling.keys(root.without(set(top) - beside), COMPOSE)
    read = fields(rest.without({_SERVICES}), COMPOSE)
    found = _services(rest, read, filling)
    parts = [main, *(part for part in found.parts if not _taken(name, part))]
    defined = _definitions(read, {kind for kind in _IMPLIED if f"{kind}s" not in read}, main.read)
    found_app = app(name, parts, found, defined)
    return replace(found_app, access_log=_access_log(main.read, read, top))


def _taken(name: str, part: Part) -> bool:
    """Whether a companion is called like the service at the top; that is recorded."""
    if part.name == name:
        text = "is the name of the app, and so of the service at the top of the file"
        part.value.reading.problems.add(part.value.key_at, part.value.path, text)
    return part.name == name


def _compose(name: str, root: Value, filling: Filling) -> App:
    root = filling.keys(root, COMPOSE)
    misplaced = {
        key: _AT_THE_TOP.format(f".{_EXTENSION}" if key not in COMPOSE_SERVICE else "")
        for key in [*KNOWN, *COMPOSE_SERVICE]
        if key not in COMPOSE and key != _EXTENSION
    }
    read = fields(
        root.without({_SERVICES}).without_extensions(),
        COMPOSE,
        refused={**misplaced, **COMPOSE_REFUSED},
        beside=(_SERVICES,),
    )
    found = _services(root, read, filling)
    services = root.entries()[_SERVICES]
    if not found.parts and not found.unread and services.is_mapping:
        text = "none is in an active profile; activate one with x-cove.profiles"
        text = text if found.dropped else "must hold a service"
        services.reading.problems.add(services.node.at, services.path, text)
    unread = {kind for kind in _IMPLIED if f"{kind}s" in root.entries() and f"{kind}s" not in read}
    found_app = app(name, found.parts, found, _definitions(read, unread, {}))
    return replace(found_app, access_log=_access_log({}, read, {}))


def _definitions(
    read: Mapping[str, Any], implied: set[str], main: Mapping[str, Any]
) -> Definitions:
    uses = [*main.get("configs", ()), *main.get("secrets", ())]
    files = {
        kind: {**read.get(f"{kind}s", {}), **inline_definitions(uses, kind)}
        for kind in (CONFIG, SECRET)
    }
    return Definitions(
        networks=read.get("networks", {}),
        volumes=read.get("volumes", {}),
        files=files,
        implied=frozenset(implied),
    )


def _services(root: Value, read: Mapping[str, Any], filling: Filling) -> Services:
    """The services of a file as far as they are active and can be read."""
    found = Services([], set(), set())
    value = root.entries().get(_SERVICES)
    if value is None:
        return found
    active = frozenset(read.get(_EXTENSION, {}).get("profiles", ()))
    seen: set[str] = set()
    with value.collect():
        children = value.entries("a mapping of services")
        if len(children) > _MOST_SERVICES:
            raise value.invalid(f"names {len(children)} services; {_MOST_SERVICES} is the most")
        for name, child in children.items():
            found.unread.add(name)
            with child.collect():
                _check_name(name, child)
                wanted = _profiles(filling.keys(child, {"profiles"}))
                seen |= wanted
                if wanted and not wanted & active:
                    found.dropped.add(name)
                else:
                    found.parts.append(_part(name, child, filling))
                found.unread.remove(name)
    _report_profiles(root, active, seen)
    return found


def _check_name(name: str, value: Value) -> None:
    if not names.matches(names.SERVICE, name):
        raise value.refused(_NAME_WORDS)


def _profiles(value: Value) -> frozenset[str]:
    found = value.entries("a mapping with an image").get("profiles")
    if found is None or found.null:
        return frozenset()
    reader = COMPOSE_SERVICE["profiles"]
    return frozenset(reader(found))


def _report_profiles(root: Value, active: frozenset[str], seen: set[str]) -> None:
    extension = root.entries().get(_EXTENSION)
    for profile in sorted(active - seen):
        if extension is not None:
            at = extension.entries()["profiles"]
            guess = nearest(at, profile, sorted(seen))
            text = f"no service has the profile {quote(profile)}{guess}"
            at.reading.problems.add(at.node.at, at.path, text)


def _part(name: str, value: Value, filling: Filling) -> Part:
    value = filling.keys(value, COMPOSE_SERVICE)
    entries = value.entries()
    _report_misspelled(entries)
    known = COMPOSE_SERVICE
    if _unpublished(entries):
        known = {**COMPOSE_SERVICE, "ports": targets}
    read = fields(
        value.without_extensions(),
        known,
        refused=COMPOSE_SERVICE_REFUSED,
        required=("image",),
    )
    if known is not COMPOSE_SERVICE:
        read["targets"] = read.pop("ports", [])
    own = read.pop(_EXTENSION, {})
    under = entries.get(_EXTENSION)
    inner = under.entries() if under is not None and under.is_mapping else {}
    return Part(name, value, {**entries, **inner}, {**read, **own})


def _report_misspelled(entries: Mapping[str, Value]) -> None:
    """`x-*` is passed over, which would hide a slip in the one name that matters."""
    for key, child in entries.items():
        slip = key.startswith("x-") and key != _EXTENSION and child.is_mapping
        if slip and any(inner in X_COVE for inner in child.entries()):
            guess = nearest(child, key, [_EXTENSION])
            if guess:
                text = f"unknown key {quote(key)}{guess}"
                child.reading.problems.add(child.key_at, child.path, text)


def _unpublished(entries: Mapping[str, Value]) -> bool:
    """Whether the service says `publish: false`; anything else is judged where it is read."""
    extension = entries.get(_EXTENSION)
    if extension is None or not extension.is_mapping:
        return False
    said = extension.entries().get("publish")
    node = said.node if said is not None else None
    return isinstance(node, document.Scalar) and not node.broken and node.text.lower() == "false"
