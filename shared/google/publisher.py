"""Publishing messages to the channels' topics.

Apart from `shared.sending.messages`, since its libraries take a fifth of a second of a cold start, and a channel
function
publishes nothing.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import grpc
import grpc.aio
from google.api_core.gapic_v1 import routing_header

from shared.channels.declaration import topic
from shared.delivery.errors import PublishFailed
from shared.delivery.instants import rfc3339
from shared.google import grpc_channel
from shared.google.bare_packages import bare
from shared.google.rpc_batching import Batches, byte_size
from shared.runtime import telemetry, trace_context
from shared.runtime.settings import CoreSettings
from shared.runtime.telemetry import Kind
from shared.sending.event_messages import EventMessage
from shared.sending.messages import Message

with bare("google.pubsub_v1"):
    from google.pubsub_v1.types import pubsub

HOST = "pubsub.googleapis.com"
SCOPES = ("https://www.googleapis.com/auth/cloud-platform", "https://www.googleapis.com/auth/pubsub")

PublishRequest = pubsub.PublishRequest.pb()
PublishResponse = pubsub.PublishResponse.pb()
PubsubMessage = pubsub.PubsubMessage.pb()

PUBLISH_TIMEOUT = 5.0  # seconds; the official client's default retries for ten minutes
EVENTS = "events"
"""The topic of events, which a deployment has that wants them."""
_MOST_AT_ONCE = 1000  # Pub/Sub's limit on messages in one publish request
_MOST_BYTES = 5_000_000  # half of its limit


def open_publisher(settings: CoreSettings) -> "PubsubPublisher":
    """The topics, on the emulator or on Pub/Sub. Called within the running loop."""
    return PubsubPublisher(connect(settings.pubsub_emulator_host), settings.google_cloud_project)


def connect(emulator_host: str | None, interceptors: Sequence[grpc.aio.ClientInterceptor] = ()) -> grpc.aio.Channel:
    """A channel to the emulator at host:port, or to Pub/Sub with the process's own credentials."""
    return grpc_channel.connect(emulator_host, HOST, SCOPES, interceptors)


class PubsubPublisher:
    """Publishes on the official client's channel and protobufs, once, with a deadline.

    What is asked for during a call goes together with the next.
    """

    def __init__(self, channel: grpc.aio.Channel, project: str) -> None:
        self._project = project
        call: Any = channel.unary_unary
        self._publish = call(
            "/google.pubsub.v1.Publisher/Publish",
            request_serializer=PublishRequest.SerializeToString,
            response_deserializer=PublishResponse.FromString,
        )
        self._topics: dict[str, Batches[Any, None]] = {}

    async def publish(self, messages: Sequence[Message]) -> None:
        by_topic: dict[str, list[Message]] = {}
        for message in messages:
            by_topic.setdefault(topic(message.channel, bulk=message.bulk), []).append(message)
        batches = [
            self._publish_batch(name, batch[start : start + _MOST_AT_ONCE])
            for name, batch in by_topic.items()
            for start in range(0, len(batch), _MOST_AT_ONCE)
        ]
        # All at once: one topic's failure does not keep the others' messages back. One alone, as a rule, needs no task.
        problems = [await batches[0]] if len(batches) == 1 else await asyncio.gather(*batches)
        failed = [problem for problem in problems if problem]
        if failed:
            raise PublishFailed("Pub/Sub did not take all messages: " + ", ".join(failed))

    async def publish_events(self, events: Sequence[EventMessage]) -> None:
        """See `shared.sending.event_messages.EventPublisher`."""
        with telemetry.span(f"publish {EVENTS}", Kind.PRODUCER, {"messaging.system": "gcp_pubsub"}) as span:
            try:
                for start in range(0, len(events), _MOST_AT_ONCE):
                    batch = events[start : start + _MOST_AT_ONCE]
                    await self._topic(EVENTS).send([_cloud_event(event, self._project) for event in batch])
            except grpc.aio.AioRpcError as error:
                span.fail(error.code().name)
                failed = error.code().name
            else:
                return
        raise PublishFailed(f"Pub/Sub did not take all events: {failed}")

    async def _publish_batch(self, topic_name: str, batch: Sequence[Message]) -> str | None:
        """What went wrong, if anything did."""
        attributes: dict[str, str | int] = {"messaging.system": "gcp_pubsub"}
        if len(batch) > 1:
            attributes["messaging.batch.message_count"] = len(batch)
        else:
            attributes["hark.notification_id"] = batch[0].notification_id
        with telemetry.span(f"publish {topic_name}", Kind.PRODUCER, attributes) as span:
            try:
                await self._topic(topic_name).send([_pubsub_message(message) for message in batch])
            except grpc.aio.AioRpcError as error:
                span.fail(error.code().name)
                return f"{topic_name}: {error.code().name}"
        return None

    def _topic(self, name: str) -> Batches[Any, None]:
        if name not in self._topics:
            path = f"projects/{self._project}/topics/{name}"
            routing = (routing_header.to_grpc_metadata({"topic": path}),)  # type: ignore[no-untyped-call]

            async def publish(messages: Sequence[Any]) -> Sequence[None]:
                request = PublishRequest(topic=path, messages=messages)
                await self._publish(request, timeout=PUBLISH_TIMEOUT, metadata=routing)
                return [None] * len(messages)

            self._topics[name] = Batches(publish, most=_MOST_AT_ONCE, most_bytes=_MOST_BYTES, size=byte_size)
        return self._topics[name]


def _pubsub_message(message: Message) -> Any:
    traceparent = message.traceparent or trace_context.current()
    traced = {} if traceparent is None else {"traceparent": traceparent}
    return PubsubMessage(
        # Without defaults: a function of the version before knows no field that is new.
        data=message.model_dump_json(exclude_defaults=True).encode(),
        attributes={"notification_id": message.notification_id, "channel": message.channel, **traced},
    )


def _cloud_event(event: EventMessage, project: str) -> Any:
    """In binary mode: https://github.com/google/knative-gcp/blob/main/docs/spec/pubsub-protocol-binding.md."""
    return PubsubMessage(
        data=event.data.encode(),
        attributes={
            "ce-specversion": "1.0",
            "ce-id": event.id,
            "ce-type": event.type,
            "ce-source": f"//hark/projects/{project}",
            "ce-subject": event.subject,
            "ce-time": rfc3339(event.at),
            "content-type": "application/json",
        },
    )
