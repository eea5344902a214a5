"""Messages to the channel functions, over Pub/Sub.

A message is a hint: it says which delivery to look at. The gateway's first one also carries all that the
function needs, so that the usual delivery reads nothing.
"""

import json
from collections.abc import Sequence
from enum import Enum
from typing import Any, Protocol

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from shared.delivery.model import CategoryClass, Delivery, Notification


class Content(BaseModel):
    """What a first send needs of the record: valid only while the record still has `version`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    address: str
    subject: str | None
    message: str
    created_at: AwareDatetime
    version: int
    simulated: bool = False
    parts: str | None = None
    """`Delivery.content`"""
    attachments: int = 0
    deliver_by: AwareDatetime | None = None
    send_at: AwareDatetime | None = None
    """While it is scheduled."""
    earlier: dict[str, str] = Field(default_factory=dict)
    category: str | None = None
    category_class: CategoryClass | None = None
    recipient: str | None = None
    expire_at: AwareDatetime | None = None
    """Both where it has a category: what the person wants of it is asked by their name, and held back no longer."""

    def everything(self) -> dict[str, Any]:
        """What the message has: `subject`, `message`, and what its channel has besides."""
        if self.parts is not None:
            parts: dict[str, Any] = json.loads(self.parts)
            return parts
        return {"subject": self.subject, "message": self.message}


class Message(BaseModel):
    """Which delivery to take up; without `content` the function reads the record.

    traceparent: whose trace it belongs to, if not to that of what publishes it; an attribute, and no part of the data
    bulk: which of its channel's topics it goes to; no part of the data either
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    # Both become part of a document's name.
    notification_id: str = Field(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
    channel: str = Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")
    content: Content | None = None
    traceparent: str | None = Field(default=None, exclude=True)
    bulk: bool = Field(default=False, exclude=True)


def content_of(notification: Notification, delivery: Delivery, version: int | None = None) -> Content:
    """What a function needs to send this delivery, as it goes into a message. version: of its record, if just made"""
    version = delivery.version if version is None else version
    assert version is not None  # noqa: S101 - it was read or written
    own = delivery.content is not None
    return Content(
        address=delivery.address,
        subject=None if own else notification.subject,
        message="" if own else notification.message or "",
        created_at=notification.created_at,
        version=version,
        simulated=delivery.simulated,
        parts=delivery.content,
        attachments=delivery.attachments,
        deliver_by=delivery.deliver_by,
        send_at=delivery.scheduled_for,
        earlier=dict(delivery.earlier),
        category=delivery.category,
        category_class=delivery.category_class,
        recipient=None if delivery.category is None else delivery.recipient,
        expire_at=None if delivery.category is None else delivery.expire_at,
    )


def message_of(notification: Notification, delivery: Delivery, version: int | None = None) -> Message:
    """With all that a first send needs, if no other record has a say in it. version: as of `content_of`"""
    if not delivery.is_plain or notification.cancelled_at is not None:
        return hint(delivery)
    return Message(
        notification_id=notification.id,
        channel=delivery.channel,
        content=content_of(notification, delivery, version),
        traceparent=delivery.traceparent,
        bulk=delivery.bulk,
    )


def hint(delivery: Delivery) -> Message:
    """That there is something to do, as part of the trace that it has always belonged to."""
    return Message(
        notification_id=delivery.notification_id,
        channel=delivery.channel,
        traceparent=delivery.traceparent,
        bulk=delivery.bulk,
    )


class Answer(Enum):
    """What to tell Pub/Sub."""

    ACK = 204
    NACK = 503


class Publisher(Protocol):
    async def publish(self, messages: Sequence[Message]) -> None:
        """Each message to its channel's topic. Raises PublishFailed when any was not confirmed."""
        ...
