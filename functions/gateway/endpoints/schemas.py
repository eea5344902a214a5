"""The JSON of /v1/endpoints, in and out."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from typing_extensions import TypedDict

from functions.gateway.notifications.timing import Instant
from functions.gateway.web.common_fields import Entries, each_once
from shared.channels.content import said
from shared.delivery.events import STATUSES
from shared.delivery.model import Delivery, DeliveryStatus, Notification
from shared.runtime.settings import http_url
from shared.sending.endpoints import EVERY_EVENT, Endpoint, EndpointState
from shared.sending.event_deliveries import sent_content
from shared.sending.event_messages import TYPES

EVENT_TYPES = tuple(TYPES + status for status in STATUSES)
"""That an endpoint may want."""
LONGEST_OVERLAP = 604_800  # seconds


def _known_type(text: str) -> str:
    if text != EVERY_EVENT and text not in EVENT_TYPES:
        raise ValueError(f"must be one of {', '.join(EVENT_TYPES)}, or {EVERY_EVENT} for all of them")
    return text


EventType = Annotated[str, AfterValidator(_known_type), said(enum=[*EVENT_TYPES, EVERY_EVENT])]
Url = Annotated[
    str, StringConstraints(min_length=1, max_length=2000), AfterValidator(http_url), said(pattern="^https?://[!-~]+$")
]


class EndpointRequest(BaseModel):
    """Where events go, and which."""

    model_config = ConfigDict(strict=True, extra="forbid")

    url: Url = Field(description="https, and to a public address; what it answers with a redirect has failed.")
    events: Annotated[list[EventType], Entries(30, least=1), AfterValidator(each_once), said(uniqueItems=True)] = Field(
        description="Their types, or * for all of them."
    )


class RotationRequest(BaseModel):
    """How long the secret of before signs besides the new one."""

    model_config = ConfigDict(strict=True, extra="forbid")

    old_secret_seconds: Annotated[int, Field(ge=0, le=LONGEST_OVERLAP)] = 86_400


class EventsReplayRequest(BaseModel):
    """Of when the events are that are sent again; `to` itself is not in it."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    from_: Instant = Field(alias="from")
    to: Instant | None = Field(default=None, description="By default now.")


class EndpointJson(TypedDict):
    """`secret`: shown once, when it is new; else null. `reason`: why it is disabled."""

    name: str
    url: str
    events: list[str]
    state: EndpointState
    reason: str | None
    disabled_at: datetime | None
    secret: str | None
    created_at: datetime
    updated_at: datetime


class EndpointsJson(TypedDict):
    items: list[EndpointJson]
    next_cursor: str | None


class EventDeliveryJson(TypedDict):
    """`id`: of its notification, which has every attempt; `event`: as `webhook-id` has it."""

    id: str
    event: str
    status: DeliveryStatus
    attempts: int
    error: str | None
    next_try_at: datetime | None
    created_at: datetime
    updated_at: datetime | None


class EventDeliveriesJson(TypedDict):
    items: list[EventDeliveryJson]
    next_cursor: str | None


class SentTestJson(TypedDict):
    """`id`: of the notification that carries it; `event`: as `webhook-id` has it."""

    id: str
    event: str


def endpoint_json(endpoint: Endpoint, secret: str | None = None) -> EndpointJson:
    return EndpointJson(
        name=endpoint.name,
        url=endpoint.url,
        events=list(endpoint.events),
        state=endpoint.state,
        reason=endpoint.reason,
        disabled_at=endpoint.disabled_at,
        secret=secret,
        created_at=endpoint.created_at,
        updated_at=endpoint.updated_at,
    )


def event_delivery_json(notification: Notification, deliveries: Sequence[Delivery]) -> EventDeliveryJson | None:
    """None where its record has expired meanwhile."""
    for delivery in deliveries:
        return EventDeliveryJson(
            id=notification.id,
            event=sent_content(delivery).event,
            status=delivery.status,
            attempts=len(delivery.attempts),
            error=delivery.error,
            next_try_at=delivery.next_try_at,
            created_at=delivery.created_at,
            updated_at=delivery.updated_at,
        )
    return None
