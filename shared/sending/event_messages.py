"""An event as it is published: what it says of a delivery, to the deployment's topic and to endpoints alike."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from shared.delivery.instants import rfc3339
from shared.delivery.model import Delivery, Event

TYPES = "delivery."
"""What the type of an event begins with; the delivery's new status follows."""


@dataclass(frozen=True, slots=True)
class EventMessage:
    """id: the same each time that the event is published; type: "delivery.sent"; at: when it happened

    subject: what it is about; data: what it says, as JSON, without a text or an address
    """

    id: str
    type: str
    at: datetime
    subject: str
    data: str


class EventPublisher(Protocol):
    async def publish_events(self, events: Sequence[EventMessage]) -> None:
        """To the topic of events. Raises PublishFailed when any was not confirmed."""
        ...


def event_message(delivery: Delivery, event: Event) -> EventMessage:
    data: dict[str, Any] = {
        "notification_id": delivery.notification_id,
        "channel": delivery.channel,
        "status": event.status,
        "at": rfc3339(event.at),
        "accepted_at": rfc3339(delivery.created_at),
        "attempts": event.attempts,
        "reason": event.reason,
        "error": event.error,
        "provider": event.provider,
        "provider_message_id": event.provider_message_id,
        "simulated": delivery.simulated,
    }
    subject = f"notifications/{delivery.notification_id}/deliveries/{delivery.channel}"
    return EventMessage(event.id, TYPES + event.status, event.at, subject, compact(data))


def compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
