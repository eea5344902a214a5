"""A paused channel: what everybody knows of it, and how soon."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.delivery.errors import StoreUnavailable
from shared.delivery.model import Delivery, DeliveryStatus, Outcome, Rule
from shared.sending.channel_states import (
    AGAIN,
    LOOK_AGAIN,
    OBEYED,
    Activity,
    ChannelState,
    ChannelStates,
    as_held,
    holds_of,
    paused_of,
    resumed_at,
)
from shared.sending.messages import Answer
from shared.sending.pipeline import Pipeline
from tests.fakes.channel_states import MemoryChannelStates
from tests.fakes.clock import START, Clock
from tests.fakes.provider import ScriptedProvider
from tests.fakes.records import POLICY, a_notification, accepted, first_message, later_message, queued_deliveries
from tests.fakes.store import MemoryStore

S = DeliveryStatus
PAUSED = ChannelState("email", Activity.PAUSED, START, "an-operator", "their outage")
SECOND = timedelta(seconds=1)


class World:
    def __init__(self) -> None:
        self.clock, self.store, self.records = Clock(), MemoryStore(), MemoryChannelStates()
        self.provider = ScriptedProvider()
        self.states = ChannelStates(self.records, lambda: self.clock.now().timestamp())
        self.pipeline = Pipeline(
            self.store, self.provider, POLICY, now=self.clock.now, sleep=self.clock.sleep, channel_states=self.states
        )

    async def said(self, activity: Activity) -> None:
        """Past this process, as by another."""
        there = self.records.records.get("email")
        state = replace(PAUSED, activity=activity, since=self.clock.now())
        await self.records.put(replace(state, version=None if there is None else there.version))

    async def one(self) -> Delivery:
        (made,) = await accepted(self.store, a_notification(created_at=self.clock.now()))
        return made

    async def pushed(self, delivery: Delivery) -> Delivery:
        assert await self.pipeline.deliver(later_message(delivery)) is Answer.ACK
        return self.store.get(delivery.notification_id, "email")


@pytest.fixture
def world() -> World:
    return World()


async def test_an_active_one_costs_a_delivery_nothing(world: World) -> None:
    for _ in range(20):
        assert (await world.pushed(await world.one())).status is S.SENT
    assert (world.records.reads, world.store.calls["update"]) == (1, 40)


async def test_a_first_push_after_a_pause_gives_back_what_it_claimed(world: World) -> None:
    await world.said(Activity.PAUSED)
    held = await world.pushed(await world.one())
    assert (held.status, held.reason, held.attempts, world.provider.sent) == (S.DEFERRED, Rule.CHANNEL_PAUSED, (), [])
    assert held.due_at is not None


async def test_what_is_known_to_be_paused_is_neither_claimed_nor_written(world: World) -> None:
    await world.said(Activity.PAUSED)
    await world.pushed(await world.one())
    written = world.store.calls["update"]
    for seconds in (1, 60, 3600):
        world.clock.time += seconds * SECOND
        made = await world.one()
        assert await world.pushed(made) == made
    assert (world.store.calls["update"], world.provider.sent) == (written, [])


async def test_everybody_knows_within_five_seconds(world: World) -> None:
    await world.pushed(await world.one())
    await world.said(Activity.PAUSED)
    world.clock.time += timedelta(seconds=LOOK_AGAIN)
    assert LOOK_AGAIN < OBEYED == 5
    held = await world.pushed(await world.one())
    assert held.status is S.DEFERRED
    await world.said(Activity.ACTIVE)
    world.clock.time += timedelta(seconds=LOOK_AGAIN)
    assert (await world.pushed(await world.one())).status is S.SENT


async def test_a_first_message_is_held_as_a_later_one_is(world: World) -> None:
    await world.said(Activity.PAUSED)
    notification = a_notification()
    (queued,) = queued_deliveries(notification)
    version = await world.store.create(notification, [queued])
    message = first_message(notification, replace(queued, version=version))
    assert await world.pipeline.deliver(message) is Answer.ACK
    assert world.store.get(notification.id, "email").reason == Rule.CHANNEL_PAUSED
    assert world.provider.sent == []


async def test_a_process_that_dies_before_it_gives_back_leaves_an_attempt_that_nobody_knows_of(world: World) -> None:
    await world.said(Activity.PAUSED)
    made = await world.one()
    update = world.store.update

    claimed = asyncio.Event()

    async def dies(delivery: Delivery) -> int:
        if delivery.status is S.DEFERRED:
            claimed.set()
            await asyncio.get_running_loop().create_future()
        return await update(delivery)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world.store, "update", dies)
        dying = asyncio.create_task(world.pipeline.deliver(later_message(made)))
        await claimed.wait()
        dying.cancel()
        await asyncio.gather(dying, return_exceptions=True)
    world.clock.time += POLICY.lease
    await world.said(Activity.ACTIVE)
    sent = await world.pushed(made)
    assert (sent.status, [a.outcome for a in sent.attempts]) == (S.SENT, [Outcome.UNKNOWN, Outcome.ACCEPTED])


async def test_for_one_that_is_not_claimed_nobody_looks(world: World) -> None:
    made = await world.one()
    await world.store.cancel(made.notification_id, world.clock.now())
    assert (await world.pushed(made)).status is S.CANCELLED
    assert world.records.reads == 0


async def test_another_channels_pause_holds_nothing(world: World) -> None:
    await world.records.put(replace(PAUSED, channel="sms"))
    assert (await world.pushed(await world.one())).status is S.SENT


async def test_many_at_once_look_once(world: World) -> None:
    made = [await world.one() for _ in range(10)]
    await asyncio.gather(*(world.pushed(each) for each in made))
    assert world.records.reads == 1


async def test_who_cannot_look_sends_by_what_it_has_just_seen_and_by_nothing_older(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away() -> None:
        raise StoreUnavailable("away")

    assert (await world.pushed(await world.one())).status is S.SENT
    monkeypatch.setattr(world.records, "states", away)
    world.clock.time += timedelta(seconds=OBEYED)
    assert (await world.pushed(await world.one())).status is S.SENT
    world.clock.time += timedelta(seconds=LOOK_AGAIN)
    held = await world.pushed(await world.one())
    assert (held.status, held.reason) == (S.DEFERRED, Rule.CHANNEL_PAUSED)
    monkeypatch.undo()
    world.clock.time += AGAIN
    assert (await world.pushed(held)).status is S.SENT


async def test_what_is_known_is_shown_while_nobody_can_look(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away() -> None:
        raise StoreUnavailable("away")

    await world.said(Activity.PAUSED)
    assert set(await world.states.states()) == {"email"}
    monkeypatch.setattr(world.records, "states", away)
    world.clock.time += timedelta(hours=1)
    assert paused_of(await world.states.states()).keys() == {"email"}


async def test_one_that_gives_up_does_not_end_the_look_of_others(world: World) -> None:
    await world.said(Activity.PAUSED)
    impatient = asyncio.create_task(world.states.may_send("email"))
    patient = asyncio.create_task(world.states.may_send("email"))
    await asyncio.sleep(0)
    impatient.cancel()
    assert not await patient


async def test_who_writes_looks_again_at_once(world: World) -> None:
    assert await world.states.may_send("email")
    await world.states.put(PAUSED)
    assert not await world.states.may_send("email")


def test_what_is_shown_of_it() -> None:
    holds = holds_of({"email": PAUSED})
    queued = Delivery("n", "email", "a", START, due_at=START)
    (held,) = as_held([queued], holds, START)
    assert (held.status, held.reason) == (S.DEFERRED, Rule.CHANNEL_PAUSED)
    assert held.error == f"email is paused since {START.isoformat()}"
    assert as_held([queued], {}, START) == [queued]
    others = [
        replace(queued, channel="sms"),
        replace(queued, status=S.SENT),
        replace(queued, status=S.SENDING),
        replace(queued, status=S.SCHEDULED, next_try_at=START + SECOND),
    ]
    assert as_held(others, holds, START) == others
    (due,) = as_held([replace(queued, status=S.RETRYING, next_try_at=START)], holds, START)
    assert due.status is S.DEFERRED


def test_when_it_ended() -> None:
    states = {"email": PAUSED, "sms": replace(PAUSED, activity=Activity.ACTIVE)}
    assert paused_of(states) == {"email": PAUSED}
    assert [resumed_at(states, name) for name in ("email", "sms", "slack")] == [None, START, None]


async def test_the_next_in_an_order_counts_its_wait_from_the_resume(world: World) -> None:
    first, second = [
        replace(d, ordering="k", follows=follows)
        for d, follows in ((await world.one(), None), (await world.one(), "first"))
    ]
    world.store._deliveries[first.notification_id, "email"] = first
    world.store._deliveries[second.notification_id, "email"] = replace(second, follows=first.notification_id)
    world.clock.time += POLICY.order_wait
    await world.said(Activity.ACTIVE)
    assert (await world.pushed(second)).reason == Rule.ORDER
