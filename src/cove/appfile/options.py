"""Readers of the Compose keys that Compose itself is to act on. Imported by this package alone.

Each returns the value in the form `docker compose config` prints, so that it can be written into
a Compose file as it is (dollar signs doubled).
"""

from __future__ import annotations

import re
import shlex
from typing import Any, Final

from cove.appfile.host_keys import reserved_devices, scheduling_limit
from cove.appfile.problems import quote
from cove.appfile.scalars import (
    MAX_PORT,
    boolean,
    compose_duration,
    compose_size,
    duration,
    either,
    integer,
    matching,
    number,
    one_of,
    plain_address,
    size,
    text,
    word,
)
from cove.appfile.value import Value, each, fields

# Who owns a label's name space, and what to do instead.
_RESERVED_LABELS: Final = {
    "com.docker.": "is Docker's own",
    "io.docker.": "is Docker's own",
    "org.dockerproject.": "is Docker's own",
    "cove.": "is cove's own",
    "traefik.": "is not read: domain and routes say what the proxy does",
}
_LABEL: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,253}[A-Za-z0-9])?", re.ASCII)
_HOST: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_HOST_WORDS: Final = "a host's name is letters, digits, dashes and dots"
_LIMITS: Final = frozenset(
    {"core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nofile", "nproc"}
    | {"rss", "rttime", "sigpending", "stack"}
)
# They let a process run before all others of the machine, its limits of CPU notwithstanding.
_SCHEDULING: Final = frozenset({"nice", "rtprio"})
_LEAST_CPUS: Final = 0.01  # cove's own: what is below stops an app without a word
_LONGEST_COMMAND: Final = 128 * 1024  # characters; Linux, MAX_ARG_STRLEN
# Docker runs a check outside the container's limits; at its least interval of 1 ms that takes a
# fifth of a core.
_OFTENEST_CHECK: Final = 0.5  # seconds
# Of one log file: less loses lines before they are read, more fills the disk all apps share.
_LEAST_LOG: Final = 100 * 1024
_MOST_LOG: Final = 100 * 1024 * 1024
_PORT_OR_RANGE: Final = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?(?:/(?:tcp|udp|sctp))?")

cpus = number(_LEAST_CPUS, 1024)
replicas = integer(1, 10)
memory = compose_size(least=6 * 1024 * 1024)  # Docker refuses a container less than 6 MB
pids = either("-1", -1, integer(1, 4_194_304))  # 2^22, the kernel's PID_MAX_LIMIT
_limit = integer(-1, 2**59)

user = matching(
    r"(?:[0-9]{1,10}|[A-Za-z_][A-Za-z0-9_.-]*)(?::(?:[0-9]{1,10}|[A-Za-z_][A-Za-z0-9_.-]*))?",
    'a user such as "1000:1000" or "app"',
)
directory = matching(r"/[^\x00-\x1f\x7f]*", "an absolute path", longest=4095)
hostname = matching(
    r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?", "a host name of one part", longest=63
)
signal = matching(
    r"(?:SIG)?[A-Z]{2,8}[0-9]?(?:[+-][0-9]{1,2})?|[1-9][0-9]?", 'a signal such as "SIGTERM"'
)
platform = matching(r"linux(?:/[a-z0-9]+(?:/v[0-9]+)?)?", 'a Linux platform such as "linux/arm64"')
restart = matching(
    r"no|always|unless-stopped|on-failure(?::[1-9][0-9]{0,5})?",
    'no, always, unless-stopped, on-failure or "on-failure:N"',
)
cpuset = matching(r"[0-9]{1,4}(?:-[0-9]{1,4})?(?:,[0-9]{1,4}(?:-[0-9]{1,4})?)*", 'CPUs as "0-2,4"')
group = matching(r"[0-9]{1,10}|[A-Za-z_][A-Za-z0-9_.-]*", "a group's name or number")
dns_option = matching(r"[a-z][a-z0-9-]*(?::[0-9]{1,5})?", 'an option such as "ndots:2"')


