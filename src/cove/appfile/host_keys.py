"""Readers of the keys that give power over the host, each with the grant it takes.

Imported by this package alone. Values are in the form `docker compose config` prints, since it is
Compose that acts on them. What is no power (a namespace of the container's own, a capability that
Docker gives anyway) needs no grant.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from cove.appfile.scalars import boolean, integer, list_of, matching, one_of, word
from cove.appfile.value import Value, each, fields
from cove.model.powers import normal

# What Docker gives every container (moby's default capabilities): taking some back after
# `cap_drop: [ALL]` is no power over the host.
_DEFAULT_CAPABILITIES: Final = frozenset(
    {"AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_RAW"}
    | {"NET_BIND_SERVICE", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"}
)
_SECURITY: Final = re.compile(r"[a-z-]+(?:[=:][A-Za-z0-9:_.,-]+)?")
_OF_OTHERS: Final = re.compile(r"(?:container|service):.*")
_DEVICE: Final = re.compile(r"(/dev/[^:$]+?)(?::(/[^:$]+))?(?::([rwm]{1,3}))?")
_MOST_GPUS: Final = 64
_SYSCTL: Final = re.compile(r"[a-z0-9_]+(?:[./][A-Za-z0-9_-]+)+")
_MOST_SYSCTLS: Final = 50

capability = matching(r"(?:CAP_)?[A-Z_]{2,30}", 'a capability such as "NET_RAW" or "ALL"')
_runtime_name = matching(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,126}", "the name of a runtime")
_cgroup_name = matching(r"/?[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)*", 'a cgroup such as "apps.slice"')


def privileged(value: Value) -> bool:
    """Whether the container may do what the host's root may."""
    found = boolean(value)
    if found:
        value.reading.grants.need(value, "privileged", at_key=True)
    return found


def cap_add(value: Value) -> list[str]:
    """Capabilities beside those that are left of Docker's own."""
    return [found for _, found in each(value.items("a list of capabilities"), _capability)]


def _capability(value: Value) -> str:
    found = capability(value).removeprefix("CAP_")
    if found not in _DEFAULT_CAPABILITIES:
        value.reading.grants.need(value, f"cap={found}")
    return found


def namespace(power: str, *free: str) -> Callable[[Value], str]:
    """A reader of a namespace: the host's needs a grant, the container's own none."""
    known = one_of(*free, "host")

    def read(value: Value) -> str:
        found = value.text()
        if _OF_OTHERS.fullmatch(found):
            raise value.invalid(
                "is not supported: sharing with another container would not survive its replacement"
            )
        found = known(value)
        if found == "host":
            value.reading.grants.need(value, f"{power}=host", at_key=True)
        return found

    return read


def network_mode(value: Value) -> str:
    """none, or the host's network; any other than the app's own belongs under `networks`."""
    found = value.text()
    if found in {"bridge", "default"}:
        raise value.invalid("is not supported: in Docker's default network all apps meet")
    return namespace("network-mode", "none")(value)


def security_opt(value: Value) -> list[str]:
    """Options such as `no-new-privileges:true`, which takes power away and needs no grant."""
    return [found for _, found in each(value.items("a list of options"), _security)]


def _security(value: Value) -> str:
    found = word(value)
    if not _SECURITY.fullmatch(found) or len(found) > 200:  # noqa: PLR2004 - none is near it
        raise value.invalid(
            'must be an option such as "no-new-privileges:true"; profiles in files are not '
            "supported"
        )
    name, _, setting = found.replace("=", ":", 1).partition(":")
    if name != "no-new-privileges" or setting not in {"", "true"}:
        _check_no_file(value, name, setting)
        tidy = f"{name}={setting}" if setting else name
        value.reading.grants.need(value, f"security-opt={tidy}")
        return tidy
    return "no-new-privileges:true"


def _check_no_file(value: Value, name: str, setting: str) -> None:
    """With any other word Compose would read a file of the host by that name."""
    if name == "seccomp" and setting != "unconfined":
        raise value.invalid("of seccomp only unconfined is supported, not a profile in a file")
    if name not in {"seccomp", "apparmor", "label", "systempaths", "no-new-privileges"}:
        raise value.invalid(f"there is no security option {value.shown()}")


def devices(value: Value) -> list[dict[str, str]]:
    """Devices of the host, `/dev/x[:/dev/y[:rwm]]` or `{source, target, permissions}`."""
    return [found for _, found in each(value.items("a list of devices"), _device)]


