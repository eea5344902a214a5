"""Reading a request's body, mostly of JSON. Each refusal names the field."""

from codecs import BOM_UTF8
from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json
from starlette.requests import Request

from functions.gateway.web.problem_details import MOST_ERRORS, Problem, field_error, invalid, of_validation
from shared.delivery.errors import BodyTooLarge, BodyTooSlow
from shared.http import request_body

BODY_LIMIT = 256 * 1024  # bytes
ATTACHED_LIMIT = 4 * 700 * 1024 // 3 + 1024  # in base64, of which an attachment may have line ends
_PLAIN = {"Accept-Encoding": "identity"}  # RFC 9110, 15.5.16
_CLOSE = {"Connection": "close"}  # the rest of the body is not read, so no other request can follow it

M = TypeVar("M", bound=BaseModel)


async def body_of(request: Request, model: type[M], attached: Callable[[Any], int] | None = None) -> M:
    """The body as the model.

    attached: bytes in a larger one that are a file's and not the request's own, of which BODY_LIMIT is asked

    Problem 400 for no JSON, 415 for a compressed body, 422 for the wrong fields, and those of `read_body`.
    """
    _check_coding(request)
    body = await read_body(request, BODY_LIMIT if attached is None else BODY_LIMIT + ATTACHED_LIMIT)
    if attached is not None and len(body) > BODY_LIMIT:
        _check_own_size(body, attached)
    return validated(model, body.removeprefix(BOM_UTF8))  # RFC 8259, 8.1


async def json_of(request: Request, limit: int) -> Any:
    """The body of at most so many bytes, not yet looked into. Problem 400, 415, and those of `read_body`."""
    _check_coding(request)
    body = await read_body(request, limit)
    try:
        return from_json(body.removeprefix(BOM_UTF8), allow_inf_nan=False)
    except ValueError as error:
        raise Problem(400, f"the body is not JSON: {error}") from None


async def text_of(request: Request, limit: int = BODY_LIMIT) -> str:
    """The body as text. Problem 415 for a compressed body, 422 where it is no UTF-8, and those of `read_body`."""
    _check_coding(request)
    body = await read_body(request, limit)
    try:
        return body.removeprefix(BOM_UTF8).decode()
    except UnicodeDecodeError:
        raise invalid(field_error("body", "must be UTF-8")) from None


def _check_coding(request: Request) -> None:
    """Problem 415 for a compressed body."""
    for codings in request.headers.getlist("content-encoding"):
        if {coding.strip(" \t").lower() for coding in codings.split(",")} - {"", "identity"}:
            raise Problem(
                415, "the body must not be compressed: no Content-Encoding, as gzip, is taken", headers=_PLAIN
            )


def validated(model: type[M], body: bytes) -> M:
    """Problem 400, 422."""
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        if error.error_count() > MOST_ERRORS:
            # Pydantic would make them all: a second of work for a body of nothing but mistakes.
            raise invalid(field_error("body", f"has more than {MOST_ERRORS} mistakes")) from None
        raise of_validation(error.errors(include_url=False, include_input=False, include_context=False)) from None


def _check_own_size(body: bytes, attached: Callable[[Any], int]) -> None:
    try:
        files = attached(from_json(body))
    except ValueError:
        files = 0
    if len(body) - files > BODY_LIMIT:
        raise Problem(413, f"the body has more than {BODY_LIMIT} bytes besides its attachments", headers=_CLOSE)


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body. Problem 413 over the limit of bytes, 408 when it does not arrive in time."""
    try:
        return await request_body.read(request, limit)
    except BodyTooLarge as error:
        raise Problem(413, str(error), headers=_CLOSE) from None
    except BodyTooSlow as error:
        raise Problem(408, str(error), headers=_CLOSE) from None
