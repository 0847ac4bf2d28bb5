"""Reader of `ports`: ports of the host that lead straight into the container.

Imported by this package alone.
"""

from __future__ import annotations

import re
from typing import Any, Final, Literal

from cove.appfile.scalars import MAX_PORT, one_of, plain_address, port, word
from cove.appfile.value import Value, each, fields
from cove.model.app import PublishedPort

_MAX_PORTS: Final = 20  # of one service, ranges counted out
_SHORT: Final = re.compile(
    r"(?:(?P<ip>\[[0-9A-Fa-f:.]+\]|[0-9.]+):)?(?P<published>[0-9]+(?:-[0-9]+)?):"
    r"(?P<target>[0-9]+(?:-[0-9]+)?)(?:/(?P<protocol>tcp|udp))?"
)
_RANGE: Final = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")
_ALONE: Final = re.compile(r"[0-9]+(?:-[0-9]+)?(?:/[a-z]+)?")

Published = tuple[Value, PublishedPort]


def ports(value: Value) -> list[Published]:
    """A list of ports, short (`8080:80`) or long."""
    items = value.items('a list such as ["8080:80"]')
    if len(items) > _MAX_PORTS:
        raise value.invalid(f"publishes {len(items)} ports; {_MAX_PORTS} is the most")
    read = each(items, _port)
    found = [(item, single) for item, several in read for single in several]
    if len(found) > _MAX_PORTS:
        raise value.invalid(f"publishes {len(found)} ports; {_MAX_PORTS} is the most")
    _report_twice(found)
    return found


def _report_twice(found: list[Published]) -> None:
    first: dict[tuple[int, str], list[Published]] = {}
    for value, single in found:
        others = first.setdefault((single.published, single.protocol), [])
        clash = next((o for o in others if _overlap(o[1].host_ip, single.host_ip)), None)
        if clash is not None:
            text = f"port {single.published} is published twice, first by {clash[0].path}"
            value.reading.problems.add(value.node.at, value.path, text)
        others.append((value, single))


def _overlap(one: str, other: str) -> bool:
    every = {"", "0.0.0.0", "::"}  # noqa: S104 - compared with, not bound to
    return one == other or one in every or other in every


def _port(value: Value) -> list[PublishedPort]:
    return _long(value) if value.is_mapping else _short(value)


def _short(value: Value) -> list[PublishedPort]:
    found = word(value)
    match = _SHORT.fullmatch(found)
    if match is None:
        raise value.invalid(_unreadable(found, value))
    published = _range(match["published"], value)
    target = _range(match["target"], value)
    protocol: Any = match["protocol"] or "tcp"
    return _pairs(value, published, target, protocol, _address(match["ip"] or "", value))


def _unreadable(found: str, value: Value) -> str:
    if _ALONE.fullmatch(found):
        example = "8080:80" if value.interpolated else f"8080:{found}"
        return f'must name the host\'s port too, as in "{example}"; the proxy needs no port here'
    return f'must read "8080:80", "127.0.0.1:8080:80" or "53:53/udp", not {value.shown()}'


def _range(text: str, value: Value) -> range:
    match = _RANGE.fullmatch(text)
    first = int(match[1]) if match else 0
    last = int(match[2] or first) if match else 0
    if not 1 <= first <= last <= MAX_PORT:
        raise value.invalid(f"a port is a number from 1 to {MAX_PORT}, a range goes upwards")
    return range(first, last + 1)


def _address(text: str, value: Value) -> str:
    if not text:
        return ""
    found = plain_address(text)
    if not found:
        raise value.invalid("what stands before the ports must be an IP address")
    return found


def _pairs(
    value: Value, published: range, target: range, protocol: Literal["tcp", "udp"], ip: str
) -> list[PublishedPort]:
    if len(published) != len(target):
        raise value.invalid("both ranges must be equally long")
    if len(published) > _MAX_PORTS:
        raise value.invalid(f"publishes {len(published)} ports; {_MAX_PORTS} is the most")
    return [
        PublishedPort(published=outer, target=inner, protocol=protocol, host_ip=ip)
        for outer, inner in zip(published, target, strict=True)
    ]


def _host_ip(value: Value) -> str:
    return _address(word(value), value)


FIELDS: Final[dict[str, Any]] = {
    "target": port,
    "published": port,
    "host_ip": _host_ip,
    "protocol": one_of("tcp", "udp"),
    "mode": one_of("ingress", "host"),  # of Swarm; on one host both mean the same
    "name": word,  # for people
    "app_protocol": word,  # for people
}


def _long(value: Value) -> list[PublishedPort]:
    read = fields(value, FIELDS, required=("target", "published"))
    if "target" not in read or "published" not in read:
        raise value.already_reported()
    single = PublishedPort(
        published=read["published"],
        target=read["target"],
        protocol=read.get("protocol", "tcp"),
        host_ip=read.get("host_ip", ""),
    )
    return [single]


_UNPUBLISHED: Final = re.compile(
    r"(?:(?:(?:\[[0-9A-Fa-f:.]+\]|[0-9.]+):)?[0-9-]*:)?"
    r"(?P<target>[0-9]+(?:-[0-9]+)?)(?:/(?P<protocol>tcp|udp))?"
)


def targets(value: Value) -> list[int]:
    """The container's TCP ports of a list that is not to be published."""
    items = value.items('a list such as ["8080:80"]')
    if len(items) > _MAX_PORTS:
        raise value.invalid(f"names {len(items)} ports; {_MAX_PORTS} is the most")
    return [port for _, found in each(items, _targets) for port in found]


def _targets(value: Value) -> range:
    if value.is_mapping:
        read = fields(value, {**FIELDS, "published": word}, required=("target",))
        if "target" not in read:
            raise value.already_reported()
        found, protocol = range(read["target"], read["target"] + 1), read.get("protocol")
    else:
        match = _UNPUBLISHED.fullmatch(word(value))
        if match is None:
            raise value.invalid(f'must read "80" or "8080:80", not {value.shown()}')
        found, protocol = _range(match["target"], value), match["protocol"]
    if len(found) > _MAX_PORTS:
        raise value.invalid(f"names {len(found)} ports; {_MAX_PORTS} is the most")
    return range(0) if protocol == "udp" else found
