"""How a receipt finds its delivery, waits for it, and gets through between others."""

import asyncio
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from functions.relay import waiting_receipts as relaying
from functions.relay.waiting_receipts import WaitingReceipts
from shared.delivery.errors import Conflict, NotFound, StoreUnavailable, UnreadableRecord
from shared.delivery.model import Attempt, Delivery, DeliveryStatus, Outcome, Receipt
from shared.runtime import telemetry, trace_context
from shared.sending.receipts import FIRST_PAUSE, KEPT, Waiting, apply, take
from tests.fakes.clock import START, Clock
from tests.fakes.people import MemoryPeople
from tests.fakes.receipts import MemoryReceipts
from tests.fakes.records import a_notification, accepted
from tests.fakes.store import MemoryStore
from tests.fakes.telemetry import MemoryTelemetry

S = DeliveryStatus
LATER = START + timedelta(hours=1)
UNNAMED = Receipt("email", "sendgrid", "m-1", S.DELIVERED)


@pytest.fixture
def waiting() -> MemoryReceipts:
    return MemoryReceipts()


async def sent(store: MemoryStore, *, message: str | None = "m-1", attempts: int = 1) -> Delivery:
    (delivery,) = await accepted(store, a_notification())
    span = [trace_context.traceparent(7, n, 1) for n in range(1, attempts + 1)]
    made = tuple(Attempt(n, START, Outcome.UNKNOWN, traceparent=span[n - 1]) for n in range(1, attempts + 1))
    made = (*made[:-1], replace(made[-1], outcome=Outcome.ACCEPTED))
    await store.update(replace(delivery, status=S.SENT, due_at=None, attempts=made, provider_message_id=message))
    return store.get(delivery.notification_id, "email")


def named(delivery: Delivery, **changes: Any) -> Receipt:
    return replace(UNNAMED, notification_id=delivery.notification_id, **changes)


async def test_our_id_finds_the_delivery_without_a_query(store: MemoryStore, waiting: MemoryReceipts) -> None:
    delivery = await sent(store)
    await take(store, waiting, MemoryPeople(store), named(delivery), LATER)
    assert store.get(delivery.notification_id, "email").status is S.DELIVERED
    assert (store.calls["load"], store.calls["sent_as"], waiting.waiting) == (1, 0, {})


async def test_an_id_of_ours_that_is_none_is_looked_for_by_theirs(store: MemoryStore, waiting: MemoryReceipts) -> None:
    delivery = await sent(store)
    await take(store, waiting, MemoryPeople(store), replace(UNNAMED, notification_id=a_notification().id), LATER)
    assert store.get(delivery.notification_id, "email").status is S.DELIVERED


async def test_without_any_id_that_is_known_it_waits(store: MemoryStore, waiting: MemoryReceipts) -> None:
    """One that has but our id is never asked for by theirs."""
    await sent(store, message=None)
    await take(
        store,
        waiting,
        MemoryPeople(store),
        Receipt("email", "x", None, S.DELIVERED, notification_id=a_notification().id),
        LATER,
    )
    assert (len(waiting.waiting), store.calls["sent_as"]) == (1, 0)


@pytest.mark.parametrize(
    ("receipt", "pause", "kept"),
    [
        (replace(UNNAMED, notification_id="n"), timedelta(seconds=5), timedelta(days=3)),
        (UNNAMED, timedelta(seconds=60), timedelta(hours=1)),
    ],
    ids=["named", "unnamed"],
)
async def test_what_names_no_notification_is_looked_at_later_and_forgotten_sooner(
    store: MemoryStore, waiting: MemoryReceipts, receipt: Receipt, pause: timedelta, kept: timedelta
) -> None:
    await take(store, waiting, MemoryPeople(store), receipt, START)
    (kept_one,) = waiting.waiting.values()
    assert (kept_one.due_at, kept_one.expire_at, kept_one.looks) == (START + pause, START + kept, 0)
    clock = Clock(START + pause + timedelta(seconds=1))
    assert await WaitingReceipts(store, waiting, MemoryPeople(store), clock.now).sweep() == 0
    (again,) = waiting.waiting.values()
    assert (again.due_at, again.looks) == (clock.now() + pause, 1)
    clock.time = START + kept
    assert await WaitingReceipts(store, waiting, MemoryPeople(store), clock.now).sweep() == 1
    assert waiting.waiting == {}


async def test_those_that_differ_wait_each_for_itself(store: MemoryStore, waiting: MemoryReceipts) -> None:
    first = replace(UNNAMED, notification_id="n-1")
    others = [
        first,
        replace(first, status=S.UNDELIVERED),
        replace(first, provider_message_id="m-2"),
        replace(first, provider="another"),
        replace(first, channel="sms"),
        replace(first, provider_message_id=None),
        replace(first, provider_message_id=None, notification_id="n-2"),
    ]
    for receipt in others * 2:
        await take(store, waiting, MemoryPeople(store), receipt, START)
    assert len(waiting.waiting) == len(others)
    assert all(len(w.id) == 32 and w.shard == int(w.id[0], 16) for w in waiting.waiting.values())


class Faster(MemoryStore):
    """Others are faster with a write, so often."""

    def __init__(self, times: int, error: Exception) -> None:
        super().__init__()
        self.times, self.error = times, error

    async def update(self, delivery: Delivery) -> int:
        if delivery.status is S.DELIVERED and self.times:
            self.times -= 1
            self.calls["refused"] += 1
            raise self.error
        return await super().update(delivery)


