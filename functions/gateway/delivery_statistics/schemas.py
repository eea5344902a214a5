"""The JSON of /v1/statistics."""

from datetime import datetime
from typing import Literal

from typing_extensions import TypedDict

from functions.gateway.delivery_statistics.counting import ChannelStatistics, Statistics
from shared.delivery.model import DeliveryStatus


class ChannelStatisticsJson(TypedDict):
    """`by_status`: where the deliveries that were accepted within the time stand now

    `steps`: of these, by the step in which they were accepted, `sent` (or delivered) and `failed` (or dead, or
    undelivered)
    `pending`: those that wait or are under way now, whenever they were accepted, without what is scheduled for later
    `oldest_pending_at`: when the oldest of them was accepted; `dead`: those that are dead now, whenever accepted
    """

    channel: str
    by_status: dict[DeliveryStatus, int]
    steps: dict[Literal["sent", "failed"], list[int]]
    pending: int
    oldest_pending_at: datetime | None
    dead: int


class ProviderFailuresJson(TypedDict):
    name: str
    failed: int


_DOC = """`from`, `to`: `to` is when it was looked, and itself not in it; `steps`: when each of them begins

`accepted`: notifications, by step
`providers`: of the newest failures within the time, `failures_read` of them, whose they are
`estimated`: some of the numbers are, each of 30,000 or more, and right to within a few per cent; others are exact
"""
StatisticsJson = TypedDict(
    "StatisticsJson",
    {
        "from": datetime,
        "to": datetime,
        "step_seconds": int,
        "steps": list[datetime],
        "accepted": list[int],
        "channels": list[ChannelStatisticsJson],
        "providers": list[ProviderFailuresJson],
        "failures_read": int,
        "estimated": bool,
    },
)
StatisticsJson.__doc__ = _DOC


def statistics_json(statistics: Statistics) -> StatisticsJson:
    return {
        "from": statistics.start,
        "to": statistics.end,
        "step_seconds": int(statistics.step.total_seconds()),
        "steps": list(statistics.steps),
        "accepted": list(statistics.accepted),
        "channels": [_channel_json(each) for each in statistics.channels],
        "providers": [
            ProviderFailuresJson(name=name, failed=failed)
            for name, failed in sorted(statistics.failures.items(), key=lambda each: (-each[1], each[0]))
        ],
        "failures_read": statistics.failures_read,
        "estimated": statistics.estimated,
    }


def _channel_json(of: ChannelStatistics) -> ChannelStatisticsJson:
    return ChannelStatisticsJson(
        channel=of.channel,
        by_status=dict(of.by_status),
        steps={"sent": list(of.steps["sent"]), "failed": list(of.steps["failed"])},
        pending=of.pending,
        oldest_pending_at=of.oldest_pending_at,
        dead=of.dead,
    )
