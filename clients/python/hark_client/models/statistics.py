"""Numbers of what was accepted, sent and failed."""

from datetime import datetime
from typing import Optional

from pydantic import Field

from hark_client.models.base import Answer


class ChannelStatistics(Answer):
    """by_status: where the deliveries that were accepted within the time stand now, by status

    steps: of these, by the step in which they were accepted, those that were `sent` (or delivered), and that `failed`
    (or are dead, or undelivered)
    pending, dead: whenever they were accepted; pending without what is scheduled for later
    """

    channel: str
    by_status: dict[str, int]
    steps: dict[str, list[int]]
    pending: int
    oldest_pending_at: Optional[datetime]
    dead: int


class ProviderFailures(Answer):
    name: str
    failed: int


class Statistics(Answer):
    """steps: when each begins; accepted: notifications, by step

    providers: of the newest failures within the time, which `failures_read` are, whose they are
    estimated: some of the numbers are, each of 30,000 or more
    """

    from_: datetime = Field(alias="from")
    to: datetime
    step_seconds: int
    steps: list[datetime]
    accepted: list[int]
    channels: list[ChannelStatistics]
    providers: list[ProviderFailures]
    failures_read: int
    estimated: bool
