"""Reading what a client sent: bodies, cursors, ids and keys. Each refusal names the field. And JSON back."""

import base64
import json
import re
import uuid
from codecs import BOM_UTF8
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from functions.gateway.notifications.schemas import recipient_name
from functions.gateway.web.problem_details import (
    JSON_HEADERS,
    MOST_ERRORS,
    Problem,
    field_error,
    invalid,
    of_validation,
)
from shared.delivery.errors import BodyTooLarge, BodyTooSlow
from shared.delivery.store import Position
from shared.http import request_body

BODY_LIMIT = 256 * 1024  # bytes
MOST_ITEMS = 100
_PLAIN = {"Accept-Encoding": "identity"}  # RFC 9110, 15.5.16
PIECE = 64 * 1024  # bytes of an answer
_CLOSE = {"Connection": "close"}  # the rest of the body is not read, so no other request can follow it
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DEAD_LETTER_PATH = re.compile(r"/deliveries/[a-z][a-z0-9_]{0,63}")
_NO_PATH = re.compile("")
_UUID_LENGTH = 36

M = TypeVar("M", bound=BaseModel)


class PageQuery(BaseModel):
    """The query of every listing. A parameter that is not known would be a filter that silently does nothing."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(default=50, ge=1, le=MOST_ITEMS)
    cursor: str | None = Field(
        default=None,
        max_length=512,
        description="`next_cursor` of the page before.",
        json_schema_extra={"pattern": "^[A-Za-z0-9_-]+={0,2}$"},
    )


async def body_of(request: Request, model: type[M]) -> M:
    """The body as the model.

    Problem 400 for no JSON, 415 for a compressed body, 422 for the wrong fields, and those of `read_body`.
    """
    for codings in request.headers.getlist("content-encoding"):
        if {coding.strip(" \t").lower() for coding in codings.split(",")} - {"", "identity"}:
            raise Problem(
                415, "the body must not be compressed: no Content-Encoding, as gzip, is taken", headers=_PLAIN
            )
    body = await read_body(request, BODY_LIMIT)
    try:
        return model.model_validate_json(body.removeprefix(BOM_UTF8))  # RFC 8259, 8.1
    except ValidationError as error:
        if error.error_count() > MOST_ERRORS:
            # Pydantic would make them all: a second of work for a body of nothing but mistakes.
            raise invalid(field_error("body", f"has more than {MOST_ERRORS} mistakes")) from None
        raise of_validation(error.errors(include_url=False, include_input=False, include_context=False)) from None


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body. Problem 413 over the limit of bytes, 408 when it does not arrive in time."""
    try:
        return await request_body.read(request, limit)
    except BodyTooLarge as error:
        raise Problem(413, str(error), headers=_CLOSE) from None
    except BodyTooSlow as error:
        raise Problem(408, str(error), headers=_CLOSE) from None


class _InPieces(Response):
    """Each piece waits until the connection has taken those before. An answer in one is with the connection at once,
    whether the client takes it or not, and so is done with too early for what counts the answers that are not.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        for start in range(0, len(self.body), PIECE):
            end = start + PIECE
            await send({"type": "http.response.body", "body": self.body[start:end], "more_body": end < len(self.body)})


def json_answer(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    body = to_json(content)
    answer = _InPieces if len(body) > PIECE else Response
    return answer(body, status, {**JSON_HEADERS, **(headers or {})}, "application/json")


def idempotency_key(request: Request) -> str | None:
    keys = request.headers.getlist("idempotency-key")
    if not keys:
        return None
    key = keys[0].strip(" \t")  # a value ends before its blanks: RFC 9110, 5.5
    if len(keys) > 1 or not _KEY.fullmatch(key):
        raise invalid(field_error("Idempotency-Key", "must be one value of 1 to 255 visible ASCII characters"))
    return key


def is_notification_id(text: str) -> bool:
    """Whether it is a UUID in the spelling that we give out."""
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False


def cursor_of(kind: str, position: Position) -> str:
    """An opaque cursor. `kind`: the listing it belongs to."""
    return _encoded(kind, (position.at - _EPOCH) // timedelta(microseconds=1), position.id)


def position_of(kind: str, cursor: str | None) -> Position | None:
    """The position in a cursor of that kind. Problem 422 for anything that `cursor_of` did not make."""
    if cursor is None:
        return None
    try:
        _, micros, last = _decoded(cursor)
        position = Position(_EPOCH + timedelta(microseconds=micros), last)
        path = _DEAD_LETTER_PATH if kind == "dead-letters" else _NO_PATH
        good = is_notification_id(last[:_UUID_LENGTH]) and path.fullmatch(last, _UUID_LENGTH)
        if good and cursor_of(kind, position) == cursor:
            return position
    except (ValueError, TypeError, OverflowError):
        pass
    raise _foreign_cursor()


def name_cursor_of(kind: str, name: str) -> str:
    """A cursor of a listing by name."""
    return _encoded(kind, name)


def name_of(kind: str, cursor: str | None) -> str | None:
    """The name in a cursor of that kind. Problem 422 for anything that `name_cursor_of` did not make."""
    if cursor is None:
        return None
    try:
        _, name = _decoded(cursor)
        if name_cursor_of(kind, recipient_name(name)) == cursor:
            return str(name)
    except (ValueError, TypeError):
        pass
    raise _foreign_cursor()


def _encoded(*parts: str | int) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode()


def _decoded(cursor: str) -> Any:
    try:
        return json.loads(base64.b64decode(cursor, altchars=b"-_", validate=True))
    except RecursionError:
        raise ValueError("nested too deep") from None


def _foreign_cursor() -> Problem:
    return invalid(field_error("cursor", "must be the next_cursor of a page of this listing"))
