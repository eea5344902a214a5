"""Errors as RFC 9457 problem details. No problem repeats what a field held, only its name."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, NotRequired

from pydantic_core import ValidationError, to_json
from starlette.responses import Response
from typing_extensions import TypedDict

MEDIA_TYPE = "application/problem+json"
MOST_ERRORS = 20
JSON_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
"""Of every JSON answer: it holds what is private, and is nothing but JSON."""

RETRY_LATER = {"Retry-After": "5"}

_NAME_LENGTH = 64  # a field's name may come from the client


class FieldError(TypedDict):
    field: str
    message: str


class ProblemDetails(TypedDict):
    type: str
    title: str
    status: int
    detail: NotRequired[str]
    errors: NotRequired[list[FieldError]]


class Problem(Exception):
    """Raised anywhere below a route; becomes the answer."""

    def __init__(
        self,
        status: int,
        detail: str | None = None,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = errors
        self.headers = headers

    def response(self) -> Response:
        return Response(to_json(self.details()), self.status, {**JSON_HEADERS, **(self.headers or {})}, MEDIA_TYPE)

    def details(self) -> ProblemDetails:
        details = ProblemDetails(type="about:blank", title=HTTPStatus(self.status).phrase, status=self.status)
        if self.detail is not None:
            details["detail"] = self.detail
        if self.errors:
            details["errors"] = list(self.errors[:MOST_ERRORS])
        return details


def invalid(*errors: FieldError) -> Problem:
    """422: these fields are at fault."""
    return Problem(422, "some fields are not valid", errors=errors)


def others_are_faster(what: str) -> Problem:
    """503: each write came after another's."""
    return Problem(503, f"others are changing this {what}; try again", headers={"Retry-After": "1"})


def field_error(field: str, message: str) -> FieldError:
    return FieldError(field=field[:_NAME_LENGTH], message=message)


def of_validation(errors: Sequence[Mapping[str, Any]]) -> Problem:
    """422 from pydantic's errors, or 400 when the body was no JSON at all."""
    if any(e["type"] == "json_invalid" for e in errors):
        return Problem(400, "the body is not JSON: " + errors[0]["msg"].removeprefix("Invalid JSON: "))
    return invalid(*(field_error(_path(e["loc"]), _message(e)) for e in errors))


def field_errors(error: ValidationError, *place: str) -> list[FieldError]:
    """Pydantic's errors, of what stands at this place of the body."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    return [field_error(_path((*place, *e["loc"])), _message(e)) for e in found]


def _message(error: Mapping[str, Any]) -> str:
    if error["type"] == "extra_forbidden":
        return "there is no such field"
    return str(error["msg"]).removeprefix("Value error, ")


def _path(loc: Sequence[str | int]) -> str:
    # pydantic puts the word [key] behind a mapping's wrong key.
    return ".".join(str(part) for part in loc if part != "[key]") or "body"