def command(value: Value) -> list[str]:
    """A list of arguments; a single text is split as a shell would split it."""
    if value.is_list:
        return [found for _, found in each(value.items(), text)]
    found = value.text("a command")
    if len(found) > _LONGEST_COMMAND:
        raise value.invalid("is longer than the 128 KB that Linux passes on")
    try:
        return shlex.split(found)
    except ValueError:
        raise value.invalid("a quote in the command is not closed") from None


def labels(value: Value) -> dict[str, str]:
    """A mapping, or a list of `name=value`."""
    if value.is_list:
        pairs = [(item, *found.partition("=")[::2]) for item, found in each(value.items(), text)]
    else:
        children = value.entries('a mapping or a list of "name=value"')
        read = each(tuple(children.values()), lambda child: "" if child.null else child.text())
        found_in = {child.path: found for child, found in read}
        pairs = [(c, name, found_in[c.path]) for name, c in children.items() if c.path in found_in]
    found: dict[str, str] = {}
    for child, name, content in pairs:
        with child.collect():
            _check_label(name, child)
            if name in found:
                raise child.invalid(f"the label {quote(name)} was given before")
            found[name] = content
    return found


def _check_label(name: str, value: Value) -> None:
    for prefix, why in _RESERVED_LABELS.items():
        if name.startswith(prefix):
            raise value.refused(f'the label name space "{prefix}*" {why}')
    if not _LABEL.fullmatch(name):
        shown = "this" if value.interpolated else quote(name)
        raise value.refused(f"{shown} is no name of a label")


def extra_hosts(value: Value) -> list[str]:
    """A mapping of hosts to addresses, or a list of `host=address` or `host:address`."""
    if value.is_list:
        return [found for _, found in each(value.items(), _extra_host)]
    found: list[str] = []
    for name, child in value.entries('a mapping or a list of "host=address"').items():
        with child.collect():
            _check_host(name, child)
            several = each(child.one_or_many("an address or a list of them"), _host_address)
            found.extend(f"{name}={address}" for _, address in several)
    return found


def _extra_host(value: Value) -> str:
    host, sign, rest = re.sub(r"[=:]", "=", word(value), count=1).partition("=")
    if not sign:
        raise value.invalid(f'must read "host=address", not {value.shown()}')
    _check_host(host, value)
    return f"{host}={_host_address(value.having(rest))}"


def _check_host(name: str, value: Value) -> None:
    if not _HOST.fullmatch(name):
        raise value.refused(_HOST_WORDS)


def _host_address(value: Value) -> str:
    return "host-gateway" if value.text() == "host-gateway" else ip_address(value)


def ip_address(value: Value) -> str:
    """An IPv4 or IPv6 address."""
    found = plain_address(word(value))
    if not found:
        raise value.invalid(f"must be an IP address, not {value.shown()}")
    return found


def dns_search(value: Value) -> str:
    """A domain that short names are looked up in; "." is none."""
    found = value.text("a domain")
    if found != "." and not _HOST.fullmatch(found):
        raise value.invalid(_HOST_WORDS)
    return found


def ulimits(value: Value) -> dict[str, Any]:
    """Limits by name, each one number or `{soft, hard}`; -1 is no limit."""
    found: dict[str, Any] = {}
    for name, child in value.entries().items():
        with child.collect():
            if name in _SCHEDULING:
                scheduling_limit(child, name)
            elif name not in _LIMITS:
                raise child.refused(f"there is no limit {quote(name)}")
            found[name] = _soft_and_hard(child) if child.is_mapping else _limit(child)
    return found


def _soft_and_hard(value: Value) -> dict[str, Any]:
    read = fields(value, {"soft": _limit, "hard": _limit}, required=("soft", "hard"))
    if len(read) == 2 and read["hard"] != -1 and not -1 < read["soft"] <= read["hard"]:  # noqa: PLR2004
        raise value.invalid("soft must not be above hard")
    return read


def expose(value: Value) -> list[str]:
    """Ports that the image listens on, for the record; ranges stay ranges."""
    found = []
    for item, port in each(value.items(), word):
        with item.collect():
            match = _PORT_OR_RANGE.fullmatch(port)
            first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
            if not 1 <= first <= last <= MAX_PORT:
                raise item.invalid(f"must be a port from 1 to {MAX_PORT}, not {item.shown()}")
            found.append(port)
    return found


