"""Docker's JSON into cove's facts. Pure; imported inside `cove.adapters.docker` only."""

from __future__ import annotations

import ipaddress
from datetime import datetime
from typing import Any, cast, get_args

from cove.ports import ChangeAction as Action
from cove.ports import ContainerChange, ContainerFacts, ImageFacts, Sighting
from cove.render.naming import LABEL_APP, LABEL_CONFIG, LABEL_RELEASE, LABEL_SERVICE, Naming

_MAX_PORT = 65535
_DIGITS = 5
_MICROSECONDS = 26  # characters of an ISO time up to the sixth decimal, all that Python keeps


def container_facts(document: dict[str, Any]) -> ContainerFacts:
    """From `GET /containers/{id}/json`."""
    state = document["State"]
    labels = document["Config"].get("Labels") or {}
    return ContainerFacts(
        id=document["Id"],
        name=document["Name"].lstrip("/"),
        app=labels.get(LABEL_APP, ""),
        service=labels.get("com.docker.compose.service", ""),
        release=_number(labels.get(LABEL_RELEASE, "")),
        role=labels.get(LABEL_SERVICE, ""),
        config=labels.get(LABEL_CONFIG, ""),
        state=state["Status"],
        exit_code=state.get("ExitCode", 0),
        oom_killed=bool(state.get("OOMKilled")),
        restarts=document.get("RestartCount", 0),
        pid=state.get("Pid", 0),
        started_at=timestamp(state.get("StartedAt", "")),
        health=(state.get("Health") or {}).get("Status", ""),
        image_id=document.get("Image", ""),
        memory_limit=document.get("HostConfig", {}).get("Memory", 0) or 0,
        error=state.get("Error", ""),
    )


def sighting(entry: dict[str, Any], naming: Naming) -> Sighting:
    """From an entry of `GET /containers/json`."""
    labels = entry.get("Labels") or {}
    networks = (entry.get("NetworkSettings") or {}).get("Networks") or {}
    joined = {name: n["IPAddress"] for name, n in networks.items() if n.get("IPAddress")}
    app = labels.get(LABEL_APP, "")
    return Sighting(
        id=entry["Id"],
        name=next(iter(entry.get("Names") or ()), "").lstrip("/"),
        app=app,
        service=labels.get("com.docker.compose.service", ""),
        release=_number(labels.get(LABEL_RELEASE, "")),
        state=entry["State"],
        addresses=tuple(joined.values()),
        networks=tuple(n for n in (naming.network_inside(app, name) for name in joined) if n),
    )


def container_change(event: dict[str, Any]) -> ContainerChange | None:
    """From a line of `GET /events`; None for one that says nothing."""
    action = str(event.get("Action", "")).removeprefix("health_status: ")
    if action not in get_args(Action):
        return None
    labels = event["Actor"]["Attributes"]
    code = str(labels.get("exitCode", ""))
    return ContainerChange(
        nano=int(event.get("timeNano", 0)),
        action=cast("Action", action),
        container=event["Actor"]["ID"],
        app=labels.get(LABEL_APP, ""),
        service=labels.get("com.docker.compose.service", ""),
        release=_number(labels.get(LABEL_RELEASE, "")),
        exit_code=_number(code),
    )


def image_facts(document: dict[str, Any]) -> ImageFacts:
    """From `GET /images/{name}/json`."""
    config = document.get("Config") or {}
    exposed = [_exposed(text) for text in config.get("ExposedPorts") or {}]
    return ImageFacts(
        id=document["Id"],
        digests=tuple(document.get("RepoDigests") or ()),
        tags=tuple(document.get("RepoTags") or ()),
        ports=tuple(sorted({port for port in exposed if port})),
        volumes=tuple(sorted(config.get("Volumes") or {})),
        architecture=document.get("Architecture", ""),
        os=document.get("Os", "") or "linux",
        size=document.get("Size", 0),
    )


def place_in(subnet: str, like: str) -> str:
    """The address that lies in a range where `like` lies in its own, which is as large."""
    block = ipaddress.IPv4Network(subnet)
    return str(block[int(ipaddress.IPv4Address(like)) % block.num_addresses])


def timestamp(text: str) -> float:
    """Seconds since the epoch from Docker's RFC 3339 time with nanoseconds; 0 for its zero time."""
    if not text or text.startswith("0001-"):
        return 0.0
    base, dot, rest = text.partition(".")
    fraction = rest.rstrip("Z")
    precise = f"{base}{dot}{fraction}"[:_MICROSECONDS] if dot else base.rstrip("Z")
    return datetime.fromisoformat(f"{precise}+00:00").timestamp()


def _exposed(text: str) -> int:
    """The TCP port of `8000/tcp`; 0 for what is none: whoever made the image may write anything."""
    port, _, kind = text.partition("/")
    valid = kind in ("", "tcp") and port.isascii() and port.isdecimal() and len(port) <= _DIGITS
    return int(port) if valid and 0 < int(port) <= _MAX_PORT else 0


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0
