"""Messages to the channel functions, and back from Pub/Sub's push requests.

A message is a hint: it says which delivery to look at. The gateway's first one also carries all that the
function needs, so that the usual delivery reads nothing.
"""

import base64
import binascii
from collections.abc import Sequence
from enum import Enum
from typing import Protocol

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from shared.delivery.errors import MalformedPush
from shared.delivery.model import Delivery, Notification


class Content(BaseModel):
    """What a first send needs of the record: valid only while the record still has `version`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    address: str
    subject: str | None
    message: str
    created_at: AwareDatetime
    version: int
    simulated: bool = False


class Message(BaseModel):
    """Which delivery to take up; without `content` the function reads the record.

    traceparent: whose trace it belongs to, if not to that of what publishes it; an attribute, and no part of the data
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    # Both become part of a document's name.
    notification_id: str = Field(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
    channel: str = Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")
    content: Content | None = None
    traceparent: str | None = Field(default=None, exclude=True)


def content_of(notification: Notification, delivery: Delivery) -> Content:
    """What a function needs to send this delivery, as it goes into a message."""
    assert delivery.version is not None  # noqa: S101 - it was read or written
    return Content(
        address=delivery.address,
        subject=notification.subject,
        message=notification.message,
        created_at=notification.created_at,
        version=delivery.version,
        simulated=delivery.simulated,
    )


def hint(delivery: Delivery) -> Message:
    """That there is something to do, as part of the trace that it has always belonged to."""
    return Message(notification_id=delivery.notification_id, channel=delivery.channel, traceparent=delivery.traceparent)


class Answer(Enum):
    """What to tell Pub/Sub."""

    ACK = 204
    NACK = 503


class Publisher(Protocol):
    async def publish(self, messages: Sequence[Message]) -> None:
        """Each message to its channel's topic. Raises PublishFailed when any was not confirmed."""
        ...


class _PushMessage(BaseModel):
    data: str
    attributes: dict[str, str] = Field(default_factory=dict)


class _Push(BaseModel):
    """The body of a push request: https://cloud.google.com/pubsub/docs/push#receive_push."""

    message: _PushMessage


def decode_push(body: bytes) -> Message:
    """The message in a push request's body. Raises MalformedPush."""
    try:
        push = _Push.model_validate_json(body).message
        message = Message.model_validate_json(base64.b64decode(push.data, validate=True))
        return message.model_copy(update={"traceparent": push.attributes.get("traceparent")})
    except (ValidationError, binascii.Error, ValueError) as error:
        # `from None`: pydantic's error repeats the input, which may be somebody's message.
        raise MalformedPush(f"not a push of ours ({type(error).__name__})") from None
