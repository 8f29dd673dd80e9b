"""The description of the interface, completed in one place: problems, headers, words and examples of operations."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from api.interface.problem_schemas import HEADERS, NO_CHANGE, PARAMETERS, RESPONSES, SCHEMAS, SHARED
from api.interface.words import EXAMPLES, TAGS
from api.interface.words import PARAMETERS as WORDS
from api.telemetry import NOT_COUNTED

Operation = dict[str, Any]
_OF_FASTAPI = {"$ref": "#/components/schemas/HTTPValidationError"}
_TAGGED = ("application/json", "application/geo+json", "application/vnd.mapbox-vector-tile")
_PASSWORDS = ("/v1/login-sessions", "/v1/tokens", "/v1/account/password")
"""Where a password opens, so that a wrong one is refused."""
_WITHOUT_DATABASE = ("/healthz", "/metrics")


def install_description(app: FastAPI) -> None:
    """Let an app describe itself completely; the description is made when it is first asked for."""
    make = app.openapi
    app.openapi_tags = [{"name": name, "description": words} for name, words in TAGS.items()]
    app.description = Path(__file__).with_name("about.md").read_text(encoding="utf-8")
    app.license_info = {"name": "Apache License 2.0", "identifier": "Apache-2.0"}
    app.servers = [{"url": "/", "description": "The service that gave this description"}]

    @cache
    def described() -> dict[str, Any]:
        return complete(make())

    app.openapi = described  # type: ignore[method-assign]  # as FastAPI says to


def name_of(route: APIRoute) -> str:
    """Return the name of an operation: its group and its function."""
    return "_".join([*(str(tag) for tag in route.tags), route.name]).replace("-", "_")


def complete(description: dict[str, Any]) -> dict[str, Any]:
    """Complete what FastAPI knows of the routes; the description is changed in place."""
    parts = description["components"]
    for name in ("HTTPValidationError", "ValidationError"):
        parts["schemas"].pop(name, None)
    for schema in parts["schemas"].values():
        _without_titles(schema)
    schemas = parts["schemas"]
    parts |= {"responses": RESPONSES, "headers": HEADERS, "parameters": PARAMETERS}
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            _name_parameters(operation)
            _name_successes(operation, schemas)
            _add_problems(operation, method=method, path=path)
            _add_tag(operation, method=method)
            if (example := EXAMPLES.get((method, path))) is not None:
                next(iter(operation["requestBody"]["content"].values()))["example"] = example
    schemas |= SCHEMAS
    return description


def _without_titles(schema: dict[str, Any]) -> None:
    """Drop titles that only repeat the name of a field."""
    for field in schema.get("properties", {}).values():
        field.pop("title", None)


def _name_parameters(operation: Operation) -> None:
    for parameter in operation.get("parameters", []):
        parameter["schema"].pop("title", None)
        if "description" not in parameter and parameter["name"] in WORDS:
            parameter["description"] = WORDS[parameter["name"]]


def _name_successes(operation: Operation, schemas: dict[str, Any]) -> None:
    """Say of an answer what its schema says of itself."""
    for response in operation["responses"].values():
        if response.get("description") == "Successful Response":
            response["description"] = _words_of(response, schemas)


def _words_of(response: dict[str, Any], schemas: dict[str, Any]) -> str:
    for content in response.get("content", {}).values():
        schema = content.get("schema", {})
        schema.pop("title", None)
        name = (schema.get("$ref") or schema.get("items", {}).get("$ref") or "").rpartition("/")[2]
        words: str = schemas.get(name, {}).get("description", "")
        if words:
            return f"A list. Each: {words}" if "items" in schema else words
    return "As described above." if response.get("content") else "Done."


def _add_problems(operation: Operation, *, method: str, path: str) -> None:
    """Declare every problem that an operation may answer; those its route declares as the problems they are."""
    responses = operation["responses"]
    for status, declared in responses.items():
        if status in SHARED:
            responses[status] = _as_problem(declared, status=status)
    for status in _problems_of(operation, method=method, path=path):
        responses.setdefault(status, _shared(status))
    operation["responses"] = dict(sorted(responses.items()))


def _as_problem(declared: dict[str, Any], *, status: str) -> dict[str, Any]:
    """Return what a route declares as problem: with a schema of its own or words of its own, else the shared one."""
    schemas = [content.get("schema", {}) for content in declared.get("content", {}).values()]
    own = [schema for schema in schemas if schema and schema != _OF_FASTAPI]
    if own:
        either = {"anyOf": [*own, {"$ref": "#/components/schemas/Problem"}]}
        return {**declared, "content": {"application/problem+json": {"schema": either}}}
    if schemas == [_OF_FASTAPI]:
        return _shared(status)
    return {**RESPONSES[SHARED[status]], "description": declared["description"]}


def _problems_of(operation: Operation, *, method: str, path: str) -> Iterator[str]:
    """Give the statuses that follow from what an operation is."""
    changes = method != "get"
    if operation.get("security"):
        yield from ("401", "403")
        yield from ("409",) if changes else ()
    elif changes and path in _PASSWORDS:
        yield "401"
    if "{" in path:
        yield "404"
    if "requestBody" in operation:
        yield from ("400", "413")
    if operation.get("parameters") or "requestBody" in operation:
        yield "422"
    if not path.startswith(NOT_COUNTED):
        yield "429"
    if path not in _WITHOUT_DATABASE:
        yield "503"


def _add_tag(operation: Operation, *, method: str) -> None:
    """Say of answers to GET how they are not sent again."""
    found = operation["responses"].get("200", {})
    if method != "get" or not set(found.get("content", {})) & set(_TAGGED):
        return
    found.setdefault("headers", {})["ETag"] = {"$ref": "#/components/headers/ETag"}
    operation["responses"] = dict(sorted({**operation["responses"], "304": {"$ref": NO_CHANGE}}.items()))
    operation.setdefault("parameters", []).append({"$ref": "#/components/parameters/IfNoneMatch"})


def _shared(status: str) -> dict[str, str]:
    return {"$ref": f"#/components/responses/{SHARED[status]}"}
