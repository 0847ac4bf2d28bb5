"""The API describes itself: a whole OpenAPI document with every route it answers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, cast

import pytest

from cove.agent.api.server import Api
from cove.agent.platform import Parts

from support.agent import Agent
from support.unix_http import request

METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture(scope="module")
def document(agent: Agent) -> dict[str, Any]:
    """The document as the agent serves it."""
    return agent.api("GET", "/v1/openapi.json")


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every operation with its method and path."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield method, path, operation


def references(node: Any) -> Iterator[str]:
    """Every $ref below a node."""
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for child in node.values():
            yield from references(child)
    elif isinstance(node, list):
        for child in node:
            yield from references(child)


def test_it_is_an_openapi_document(document, agent):
    """The fields that OpenAPI 3.1 requires are there."""
    assert document["openapi"].startswith("3.1.")
    assert document["info"]["title"]
    version = agent.version()
    assert version
    assert document["info"]["version"] == version["version"]
    assert document["paths"]


def test_it_lists_every_route_of_the_application(document):
    """What the server routes and what the document lists are the same."""
    served = {
        (route.method.lower(), route.resource.canonical)
        for route in Api(cast("Parts", None), lambda _: None).application().router.routes()
        if route.resource and route.method != "HEAD"
    }
    listed = {(method, path) for method, path, _ in operations(document)}
    assert listed == served


def test_every_operation_is_whole(document):
    """Each has a unique id, a summary, an answer with a schema, and its path's parameters."""
    seen = set()
    for method, path, operation in operations(document):
        where = f"{method} {path}"
        assert method in METHODS, where
        assert operation["summary"], where
        seen.add(operation["operationId"])
        answers = operation["responses"]
        good = [answers[status] for status in answers if status.startswith("2")]
        assert good, where
        for one in good:
            assert one["description"], where
            assert all("schema" in content for content in one["content"].values()), where
        named = {p["name"] for p in operation.get("parameters", ()) if p["in"] == "path"}
        assert named == set(re.findall(r"\{(\w+)\}", path)), where
        assert all(p["required"] for p in operation["parameters"] if p["in"] == "path"), where
    assert len(seen) == len(list(operations(document)))


def test_every_reference_leads_somewhere(document):
    """No $ref dangles, and every component is used."""
    wanted = set(references(document))
    there = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert wanted == there


def test_an_unknown_route_is_answered_as_an_error(agent):
    """404 with an error document, for a path and for a method that do not exist."""
    for method, path in (("GET", "/v1/nothing"), ("DELETE", "/v1/apps"), ("GET", "/")):
        status, body = request(agent.socket, method, path)
        assert (status, body["error"]["code"]) == (404, "no-route"), (method, path)


def test_an_answer_has_the_fields_its_schema_requires(agent, document):
    """What /v1/version answers is what the document says of it."""
    schema = document["paths"]["/v1/version"]["get"]["responses"]["200"]["content"]
    schema = schema["application/json"]["schema"]
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    assert set(schema["required"]) <= set(agent.version() or ()) <= set(schema["properties"])