def exposed(text: str) -> range:
    """The TCP ports of one entry of `expose` that was read."""
    match = _PORT_OR_RANGE.fullmatch(text)
    if match is None or text.endswith(("/udp", "/sctp")):
        return range(0)
    return range(int(match[1]), int(match[2] or match[1]) + 1)


def healthcheck(value: Value) -> dict[str, Any]:
    """Docker's own check, inside the container; cove's is `health`."""
    read = fields(value, _HEALTHCHECK)
    if read.get("disable") and len(read) > 1:
        raise value.invalid("disable goes with no other key")
    return read


def _test(value: Value) -> list[str]:
    if not value.is_list:
        return ["CMD-SHELL", value.text("a command or a list")]
    found = [item for _, item in each(value.items(), text)]
    first = found[0] if found else ""
    if first not in {"NONE", "CMD", "CMD-SHELL"}:
        raise value.invalid('the list must begin with "CMD", "CMD-SHELL" or "NONE"')
    if (first == "NONE") != (len(found) == 1):
        raise value.invalid(f'what follows "{first}" does not fit it')
    return found


def _interval(value: Value) -> str:
    if 0 < duration(zero=True)(value) < _OFTENEST_CHECK:
        raise value.invalid(f"must be at least {_OFTENEST_CHECK * 1000:.0f}ms")
    return compose_duration(value)


_HEALTHCHECK: Final = {
    "test": _test,
    "interval": _interval,
    "timeout": compose_duration,
    "retries": integer(1, 1000),
    "start_period": compose_duration,
    "start_interval": _interval,
    "disable": boolean,
}


def logging(value: Value) -> dict[str, Any]:
    """Where Docker keeps the log: cove reads it from there, so only what it can read."""
    read = fields(value, _LOGGING)
    return {"driver": "json-file", **read}


_log_size_word = matching(r"[1-9][0-9]{0,8}[kKmMgG]?", 'a size such as "10m"')


def _log_size(value: Value) -> str:
    found = _log_size_word(value)
    if not _LEAST_LOG <= size(value) <= _MOST_LOG:
        raise value.invalid("must be from 100k to 100m")
    return found


_LOG_OPTIONS: Final = {
    "max-size": _log_size,
    "max-file": lambda value: str(integer(1, 10)(value)),
}
_OTHER_LOG: Final = "other options would keep cove from reading the log"
_LOGGING: Final = {
    "driver": one_of("json-file", "local"),
    "options": lambda value: fields(
        value, _LOG_OPTIONS, refused=dict.fromkeys(("mode", "tag", "labels", "env"), _OTHER_LOG)
    ),
}

_SWARM: Final = "belongs to Swarm, which is not supported yet"
_RESOURCES: Final[dict[str, Any]] = {"cpus": cpus, "memory": memory, "pids": pids}
_RESERVED: Final = {"cpus": cpus, "memory": memory, "devices": reserved_devices}
_INSTEAD: Final = "is not read here; instead, write"
DEPLOY_REFUSED: Final = {
    "update_config": f"{_INSTEAD} rollout, under x-cove in a Compose file",
    "rollback_config": f"{_INSTEAD} rollout, under x-cove in a Compose file",
    "restart_policy": f"{_INSTEAD} restart in the service itself",
    "labels": f"{_INSTEAD} labels in the service itself",
    **dict.fromkeys(("placement", "endpoint_mode"), _SWARM),
}


def deploy(value: Value) -> dict[str, Any]:
    """Of Compose's `deploy` the resources, and the number of replicas."""
    return fields(value, DEPLOY, refused=DEPLOY_REFUSED)


def _resources(value: Value) -> dict[str, Any]:
    return fields(value, RESOURCES)


RESOURCES: Final[dict[str, Any]] = {
    "limits": lambda value: fields(
        value, _RESOURCES, refused={"devices": "belongs to reservations"}
    ),
    "reservations": lambda value: fields(
        value, _RESERVED, refused={"generic_resources": _SWARM, "pids": "belongs to limits"}
    ),
}
DEPLOY: Final[dict[str, Any]] = {
    "resources": _resources,
    "replicas": replicas,
    "mode": one_of("replicated"),
}