def _device(value: Value) -> dict[str, str]:
    if value.is_mapping:
        read = fields(value, DEVICE, required=("source",))
        if "source" not in read:
            raise value.already_reported()
        source, target = read["source"], read.get("target", read["source"])
        permissions = read.get("permissions", "rwm")
    else:
        match = _DEVICE.fullmatch(word(value))
        if match is None:
            raise value.invalid(
                f'must be a device such as "/dev/snd" or "/dev/ttyUSB0:/dev/modem:rw", not '
                f"{value.shown()}"
            )
        source, target, permissions = match[1], match[2] or match[1], match[3] or "rwm"
    source, target = normal(source), normal(target)
    if not source.startswith("/dev/") or not (source + target).isprintable():
        raise value.invalid("a device lies below /dev")
    value.reading.grants.need(value, f"device={source}")
    return {"source": source, "target": target, "permissions": permissions}


_device_path = matching(r"/[^:$\x00-\x1f\x7f]+", "an absolute path")
DEVICE: Final[dict[str, Any]] = {
    "source": _device_path,
    "target": _device_path,
    "permissions": matching(r"[rwm]{1,3}", "some of r, w and m"),
}


def sysctls(value: Value) -> dict[str, str]:
    """Parameters of the kernel in the container's namespaces: a mapping, or `name=value`s."""
    if value.is_list:
        pairs = [(i, *found.partition("=")[::2]) for i, found in each(value.items(), word)]
    else:
        children = value.entries('a mapping or a list of "name=value"')
        named = {child.path: name for name, child in children.items()}
        read = each(tuple(children.values()), word)
        pairs = [(child, named[child.path], found) for child, found in read]
    if len(pairs) > _MOST_SYSCTLS:
        raise value.invalid(f"sets {len(pairs)} parameters; {_MOST_SYSCTLS} is the most")
    found: dict[str, str] = {}
    for child, name, setting in pairs:
        with child.collect():
            found[_sysctl(child, name)] = setting
    return found


def _sysctl(value: Value, name: str) -> str:
    if not _SYSCTL.fullmatch(name):
        raise value.refused("is no parameter of the kernel, such as net.core.somaxconn")
    value.reading.grants.need(value, f"sysctl={name}")
    return name


def runtime(value: Value) -> str:
    """Another runtime that Docker knows."""
    found = _runtime_name(value)
    value.reading.grants.need(value, f"runtime={found}")
    return found


def cgroup_parent(value: Value) -> str:
    """The cgroup that the container's own is made in."""
    found = _cgroup_name(value)
    if ".." in found.split("/"):
        raise value.invalid('must not contain ".."')
    value.reading.grants.need(value, "cgroup-parent", at_key=True)
    return found


def oom_score(value: Value) -> int:
    """How early the kernel kills it; below 0 it outlives its neighbours, which takes a grant."""
    found = integer(-1000, 1000)(value)
    if found < 0:
        value.reading.grants.need(value, "oom-score")
    return found


def gpus(value: Value) -> Any:
    """`all`, or a list of devices."""
    value.reading.grants.need(value, "gpus", at_key=True)
    if not value.is_list:
        one_of("all")(value)
        return "all"
    return [found for _, found in each(value.items(), lambda item: fields(item, GPU))]


def reserved_devices(value: Value) -> list[dict[str, Any]]:
    """`deploy.resources.reservations.devices`, which Compose knows GPUs by."""
    value.reading.grants.need(value, "gpus", at_key=True)
    read = each(value.items("a list"), lambda i: fields(i, GPU, required=("capabilities",)))
    for item, found in read:
        if not set(found.get("capabilities", ())) & {"gpu", "nvidia"}:
            text = "of devices only those with the capability gpu are supported"
            item.reading.problems.add(item.node.at, item.path, text)
    return [found for _, found in read]


def _count(value: Value) -> int | str:
    return "all" if value.text() == "all" else integer(1, _MOST_GPUS)(value)


_short_word = matching(r"[A-Za-z0-9_.:-]{1,64}", "a word", longest=64)
GPU: Final[dict[str, Any]] = {
    "driver": _short_word,
    "count": _count,
    "device_ids": list_of(_short_word, "a list of devices"),
    "capabilities": list_of(_short_word, "a list such as [gpu]"),
}


def scheduling_limit(value: Value, name: str) -> None:
    """Notes that a limit lets a process run before all others of the machine."""
    value.reading.grants.need(value, f"ulimit={name}", at_key=True)
