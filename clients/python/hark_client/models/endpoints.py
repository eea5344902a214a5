"""The systems that are told of events, and what was sent to them."""

from datetime import datetime
from typing import Optional, Union

from hark_client.models.base import Answer
from hark_client.models.words import DeliveryStatus, EndpointState


class Endpoint(Answer):
    """Where events go. secret: of `put` and `rotate` alone, where it is new: keep it, nobody shows it again

    reason: why it is disabled
    """

    name: str
    url: str
    events: list[str]
    state: Union[EndpointState, str]
    reason: Optional[str]
    disabled_at: Optional[datetime]
    secret: Optional[str]
    created_at: datetime
    updated_at: datetime


class EventDelivery(Answer):
    """id: of the notification that carries it, which has every attempt; event: as `webhook-id` has it"""

    id: str
    event: str
    status: Union[DeliveryStatus, str]
    attempts: int
    error: Optional[str]
    next_try_at: Optional[datetime]
    created_at: datetime
    updated_at: Optional[datetime]


class SentTest(Answer):
    """id: of the notification that carries the test; event: as `webhook-id` has it"""

    id: str
    event: str
