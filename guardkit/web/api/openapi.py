"""The OpenAPI 3.1 document, made from the declarations that the routes are made of."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, cast

from pydantic.json_schema import JsonSchemaMode, models_json_schema

from guardkit.core.tokens import TokenScope
from guardkit.core.values import Value
from guardkit.web.api.operations import OPERATIONS, ROOT, Operation
from guardkit.web.api.problems import KINDS, MEDIA_TYPE, Problem
from guardkit.web.api.requests import Nothing

DOCUMENT_PATH = "/openapi.json"
"""Below `ROOT`. Open to everybody: it says nothing about this installation."""

VERSION = "1"
_ALWAYS = (
    "bad_request",
    "unauthorized",
    "scope_missing",
    "inactive",
    "invalid",
    "too_large",
    "too_many_wrong_tokens",
)
_OF_POSTS = ("key_required", "unsupported_media_type", "in_progress", "key_reused")
_OF_SERVERS = ("fault", "unavailable")
_REF = "#/components/schemas/{model}"
_KEY_PATTERN = r'^"[!#-\[\]-~]{16,128}"$'


def document() -> dict[str, Any]:
    """The document. It is the same for every installation of this release."""
    schemas, names = _schemas()
    paths: dict[str, dict[str, Any]] = {
        ROOT + DOCUMENT_PATH: {"get": _of_document()},
    }
    for operation in OPERATIONS:
        paths.setdefault(ROOT + operation.path, {})[operation.method.lower()] = _operation(operation, names)
    scopes = "; ".join(f"`{scope.value}`" for scope in TokenScope)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "guardkit approvals",
            "version": VERSION,
            "summary": "What waits for people, what they decide, and the emergency stop.",
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "gk_<16 hex digits>_<64 hex digits>",
                    "description": f"Made by `guardkit tokens create`. Scopes: {scopes}.",
                }
            },
        },
    }


def _schemas() -> tuple[dict[str, Any], dict[tuple[type[Value], JsonSchemaMode], str]]:
    """The schemas of everything that goes in or out, and what each is called."""
    wanted: list[tuple[type[Value], JsonSchemaMode]] = [(Problem, "serialization")]
    for operation in OPERATIONS:
        wanted.append((operation.answer, "serialization"))
        if operation.method == "POST":
            wanted.append((operation.body, "validation"))
    references, defined = models_json_schema(list(dict.fromkeys(wanted)), ref_template=_REF)
    names = {model: str(schema["$ref"]).rpartition("/")[2] for model, schema in references.items()}
    return cast("dict[str, Any]", defined["$defs"]), cast(
        "dict[tuple[type[Value], JsonSchemaMode], str]", names
    )


def _of_document() -> dict[str, Any]:
    return {
        "operationId": "showDocument",
        "summary": "This document",
        "security": [],
        "responses": {
            "200": {
                "description": "The document",
                "content": {"application/json": {"schema": {"type": "object"}}},
            }
        },
    }


def _operation(
    operation: Operation[Any, Any], names: dict[tuple[type[Value], JsonSchemaMode], str]
) -> dict[str, Any]:
    posts = operation.method == "POST"
    made: dict[str, Any] = {
        "operationId": operation.id,
        "summary": operation.summary,
        "description": f"{operation.text}\n\nNeeds the scope `{operation.scope.value}`.".strip(),
        "parameters": [*_path_parameters(operation), *_query_parameters(operation.query)],
        "responses": {
            str(operation.status): {
                "description": HTTPStatus(operation.status).phrase,
                "content": _content("application/json", names[operation.answer, "serialization"]),
            },
            **_problems(operation, names[Problem, "serialization"]),
        },
    }
    if posts:
        made["parameters"].append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": True,
                "description": "A string in double quotes, new for each request and the same for each repetition of it.",
                "schema": {"type": "string", "pattern": _KEY_PATTERN},
            }
        )
        made["requestBody"] = {
            "required": True,
            "content": _content("application/json", names[operation.body, "validation"]),
        }
    return made


def _path_parameters(operation: Operation[Any, Any]) -> Iterable[dict[str, Any]]:
    for name, pattern in operation.parts.items():
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string", "pattern": pattern}}


def _query_parameters(model: type[Value]) -> Iterable[dict[str, Any]]:
    if model is Nothing:
        return
    schema = model.model_json_schema()
    for name, given in schema["properties"].items():
        shape = _not_null({key: value for key, value in given.items() if key not in ("title", "description")})
        parameter: dict[str, Any] = {
            "name": name,
            "in": "query",
            "required": name in schema.get("required", ()),
            "schema": shape,
        }
        if given.get("description"):
            parameter["description"] = given["description"]
        yield parameter


def _not_null(shape: dict[str, Any]) -> dict[str, Any]:
    """A parameter that is left out is left out; there is no `null` in a query."""
    kinds = [kind for kind in shape.get("anyOf", ()) if kind != {"type": "null"}]
    if len(kinds) != 1:
        return shape
    return {**{key: value for key, value in shape.items() if key not in ("anyOf", "default")}, **kinds[0]}


def _problems(operation: Operation[Any, Any], schema: str) -> dict[str, Any]:
    known = (*_ALWAYS, *(_OF_POSTS if operation.method == "POST" else ()), *operation.problems, *_OF_SERVERS)
    by_status: dict[HTTPStatus, list[str]] = {}
    for name in dict.fromkeys(known):
        by_status.setdefault(KINDS[name].status, []).append(name)
    return {
        str(int(status)): {
            "description": ", ".join(f"`{name}`" for name in names),
            "content": _content(MEDIA_TYPE, schema),
            **_headers(status),
        }
        for status, names in sorted(by_status.items())
    }


def _headers(status: HTTPStatus) -> dict[str, Any]:
    match status:
        case HTTPStatus.UNAUTHORIZED:
            said = {"WWW-Authenticate": "what is wrong with the token (RFC 6750)"}
        case HTTPStatus.TOO_MANY_REQUESTS | HTTPStatus.SERVICE_UNAVAILABLE:
            said = {"Retry-After": "seconds to wait"}
        case _:
            return {}
    return {
        "headers": {
            name: {"description": text, "required": True, "schema": {"type": "string"}}
            for name, text in said.items()
        }
    }


def _content(kind: str, schema: str) -> dict[str, Any]:
    return {kind: {"schema": {"$ref": _REF.format(model=schema)}}}
