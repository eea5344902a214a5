"""Counts by Firestore's count aggregation, which reads the entries of an index: 1,000 of them are billed as one read
(https://firebase.google.com/docs/firestore/pricing#aggregation_queries).
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from shared.delivery.model import DeliveryStatus
from shared.delivery.statistics import MOST_EXACT, Count
from shared.delivery.store import SHARDS
from shared.google.firestore import queries
from shared.google.firestore.rpc import Rpc
from shared.google.firestore.value_encoding import decode

_MOST_OF_A_SHARD = 2_000_000  # entries, which are 2,000 reads


class FirestoreStatistics:
    """See `shared.delivery.statistics.StatisticsStore` for what each method promises."""

    def __init__(self, rpc: Rpc, most_exact: int = MOST_EXACT) -> None:
        self._rpc = rpc
        self._most_exact = most_exact

    async def accepted(self, start: datetime, end: datetime) -> Count:
        return await self._count("notifications", _within(start, end), "created_at", descending=True)

    async def deliveries(self, channel: str, status: DeliveryStatus, start: datetime, end: datetime) -> Count:
        return await self._count("deliveries", [*_of(channel, status), *_within(start, end)], "created_at")

    async def has_delivery(self, channel: str, status: DeliveryStatus, start: datetime, end: datetime) -> bool:
        filters = [queries.any_shard(), *_of(channel, status), *_within(start, end)]
        return await self._rpc.count(_select("deliveries", filters, "created_at"), 1) > 0

    async def due(self, channel: str) -> Count:
        return await self._count("deliveries", _of(channel), "due_at")

    async def scheduled(self, channel: str) -> Count:
        return await self._count("deliveries", _of(channel, DeliveryStatus.SCHEDULED), "created_at")

    async def dead(self, channel: str) -> Count:
        return await self._count("deliveries", _of(channel, DeliveryStatus.DEAD), "dead_at", descending=True)

    async def oldest(self, channel: str, status: DeliveryStatus) -> datetime | None:
        query = _select("deliveries", [queries.any_shard(), *_of(channel, status)], "created_at")
        query.limit.value = 1
        query.select.fields.add(field_path="created_at")
        found = await self._rpc.run_query(query)
        oldest: datetime | None = decode(found[0].fields["created_at"]) if found else None
        return oldest

    async def _count(self, collection: str, filters: Sequence[Any], order: str, *, descending: bool = False) -> Count:
        """order: of an index, whose entries are counted"""
        every = _select(collection, [queries.any_shard(), *filters], order, descending=descending)
        exact = await self._rpc.count(every, self._most_exact)
        if exact < self._most_exact:
            return Count(exact)
        one = _select(collection, [queries.equal("shard", 0), *filters], order, descending=descending)
        return Count(await self._rpc.count(one, _MOST_OF_A_SHARD) * SHARDS, estimated=True)


def _select(collection: str, filters: Sequence[Any], order: str, *, descending: bool = False) -> Any:
    group = collection == "deliveries"
    return queries.select(collection, group=group, filters=filters, order=order, descending=descending)


def _of(channel: str, status: DeliveryStatus | None = None) -> list[Any]:
    return queries.given(channel=channel, status=status)


def _within(start: datetime, end: datetime) -> list[Any]:
    return [queries.from_on("created_at", start), queries.before("created_at", end)]
