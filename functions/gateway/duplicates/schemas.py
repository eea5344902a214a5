"""The JSON of /v1/duplicates."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from functions.gateway.notifications.schemas import AttemptJson, attempt_json
from shared.delivery.duplicates import Duplicate, DuplicateReason
from shared.delivery.model import Delivery, DeliveryStatus


class PairJson(TypedDict):
    """Two attempts that may both have arrived. `channel`: of the second; after an escalation it is another"""

    reason: DuplicateReason
    channel: str
    attempts: Annotated[list[AttemptJson], Field(description="The first and the second.")]


class DuplicateJson(TypedDict):
    """`at`: when it may first have arrived a second time"""

    notification_id: str
    channel: str
    status: DeliveryStatus
    at: datetime
    pairs: list[PairJson]


class DuplicatesJson(TypedDict):
    items: list[DuplicateJson]
    next_cursor: str | None


def duplicate_json(d: Delivery, found: Sequence[Duplicate]) -> DuplicateJson:
    return DuplicateJson(
        notification_id=d.notification_id,
        channel=d.channel,
        status=d.status,
        at=d.twice_at or d.created_at,
        pairs=[
            PairJson(
                reason=each.reason, channel=each.channel, attempts=[attempt_json(each.first), attempt_json(each.second)]
            )
            for each in found
        ],
    )
