"""Messages to the channel functions, and back from Pub/Sub's push requests.

A message is a hint: it says which delivery to look at. The gateway's first one also carries all that the
function needs, so that the usual delivery reads nothing.
"""

import asyncio
import base64
import binascii
from collections.abc import Sequence
from enum import Enum
from typing import Any, Protocol

import grpc
import grpc.aio
from google.pubsub_v1.services.publisher.transports.grpc_asyncio import PublisherGrpcAsyncIOTransport
from google.pubsub_v1.types import pubsub
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from shared import telemetry, trace
from shared.channels import topic
from shared.errors import MalformedPush, PublishFailed
from shared.model import Delivery, Notification
from shared.telemetry import Kind

PublishRequest = pubsub.PublishRequest.pb()
PubsubMessage = pubsub.PubsubMessage.pb()

PUBLISH_TIMEOUT = 5.0  # seconds; the official client's default retries for ten minutes
_MOST_AT_ONCE = 1000  # Pub/Sub's limit on messages in one publish request


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


def connect(emulator_host: str | None, interceptors: Sequence[grpc.aio.ClientInterceptor] = ()) -> grpc.aio.Channel:
    """A channel to the emulator at host:port, or to Pub/Sub with the process's own credentials."""
    options = [("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 1000)]
    if emulator_host:
        return grpc.aio.insecure_channel(emulator_host, options=options, interceptors=interceptors)
    return PublisherGrpcAsyncIOTransport.create_channel(options=options)


class PubsubPublisher:
    """Publishes on the official client's channel and protobufs, once, with a deadline."""

    def __init__(self, channel: grpc.aio.Channel, project: str) -> None:
        self._project = project
        call: Any = channel.unary_unary
        self._publish = call(
            "/google.pubsub.v1.Publisher/Publish",
            request_serializer=PublishRequest.SerializeToString,
            response_deserializer=pubsub.PublishResponse.pb().FromString,
        )

    async def publish(self, messages: Sequence[Message]) -> None:
        by_topic: dict[str, list[Message]] = {}
        for message in messages:
            by_topic.setdefault(topic(message.channel), []).append(message)
        # All at once: one topic's failure does not keep the others' messages back.
        problems = await asyncio.gather(
            *(
                self._publish_batch(name, batch[start : start + _MOST_AT_ONCE])
                for name, batch in by_topic.items()
                for start in range(0, len(batch), _MOST_AT_ONCE)
            )
        )
        failed = [problem for problem in problems if problem]
        if failed:
            raise PublishFailed("Pub/Sub did not take all messages: " + ", ".join(failed))

    async def _publish_batch(self, topic_name: str, batch: Sequence[Message]) -> str | None:
        """What went wrong, if anything did."""
        path = f"projects/{self._project}/topics/{topic_name}"
        routing = (("x-goog-request-params", f"topic={path}"),)
        attributes: dict[str, str | int] = {"messaging.system": "gcp_pubsub"}
        if len(batch) > 1:
            attributes["messaging.batch.message_count"] = len(batch)
        else:
            attributes["hark.notification_id"] = batch[0].notification_id
        with telemetry.span(f"publish {topic_name}", Kind.PRODUCER, attributes) as span:
            request = PublishRequest(topic=path, messages=[_pubsub_message(message) for message in batch])
            try:
                await self._publish(request, timeout=PUBLISH_TIMEOUT, metadata=routing)
            except grpc.aio.AioRpcError as error:
                span.fail(error.code().name)
                return f"{topic_name}: {error.code().name}"
        return None


def _pubsub_message(message: Message) -> Any:
    traceparent = message.traceparent or trace.current()
    traced = {} if traceparent is None else {"traceparent": traceparent}
    return PubsubMessage(
        # Without defaults: a function of the version before knows no field that is new.
        data=message.model_dump_json(exclude_defaults=True).encode(),
        attributes={"notification_id": message.notification_id, "channel": message.channel, **traced},
    )


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
