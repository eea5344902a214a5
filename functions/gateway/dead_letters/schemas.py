"""The JSON of /v1/dead-letters."""

from datetime import datetime

from typing_extensions import TypedDict

from shared.delivery.model import Delivery


class DeadLetterJson(TypedDict):
    notification_id: str
    channel: str
    error: str | None
    attempts: int
    dead_at: datetime


class DeadLettersJson(TypedDict):
    items: list[DeadLetterJson]
    next_cursor: str | None


def dead_letter_json(d: Delivery) -> DeadLetterJson:
    return DeadLetterJson(
        notification_id=d.notification_id,
        channel=d.channel,
        error=d.error,
        attempts=len(d.attempts),
        dead_at=d.dead_at or d.created_at,
    )
