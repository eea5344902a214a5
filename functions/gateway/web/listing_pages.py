"""Pages of a listing: the query that asks for one, and the cursor from one to the next."""

import base64
import json
import re
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from functions.gateway.web.common_fields import recipient_name
from functions.gateway.web.problem_details import Problem, field_error, invalid
from shared.delivery.store import Page, Position

T = TypeVar("T")

MOST_ITEMS = 100
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DELIVERY_PATH = re.compile(r"/deliveries/[a-z][a-z0-9_]{0,63}")
_NO_PATH = re.compile("")
_AUDIT_ENTRY = re.compile(r"\d{8}T\d{6}-[0-9a-f]{8}-\d{8,}")
_UUID_LENGTH = 36


CURSOR: Any = Field(
    default=None,
    max_length=512,
    description="`next_cursor` of the page before.",
    json_schema_extra={"pattern": "^[A-Za-z0-9_-]+={0,2}$"},
)


class PageQuery(BaseModel):
    """The query of every listing. A parameter that is not known would be a filter that silently does nothing."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(default=50, ge=1, le=MOST_ITEMS)
    cursor: str | None = CURSOR


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
        if _is_of(kind, last) and cursor_of(kind, position) == cursor:
            return position
    except (ValueError, TypeError, OverflowError):
        pass
    raise _foreign_cursor()


def _is_of(kind: str, last: str) -> bool:
    if kind == "audit":
        return _AUDIT_ENTRY.fullmatch(last) is not None
    path = _DELIVERY_PATH if kind in {"dead-letters", "duplicates"} else _NO_PATH
    return is_notification_id(last[:_UUID_LENGTH]) and path.fullmatch(last, _UUID_LENGTH) is not None


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


class ByName(Protocol[T]):
    """Of a store: a page by name, of those after `after` whose names begin with `prefix`."""

    async def __call__(self, *, limit: int, after: str | None, prefix: str) -> Page[T, str]: ...


async def by_prefixes(
    read: ByName[T], prefixes: Sequence[str] | None, limit: int, after: str | None, name_of_item: Callable[[T], str]
) -> Page[T, str]:
    """A page by name, of those that begin with one of the prefixes; None is all.

    The prefixes are walked in their order, each without those that an earlier one covers.
    """
    found: list[T] = []
    ordered = sorted(("",) if prefixes is None else prefixes)
    for prefix in [p for i, p in enumerate(ordered) if not p.startswith(tuple(ordered[:i]))]:
        if after is not None and after >= prefix and not after.startswith(prefix):
            continue
        page = await read(
            limit=limit + 1 - len(found),
            after=after if after is not None and after.startswith(prefix) else None,
            prefix=prefix,
        )
        found += page.items
        if len(found) > limit:
            return Page(found[:limit], name_of_item(found[limit - 1]))
        if page.next is not None:
            return Page(found, page.next)
    return Page(found)


def _encoded(*parts: str | int) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode()


def _decoded(cursor: str) -> Any:
    try:
        return json.loads(base64.b64decode(cursor, altchars=b"-_", validate=True))
    except RecursionError:
        raise ValueError("nested too deep") from None


def _foreign_cursor() -> Problem:
    return invalid(field_error("cursor", "must be the next_cursor of a page of this listing"))
