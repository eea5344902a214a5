"""What the statistics ask of the records: how many there are, and never the records themselves.

`shared/google/firestore/statistics_store.py` answers on Firestore, `tests/fakes/statistics.py` in memory. Any method
may raise StoreUnavailable.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from shared.delivery.model import DeliveryStatus

MOST_EXACT = 30_000
"""More than these are not counted one by one: one shard's are, and taken times the number of shards, which is right to
within a few per cent (one standard deviation of 30,000 is 2 %)."""


@dataclass(frozen=True, slots=True)
class Count:
    """estimated: from one shard"""

    number: int
    estimated: bool = False


class StatisticsStore(Protocol):
    """Times are of the accept; a span begins at `start` and ends before `end`."""

    async def accepted(self, start: datetime, end: datetime) -> Count:
        """Notifications."""
        ...

    async def deliveries(self, channel: str, status: DeliveryStatus, start: datetime, end: datetime) -> Count:
        """Those in this status now."""
        ...

    async def has_delivery(self, channel: str, status: DeliveryStatus, start: datetime, end: datetime) -> bool:
        """Whether there is one of them."""
        ...

    async def due(self, channel: str) -> Count:
        """Deliveries, whenever accepted, that have not ended: those that are scheduled, too."""
        ...

    async def scheduled(self, channel: str) -> Count:
        """Deliveries, whenever accepted, whose time has not come."""
        ...

    async def dead(self, channel: str) -> Count:
        """Deliveries, whenever accepted, that are dead."""
        ...

    async def oldest(self, channel: str, status: DeliveryStatus) -> datetime | None:
        """When the oldest in this status was accepted; None: there is none."""
        ...
