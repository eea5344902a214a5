"""What every store of the statistics promises, in memory and on Firestore."""

import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.delivery.model import PENDING, Delivery, DeliveryStatus
from shared.delivery.statistics import Count, StatisticsStore
from shared.delivery.store import SHARDS, Store
from shared.google.firestore import rpc
from shared.google.firestore.statistics_store import FirestoreStatistics
from shared.google.firestore.store import FirestoreStore
from tests.contract import stores
from tests.fakes.clock import START
from tests.fakes.records import a_notification, queued_deliveries
from tests.fakes.statistics import MemoryStatistics
from tests.fakes.store import MemoryStore

S = DeliveryStatus
MINUTE = timedelta(minutes=1)
END = START + 10 * MINUTE


@dataclass(frozen=True)
class Both:
    store: Store
    statistics: StatisticsStore
    at_most: Callable[[int], StatisticsStore]
    """The statistics that count no more than so many one by one."""


@pytest.fixture(params=["memory", "firestore", "embedded"])
async def both(request: pytest.FixtureRequest) -> AsyncIterator[Both]:
    if request.param == "memory":
        store = MemoryStore()
        yield Both(store, MemoryStatistics(store), lambda _: pytest.skip("it counts all"))
        return
    async with stores.firestore_of(request) as host, rpc.connect(host) as channel:
        calls = rpc.Rpc(channel, f"projects/t-{uuid.uuid4().hex[:20]}/databases/(default)", emulated=True)
        yield Both(FirestoreStore(calls), FirestoreStatistics(calls), lambda most: FirestoreStatistics(calls, most))


async def accepted(
    store: Store, at: datetime, of: Mapping[str, DeliveryStatus] | None = None, shard: int = 3, **state: Any
) -> list[Delivery]:
    """A notification of that time, whose deliveries are in these states."""
    of = {"email": S.QUEUED} if of is None else of
    notification = replace(a_notification(channels=list(of)), created_at=at, shard=shard)
    made = [
        replace(d, created_at=at, shard=shard, status=of[d.channel], due_at=at if of[d.channel] in PENDING else None)
        for d in queued_deliveries(notification)
    ]
    made = [replace(delivery, **state) for delivery in made]
    await store.create(notification, made)
    return made


async def test_without_records_all_is_none(both: Both) -> None:
    asked = both.statistics
    assert await asked.accepted(START, END) == Count(0)
    assert await asked.deliveries("email", S.SENT, START, END) == Count(0)
    assert not await asked.has_delivery("email", S.SENT, START, END)
    assert [await asked.due("email"), await asked.scheduled("email"), await asked.dead("email")] == [Count(0)] * 3
    assert await asked.oldest("email", S.QUEUED) is None


async def test_a_span_has_its_start_and_not_its_end(both: Both) -> None:
    just = timedelta(microseconds=1)
    for at in (START - just, START, END - just, END):
        await accepted(both.store, at, {"email": S.SENT})
    assert await both.statistics.accepted(START, END) == Count(2)
    assert await both.statistics.deliveries("email", S.SENT, START, END) == Count(2)
    assert await both.statistics.deliveries("email", S.SENT, END, END + MINUTE) == Count(1)
    assert await both.statistics.has_delivery("email", S.SENT, END, END + MINUTE)
    assert not await both.statistics.has_delivery("email", S.SENT, END + just, END + MINUTE)


async def test_deliveries_are_of_one_channel_and_one_status(both: Both) -> None:
    await accepted(both.store, START, {"email": S.SENT, "sms": S.FAILED})
    await accepted(both.store, START, {"email": S.SENT, "sms": S.SENT})
    await accepted(both.store, START, {"email": S.DELIVERED})
    assert await both.statistics.accepted(START, END) == Count(3)
    counted = {
        (channel, status): (await both.statistics.deliveries(channel, status, START, END)).number
        for channel in ("email", "sms", "slack")
        for status in S
    }
    assert {of: number for of, number in counted.items() if number} == {
        ("email", S.SENT): 2,
        ("email", S.DELIVERED): 1,
        ("sms", S.FAILED): 1,
        ("sms", S.SENT): 1,
    }


async def test_what_waits_is_counted_whenever_it_was_accepted(both: Both) -> None:
    for day, status in enumerate((S.SCHEDULED, S.QUEUED, S.SENDING, S.RETRYING, S.DEFERRED, S.SENT, S.CANCELLED)):
        await accepted(both.store, START - timedelta(days=day), {"email": status, "sms": S.SENT})
    assert await both.statistics.due("email") == Count(5)
    assert await both.statistics.scheduled("email") == Count(1)
    assert await both.statistics.due("sms") == Count(0)


async def test_the_dead_are_counted_whenever_they_died(both: Both) -> None:
    await accepted(both.store, START - timedelta(days=20), {"email": S.DEAD}, dead_at=START - timedelta(days=19))
    await accepted(both.store, START, {"email": S.DEAD, "sms": S.SENT}, dead_at=START)
    await accepted(both.store, START, {"email": S.DISCARDED}, dead_at=START)
    assert await both.statistics.dead("email") == Count(2)
    assert await both.statistics.dead("sms") == Count(0)


async def test_the_oldest_in_a_status_is_found(both: Both) -> None:
    for minute, status in enumerate((S.SENT, S.RETRYING, S.QUEUED, S.RETRYING)):
        await accepted(both.store, START + minute * MINUTE, {"email": status}, shard=SHARDS - 1 - minute)
    assert await both.statistics.oldest("email", S.RETRYING) == START + MINUTE
    assert await both.statistics.oldest("email", S.QUEUED) == START + 2 * MINUTE
    assert await both.statistics.oldest("email", S.DEFERRED) is None
    assert await both.statistics.oldest("sms", S.RETRYING) is None


async def test_of_very_many_one_shard_is_counted(both: Both) -> None:
    bounded = both.at_most(5)
    for shard in (0, 1, 1, 2):
        await accepted(both.store, START, {"email": S.SENT}, shard=shard)
    assert await bounded.accepted(START, END) == Count(4)
    await accepted(both.store, START, {"email": S.SENT}, shard=0)
    assert await bounded.accepted(START, END) == Count(2 * SHARDS, estimated=True)
    assert await bounded.deliveries("email", S.SENT, START, END) == Count(2 * SHARDS, estimated=True)
    assert await bounded.has_delivery("email", S.SENT, START, END)
