from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from cove.appfile import keys, shapes
from cove.appfile.documentation import documentation
from cove.appfile.reference import KEYS
from cove.appfile.reference_compose import TABLES
from cove.appfile.schema import schema

from support.schema import findings

IMAGE = "image: acme/shop:1\n"
WEB = "services:\n  web:\n    image: acme/shop:1\n"


def test_it_is_a_schema_of_its_dialect() -> None:
    """The meta-schema of 2020-12 accepts it, and it says which dialect it is."""
    found = schema()
    Draft202012Validator.check_schema(found)
    assert found["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_every_reference_leads_somewhere() -> None:
    """No $ref dangles, and every definition is used."""
    found = schema()
    wanted: set[str] = set()

    def visit(node: Any) -> None:
        if isinstance(node, dict):
            if isinstance(node.get("$ref"), str):
                wanted.add(node["$ref"])
            for child in node.values():
                visit(child)
        elif isinstance(node, list):
            for child in node:
                visit(child)

    visit(found)
    assert wanted == {f"#/$defs/{name}" for name in found["$defs"]}


@pytest.mark.parametrize(
    ("catalogue", "known"),
    [
        (keys.APP, shapes.APP),
        (keys.SERVICE, shapes.SERVICE),
        (keys.OPTIONS, shapes.OPTIONS),
        (keys.POWERS, shapes.POWERS),
        (
            keys.COMPOSE_SERVICE.keys() - {"services"},
            shapes.COMPOSE_SERVICE.keys() - {"env", "health", "rollout", "replicas"},
        ),
        (keys.COMPOSE, shapes.COMPOSE),
        (keys.DEFINITIONS, shapes.DEFINITIONS),
    ],
)
def test_every_key_of_the_catalogue_has_a_shape(catalogue: Any, known: Any) -> None:
    """And no key has one that the parser does not know."""
    assert set(catalogue) == set(known)


@pytest.mark.parametrize(
    "text",
    [
        "domain: shop.localhost\n",
        IMAGE + "imagee: x\n",
        IMAGE + "health: {paths: /x}\n",
        IMAGE + "rollout: {ordr: x}\n",
        IMAGE + "routes: [{domain: a.test, pth: /x}]\n",
        IMAGE + "routes: [{path: /x}]\n",
        IMAGE + "routes: {domain: a.test}\n",
        IMAGE + "port: [1]\n",
        IMAGE + "port: 70000\n",
        IMAGE + "replicas: two\n",
        IMAGE + "tls: on\n",
        IMAGE + "build: .\n",
        IMAGE + "depends_on: {db: {condition: healthy}}\n",
        IMAGE + "volumes: [{type: volume, source: a, target: /a, volume: {}}]\n",
        IMAGE + "services: {db: {imag: x}}\n",
        IMAGE + "services: {db: {image: x, env: {A: b}}}\n",
        IMAGE + "x-cove: {domain: a.test}\n",
        IMAGE + "deploy: {placement: {}}\n",
        "services: []\n",
        "services:\n  web: {build: .}\n",
        WEB + "    domain: a.test\n",
        WEB + "    x-cove: {domian: a.test}\n",
        WEB + "port: 80\n",
        WEB + "networks: {a: {ipam: {}}}\n",
        WEB + "configs: {a: {external: true}}\n",
        "- a list\n",
    ],
)
def test_what_no_file_can_mean_is_rejected(text: str) -> None:
    """Unknown keys, wrong kinds of values and missing ones, at every level, in both forms."""
    assert findings(text) != []


@pytest.mark.parametrize(
    "text",
    [
        IMAGE + "replicas: ${N}\nport: ${PORT:-80}\ninit: ${INIT}\ntls: ${TLS}\n",
        IMAGE + "domain:\nport: ~\nenv: {A: }\n",
        IMAGE + "x-anything: [1, {a: b}]\n",
        IMAGE + 'port: "8000"\nreplicas: "2"\ninit: "true"\nrestart: no\ntls: off\n',
        IMAGE + "env: {A: 1, B: 1.5, C: true, D: 2024-01-31, E: text}\n",
        IMAGE + "volumes: [data:/data]\nservices: {db: {image: postgres}}\n",
        IMAGE + "volumes: {data: }\nservices: {db: {image: postgres}}\n",
        "services:\n  web: {profiles: [later], build: ., whatever: 1}\n  db: {image: x}\n",
        "x-common: &common {init: true}\n" + IMAGE + "<<: *common\n",
        WEB + "    x-anything: 1\nvolumes: {a: , b: {x-y: 1}}\nnetworks: {n: }\n",
    ],
)
def test_what_a_file_may_look_like_is_accepted(text: str) -> None:
    """Variables, empty keys, quoted numbers, words that an older YAML takes for truth values."""
    assert findings(text) == []


def test_every_example_fits_its_own_place() -> None:
    """The examples beside a property are values that the property takes."""
    found = schema()
    checked = 0
    for part in (found["then"], found["else"], *found["$defs"].values()):
        for shape in part.get("properties", {}).values():
            for example in shape.get("examples", ()):
                whole = {**shape, "$defs": found["$defs"]}
                assert Draft202012Validator(whole).is_valid(example), (shape, example)
                checked += 1
    assert checked > len(KEYS)


def test_every_key_has_words_without_links() -> None:
    """What stands in a terminal or an editor leads nowhere by link."""
    known = documentation()
    assert set(KEYS) <= set(known)
    assert {f"{table.path}.{key}" for table in TABLES if table.path for key in table.keys} <= set(
        known
    )
    assert [key.path for key in known.values() if "](" in key.text or not key.example] == []
