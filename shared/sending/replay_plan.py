"""A bulk replay as it was planned: which dead letters, and how fast."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from shared.delivery.model import Delivery, DeliveryStatus


@dataclass(frozen=True, slots=True)
class ReplayFilter:
    """Which of them. channel: one, None is any; error: words that its reason has

    start, end: when it ended; the end itself is not in it
    """

    status: Sequence[DeliveryStatus] = (DeliveryStatus.DEAD,)
    channel: str | None = None
    error: str | None = None
    start: datetime | None = None
    end: datetime | None = None

    def has(self, delivery: Delivery) -> bool:
        ended = _ended_at(delivery)
        return (
            delivery.status in self.status
            and self.channel in {None, delivery.channel}
            and (self.error is None or self.error in (delivery.error or ""))
            and (self.start is None or ended >= self.start)
            and (self.end is None or ended < self.end)
        )


@dataclass(frozen=True, slots=True)
class ReplayPlan:
    """caller: the id of who asked. What has ended since `planned_at` is not of it.

    total: how many there were to be replayed; None where they were too many to be counted in time
    """

    id: str
    caller: str
    per_second: int
    planned_at: datetime
    expire_at: datetime
    total: int | None = None
    filter: ReplayFilter = field(default_factory=ReplayFilter)

    def has(self, delivery: Delivery) -> bool:
        return self.filter.has(delivery) and _ended_at(delivery) <= self.planned_at


def _ended_at(delivery: Delivery) -> datetime:
    return delivery.dead_at or delivery.updated_at or delivery.created_at


class ReplayPlanStore(Protocol):
    """Any method may raise StoreUnavailable; a write may have landed all the same."""

    async def create(self, plan: ReplayPlan) -> None:
        """Raises AlreadyExists."""
        ...

    async def plan(self, plan_id: str) -> ReplayPlan | None: ...
