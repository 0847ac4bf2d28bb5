"""What must hold for every Compose file, however it came about."""

from __future__ import annotations

import re
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from cove.appfile import Server, load, reference_compose, references
from cove.appfile.keys import COMPOSE, COMPOSE_SERVICE, REFUSED, X_COVE
from cove.appfile.reference import KEYS
from cove.errors import InvalidFile
from cove.model import names
from cove.model.app import App, in_order
from cove.model.powers import covers

from support.schema import findings

FINDING = re.compile(r"(shop\.yml:[1-9][0-9]*:[1-9][0-9]*|x:[1-9][0-9]*): .+")
GRANTED = frozenset(
    {"host-bind=/", "docker-socket", "cap=ALL", "privileged", "pid=host", "ipc=host", "gpus"}
    | {"network-mode=host", "external-network=a", "external-volume=a", "userns=host", "uts=host"}
)
WORDS = st.sampled_from(
    [
        "",
        "x",
        "a",
        "b",
        "1",
        "true",
        "false",
        "host",
        "a:/b",
        "/x:/y",
        "80:80",
        "a.test",
        "$A",
        "service_healthy",
        "../x",
        "./x:/x",
        "é",
        "{{a}}",
        "1s",
        "NET_ADMIN",
        "0440",
        "all",
    ]
)

PARTS = st.sampled_from(
    [
        "a",
        "b",
        "source",
        "target",
        "type",
        "file",
        "content",
        "environment",
        "condition",
        "domain",
        "path",
        "external",
        "name",
        "internal",
        "aliases",
        "driver",
        "mode",
        "required",
        "port",
    ]
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    WORDS | st.none() | st.booleans() | st.integers(-1, 99_999),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(PARTS, inner, max_size=3),
    max_leaves=6,
)
EXAMPLES = {
    key: yaml.load(entry.example, Loader=yaml.BaseLoader).get(key, "none")  # noqa: S506 - text stays text
    for key, entry in {**KEYS, **reference_compose.X_COVE.keys}.items()
}
MEANT: dict[str, st.SearchStrategy[Any]] = {
    "depends_on": st.lists(st.sampled_from(["a", "b", "c"]), max_size=2),
    "networks": st.just(["default"]),
    "configs": st.just([]),
    "secrets": st.just([]),
    "volumes": st.just(["./x:/x:ro"]),
    "profiles": st.just([]),
}


def value_of(key: str) -> st.SearchStrategy[Any]:
    """Mostly what the key may have."""
    usual = MEANT.get(key, st.just(EXAMPLES.get(key, "1")))
    return st.integers(0, 9).flatmap(lambda number: usual if number else VALUES)


def keyed(known: set[str], most: int) -> st.SearchStrategy[dict[str, Any]]:
    """Some keys with a value each."""
    pairs = [st.tuples(st.just(key), value_of(key)) for key in sorted(known)]
    return st.lists(st.one_of(pairs), max_size=most).map(dict)


SERVICES = st.dictionaries(
    st.sampled_from(["a", "b", "c", "d_e"] * 3 + ["a-2", "a-r1", "A"]),
    st.tuples(keyed({*COMPOSE_SERVICE} - {"x-cove"}, 4), keyed({*X_COVE}, 2)).map(
        lambda both: {"image": "x", **both[0], "x-cove": both[1]}
    )
    | keyed({*COMPOSE_SERVICE, *REFUSED}, 3),
    min_size=1,
    max_size=4,
)
FILES: st.SearchStrategy[dict[str, Any]] = st.just({}) | st.dictionaries(
    st.sampled_from(sorted({*COMPOSE, "image", "env"})), VALUES, max_size=3
)


def load_or_refuse(text: str, granted: frozenset[str]) -> App | InvalidFile:
    """The app, or why there is none; any other exception fails the test."""
    wanted = references(text)
    try:
        return load(
            text,
            name="shop.yml",
            env_files=dict.fromkeys(wanted.env_files, "A=1"),
            variables=dict.fromkeys(wanted.variables, "1"),
            files=dict.fromkeys(wanted.files, "x"),
            server=Server("/srv/shop", lambda _: granted),
        )
    except InvalidFile as error:
        return error


@given(SERVICES, FILES)
def test_any_services_are_an_app_or_an_invalid_file(
    services: dict[str, Any], top: dict[str, Any]
) -> None:
    """Nothing else ever leaves, every finding has its place, and an app hangs together."""
    text = yaml.safe_dump({**top, "services": services}, allow_unicode=True, sort_keys=False)
    found = load_or_refuse(text, GRANTED)
    if isinstance(found, InvalidFile):
        assert found.problems
        assert not [line for line in found.problems if not FINDING.fullmatch(line)]
        assert not [line for line in found.problems if "is not set" in line]
        return
    check(found)
    assert findings(text) == []  # what the parser accepts, the schema does
    if not found.powers:
        assert load_or_refuse(text, frozenset()) == found


def check(app: App) -> None:
    """Every name leads somewhere, and every power was given."""
    known = {service.name for service in app.services}
    networks = {network.name for network in app.networks} | {"default"}
    assert len(known) == len(app.services) == len(in_order(app.services))
    assert all(covers(GRANTED, power) for power in app.powers)
    for service in app.services:
        assert names.matches(names.SERVICE, service.name)
        assert {d.service for d in service.depends_on} <= known - {service.name}
        assert {a.network for a in service.networks} <= networks
        assert all(m.source.startswith("/") for m in service.mounts if m.kind == "bind")
    assert {route.service for route in app.routes} <= known
    assert all("{{" not in route.key for route in app.routes)


@given(SERVICES, FILES)
def test_without_a_grant_no_app_has_power(services: dict[str, Any], top: dict[str, Any]) -> None:
    """Whatever the file says."""
    text = yaml.safe_dump({**top, "services": services}, allow_unicode=True)
    found = load_or_refuse(text, frozenset())
    if isinstance(found, App):
        assert found.powers == ()
        assert all(mount.kind != "bind" for s in found.services for mount in s.mounts)
