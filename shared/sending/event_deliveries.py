"""From an event to what is sent to an endpoint: an ordinary notification with one delivery, whose ids are made of both.

What if the process dies after the write: the delivery is due, and the relay publishes it. What if the event comes
again: the notification is there, and nothing is made.
"""

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.delivery.errors import AlreadyExists, PublishFailed
from shared.delivery.events import OF_EVENTS
from shared.delivery.instants import rfc3339
from shared.delivery.model import Delivery, Notification, replace
from shared.delivery.retries import Policy
from shared.delivery.state_machine import queued
from shared.delivery.store import SHARDS, Store
from shared.runtime.logs import get_logger
from shared.sending.endpoints import Endpoint
from shared.sending.event_messages import EventMessage, compact
from shared.sending.messages import Message, Publisher, message_of

log = get_logger(__name__)

_IDS = uuid.UUID("6b0f2f64-4d0c-4f0e-9d0a-1f1b8f0f7a51")


@dataclass(frozen=True, slots=True)
class EventContent:
    """What goes to an endpoint. event: the id, by which its receiver knows a repeat; body: what is signed"""

    event: str
    body: str


def event_content(event: EventMessage) -> EventContent:
    """Its body is as https://www.standardwebhooks.com has it."""
    said = {"type": event.type, "timestamp": rfc3339(event.at), "data": json.loads(event.data)}
    return EventContent(event.id, compact(said))


def sent_content(delivery: Delivery) -> EventContent:
    """What a delivery to an endpoint has. Raises ValueError, KeyError of another's."""
    parts = json.loads(delivery.content or "{}")
    return EventContent(parts["event"], parts["message"])


@dataclass(frozen=True, slots=True)
class EventDeliveries:
    """Makes what carries an event to an endpoint. channel: that carries events

    address_hash: by which the deliveries of an endpoint are found
    """

    channel: str
    retention: timedelta
    policy: Policy
    address_hash: Callable[[str, str], str]

    def of(
        self, sent: EventContent, endpoint: Endpoint, now: datetime, again: str = ""
    ) -> tuple[Notification, Delivery]:
        """again: the id of what it is sent once more for; the first time there is none"""
        notification_id = uuid.uuid5(_IDS, "\n".join((sent.event, endpoint.id, again)))
        notification = Notification(
            id=str(notification_id),
            channels=(self.channel,),
            message=None,
            created_at=now,
            expire_at=now + self.retention,
            fingerprint="",
            shard=notification_id.int % SHARDS,
            caller=OF_EVENTS,
        )
        content = compact({"message": sent.body, "event": sent.event})
        address_hash = self.address_hash(self.channel, endpoint.name)
        delivery = queued(notification, self.channel, endpoint.name, self.policy)
        return notification, replace(delivery, content=content, address_hash=address_hash)


async def create(store: Store, notification: Notification, delivery: Delivery) -> Message | None:
    """The message to publish; None: it is there already. Raises StoreUnavailable."""
    try:
        version = await store.create(notification, [delivery])
    except AlreadyExists:
        return None
    return message_of(notification, delivery, version)


async def publish(publisher: Publisher, messages: list[Message]) -> None:
    """What is not taken is left to the relay."""
    if not messages:
        return
    try:
        await publisher.publish(messages)
    except PublishFailed as error:
        log.warning("not published, the relay will", count=len(messages), error=str(error))
