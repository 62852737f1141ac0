"""The service's OpenAPI 3.1 document, made from the endpoints' declarations and their pydantic models."""

import re
from functools import cache
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, json
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

_PARAMETER = re.compile(r"<(?:(?P<converter>[a-z]+)(?:\([^)]*\))?:)?(?P<name>\w+)>")
_TYPES: dict[str | None, dict[str, str]] = {
    "uuid": {"type": "string", "format": "uuid"},
    "int": {"type": "integer"},
}
_REFERENCE = "#/components/schemas/{model}"
_PROBLEM = {
    "type": "object",
    "description": "Problem details (RFC 9457).",
    "required": ["type", "title", "status", "instance", "request_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "request_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "code", "message"],
                "properties": {name: {"type": "string"} for name in ("field", "code", "message")},
            },
        },
    },
}


def build(app: Flask, *, title: str, version: str) -> dict[str, Any]:
    """Return the document for every endpoint of the application that was declared with `endpoint`."""
    found = [
        (rule, operation)
        for rule in app.url_map.iter_rules()
        if (operation := getattr(app.view_functions[rule.endpoint], "operation", None)) is not None
    ]
    models: list[tuple[type[BaseModel], str]] = []
    for _, operation in found:
        models += [(model, "validation") for model in (operation.body, operation.query) if model]
        models += [(operation.answer, "serialization")] if operation.answer else []
    references, definitions = models_json_schema(list(dict.fromkeys(models)), ref_template=_REFERENCE)  # type: ignore[arg-type]
    schemas: dict[str, Any] = {**definitions.get("$defs", {}), "Problem": _PROBLEM}
    paths: dict[str, Any] = {}
    for rule, operation in found:
        described: dict[str, Any] = {
            "operationId": rule.endpoint.replace(".", "_"),
            "summary": operation.summary,
            "parameters": [
                {
                    "name": parameter["name"],
                    "in": "path",
                    "required": True,
                    "schema": _TYPES.get(parameter["converter"], {"type": "string"}),
                }
                for parameter in _PARAMETER.finditer(rule.rule)
            ],
            "responses": _answers(operation, references),
            "security": [] if operation.access == "public" else [{"bearer": []}],
        }
        if operation.query:
            schema = schemas.pop(references[operation.query, "validation"]["$ref"].rpartition("/")[2])
            described["parameters"] += [
                {"name": name, "in": "query", "required": name in schema.get("required", ()), "schema": value}
                for name, value in schema["properties"].items()
            ]
        if operation.body:
            content = {"application/json": {"schema": references[operation.body, "validation"]}}
            described["requestBody"] = {"required": True, "content": content}
        methods = paths.setdefault(_PARAMETER.sub(r"{\g<name>}", rule.rule), {})
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            methods[method.lower()] = described
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version},
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def _answers(operation: Any, references: Any) -> dict[str, Any]:  # http.Operation, which imports this module
    problems = {*operation.problems, 500, 503}
    if operation.access != "public":
        problems |= {401}
    if operation.access == "administrator":
        problems |= {403}
    if operation.body:
        problems |= {400, 413, 415, 422}
    if operation.query:
        problems |= {422}
    good: dict[str, Any] = {"description": HTTPStatus(operation.status).phrase}
    if operation.answer:
        good["content"] = {"application/json": {"schema": references[operation.answer, "serialization"]}}
    reference = {"schema": {"$ref": _REFERENCE.format(model="Problem")}}
    return {
        str(operation.status): good,
        **{
            str(status): {
                "description": HTTPStatus(status).phrase,
                "content": {"application/problem+json": reference},
            }
            for status in sorted(problems)
        },
    }


def init_app(app: Flask, *, title: str, path: str, version: str) -> None:
    """Serve the document at `path`; call it when all endpoints are registered."""

    @cache
    def document() -> str:
        return json.dumps(build(app, title=title, version=version))

    @app.get(path)
    def openapi_document() -> Response:
        return Response(
            document(),
            content_type="application/openapi+json;version=3.1",
            headers={"Cache-Control": "public, max-age=300"},
        )
