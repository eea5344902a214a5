"""The relay on fakes: what is overdue gets out, once, whatever fails meanwhile."""

import asyncio
import importlib
import itertools
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from functions.relay import overdue_deliveries as relaying
from functions.relay.overdue_deliveries import Relay
from shared.delivery.errors import StoreUnavailable
from shared.delivery.model import Delivery, DeliveryStatus
from shared.delivery.store import SHARDS
from shared.runtime import logs
from shared.runtime.settings import CoreSettings
from shared.sending.breaker import Breaker, BreakerState, Ramp, closed
from shared.sending.channel_states import Activity, ChannelState, ChannelStates
from tests.fakes.channel_states import MemoryChannelStates
from tests.fakes.clock import START, Clock
from tests.fakes.publisher import MemoryPublisher
from tests.fakes.records import POLICY, a_notification, accepted, later_message
from tests.fakes.store import MemoryStore

S = DeliveryStatus
SECOND = timedelta(seconds=1)
OVERDUE = POLICY.grace + timedelta(seconds=1)


@pytest.fixture
def clock() -> Clock:
    """When all that was accepted at START is overdue."""
    return Clock(START + OVERDUE)


@pytest.fixture
def relay(store: MemoryStore, publisher: MemoryPublisher, clock: Clock) -> Relay:
    return Relay(store, publisher, POLICY, now=clock.now)


async def overdue(store: MemoryStore, count: int = 1, *, shard: int | None = None) -> list[Delivery]:
    """In all shards in turn, unless one is named."""
    found = []
    for n in range(count):
        found += await accepted(store, a_notification(shard=n % SHARDS if shard is None else shard))
    return found


def ids(deliveries: Sequence[Any]) -> list[str]:
    return sorted(d.notification_id for d in deliveries)


async def test_what_is_overdue_is_published_and_due_later(
    relay: Relay, store: MemoryStore, publisher: MemoryPublisher, clock: Clock
) -> None:
    (delivery,) = await overdue(store)
    swept = await relay.sweep()
    assert publisher.messages == [later_message(delivery)]
    assert (swept.published, swept.dead, swept.unpublished) == (1, 0, 0)
    now = store.get(delivery.notification_id, "email")
    assert (now.status, now.relays, now.due_at) == (S.QUEUED, 1, clock.now() + POLICY.grace)
    assert (await relay.sweep()).published == 0


async def test_what_is_not_overdue_is_left_alone(
    relay: Relay, store: MemoryStore, publisher: MemoryPublisher, clock: Clock
) -> None:
    await overdue(store, 3)
    clock.time = START + POLICY.grace
    assert (await relay.sweep()).published == 0
    assert (publisher.messages, store.calls["update"]) == ([], 0)


