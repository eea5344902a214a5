"""What an operator can send again, and what may have arrived twice."""

from datetime import datetime
from typing import Optional, Union

from hark_client.models.base import Answer
from hark_client.models.notifications import Attempt
from hark_client.models.words import DeliveryStatus, DuplicateReason


class DeadLetter(Answer):
    """A delivery that is dead. attempts: how many were made."""

    notification_id: str
    channel: str
    error: Optional[str]
    attempts: int
    dead_at: datetime


class ReplayedChannel(Answer):
    """segments, price: over a channel that is paid by the piece; without_price: segments without one"""

    deliveries: int
    segments: Optional[int] = None
    price: Optional[float] = None
    without_price: Optional[int] = None


class ReplayPlan(Answer):
    """What would be replayed now. estimated: there was no time to look at all.

    may_have_arrived: with an attempt of which nobody knows; refused: what cannot be replayed, by why
    """

    plan: str
    count: int
    estimated: bool
    by_reason: dict[str, int]
    by_age: dict[str, int]
    channels: dict[str, ReplayedChannel]
    may_have_arrived: int
    refused: dict[str, int]
    per_second: int
    seconds: int
    planned_at: datetime
    good_until: datetime


class DuplicatePair(Answer):
    """Two attempts that may both have arrived. channel: of the second; after an escalation it is another."""

    reason: Union[DuplicateReason, str]
    channel: str
    attempts: list[Attempt]


class Duplicate(Answer):
    """A delivery that may have arrived twice. at: when it first may have."""

    notification_id: str
    channel: str
    status: Union[DeliveryStatus, str]
    at: datetime
    pairs: list[DuplicatePair]
