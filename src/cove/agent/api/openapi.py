"""The OpenAPI document, made from what the endpoints declare. Imported inside `cove.agent.api`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from cove import __version__
from cove.agent.api.endpoint import Endpoint

_TEMPLATE = "#/components/schemas/{name}"
_FILTERS = (
    *("service", "release", "container", "stream", "level", "since", "until"),
    *("text", "regex", "word", "ignore_case"),
)
_LOGS = (*_FILTERS, "before", "after", "tail", "newest", "follow")
_QUERIES = {
    "/v1/rollouts": ("app", "limit"),
    "/v1/rollouts/{id}/events": ("after",),
    "/v1/apps/{app}/logs": _LOGS,
    "/v1/logs": ("app", *_LOGS),
    "/v1/logs/counts": ("app", *_FILTERS),
    "/v1/metrics": ("app", "since", "until", "points"),
    "/v1/metrics/live": ("every",),
    "/v1/uptime": ("app",),
    "/v1/alerts/history": ("app", "limit"),
    "/v1/events": ("app", "follow", "after", "since", "tail"),
}

# POSTs that answer with a result: 200
_AT_ONCE = (
    "/v1/plan",
    "/v1/rollouts/{id}/cancel",
    "/v1/apps/{app}/powers/grant",
    "/v1/apps/{app}/powers/revoke",
    "/v1/alerts/rules",
    "/v1/alerts/silences",
    "/v1/alerts/silences/end",
    "/v1/alerts/windows",
    "/v1/alerts/windows/remove",
    "/v1/alerts/channels",
    "/v1/alerts/channels/remove",
    "/v1/alerts/test",
)


def document(table: Iterable[Endpoint]) -> dict[str, Any]:
    """OpenAPI 3.1 for every endpoint of the table."""
    endpoints = list(table)
    types = [kind for e in endpoints for kind in (*e.answer.values(), e.body) if kind is not None]
    schemas, components = msgspec.json.schema_components(types, ref_template=_TEMPLATE)
    by_type = {str(kind): schema for kind, schema in zip(types, schemas, strict=True)}
    paths: dict[str, Any] = {}
    for endpoint in endpoints:
        operation = _operation(endpoint, by_type)
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "cove agent", "version": __version__},
        "paths": paths,
        "components": {"schemas": components},
    }


def _operation(endpoint: Endpoint, by_type: dict[str, Any]) -> dict[str, Any]:
    kind = "application/x-ndjson" if endpoint.streams else "application/json"
    kind = "text/plain" if endpoint.text else kind
    status = "202" if endpoint.method == "POST" and endpoint.path not in _AT_ONCE else "200"
    operation: dict[str, Any] = {
        "summary": endpoint.summary,
        "operationId": endpoint.name,
        "parameters": _parameters(endpoint),
        "responses": {
            status: {
                "description": endpoint.summary,
                "content": {kind: {"schema": _answer(endpoint, by_type)}},
            },
            "default": {"description": "an error: code, message, hint, log, problems, exit_code"},
        },
    }
    if endpoint.body is not None:
        content = {"application/json": {"schema": by_type[str(endpoint.body)]}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _answer(endpoint: Endpoint, by_type: dict[str, Any]) -> dict[str, Any]:
    if "" in endpoint.answer:
        return dict(by_type[str(endpoint.answer[""])])
    properties = {key: by_type[str(kind)] for key, kind in endpoint.answer.items()}
    return {"type": "object", "properties": properties, "required": list(properties)}


def _parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    named = re.findall(r"\{(\w+)\}", endpoint.path)
    queries = _QUERIES.get(endpoint.path, ()) if endpoint.method == "GET" else ()
    text = {"type": "string"}
    return [{"name": name, "in": "path", "required": True, "schema": text} for name in named] + [
        {"name": name, "in": "query", "schema": text} for name in queries
    ]
