"""The JSON of /v1/batches, in and out."""

from typing import Annotated, Any, NotRequired

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic_core import to_json
from typing_extensions import TypedDict

from functions.gateway.notifications.idempotency import KEY, is_key
from functions.gateway.notifications.schemas import NotificationRequest, attached_bytes
from functions.gateway.web.common_fields import Entries
from functions.gateway.web.problem_details import Problem, ProblemDetails, field_error, invalid
from functions.gateway.web.request_bodies import BODY_LIMIT, validated

MOST_ITEMS = 500


class BatchItem(NotificationRequest):
    """A notification's request, with the key that a request of its own would have as Idempotency-Key."""

    key: Annotated[str, StringConstraints(pattern=KEY)] = Field(
        description="The same key with the same request gives the same notification, sent once."
    )


class BatchRequest(BaseModel):
    """What is no BatchItem has a problem in its place, and keeps no other from being accepted."""

    model_config = ConfigDict(strict=True, extra="forbid")

    items: Annotated[list[BatchItem | Any], Entries(MOST_ITEMS, least=1)]


class BatchItemJson(TypedDict):
    """status: as of a request of its own. id: of the notification, after 202; problem: else"""

    index: int
    status: int
    id: NotRequired[str]
    replayed: Annotated[NotRequired[bool], Field(description="True where the key had been used: nothing is new.")]
    problem: NotRequired[ProblemDetails]


class BatchJson(TypedDict):
    items: list[BatchItemJson]


def items_in(body: Any) -> list[Any]:
    """Problem 422."""
    if not isinstance(body, dict):
        raise invalid(field_error("body", "must be an object"))
    items = body.get("items")
    wrong = [field_error(str(name), "there is no such field") for name in body if name != "items"]
    if not isinstance(items, list) or not 1 <= len(items) <= MOST_ITEMS:
        wrong.append(field_error("items", f"must be a list of 1 to {MOST_ITEMS}"))
    if wrong or not isinstance(items, list):
        raise invalid(*wrong)
    return items


def read_item(item: Any) -> tuple[str, NotificationRequest]:
    """Its key and its request. Problem 413, 422."""
    if not isinstance(item, dict):
        raise invalid(field_error("body", "must be an object"))
    key = item.get("key")
    if not is_key(key):
        raise invalid(field_error("key", "must be 1 to 255 visible ASCII characters"))
    request = {name: value for name, value in item.items() if name != "key"}
    text = to_json(request)
    if len(text) > BODY_LIMIT and len(text) - attached_bytes(request) > BODY_LIMIT:
        raise Problem(413, f"the item has more than {BODY_LIMIT} bytes besides its attachments")
    return str(key), validated(NotificationRequest, text)
