"""Pub/Sub in memory: Publish by gRPC, and pushes as its emulator makes them.

A push that is not acknowledged, or not within the deadline, comes again after a second; after so many of them the
message goes to the topic for dead letters. Everything is forgotten with the process.
"""

import asyncio
import base64
import contextlib
import itertools
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import aiohttp
import grpc
import grpc.aio

from emulator.config import HOST
from emulator.provision import Plan
from shared.google.publisher import PublishRequest, PublishResponse

AT_ONCE = 2  # pushes of one subscription, as the emulator has it on two cores
AGAIN_SECONDS = 1.0
ACKNOWLEDGED = {102, 200, 201, 202, 204}  # https://cloud.google.com/pubsub/docs/push#receive_push
_SOURCE = "CloudPubSubDeadLetterSource"


@dataclass(slots=True)
class Message:
    id: str
    data: bytes
    attributes: Mapping[str, str]
    published_at: str
    pushes: int = 0


@dataclass(slots=True)
class Subscription:
    """ack_deadline: in seconds; most_pushes: then a message is a dead letter, of `dead_letter_topic`"""

    name: str
    topic: str
    endpoint: str
    ack_deadline: float
    dead_letter_topic: str | None = None
    most_pushes: int = 0
    waiting: asyncio.Queue[Message] = field(default_factory=asyncio.Queue)


class Topics:
    """Which there are, and who is subscribed to them. One that nobody pushes keeps nothing: here nobody can pull."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self._http = http
        self._pushing: list[asyncio.Task[None]] = []
        self._subscriptions: dict[str, list[Subscription]] = {}
        self._ids = itertools.count(1)

    def provision(self, plan: Plan) -> None:
        """Makes the topics and subscriptions, and begins to push."""
        for topic in plan.topics:
            self._subscriptions.setdefault(topic, [])
        for name, body in plan.subscriptions.items():
            if "pushConfig" in body:
                self._subscribe(_subscription(name, body))

    def publish(self, topic: str, data: bytes, attributes: Mapping[str, str]) -> str:
        """Returns the message's id. Raises KeyError for a topic that is not there."""
        published_at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        subscriptions, number = self._subscriptions[topic], str(next(self._ids))
        for subscription in subscriptions:
            subscription.waiting.put_nowait(Message(number, data, attributes, published_at))
        return number

    def close(self) -> None:
        for task in self._pushing:
            task.cancel()

    def _subscribe(self, subscription: Subscription) -> None:
        self._subscriptions[subscription.topic].append(subscription)
        for _ in range(AT_ONCE):
            self._pushing.append(asyncio.create_task(self._push_all(subscription)))

    async def _push_all(self, subscription: Subscription) -> None:
        while True:
            message = await subscription.waiting.get()
            message.pushes += 1
            if await self._pushed(subscription, message):
                continue
            if subscription.dead_letter_topic and message.pushes >= subscription.most_pushes:
                self._give_up(subscription, message, subscription.dead_letter_topic)
            else:
                asyncio.get_running_loop().call_later(AGAIN_SECONDS, subscription.waiting.put_nowait, message)

    async def _pushed(self, subscription: Subscription, message: Message) -> bool:
        """Whether it is acknowledged."""
        pushed = {
            "attributes": message.attributes,
            "data": base64.b64encode(message.data).decode(),
            "messageId": message.id,
            "message_id": message.id,
            "publishTime": message.published_at,
            "publish_time": message.published_at,
        }
        body = {"message": pushed, "subscription": subscription.name}
        timeout = aiohttp.ClientTimeout(total=subscription.ack_deadline)
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with self._http.post(subscription.endpoint, json=body, timeout=timeout) as answer:
                return answer.status in ACKNOWLEDGED
        return False

    def _give_up(self, subscription: Subscription, message: Message, topic: str) -> None:
        _, project, _, name = subscription.name.split("/")
        source = {
            f"{_SOURCE}DeliveryCount": str(message.pushes),
            f"{_SOURCE}Subscription": name,
            f"{_SOURCE}SubscriptionProject": project,
            f"{_SOURCE}TopicPublishTime": message.published_at,
        }
        self.publish(topic, message.data, {**message.attributes, **source})


def _subscription(name: str, body: Mapping[str, Any]) -> Subscription:
    policy = body.get("deadLetterPolicy", {})
    return Subscription(
        name,
        body["topic"],
        body["pushConfig"]["pushEndpoint"],
        body["ackDeadlineSeconds"],
        policy.get("deadLetterTopic"),
        policy.get("maxDeliveryAttempts", 0),
    )


class PublishHandler(grpc.GenericRpcHandler):  # type: ignore[misc] # it has no types
    def __init__(self, topics: Topics) -> None:
        self._topics = topics
        self._handler = grpc.unary_unary_rpc_method_handler(
            self._publish, PublishRequest.FromString, PublishResponse.SerializeToString
        )

    def service(self, details: Any) -> Any:
        return self._handler if details.method == "/google.pubsub.v1.Publisher/Publish" else None

    async def _publish(self, request: Any, context: Any) -> Any:
        try:
            ids = [self._topics.publish(request.topic, m.data, dict(m.attributes)) for m in request.messages]
        except KeyError:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"there is no topic {request.topic}")
        return PublishResponse(message_ids=ids)


@asynccontextmanager
async def serving(port: int = 0) -> AsyncIterator[tuple[str, Topics]]:
    """A Pub/Sub of its own at host:port; 0 lets the system choose."""
    async with aiohttp.ClientSession() as http:
        topics = Topics(http)
        server = grpc.aio.server()
        server.add_generic_rpc_handlers((PublishHandler(topics),))
        bound = server.add_insecure_port(f"{HOST}:{port}")
        await server.start()
        try:
            yield f"{HOST}:{bound}", topics
        finally:
            topics.close()
            await server.stop(None)