@pytest.mark.parametrize("count", [20, 21, 59])
async def test_a_sweep_takes_as_many_batches_as_there_are(
    relay: Relay, store: MemoryStore, publisher: MemoryPublisher, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    monkeypatch.setattr("functions.relay.overdue_deliveries.BATCH", 10)
    deliveries = await overdue(store, count, shard=7) + await overdue(store, 5)
    assert (await relay.sweep()).published == count + 5
    assert ids(publisher.messages) == ids(deliveries)


async def test_a_sweep_reaches_every_shard(relay: Relay, store: MemoryStore, publisher: MemoryPublisher) -> None:
    deliveries = await overdue(store, SHARDS)
    await relay.sweep()
    assert ids(publisher.messages) == ids(deliveries)


async def test_a_sweep_of_all_shards_at_once_asks_no_shard_by_itself(
    store: MemoryStore, publisher: MemoryPublisher, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("functions.relay.overdue_deliveries.BATCH", 10)
    deliveries = await overdue(store, SHARDS)
    assert (await Relay(store, publisher, POLICY, now=clock.now, shards=[None]).sweep()).published == SHARDS
    assert ids(publisher.messages) == ids(deliveries)
    assert store.calls["overdue"] == 2


@pytest.mark.parametrize(("emulator", "queries"), [("127.0.0.1:1", 1), (None, SHARDS)])
def test_only_on_the_emulator_it_asks_for_all_shards_at_once(
    monkeypatch: pytest.MonkeyPatch, emulator: str | None, queries: int
) -> None:
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "test")
    main = importlib.import_module("functions.relay.main")
    monkeypatch.setattr(main, "_settings", CoreSettings(google_cloud_project="test", firestore_emulator_host=emulator))
    monkeypatch.setattr("shared.entrypoint.startup.FirestoreStore", lambda *_: None)
    for name in ("open_rpc", "FirestoreReceipts", "FirestoreRelayRuns", "open_publisher"):
        monkeypatch.setattr(main, name, lambda *_: None)
    *sweeps, _, _ = main._open()  # what is on record of its runs has no shards
    for sweep in sweeps:
        assert len(sweep.shards) == queries


async def test_a_sweep_that_is_out_of_time_begins_no_batch(
    relay: Relay, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("functions.relay.overdue_deliveries.SWEEP_SECONDS", 0)
    await overdue(store, 3)
    assert (await relay.sweep()).published == 0


async def test_only_what_is_pending_is_published(
    relay: Relay, store: MemoryStore, publisher: MemoryPublisher, clock: Clock
) -> None:
    deliveries = await overdue(store, len(S))
    for delivery, status in zip(deliveries, S, strict=True):
        due_at = START if status in {S.QUEUED, S.SENDING, S.RETRYING, S.DEFERRED} else None
        lease = {"lease_until": START, "claim": "another's"} if status is S.SENDING else {}
        await store.update(replace(delivery, status=status, due_at=due_at, **lease))  # type: ignore[arg-type]
    assert (await relay.sweep()).published == 4
    published = {store.get(m.notification_id, m.channel).status for m in publisher.messages}
    assert published == {S.QUEUED, S.SENDING, S.RETRYING, S.DEFERRED}


class Overtaken(MemoryStore):
    """Another moves a delivery on between the relay's read and its write."""

    def __init__(self) -> None:
        super().__init__()
        self.overtaken: set[str] = set()

    async def overdue(
        self, shard: int | None, now: datetime, limit: int, channels: Sequence[str] | None = None
    ) -> Sequence[Delivery]:
        found = await super().overdue(shard, now, limit, channels)
        for delivery in found:
            if delivery.notification_id in self.overtaken:
                await self.update(replace(delivery, status=S.SENT, due_at=None))
        return found


async def test_what_another_has_moved_on_meanwhile_is_not_published(publisher: MemoryPublisher, clock: Clock) -> None:
    store = Overtaken()
    mine, theirs = await overdue(store, 2, shard=7)
    store.overtaken.add(theirs.notification_id)
    assert (await Relay(store, publisher, POLICY, now=clock.now).sweep()).published == 1
    assert publisher.messages == [later_message(mine)]
    assert store.get(theirs.notification_id, "email").status is S.SENT


@pytest.mark.parametrize("after_taking", [False, True])
async def test_what_could_not_be_published_is_due_again_later(
    relay: Relay, store: MemoryStore, publisher: MemoryPublisher, clock: Clock, after_taking: bool
) -> None:
    (delivery,) = await overdue(store)
    publisher.fail(after_taking=after_taking)
    swept = await relay.sweep()
    assert (swept.published, swept.unpublished) == (0, 1)
    assert store.get(delivery.notification_id, "email").pending
    publisher.taken()
    clock.advance(OVERDUE)
    assert (await relay.sweep()).published == 1
    assert publisher.messages == [later_message(delivery)]


async def test_two_relays_at_once_publish_each_delivery_once(
    store: MemoryStore, publisher: MemoryPublisher, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("functions.relay.overdue_deliveries.BATCH", 4)
    deliveries = await overdue(store, 100)
    await asyncio.gather(*(Relay(store, publisher, POLICY, now=clock.now).sweep() for _ in range(2)))
    assert len(publisher.messages) == len(set(ids(publisher.messages)))
    # One of the two may have lost a whole batch to the other and left the rest to the next sweep.
    await Relay(store, publisher, POLICY, now=clock.now).sweep()
    assert ids(publisher.messages) == ids(deliveries)


async def test_a_backlog_that_nobody_takes_is_published_ever_more_rarely(
    relay: Relay, store: MemoryStore, publisher: MemoryPublisher, clock: Clock
) -> None:
    await overdue(store)
    for _ in range(23 * 60):
        await relay.sweep()
        clock.advance(60)
    assert 24 <= len(publisher.messages) <= 30


async def test_what_nobody_took_for_a_day_is_dead_and_not_published(
    relay: Relay, store: MemoryStore, publisher: MemoryPublisher, clock: Clock
) -> None:
    (delivery,) = await overdue(store)
    clock.advance(timedelta(hours=24))
    swept = await relay.sweep()
    assert (swept.published, swept.dead, publisher.messages) == (0, 1, [])
    now = store.get(delivery.notification_id, "email")
    assert (now.status, now.error) == (S.DEAD, "no channel function took it for 24 h")
    assert (now.dead_at, now.due_at) == (clock.now(), None)


async def test_one_shard_that_cannot_be_read_does_not_keep_the_others_back(
    relay: Relay, store: MemoryStore, publisher: MemoryPublisher
) -> None:
    deliveries = await overdue(store, SHARDS)
    store.fail("overdue", nth=5)
    with pytest.raises(StoreUnavailable):
        await relay.sweep()
    assert len(publisher.messages) == SHARDS - 1
    await relay.sweep()
    assert ids(publisher.messages) == ids(deliveries)


async def test_a_write_that_landed_unheard_is_published_when_it_is_due_again(
    relay: Relay, store: MemoryStore, publisher: MemoryPublisher, clock: Clock
) -> None:
    deliveries = await overdue(store, 3, shard=7)
    store.fail("update_all", landed=True)
    with pytest.raises(StoreUnavailable):
        await relay.sweep()
    assert publisher.messages == []
    clock.advance(OVERDUE)
    await relay.sweep()
    assert ids(publisher.messages) == ids(deliveries)


async def test_an_outage_of_pubsub_does_not_make_the_relay_wait_longer_and_longer(
    relay: Relay, store: MemoryStore, publisher: MemoryPublisher, clock: Clock
) -> None:
    (delivery,) = await overdue(store)
    publisher.fail(10)
    for _ in range(10):
        await relay.sweep()
        stored = store.get(delivery.notification_id, delivery.channel)
        assert (stored.due_at, stored.relays) == (clock.now() + POLICY.grace, 0)
        clock.advance(OVERDUE)
    assert (await relay.sweep()).published == 1


async def test_what_was_relayed_often_is_due_soon_when_pubsub_did_not_take_it(
    relay: Relay, store: MemoryStore, publisher: MemoryPublisher, clock: Clock
) -> None:
    (delivery,) = await overdue(store)
    await store.update(replace(delivery, relays=3))
    publisher.fail()
    await relay.sweep()
    stored = store.get(delivery.notification_id, delivery.channel)
    assert (stored.due_at, stored.relays) == (clock.now() + POLICY.grace, 3)


async def test_a_shard_with_less_than_a_batch_is_asked_once(relay: Relay, store: MemoryStore) -> None:
    await overdue(store, 3, shard=7)
    await relay.sweep()
    assert store.calls["overdue"] == SHARDS


async def test_a_shard_of_which_another_takes_all_is_left_to_it(
    publisher: MemoryPublisher, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two relays that read the same would chase each other through the whole of it."""
    monkeypatch.setattr("functions.relay.overdue_deliveries.BATCH", 1)
    store = Overtaken()
    deliveries = await overdue(store, 3, shard=7)
    store.overtaken = {delivery.notification_id for delivery in deliveries}
    await Relay(store, publisher, POLICY, now=clock.now).sweep()
    assert (store.calls["overdue"], publisher.messages) == (SHARDS, [])


async def test_a_batch_is_what_one_write_takes_and_a_sweep_ends_before_the_next_call() -> None:
    """Of BatchWrite 500 at most; Cloud Scheduler calls each minute. docs/failures.md says the same."""
    assert (relaying.BATCH, relaying.SWEEP_SECONDS) == (300, 57.0)


async def test_a_sweep_that_did_something_is_in_the_log(
    relay: Relay, store: MemoryStore, publisher: MemoryPublisher, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure()

    async def swept() -> list[Any]:
        await relay.sweep()
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        return [(x["published"], x["dead"], x["unpublished"]) for x in lines if x["message"] == "swept"]

    assert await swept() == []
    await overdue(store)
    assert await swept() == [(1, 0, 0)]
    clock.advance(OVERDUE)
    publisher.fail()
    assert await swept() == [(0, 0, 1)]
    clock.advance(timedelta(days=1))
    assert await swept() == [(0, 1, 0)]


def paused(clock: Clock, *channels: str) -> tuple[ChannelStates, MemoryChannelStates]:
    records = MemoryChannelStates()
    records.records |= {name: ChannelState(name, Activity.PAUSED, START, "c", version=1) for name in channels}
    return ChannelStates(records, lambda: clock.now().timestamp()), records


async def test_what_is_due_of_a_paused_channel_is_left_as_it_is_and_goes_when_it_is_resumed(
    store: MemoryStore, publisher: MemoryPublisher, clock: Clock
) -> None:
    states, records = paused(clock, "sms")
    relay = Relay(
        *(store, publisher, POLICY, clock.now), channel_states=states, channels=lambda: ["email", "sms"], shards=[0]
    )
    notification = a_notification(shard=0, channels=("email", "sms"))
    email, sms = await accepted(store, notification)
    assert (await relay.sweep()).published == 1
    assert publisher.messages == [later_message(email)]
    assert store.get(notification.id, "sms") == sms
    # Longer than any delivery waits for somebody who takes it.
    clock.time += 3 * POLICY.give_up
    records.records["sms"] = replace(records.records["sms"], activity=Activity.ACTIVE, since=clock.now())
    await relay.sweep()
    assert store.get(notification.id, "sms").status is S.QUEUED
    assert later_message(sms) in publisher.messages


async def test_where_all_channels_are_paused_nothing_is_asked_for(
    store: MemoryStore, publisher: MemoryPublisher, clock: Clock
) -> None:
    states, _ = paused(clock, "email")
    await overdue(store, 3)
    relay = Relay(store, publisher, POLICY, clock.now, channel_states=states, channels=lambda: ["email"])
    assert (await relay.sweep()).published == 0
    assert store.calls["overdue"] == 0


async def test_many_of_a_paused_channel_keep_no_other_back(
    store: MemoryStore, publisher: MemoryPublisher, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relaying, "BATCH", 2)
    states, _ = paused(clock, "email")
    await overdue(store, 5, shard=0)
    (sms,) = await accepted(store, a_notification(shard=0, channels=("sms",)))
    relay = Relay(
        *(store, publisher, POLICY, clock.now), channel_states=states, channels=lambda: ["email", "sms"], shards=[0]
    )
    await relay.sweep()
    assert publisher.messages == [later_message(sms)]


def down(clock: Clock, probe_at: datetime) -> tuple[ChannelStates, MemoryChannelStates]:
    records = MemoryChannelStates()
    breaker = Breaker(BreakerState.OPEN, START, "i", probe_at=probe_at)
    records.records["email"] = ChannelState("email", providers=("p",), breakers={"p": breaker}, version=1)
    return ChannelStates(records, lambda: clock.now().timestamp()), records


@pytest.mark.parametrize("wanted", [True, False])
async def test_of_what_is_due_at_a_provider_that_is_down_only_a_probe_is_published(
    store: MemoryStore, publisher: MemoryPublisher, clock: Clock, wanted: bool
) -> None:
    states, _ = down(clock, clock.now() if wanted else clock.now() + timedelta(seconds=1))
    deliveries = await overdue(store, 40)
    relay = Relay(store, publisher, POLICY, clock.now, channel_states=states, channels=lambda: ["email"])
    assert (await relay.sweep()).published == wanted
    assert store.calls["update_all"] == wanted
    assert set(ids(publisher.messages)) <= set(ids(deliveries))


async def test_what_has_waited_goes_the_oldest_first_and_no_faster_than_its_ramp(
    store: MemoryStore, publisher: MemoryPublisher, clock: Clock
) -> None:
    states, records = down(clock, clock.now())
    first = [(await accepted(store, a_notification(shard=n % SHARDS)))[0] for n in range(64)]
    later = [(await accepted(store, a_notification(shard=n % SHARDS, created_at=START + SECOND)))[0] for n in range(64)]
    clock.time += timedelta(minutes=1)
    breaker = closed(records.records["email"].breakers["p"], clock.now(), "i")
    records.records["email"] = replace(
        records.records["email"], breakers={"p": breaker}, ramp=Ramp(32, clock.now()), version=2
    )
    slept: list[tuple[float, int]] = []

    async def sleep(seconds: float) -> None:
        slept.append((seconds, len(publisher.messages)))
        clock.time += SECOND
        await asyncio.sleep(0)

    relay = Relay(
        *(store, publisher, POLICY, clock.now), channel_states=states, channels=lambda: ["email"], sleep=sleep
    )
    assert (await relay.sweep()).published == 128
    counts = [count for _, count in slept]
    assert counts[0] == 32
    # Each shard gives a whole number.
    assert all(after - before <= 32 + SHARDS for before, after in itertools.pairwise(counts))
    assert set(ids(publisher.messages[:32])) < set(ids(first)) < set(ids(publisher.messages[:96]))
    assert set(ids(publisher.messages[-32:])) < set(ids(later))


async def test_a_ramp_ends_when_its_channel_is_held_again_and_when_nothing_bounds_it_any_more(
    store: MemoryStore, publisher: MemoryPublisher, clock: Clock
) -> None:
    states, records = down(clock, clock.now() + timedelta(hours=1))
    await overdue(store, 200)
    there = records.records["email"]
    let_go = replace(there, breakers={}, ramp=Ramp(32, clock.now()), version=2)
    records.records["email"] = let_go

    async def sleep(_: float) -> None:
        records.records["email"] = replace(there, version=3)
        clock.time += timedelta(seconds=3)
        await asyncio.sleep(0)

    relay = Relay(
        *(store, publisher, POLICY, clock.now), channel_states=states, channels=lambda: ["email"], sleep=sleep
    )
    assert (await relay.sweep()).published == 32
    records.records["email"] = replace(let_go, version=4)
    clock.time += timedelta(minutes=10)
    assert (await relay.sweep()).published == 200
