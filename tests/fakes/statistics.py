"""The statistics of a store in memory."""

from collections.abc import Sequence
from datetime import datetime

from shared.delivery.model import Delivery, DeliveryStatus
from shared.delivery.statistics import Count
from tests.fakes.ordered_faults import OrderedFaults
from tests.fakes.store import MemoryStore


class MemoryStatistics(OrderedFaults):
    """See `shared.delivery.statistics.StatisticsStore`."""

    def __init__(self, store: MemoryStore) -> None:
        super().__init__()
        self._store = store

    async def accepted(self, start: datetime, end: datetime) -> Count:
        async with self._call("accepted"):
            return Count(sum(start <= n.created_at < end for n in self._store.all_notifications()))

    async def deliveries(self, channel: str, status: DeliveryStatus, start: datetime, end: datetime) -> Count:
        async with self._call("deliveries"):
            return Count(sum(start <= d.created_at < end for d in self._of(channel, status)))

    async def has_delivery(self, channel: str, status: DeliveryStatus, start: datetime, end: datetime) -> bool:
        async with self._call("has_delivery"):
            return any(start <= d.created_at < end for d in self._of(channel, status))

    async def due(self, channel: str) -> Count:
        async with self._call("due"):
            return Count(sum(d.channel == channel and d.due_at is not None for d in self._store.all_deliveries()))

    async def scheduled(self, channel: str) -> Count:
        async with self._call("scheduled"):
            return Count(len(self._of(channel, DeliveryStatus.SCHEDULED)))

    async def dead(self, channel: str) -> Count:
        async with self._call("dead"):
            return Count(len(self._of(channel, DeliveryStatus.DEAD)))

    async def oldest(self, channel: str, status: DeliveryStatus) -> datetime | None:
        async with self._call("oldest"):
            return min((d.created_at for d in self._of(channel, status)), default=None)

    def _of(self, channel: str, status: DeliveryStatus) -> Sequence[Delivery]:
        return [d for d in self._store.all_deliveries() if d.channel == channel and d.status is status]
