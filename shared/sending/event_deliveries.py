"""From an event to what is sent to an endpoint: an ordinary notification with one delivery, whose ids are made of both.

What if the process dies after the write: the delivery is due, and the relay publishes it. What if the event comes
again: the notification is there, and nothing is made.
"""

import json
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.delivery.errors import AlreadyExists, PublishFailed
from shared.delivery.events import OF_EVENTS
from shared.delivery.model import Delivery, Notification, replace
from shared.delivery.retries import Policy
from shared.delivery.state_machine import queued
from shared.delivery.store import SHARDS, Store
from shared.runtime.logs import get_logger
from shared.sending.endpoints import CHANNEL, Endpoint
from shared.sending.event_messages import EventMessage, compact, rfc3339
from shared.sending.messages import Message, Publisher, message_of

log = get_logger(__name__)

_IDS = uuid.UUID("6b0f2f64-4d0c-4f0e-9d0a-1f1b8f0f7a51")


def webhook_body(event: EventMessage) -> str:
    """As https://www.standardwebhooks.com has it: what is signed, and sent each time."""
    return compact({"type": event.type, "timestamp": rfc3339(event.at), "data": json.loads(event.data)})


@dataclass(frozen=True, slots=True)
class Webhook:
    """What goes to an endpoint. event: the id, by which its receiver knows a repeat; body: as `webhook_body` made it"""

    event: str
    body: str


def webhook_of(event: EventMessage) -> Webhook:
    return Webhook(event.id, webhook_body(event))


def sent_webhook(delivery: Delivery) -> Webhook:
    """What a delivery to an endpoint has. Raises ValueError, KeyError of another's."""
    parts = json.loads(delivery.content or "{}")
    return Webhook(parts["event"], parts["message"])


def event_delivery(
    webhook: Webhook,
    endpoint: Endpoint,
    *,
    now: datetime,
    retention: timedelta,
    policy: Policy,
    address_hash: str,
    again: str = "",
) -> tuple[Notification, Delivery]:
    """again: the id of what it is sent once more for; the first time there is none"""
    notification_id = uuid.uuid5(_IDS, "\n".join((webhook.event, endpoint.id, again)))
    notification = Notification(
        id=str(notification_id),
        channels=(CHANNEL,),
        message=None,
        created_at=now,
        expire_at=now + retention,
        fingerprint="",
        shard=notification_id.int % SHARDS,
        caller=OF_EVENTS,
    )
    content = compact({"message": webhook.body, "event": webhook.event})
    delivery = queued(notification, CHANNEL, endpoint.name, policy)
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
