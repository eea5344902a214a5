"""The relay looks ahead: each scheduled delivery is published to its second."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from functions.relay import scheduled_deliveries
from functions.relay.scheduled_deliveries import ScheduledDeliveries
from shared.delivery.model import Delivery
from shared.sending.channel_states import Activity, ChannelState, ChannelStates
from shared.sending.messages import Message
from tests.fakes.channel_states import MemoryChannelStates
from tests.fakes.clock import START, Clock
from tests.fakes.publisher import MemoryPublisher
from tests.fakes.records import a_notification, queued_deliveries
from tests.fakes.store import MemoryStore

AHEAD = timedelta(seconds=60)


async def scheduled(store: MemoryStore, seconds: float) -> Delivery:
    at = START + timedelta(seconds=seconds)
    notification = replace(a_notification(), send_at=at)
    (delivery,) = queued_deliveries(notification)
    await store.create(notification, [delivery])
    return delivery


class Timed(MemoryPublisher):
    """Notes when each was published."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock = clock
        self.at: dict[str, datetime] = {}

    async def publish(self, messages: Sequence[Message]) -> None:
        await super().publish(messages)
        self.at |= {message.notification_id: self.clock.now() for message in messages}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def published(clock: Clock) -> Timed:
    return Timed(clock)


def relay(store: MemoryStore, published: Timed, clock: Clock) -> ScheduledDeliveries:
    return ScheduledDeliveries(store, published, AHEAD, clock.now, sleep=clock.sleep)


async def test_each_is_published_to_its_second(store: MemoryStore, published: Timed, clock: Clock) -> None:
    made = [await scheduled(store, seconds) for seconds in (0.5, 3, 3.001, 20, 59.9)]
    done = await relay(store, published, clock).sweep()
    assert done.published == len(made)
    for delivery in made:
        assert delivery.scheduled_for is not None
        late = published.at[delivery.notification_id] - delivery.scheduled_for
        assert timedelta() <= late <= timedelta(seconds=1)


async def test_it_ends_at_once_when_nothing_is_due(store: MemoryStore, published: Timed, clock: Clock) -> None:
    await scheduled(store, 61)
    await scheduled(store, -1)  # overdue, which is not its business
    done = await relay(store, published, clock).sweep()
    assert (done.published, done.waited, clock.now()) == (0, 0, START)


async def test_more_than_a_batch_is_published(
    store: MemoryStore, published: Timed, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduled_deliveries, "BATCH", 3)
    made = [await scheduled(store, 1 + i / 10) for i in range(20)]
    assert (await relay(store, published, clock).sweep()).published == len(made)
    assert len(published.at) == len(made)


async def test_more_than_a_batch_at_one_moment_is_left_to_the_next_sweep(
    store: MemoryStore, published: Timed, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are overdue then. What comes after them is not kept back."""
    monkeypatch.setattr(scheduled_deliveries, "BATCH", 3)
    for _ in range(5):
        await scheduled(store, 0)
    later = await scheduled(store, 5)
    await relay(store, published, clock).sweep()
    assert later.notification_id in published.at


async def test_an_outage_is_left_to_the_next_sweep(store: MemoryStore, published: Timed, clock: Clock) -> None:
    await scheduled(store, 1)
    published.fail(1)
    assert (await relay(store, published, clock).sweep()).published == 0
    store.down("scheduled")
    assert (await relay(store, published, clock).sweep()).published == 0


async def test_a_clock_that_jumps_ahead_publishes_at_once(store: MemoryStore, published: Timed, clock: Clock) -> None:
    delivery = await scheduled(store, 50)
    jumps = iter([timedelta(seconds=49)])

    async def sleep(seconds: float) -> None:
        await clock.sleep(seconds)
        clock.advance(next(jumps, timedelta()))

    await replace(relay(store, published, clock), sleep=sleep).sweep()
    assert published.at[delivery.notification_id] <= START + timedelta(seconds=52)


async def test_what_is_scheduled_over_a_paused_channel_is_left_to_the_sweep_that_finds_it_overdue(
    store: MemoryStore, published: Timed, clock: Clock
) -> None:
    records = MemoryChannelStates()
    states = ChannelStates(records, lambda: clock.now().timestamp())
    before, after = await scheduled(store, 3), await scheduled(store, 30)
    records.records["email"] = ChannelState("email", Activity.PAUSED, START, "c", version=1)

    async def sleep(seconds: float) -> None:
        await clock.sleep(seconds)
        if clock.now() > START + timedelta(seconds=20):
            records.records["email"] = ChannelState("email", Activity.ACTIVE, clock.now(), "c", version=2)

    relay = ScheduledDeliveries(store, published, AHEAD, clock.now, sleep=sleep, channel_states=states)
    assert (await relay.sweep()).published == 1
    assert set(published.at) == {after.notification_id}
    left = store.get(before.notification_id, "email")
    assert replace(left, version=None) == before