@pytest.mark.parametrize("error", [Conflict("n"), NotFound("n")])
async def test_a_write_that_others_are_faster_than_is_made_again_five_times_in_all(error: Exception) -> None:
    store = Faster(4, error)
    delivery = await sent(store)
    assert await apply(store, MemoryPeople(store), named(delivery), LATER) is None
    assert store.get(delivery.notification_id, "email").status is S.DELIVERED
    store = Faster(99, error)
    assert await apply(store, MemoryPeople(store), named(await sent(store)), LATER) == FIRST_PAUSE
    assert store.calls["refused"] == 5


async def test_a_record_that_cannot_be_read_lets_its_receipt_wait(
    waiting: MemoryReceipts, capsys: pytest.CaptureFixture[str]
) -> None:
    class Newer(MemoryStore):
        async def load(self, notification_id: str, channel: str) -> Any:
            raise UnreadableRecord("notifications/n/deliveries/email: KeyError")

    await take(Newer(), waiting, MemoryPeople(MemoryStore()), replace(UNNAMED, notification_id="n"), START)
    assert len(waiting.waiting) == 1
    assert "notifications/n/deliveries/email" in capsys.readouterr().out


async def test_records_out_of_reach_are_the_callers_to_answer_for(store: MemoryStore, waiting: MemoryReceipts) -> None:
    delivery = await sent(store)
    store.down("load")
    with pytest.raises(StoreUnavailable):
        await take(store, waiting, MemoryPeople(store), named(delivery), LATER)
    assert waiting.waiting == {}


async def many(waiting: MemoryReceipts, store: MemoryStore, count: int, shard: int = 3) -> list[Delivery]:
    """Deliveries that have been sent meanwhile, whose receipts wait in one shard."""
    deliveries = [await sent(store, message=f"m-{n}") for n in range(count)]
    for n, delivery in enumerate(deliveries):
        receipt = named(delivery, provider_message_id=f"m-{n}")
        await waiting.keep(Waiting(receipt, f"{shard}-{n}", shard, START, LATER + KEPT))
    return deliveries


async def test_a_sweep_takes_as_many_batches_as_wait(
    store: MemoryStore, waiting: MemoryReceipts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relaying, "BATCH", 2)
    await many(waiting, store, 5)
    assert await WaitingReceipts(store, waiting, MemoryPeople(store), lambda: LATER).sweep() == 5
    assert waiting.waiting == {}


async def test_a_shard_that_cannot_be_read_keeps_no_other_back(store: MemoryStore) -> None:
    class OneAway(MemoryReceipts):
        async def due(self, shard: int | None, now: datetime, limit: int) -> Sequence[Waiting]:
            if shard == 0:
                raise StoreUnavailable("down")
            await asyncio.sleep(0)
            return await super().due(shard, now, limit)

    waiting = OneAway()
    await many(waiting, store, 3)
    with pytest.raises(StoreUnavailable):
        await WaitingReceipts(store, waiting, MemoryPeople(store), lambda: LATER).sweep()
    assert waiting.waiting == {}


async def test_a_sweep_ends_in_time_to_leave_the_deliveries_theirs(
    store: MemoryStore, waiting: MemoryReceipts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In 8 s, and batches of 100: docs/failures.md says the same."""
    assert (relaying.SWEEP_SECONDS, relaying.BATCH) == (8.0, 100)
    ticks = itertools.count()
    monkeypatch.setattr(relaying, "time", SimpleNamespace(monotonic=lambda: next(ticks) / 10))
    await many(waiting, store, 99)
    applied = await WaitingReceipts(store, waiting, MemoryPeople(store), lambda: LATER).sweep()
    assert 40 < applied < 80
    assert len(waiting.waiting) == 99 - applied


async def test_each_look_at_what_cannot_be_applied_is_twice_as_late(
    store: MemoryStore, waiting: MemoryReceipts, capsys: pytest.CaptureFixture[str]
) -> None:
    await take(store, waiting, MemoryPeople(store), replace(UNNAMED, notification_id="n"), START)
    clock = Clock()
    pauses = []
    for _ in range(4):
        (one,) = waiting.waiting.values()
        clock.time = one.due_at + timedelta(seconds=1)
        assert await WaitingReceipts(store, waiting, MemoryPeople(store), clock.now).sweep() == 0
        (one,) = waiting.waiting.values()
        pauses.append((one.due_at - clock.now()).total_seconds())
    assert pauses == [5, 10, 20, 40]
    assert capsys.readouterr().out == ""


async def test_only_what_is_given_up_is_told(
    store: MemoryStore, waiting: MemoryReceipts, capsys: pytest.CaptureFixture[str]
) -> None:
    await many(waiting, store, 1)
    assert await WaitingReceipts(store, waiting, MemoryPeople(store), lambda: LATER).sweep() == 1
    assert "nothing that we know" not in capsys.readouterr().out
    await take(store, waiting, MemoryPeople(store), UNNAMED, START)
    assert await WaitingReceipts(store, waiting, MemoryPeople(store), lambda: LATER).sweep() == 1
    assert "nothing that we know" in capsys.readouterr().out


@pytest.fixture
def heard() -> Iterator[MemoryTelemetry]:
    backend = MemoryTelemetry()
    telemetry.configure(lambda: backend)
    with trace_context.bound(trace_context.traceparent(1, 1, 1)):
        yield backend
    telemetry.configure(None)


async def test_its_span_links_to_the_attempt_that_it_is_about(store: MemoryStore, heard: MemoryTelemetry) -> None:
    delivery = await sent(store, attempts=2)
    await apply(store, MemoryPeople(store), named(delivery), LATER)
    (span,) = heard.spans
    assert (span.title, span.links) == ("receipt email", [delivery.attempts[-1].traceparent])
    assert span.attributes == {"hark.notification_id": delivery.notification_id, "hark.status": "delivered"}
