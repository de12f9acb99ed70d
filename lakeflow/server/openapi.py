"""The description of the API, made of the same table that answers it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lakeflow import __version__
from lakeflow.server.answers import Reply
from lakeflow.server.metrics import MEDIA, metrics_text
from lakeflow.server.routes import Parameter, Request, Route, Routes

if TYPE_CHECKING:
    from lakeflow.server.api import Api

ROUTES = Routes()

_SCHEMAS: Mapping[str, Mapping[str, Any]] = {
    "any": {},
    "text": {"type": "string"},
    "secret": {"type": "string"},
    "number": {"type": "integer", "format": "int64"},
    "flag": {"type": "boolean"},
    "texts": {"type": "array", "items": {"type": "string"}},
    "list": {"type": "array", "items": {}},
    "object": {"type": "object"},
}
_ERROR = {
    "type": "object",
    "required": ["error_code", "message", "details"],
    "properties": {
        "error_code": {"type": "string"},
        "message": {"type": "string"},
        "details": {"type": "array"},
    },
}


@ROUTES.add("GET", "openapi.json", versions=("2.0", "2.1", "2.2"))
def openapi(_api: Api, request: Request) -> Any:
    """This description of all calls, as OpenAPI 3.1."""
    from lakeflow.server.api import table

    return document(table().routes, request.origin)


@ROUTES.add("GET", "/ready")
def ready(api: Api, _: Request) -> Any:
    """Whether jobs run: 503 when the scheduler had to stop."""
    if api.server.failure is None:
        return {"status": "ready"}
    return Reply(503, {"status": "stopped"})


@ROUTES.add("GET", "/metrics")
def metrics(api: Api, _: Request) -> Any:
    """Counts for Prometheus."""
    return Reply(body=metrics_text(api), type=MEDIA)


def document(routes: tuple[Route, ...], origin: str) -> dict[str, Any]:
    """The OpenAPI document of some routes.

    Args:
        routes: All of them.
        origin: Where the server was reached.
    """
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        for path in route.paths:
            said = _operation(route)
            said["operationId"] = _name(route, path)
            paths.setdefault(path, {})[route.method.lower()] = said
    return {
        "openapi": "3.1.0",
        "info": {"title": "Lakeflow", "version": __version__},
        "servers": [{"url": origin or "/"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {"Error": _ERROR},
        },
    }


def _operation(route: Route) -> dict[str, Any]:
    in_path = re.findall(r"\{(\w+)\}", route.path)
    by_name = {each.name: each for each in route.parameters}
    parameters = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": dict(_SCHEMAS[by_name[name].shape if name in by_name else "text"]),
        }
        for name in in_path
    ]
    rest = [each for each in route.parameters if each.name not in in_path]
    said: dict[str, Any] = {
        "summary": route.summary,
        "x-status": route.status,
        "responses": {
            "200": {"description": "The answer."},
            "default": {
                "description": "What is wrong.",
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
            },
        },
    }
    if route.method in ("GET", "DELETE"):
        parameters += [
            {
                "name": each.name,
                "in": "query",
                "required": each.required,
                "description": each.meaning,
                "schema": dict(_SCHEMAS[each.shape]),
            }
            for each in rest
        ]
    elif rest or route.open:
        said["requestBody"] = {
            "required": any(each.required for each in rest),
            "content": {"application/json": {"schema": _body(rest)}},
        }
    if parameters:
        said["parameters"] = parameters
    return said


def _body(parameters: list[Parameter]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "type": "object",
        "properties": {
            each.name: {**_SCHEMAS[each.shape], "description": each.meaning} for each in parameters
        },
    }
    if required := [each.name for each in parameters if each.required]:
        found["required"] = required
    return found


def _name(route: Route, path: str) -> str:
    return "_".join([route.method.lower(), *re.findall(r"\w+", path)])
