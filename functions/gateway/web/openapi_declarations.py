"""What a route says of itself for /openapi.json: bodies that it reads itself, its answers, and problem details."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from functions.gateway.web.problem_details import MEDIA_TYPE

_TITLES = {
    200: "OK",
    201: "Created",
    202: "Accepted",
    204: "Done",
    400: "The body is not JSON",
    401: "Nobody is known by these credentials, or there are none",
    403: "This caller may not",
    404: "There is no such thing",
    408: "The body did not arrive in time",
    409: "Its state does not allow it",
    413: "The body is too large",
    415: "The body is compressed",
    422: "Some fields are not valid",
    429: "This caller has reached a limit of its own; Retry-After says when it ends",
    503: "Not now; ask again",
}
_SECONDS = {"required": True, "schema": {"type": "string", "pattern": "^[0-9]+$"}, "description": "In seconds."}
_HEADERS = {
    401: {"WWW-Authenticate": {"required": True, "schema": {"type": "string", "pattern": '^Bearer realm="hark"'}}},
    429: {"Retry-After": _SECONDS},
    503: {"Retry-After": _SECONDS},
}
LOCATION = {"Location": {"required": True, "schema": {"type": "string", "pattern": "^/v1/"}}}


ANSWERED: dict[str, Any] = {}
"""The models of what is answered, by name. FastAPI would make a validator of each that it is given, which validates
nothing: two thirds of the making of all routes (124 against 39 ms, 2026-11), which is part of a cold start.
"""


def answers(
    model: Any,
    *statuses: int,
    headers: Mapping[str, Any] | None = None,
    links: Mapping[str, Any] | None = None,
) -> dict[int | str, dict[str, Any]]:
    """The answers of one route for its OpenAPI: `model`, `headers` and `links` for a success, problem details else."""
    declared: dict[int | str, dict[str, Any]] = {}
    for status in statuses:
        answer: dict[str, Any] = {"description": _TITLES[status]}
        if status >= 400:
            answer["content"] = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}}
            answer |= {"headers": _HEADERS[status]} if status in _HEADERS else {}
        else:
            answer |= {name: value for name, value in (("headers", headers), ("links", links)) if value is not None}
            if model is not None:
                ANSWERED[model.__name__] = model
                answer["content"] = {"application/json": {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}}}
        declared[status] = answer
    return declared


def link(operation: str, **parameters: str) -> dict[str, Any]:
    """From an answer to an operation on what it is about."""
    return {"operationId": operation, "parameters": parameters}


def request_body(model: type[BaseModel], **extra: Any) -> dict[str, Any]:
    reference = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": reference}}}, **extra}


def csv_body() -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {"text/csv": {"schema": {"type": "string"}}}}}
