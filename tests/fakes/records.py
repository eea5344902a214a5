"""Records to begin with."""

import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from shared.delivery.model import Delivery, Notification
from shared.delivery.retries import Policy
from shared.delivery.state_machine import queued
from shared.delivery.store import Store
from shared.sending.messages import Message, content_of
from tests.fakes.clock import START

POLICY = Policy(
    max_attempts=5,
    retry_base=timedelta(seconds=10),
    retry_cap=timedelta(seconds=600),
    grace=timedelta(seconds=60),
    lease=timedelta(seconds=45),
    send_deadline=timedelta(seconds=30),
)


def a_notification(
    *,
    channels: Sequence[str] = ("email",),
    created_at: datetime = START,
    shard: int = 3,
    recipient: str | None = None,
    caller: str = "shop",
    simulated: bool = False,
) -> Notification:
    return Notification(
        id=str(uuid.uuid4()),
        channels=tuple(channels),
        message="Build 42 is live",
        subject="Deploy",
        created_at=created_at,
        expire_at=created_at + timedelta(days=30),
        fingerprint="f" * 64,
        shard=shard,
        recipient=recipient,
        caller=caller,
        simulated=simulated,
        tags={"team": "infra"},
    )


def queued_deliveries(notification: Notification, policy: Policy = POLICY) -> list[Delivery]:
    return [queued(notification, channel, f"{channel}-address", policy) for channel in notification.channels]


async def accepted(
    store: Store, notification: Notification, policy: Policy = POLICY, traceparent: str | None = None
) -> list[Delivery]:
    """Its deliveries, as the gateway leaves them on record."""
    deliveries = [replace(d, traceparent=traceparent) for d in queued_deliveries(notification, policy)]
    version = await store.create(notification, deliveries)
    return [replace(delivery, version=version) for delivery in deliveries]


def first_message(notification: Notification, delivery: Delivery) -> Message:
    """The gateway's: with all that the function needs."""
    return Message(
        notification_id=delivery.notification_id,
        channel=delivery.channel,
        content=content_of(notification, delivery),
    )


def later_message(delivery: Delivery) -> Message:
    """The relay's: which delivery, no more."""
    return Message(notification_id=delivery.notification_id, channel=delivery.channel)
