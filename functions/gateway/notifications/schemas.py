"""The API's JSON, in and out. What goes out is a TypedDict: checked by mypy, documented by FastAPI, cheap to make."""

import re
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Annotated, Any, NotRequired, Self, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator
from typing_extensions import TypeAliasType, TypedDict

from functions.gateway.access.caller import Caller
from shared.channels.text_checks import one_line, printable
from shared.delivery.model import (
    Attempt,
    Delivery,
    DeliveryStatus,
    Notification,
    NotificationStatus,
    Outcome,
    Recipient,
    notification_status,
)

NAME = r"^[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}$"
NOTIFICATION_ID = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
# What `shared.channels.text_checks` checks, for /openapi.json.
PRINTABLE = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]*$"
ONE_LINE = r"^[^\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]*$"
_ADDRESS_LENGTH = 320

S = TypeVar("S", bound=str)


def recipient_name(text: str) -> str:
    """A name that can stand in a path and as a document's id. Raises ValueError."""
    if not re.fullmatch(NAME, text):
        raise ValueError("must be 1 to 128 of A-Z a-z 0-9 . _ @ + - and begin with a letter or digit")
    return text


def _tag_name(text: str) -> str:
    # https://firebase.google.com/docs/firestore/quotas#collections_documents_and_fields
    if re.fullmatch("__.*__", text):
        raise ValueError("must not begin and end with __")
    return one_line(text)


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be blank")
    return text


def at_most(most: int) -> BeforeValidator:
    """Counts before it looks at the entries: a body has room for a hundred thousand wrong ones."""

    def few(value: object) -> object:
        if isinstance(value, list | dict) and len(value) > most:
            raise ValueError(f"must have at most {most} entries")
        return value

    return BeforeValidator(few)


def each_once(names: list[S]) -> list[S]:
    if len(set(names)) < len(names):
        raise ValueError("must not name one twice")
    return names


def said(**schema: Any) -> Any:
    """For /openapi.json alone: what a validator holds that pydantic cannot read."""
    return Field(json_schema_extra=schema)


RecipientName = Annotated[str, AfterValidator(recipient_name), said(pattern=NAME)]
# Named, so that `openapi` can put in the channels that there are.
ChannelName = TypeAliasType("ChannelName", Annotated[str, StringConstraints(min_length=1, max_length=64)])
Address = Annotated[str, StringConstraints(min_length=1, max_length=_ADDRESS_LENGTH)]
Addresses = TypeAliasType(
    "Addresses", Annotated[dict[ChannelName, Address], Field(min_length=1, max_length=20), at_most(20)]
)
ChannelNames = Annotated[
    list[ChannelName],
    at_most(20),
    AfterValidator(each_once),
    Field(min_length=1, max_length=20, json_schema_extra={"uniqueItems": True}),
]
TagName = TypeAliasType(
    "TagName",
    Annotated[
        str,
        StringConstraints(min_length=1, max_length=64),
        AfterValidator(_tag_name),
        said(pattern=ONE_LINE, **{"not": {"pattern": "^__.*__$"}}),
    ],
)
TagValue = Annotated[str, StringConstraints(max_length=256), AfterValidator(printable), said(pattern=PRINTABLE)]

_ONE_TARGET: dict[str, Any] = {
    "oneOf": [
        {"required": ["recipient"], "properties": {"recipient": {"type": "string"}, "to": {"type": "null"}}},
        {"required": ["to"], "properties": {"to": {"type": "object"}, "recipient": {"type": "null"}}},
    ]
}


class NotificationRequest(BaseModel):
    """What to send, and to whom: exactly one of `recipient` and `to`."""

    model_config = ConfigDict(strict=True, extra="forbid", json_schema_extra=_ONE_TARGET)

    recipient: RecipientName | None = Field(default=None, description="A registered recipient's name.")
    to: Addresses | None = Field(default=None, description="Addresses by channel.")
    channels: ChannelNames | None = Field(
        default=None, description="By default every channel that there is an address for and that the caller may use."
    )
    subject: (
        Annotated[str, StringConstraints(max_length=255), AfterValidator(one_line), said(pattern=ONE_LINE)] | None
    ) = Field(default=None, description="For channels that have one: e-mail.")
    message: Annotated[str, AfterValidator(printable), AfterValidator(_not_blank)] = Field(
        description="Plain text, not blank; each channel has its longest (GET /v1/channels).",
        json_schema_extra={"pattern": PRINTABLE, "minLength": 1},
    )
    tags: Annotated[dict[TagName, TagValue], Field(max_length=50), at_most(50)] = Field(
        default_factory=dict, description="Your own labels."
    )

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        if (self.recipient is None) == (self.to is None):
            raise ValueError("exactly one of recipient and to is needed")
        return self


