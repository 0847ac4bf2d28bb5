"""Reader of `depends_on`, and what must hold of it among siblings. Used by this package alone."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any, Final

from cove.appfile.problems import quote
from cove.appfile.scalars import boolean, one_of, word
from cove.appfile.value import Value, each, fields, nearest
from cove.model.app import Condition, Dependency, Service

Depends = list[tuple[Value, Dependency]]

_CONDITIONS: Final[dict[str, Condition]] = {
    "service_started": "started",
    "service_healthy": "healthy",
    "service_completed_successfully": "completed",
}
_condition_word = one_of(*_CONDITIONS)
_RESTARTS: Final = ("always", "unless-stopped")


def depends_on(value: Value) -> Depends:
    """A list of siblings, or a mapping of them to what must be true of each."""
    if value.is_list:
        read = each(value.items(), word)
        _report_twice(read)
        return [(item, Dependency(service=name)) for item, name in read]
    children = value.entries("a list of services or a mapping of them")
    named = {child.path: name for name, child in children.items()}
    return each(tuple(children.values()), lambda child: _dependency(named[child.path], child))


def _report_twice(read: list[tuple[Value, str]]) -> None:
    first: dict[str, Value] = {}
    for item, name in read:
        if first.setdefault(name, item) is not item:
            text = f"{quote(name)} was given before, by {first[name].path}"
            item.reading.problems.add(item.node.at, item.path, text)


def _dependency(name: str, value: Value) -> Dependency:
    return Dependency(service=name, **({} if value.null else fields(value, FIELDS)))


def _condition(value: Value) -> Condition:
    return _CONDITIONS[_condition_word(value)]


FIELDS: Final[dict[str, Any]] = {
    "condition": _condition,
    "required": boolean,
    "restart": boolean,
}


def holds(
    name: str,
    value: Value,
    found: Dependency,
    services: Mapping[str, Service],
    dropped: Container[str],
) -> bool:
    """Whether a service can depend on another as it says; if not, that is recorded.

    Without a finding it does not hold only where the other may be absent and is.
    """
    other = found.service
    if other == name:
        _report(value, "a service cannot depend on itself")
    elif other in services:
        return _possible(value, found, services[other])
    elif other not in dropped:
        shown = "this" if value.interpolated else quote(other)
        _report(value, f"there is no service {shown}{nearest(value, other, list(services))}")
    elif found.required:
        text = f"{quote(other)} has none of the active profiles; activate one with x-cove.profiles"
        _report(value, f"{text}, or write required: false")
    return False


def _possible(value: Value, found: Dependency, other: Service) -> bool:
    check = other.options.get("healthcheck", {})
    restart = other.options.get("restart")
    if found.condition == "healthy" and (
        check.get("disable") or check.get("test", [""])[0] == "NONE"
    ):
        _report(value, f"{quote(other.name)} disables its healthcheck: it can never be healthy")
    if found.condition == "completed" and restart in _RESTARTS:
        text = f"with restart: {restart} {quote(other.name)} never completes"
        _report(value, f'{text}; write restart: "no" or on-failure there')
    return True


def report_circles(depends: Mapping[str, Depends]) -> None:
    """Records each circle of dependencies once, where it closes."""
    done: set[str] = set()
    way: list[str] = []

    def visit(name: str) -> None:
        way.append(name)
        for value, found in depends.get(name, ()):
            if found.service in way[:-1]:
                circle = [*way[way.index(found.service) :], found.service]
                _report(value, f"depends in a circle: {' → '.join(circle)}")
            elif found.service not in done and found.service != name:
                visit(found.service)
        way.pop()
        done.add(name)

    for name in depends:
        if name not in done:
            visit(name)


def _report(value: Value, text: str) -> None:
    value.reading.problems.add(value.node.at, value.path, text)
