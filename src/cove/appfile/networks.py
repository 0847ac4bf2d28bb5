"""Readers of networks: an app's own, and a service's place in them. Used by this package alone."""

from __future__ import annotations

import re
from typing import Any, Final

from cove.appfile.problems import quote
from cove.appfile.scalars import boolean, list_of, matching, one_of, word
from cove.appfile.value import Value, each, fields
from cove.model.app import Attachment, Network

DEFAULT: Final = "default"  # Compose's name of the network that every app has anyway
_MOST: Final = 8  # of one app, each a bridge of Docker's with addresses of its own
_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9_.-]{0,38}[a-z0-9])?")
_NAME_WORDS: Final = 'a network\'s name is lower-case letters, digits, "_", "-" and ".", 40 at most'
_ADDRESSES: Final = "is not supported: cove gives containers their addresses"
_OF_DOCKER: Final = "is not supported: cove makes the app's networks"

Attached = list[tuple[Value, Attachment]]
Networks = dict[str, tuple[Value, Network]]

_alias = matching(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?", "a host's name", longest=63)


def attachments(value: Value) -> Attached:
    """A list of networks, or a mapping of them to the service's names in each."""
    if value.is_list:
        read = each(value.items(), word)
        found = [(item, Attachment(network=name)) for item, name in read]
        _report_twice(found)
        return found
    children = value.entries("a list of networks or a mapping of them")
    named = {child.path: name for name, child in children.items()}
    return each(tuple(children.values()), lambda child: _attachment(named[child.path], child))


def _report_twice(found: Attached) -> None:
    first: dict[str, Value] = {}
    for item, attachment in found:
        if first.setdefault(attachment.network, item) is not item:
            text = f"{quote(attachment.network)} was given before"
            item.reading.problems.add(item.node.at, item.path, text)


def _attachment(name: str, value: Value) -> Attachment:
    if value.null:
        return Attachment(network=name)
    read = fields(value, ATTACHMENT, refused=ATTACHMENT_REFUSED)
    return Attachment(network=name, aliases=tuple(read.get("aliases", ())))


ATTACHMENT: Final[dict[str, Any]] = {"aliases": list_of(_alias, "a list of names")}
ATTACHMENT_REFUSED: Final = {
    **dict.fromkeys(("ipv4_address", "ipv6_address", "link_local_ips", "mac_address"), _ADDRESSES),
    **dict.fromkeys(
        ("driver_opts", "gw_priority", "priority", "interface_name"), "is not supported yet"
    ),
}


def definitions(value: Value) -> Networks:
    """The top-level `networks`: what each is, by name."""
    children = value.entries("a mapping of networks")
    if len(children) > _MOST:
        raise value.invalid(f"names {len(children)} networks; {_MOST} is the most")
    found: Networks = {}
    for name, child in children.items():
        found[name] = (child, Network(name=name))
        with child.collect():
            found[name] = (child, _definition(name, child))
    return found


def _definition(name: str, value: Value) -> Network:
    if not _NAME.fullmatch(name):
        raise value.refused(_NAME_WORDS)
    read = {} if value.null else fields(value.without_extensions(), DEFINITION, refused=REFUSED)
    outside = external(value, read, name, "external-network")
    if name == DEFAULT and (outside or read.get("internal")):
        raise value.refused("is the network in which the proxy reaches the app; name another one")
    return Network(name=name, internal=read.get("internal", False), external=outside)


def external(value: Value, read: dict[str, Any], name: str, power: str) -> str:
    """The name in Docker of what is not the app's own, once that is granted; empty for its own.

    A `name` alone says so too: cove itself names what belongs to an app.
    """
    entries = value.entries() if value.is_mapping else {}
    if "name" not in read and not read.get("external"):
        return ""
    if any(key in entries and key not in read and not entries[key].null for key in DOCKERS):
        raise value.already_reported()
    at = entries["name"] if "name" in read else entries["external"]
    found = str(read.get("name", name))
    value.reading.grants.need(at, f"{power}={found}")
    return found


docker_name = matching(
    r"[A-Za-z0-9][A-Za-z0-9_.-]{0,126}", "a name in Docker of letters, digits and dashes"
)
DOCKERS: Final[dict[str, Any]] = {"external": boolean, "name": docker_name}
DEFINITION: Final[dict[str, Any]] = {
    **DOCKERS,
    "internal": boolean,
    "driver": one_of("bridge", "default"),
}
REFUSED: Final = {
    **dict.fromkeys(("driver_opts", "ipam", "enable_ipv4", "enable_ipv6"), _OF_DOCKER),
    "attachable": "is not supported: no other container may join an app's network",
    "labels": "is not supported: the labels of a network are cove's own",
}
