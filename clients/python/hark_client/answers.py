"""What an answer says: a model, a page, or a problem."""

import json
from http import HTTPStatus
from typing import Any, Optional, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from hark_client.errors import BY_STATUS, FieldError, Problem, UnreadableAnswer

M = TypeVar("M", bound=BaseModel)

_REQUEST_IDS = ("x-request-id", "x-cloud-trace-context")


def model_of(response: httpx.Response, model: type[M], operation: str) -> M:
    """Raises UnreadableAnswer."""
    try:
        return model.model_validate_json(response.content)
    except ValidationError as error:
        # Of what pydantic says only the places: the values may be addresses.
        places = sorted({".".join(map(str, e["loc"])) or "body" for e in error.errors(include_input=False)})
        found = ", ".join(places[:5])
        raise UnreadableAnswer(f"{operation}: {response.status_code}, but not as the API answers: {found}") from None


def problem_of(response: httpx.Response, operation: str, retry_after: Optional[float]) -> Problem:
    """The error that an answer is. What is no problem of the API's (a proxy's page) has its status alone."""
    said = _document(response)
    request_id = next((response.headers[name] for name in _REQUEST_IDS if name in response.headers), None)
    errors = said.get("errors")
    return BY_STATUS.get(response.status_code, Problem)(
        operation,
        response.status_code,
        _title(response.status_code),
        said["detail"] if isinstance(said.get("detail"), str) else None,
        errors=[
            FieldError(str(e.get("field")), str(e.get("message")))
            for e in (errors if isinstance(errors, list) else ())
            if isinstance(e, dict)
        ],
        retry_after=retry_after,
        request_id=request_id,
    )


def _document(response: httpx.Response) -> dict[str, Any]:
    if not response.headers.get("content-type", "").startswith("application/problem+json"):
        return {}
    try:
        document = json.loads(response.content)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _title(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "unknown status"
