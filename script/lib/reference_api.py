"""docs/reference/api.md from the agent's OpenAPI document. Imported by `script.lib.reference`."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import dedent
from typing import Any, cast

from cove.agent.api.openapi import document as openapi
from cove.agent.api.server import Api

HEAD = dedent("""\
    # The agent's API

    HTTP/1.1 with JSON over the unix socket `agent.sock` in the data directory. Only root may use
    it. The command line is a client of it and has no other way in. Its OpenAPI document:

    ```sh
    curl --unix-socket /var/lib/cove/agent.sock http://cove/v1/openapi.json
    ```

    Times are seconds since the epoch. Streams are one JSON object per line; an empty line every ten
    seconds keeps them alive. One that is not whole breaks off; one of logs that cannot go on ends
    with an error, as below, for its last line. Until the agent is ready, every path but
    `/v1/version`, `/v1/openapi.json` and `/v1/shutdown` answers 503 with the code `starting`.

    An error is `{"error": {"code", "message", "hint", "log", "problems", "exit_code"}}` with the
    status 404 (not found), 409 (locked or refused), 422 (an invalid file or request), 503 (the
    platform) or 500. Codes are listed in [errors.md](errors.md).
    """)


def document() -> str:
    """Every endpoint and every schema."""
    found = described()
    parts = [HEAD, "## Endpoints\n"]
    for path, operations in found["paths"].items():
        for method, operation in operations.items():
            parts.extend(_endpoint(method.upper(), path, operation))
    parts.append("## Schemas\n")
    for name, schema in sorted(found["components"]["schemas"].items()):
        parts.append(_schema(name, schema))
    return "\n".join(parts)


def described() -> dict[str, Any]:
    """The OpenAPI document, without an agent: declaring endpoints needs none of its parts."""
    return openapi(Api(cast("Any", None), lambda _: None).endpoints())


def _endpoint(method: str, path: str, operation: dict[str, Any]) -> Iterator[str]:
    yield f"### {method} {path}\n"
    yield f"{operation['summary']}.\n"
    queries = [f"`{p['name']}`" for p in operation["parameters"] if p["in"] == "query"]
    if queries:
        yield f"- Query: {', '.join(queries)}"
    body = operation.get("requestBody")
    if body:
        yield f"- Body: {_kind(body['content']['application/json']['schema'])}"
    status, response = next(iter(operation["responses"].items()))
    kind, content = next(iter(response["content"].items()))
    stream = ", a stream of" if kind == "application/x-ndjson" else ""
    yield f"- Answer: {status}{stream} {_answer(content['schema'])}\n"


def _answer(schema: dict[str, Any]) -> str:
    if "properties" not in schema:
        return _kind(schema)
    fields = ", ".join(f"`{n}`: {_kind(s)}" for n, s in schema["properties"].items())
    return f"{{{fields}}}" if fields else "`{}`"


def _schema(name: str, schema: dict[str, Any]) -> str:
    required = set(schema.get("required", ()))
    lines = [f"### {name}\n", f"{schema.get('description', '').strip()}\n"]
    lines += ["| field | type | |", "|---|---|---|"]
    for field, about in schema.get("properties", {}).items():
        lines.append(f"| `{field}` | {_kind(about)} | {'' if field in required else 'optional'} |")
    return "\n".join([*lines, ""])


def _kind(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(_kind(option) for option in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(f"`{'null' if v is None else v}`" for v in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    return str(schema.get("type", "anything"))