class RecipientRequest(BaseModel):
    """A recipient's addresses, at least one."""

    model_config = ConfigDict(strict=True, extra="forbid")

    name: RecipientName | None = Field(default=None, description="If given, the name in the path.")
    addresses: Addresses


class AttemptJson(TypedDict):
    number: int
    at: datetime
    outcome: Outcome
    error: str | None
    duration_ms: int | None


class DeliveryJson(TypedDict):
    """`segments`, `encoding`: what the message is cut into; only over a channel that is paid by the piece."""

    channel: str
    address: Annotated[
        str | None,
        Field(description="Null where it came from a recipient that the caller may not read (recipients:read)."),
    ]
    status: DeliveryStatus
    segments: NotRequired[int]
    encoding: NotRequired[str]
    provider: str | None
    provider_message_id: str | None
    error: str | None
    updated_at: datetime
    attempts: list[AttemptJson]


class NotificationJson(TypedDict):
    id: str
    status: NotificationStatus
    recipient: str | None
    subject: str | None
    message: str
    tags: dict[str, str]
    created_at: datetime
    deliveries: list[DeliveryJson]


class RecipientJson(TypedDict):
    name: str
    addresses: dict[str, str]
    created_at: datetime
    updated_at: datetime
    updated_by: Annotated[
        str | None,
        Field(description="The id of the caller that wrote it last. Null where it is a caller that one may not see."),
    ]


class DeadLetterJson(TypedDict):
    notification_id: str
    channel: str
    error: str | None
    attempts: int
    dead_at: datetime


class ChannelJson(TypedDict):
    """`measure`: what `max_length` counts."""

    name: str
    address: str
    max_length: int
    measure: str


class NotificationsJson(TypedDict):
    items: list[NotificationJson]
    next_cursor: str | None


class RecipientsJson(TypedDict):
    items: list[RecipientJson]
    next_cursor: str | None


class DeadLettersJson(TypedDict):
    items: list[DeadLetterJson]
    next_cursor: str | None


class ChannelsJson(TypedDict):
    items: list[ChannelJson]


def notification_json(notification: Notification, deliveries: Sequence[Delivery], caller: Caller) -> NotificationJson:
    """As `caller` may see it."""
    addresses = caller.may_see_addresses(notification)
    return NotificationJson(
        id=notification.id,
        status=notification_status(deliveries),
        recipient=notification.recipient,
        subject=notification.subject,
        message=notification.message,
        tags=dict(notification.tags),
        created_at=notification.created_at,
        deliveries=[_delivery_json(delivery, addresses=addresses) for delivery in deliveries],
    )


def _delivery_json(d: Delivery, *, addresses: bool) -> DeliveryJson:
    made = DeliveryJson(
        channel=d.channel,
        address=d.address if addresses else None,
        status=d.status,
        provider=d.provider,
        provider_message_id=d.provider_message_id,
        error=d.error,
        updated_at=d.updated_at or d.created_at,
        attempts=[_attempt_json(attempt) for attempt in d.attempts],
    )
    if d.segments is not None and d.encoding is not None:
        made["segments"], made["encoding"] = d.segments, d.encoding
    return made


def _attempt_json(a: Attempt) -> AttemptJson:
    return AttemptJson(number=a.number, at=a.at, outcome=a.outcome, error=a.error, duration_ms=a.duration_ms)


def recipient_json(r: Recipient, callers: Collection[str]) -> RecipientJson:
    """callers: the ids of those that may be shown"""
    return RecipientJson(
        name=r.name,
        addresses=dict(r.addresses),
        created_at=r.created_at,
        updated_at=r.updated_at,
        updated_by=r.updated_by if r.updated_by in callers else None,
    )


def dead_letter_json(d: Delivery) -> DeadLetterJson:
    return DeadLetterJson(
        notification_id=d.notification_id,
        channel=d.channel,
        error=d.error,
        attempts=len(d.attempts),
        dead_at=d.dead_at or d.created_at,
    )
