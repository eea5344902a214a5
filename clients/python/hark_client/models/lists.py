"""Lists of recipients, and what a broadcast to one would do."""

from datetime import datetime
from typing import Any, Optional

from pydantic import Field

from hark_client.models.base import Answer
from hark_client.models.problems import FieldError


class RecipientList(Answer):
    """A list by its name. Its members are asked for by themselves."""

    name: str
    description: str
    created_at: datetime
    updated_at: datetime


class Member(Answer):
    """A recipient in a list."""

    recipient: str
    added_at: datetime


class AddedMembers(Answer):
    """added: how many were not in it before; problems: the names that were not added"""

    added: int
    problems: list[FieldError]


class PlannedChannel(Answer):
    """deliveries: that would be made; suppressed: of these, those that end so; held: those that quiet hours put off.

    segments, price: of those that go, over a channel that is paid by the piece; without_price: segments without one
    """

    deliveries: int
    suppressed: int
    held: int
    segments: Optional[int] = None
    price: Optional[float] = None
    without_price: Optional[int] = None


class BroadcastSample(Answer):
    """What one member would get."""

    recipient: str
    content: dict[str, dict[str, Any]]


class BroadcastPlan(Answer):
    """What would go now. counted: of the recipients, those that were looked at in the time there was.

    estimated: these are not all, and the other numbers are theirs alone; refused: recipients for whom no notification
    can be made, by why; seconds: that it takes at `per_second`; good_until: it can be begun until then
    """

    plan: str
    list_: str = Field(alias="list")
    recipients: int
    counted: int
    estimated: bool
    channels: dict[str, PlannedChannel]
    suppressed: int
    segments: int
    refused: dict[str, int]
    sample: list[BroadcastSample]
    per_second: int
    seconds: int
    planned_at: datetime
    good_until: datetime
