"""Before a message is sent again its provider is asked what became of it."""

import asyncio
import dataclasses
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from shared.delivery.errors import StoreUnavailable, Unknown
from shared.delivery.model import FAILOVER_AFTER_UNKNOWN, Delivery, DeliveryStatus, Outcome, Receipt, Rule, Told
from shared.sending.breaker import opened
from shared.sending.breakers import Breakers
from shared.sending.channel_states import ChannelStates
from shared.sending.messages import Answer
from shared.sending.pipeline import Pipeline
from shared.sending.provider import Found, Outgoing, Sent
from shared.sending.receipts import apply
from tests.fakes.channel_states import MemoryChannelStates
from tests.fakes.clock import START, Clock
from tests.fakes.people import MemoryPeople
from tests.fakes.provider import Result, ScriptedProvider
from tests.fakes.records import POLICY, a_notification, accepted, later_message
from tests.fakes.store import MemoryStore

S = DeliveryStatus
LOST = Unknown("reset")
OLD = POLICY.lease + POLICY.wait_in_place + timedelta(seconds=10)
"""Of this age a message that is found has no other owner, or one on record."""


class AskedProvider(ScriptedProvider):
    """`has`: what `find` answers, or raises. asked: since when"""

    def __init__(self, name: str = "scripted") -> None:
        super().__init__()
        self.name = name
        self.has: Sequence[Found] | Exception | None = ()
        self.asked: list[datetime] = []

    async def find(self, outgoing: Outgoing, since: datetime) -> Sequence[Found] | None:
        self.asked.append(since)
        await asyncio.sleep(0)
        if isinstance(self.has, Exception):
            raise self.has
        return self.has


class World:
    def __init__(self, *names: str) -> None:
        self.clock, self.store, self.records = Clock(), MemoryStore(), MemoryChannelStates()
        self.providers = [AskedProvider(name) for name in names or ("scripted",)]
        self.provider = self.providers[0]
        states = ChannelStates(self.records, lambda: self.clock.now().timestamp())
        self.breakers = Breakers("email", [p.name for p in self.providers], states, POLICY, self.clock.now)
        self.pipeline = Pipeline(
            self.store,
            self.provider,
            POLICY,
            now=self.clock.now,
            sleep=self.clock.sleep,
            chance=lambda: 0.0,
            channel_states=states,
            breakers=self.breakers,
            others=self.providers[1:],
        )

    async def one(self, **changes: object) -> Delivery:
        (made,) = await accepted(self.store, replace(a_notification(created_at=self.clock.now()), **changes))  # type: ignore[arg-type] # whichever
        return made

    async def pushed(self, delivery: Delivery, *script: Result) -> Delivery:
        self.provider.script = list(script)
        await self.pipeline.deliver(later_message(delivery))
        return self.store.get(delivery.notification_id, "email")

    async def lost(self, delivery: Delivery | None = None) -> Delivery:
        """One of whose only attempt nobody knows what became of it, and that is due again."""
        lost = await self.pushed(delivery or await self.one(), LOST)
        assert lost.next_try_at is not None
        self.clock.time = max(self.clock.time, lost.next_try_at)
        return lost

    def there(self, message_id: str = "m-1", age: timedelta = OLD, *, is_ours: bool = False) -> Found:
        return Found(Sent(message_id, "C1"), self.clock.now() - age, is_ours)


@pytest.fixture
def world() -> World:
    return World()


async def test_one_that_arrived_is_sent_and_not_sent_again(world: World) -> None:
    lost = await world.lost()
    world.provider.has = [world.there(is_ours=True, age=timedelta())]
    sent = await world.pushed(lost)
    assert (sent.status, sent.provider_message_id, sent.provider_conversation) == (S.SENT, "m-1", "C1")
    assert (sent.provider, sent.due_at, sent.lease_until, sent.error) == ("scripted", None, None, None)
    assert [(a.outcome, a.asked) for a in sent.attempts] == [(Outcome.UNKNOWN, Told.RECONCILED)]
    assert len(world.provider.sent) == 1
    assert world.provider.asked == [START - timedelta(seconds=60)]


async def test_one_that_is_not_there_is_sent_again_and_says_so(world: World) -> None:
    sent = await world.pushed(await world.lost())
    assert (sent.status, len(world.provider.sent)) == (S.SENT, 2)
    assert [(a.outcome, a.asked) for a in sent.attempts] == [
        (Outcome.UNKNOWN, Told.NOT_THERE),
        (Outcome.ACCEPTED, None),
    ]


@pytest.mark.parametrize("has", [None, Unknown("503"), LookupError("the SDK's"), TimeoutError()])
async def test_where_nobody_can_tell_it_is_sent_again_as_before(world: World, has: Exception | None) -> None:
    lost = await world.lost()
    world.provider.has = has
    sent = await world.pushed(lost)
    assert (sent.status, sent.attempts[0].asked) == (S.SENT, Told.CANNOT_TELL)


async def test_one_that_hangs_is_not_waited_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def hangs(*_: object) -> None:
        await asyncio.Event().wait()

    lost = await world.lost()
    monkeypatch.setattr(world.provider, "find", hangs)
    monkeypatch.setattr("shared.sending.asking_providers.LONGEST", 0.01)
    sent = await world.pushed(lost)
    assert (sent.status, sent.attempts[0].asked) == (S.SENT, Told.CANNOT_TELL)


async def test_while_all_is_known_nobody_is_asked(world: World) -> None:
    await world.pushed(await world.one())
    assert world.provider.asked == []


async def test_a_message_that_may_still_be_anothers_is_waited_for(world: World) -> None:
    lost = await world.lost()
    found = world.there(age=timedelta(seconds=5))
    world.provider.has = [found]
    held = await world.pushed(lost)
    assert (held.status, held.reason, len(held.attempts)) == (S.DEFERRED, Rule.BEING_ASKED, 1)
    assert held.next_try_at == found.at + OLD
    assert held.held_until is None
    world.clock.time = held.next_try_at
    sent = await world.pushed(held)
    assert (sent.status, sent.provider_message_id, len(world.provider.sent)) == (S.SENT, "m-1", 1)


async def test_a_message_that_another_delivery_has_is_not_taken(world: World) -> None:
    other = await world.pushed(await world.one(), "m-1")
    assert other.provider_message_id == "m-1"
    lost = await world.lost()
    world.provider.has = [world.there()]
    sent = await world.pushed(lost)
    assert (sent.provider_message_id, sent.attempts[0].asked) == ("message-3", Told.NOT_THERE)


async def test_of_two_that_are_alike_one_takes_what_is_there_and_the_other_is_sent(world: World) -> None:
    first, second = await world.lost(), await world.lost()
    world.provider.has = [world.there()]
    sent = await asyncio.gather(*(world.pipeline.deliver(later_message(d)) for d in (first, second)))
    assert sent == [Answer.ACK, Answer.ACK]
    both = [world.store.get(d.notification_id, "email") for d in (first, second)]
    assert {d.status for d in both} == {S.SENT}
    assert len({d.provider_message_id for d in both}) == 2
    assert len(world.provider.sent) == 3


async def test_one_that_dies_with_what_it_has_taken_takes_it_again(world: World) -> None:
    lost = await world.lost()
    world.provider.has = [world.there()]
    assert await world.store.take_message(lost, "m-1")
    assert (await world.pushed(lost)).provider_message_id == "m-1"


async def test_who_cannot_look_up_whose_it_is_cannot_tell(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: object) -> None:
        raise StoreUnavailable("away")

    lost = await world.lost()
    world.provider.has = [world.there()]
    monkeypatch.setattr(world.store, "take_message", away)
    sent = await world.pushed(lost)
    assert (sent.status, sent.attempts[0].asked) == (S.SENT, Told.CANNOT_TELL)


async def test_a_lost_attempt_is_asked_about_at_the_provider_that_its_claim_named(world: World) -> None:
    made = await world.one()
    sending = asyncio.Event()

    async def hangs(_: Outgoing) -> str | None:
        sending.set()
        await asyncio.get_running_loop().create_future()
        return None

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world.provider, "send", hangs)
        dying = asyncio.create_task(world.pipeline.deliver(later_message(made)))
        await sending.wait()
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)
    assert world.store.get(made.notification_id, "email").provider == "scripted"
    world.clock.time += POLICY.lease
    world.provider.has = [world.there(is_ours=True)]
    sent = await world.pushed(made)
    assert (sent.status, [a.asked for a in sent.attempts]) == (S.SENT, [Told.RECONCILED])
    assert world.provider.sent == []


async def test_a_test_keys_message_asks_nobody(world: World) -> None:
    made = await world.one(simulated=True)
    claimed = replace(made, status=S.SENDING, claim="x", claimed_at=START, lease_until=START)
    world.store._deliveries[made.notification_id, "email"] = claimed
    sent = await world.pushed(claimed)
    assert (sent.status, world.provider.asked) == (S.SENT, [])


async def down(world: World) -> None:
    """The first provider is: its breaker is open."""
    world.provider.script = [LOST] * 8
    for n in range(8):
        made = await world.one()
        world.store._deliveries[made.notification_id, "email"] = replace(made, address=f"a{n}@example.com")
        await world.pipeline.deliver(later_message(made))
    world.provider.script = []


async def test_what_one_provider_may_have_goes_to_no_other_while_that_cannot_tell() -> None:
    world = World("first", "second")
    lost = await world.lost()
    world.provider.has = None
    await down(world)
    before = len(world.providers[1].sent)
    held = await world.pushed(lost)
    assert (held.status, held.reason) == (S.DEFERRED, Rule.PROVIDER_DOWN)
    assert len(world.providers[1].sent) == before


async def at_the_second(world: World) -> Delivery:
    """The first is down, and nobody knows what became of the attempt by the second."""
    await down(world)
    made = await world.one()
    world.providers[1].script, world.providers[1].has = [LOST], None
    lost = await world.pushed(made)
    assert [(a.provider, a.outcome) for a in lost.attempts] == [("second", Outcome.UNKNOWN)]
    world.clock.time += timedelta(minutes=1)
    return lost


async def test_what_the_second_may_have_goes_to_it_again_when_the_first_is_back() -> None:
    world = World("first", "second")
    lost = await at_the_second(world)
    await world.pushed(await world.one())  # a probe, which closes it
    assert not (await world.records.states())["email"].breakers["first"].is_open
    world.clock.time += timedelta(seconds=6)  # until the next look
    sent = await world.pushed(lost)
    assert (sent.status, sent.provider) == (S.SENT, "second")
    assert [a.asked for a in sent.attempts] == [Told.CANNOT_TELL, None]


async def test_it_is_the_probe_of_the_one_that_may_have_it() -> None:
    """Nothing else would be: while the first is there nobody calls the second."""
    world = World("first", "second")
    lost = await at_the_second(world)
    await world.pushed(await world.one())
    world.clock.time += timedelta(seconds=6)
    states = await world.records.states()
    is_down = opened(None, world.clock.now(), "another", "503")
    await world.breakers.states.put(replace(states["email"], breakers={**states["email"].breakers, "second": is_down}))
    await world.breakers.states.states()
    held = await world.pushed(lost)
    assert (held.status, held.reason) == (S.DEFERRED, Rule.PROVIDER_DOWN), "no probe is wanted yet"
    assert held.error == "second may have it, and cannot be asked"
    assert held.next_try_at is not None
    world.clock.time = held.next_try_at
    sent = await world.pushed(held)
    assert (sent.status, sent.provider, sent.attempts[-1].probe) == (S.SENT, "second", True)
    assert not (await world.records.states())["email"].breakers["second"].is_open


async def test_what_a_provider_may_have_that_is_no_longer_used_goes_to_another_with_the_reason_on_record() -> None:
    world = World("first")
    lost = await world.lost()
    world.store._deliveries[lost.notification_id, "email"] = lost = replace(
        lost, attempts=tuple(dataclasses.replace(a, provider="gone") for a in lost.attempts)
    )
    sent = await world.pushed(lost)
    assert (sent.status, sent.provider) == (S.SENT, "first")
    assert [a.reason for a in sent.attempts] == [FAILOVER_AFTER_UNKNOWN, None]


async def test_what_the_one_does_not_have_goes_to_the_other() -> None:
    world = World("first", "second")
    lost = await world.lost()
    await down(world)
    sent = await world.pushed(lost)
    assert (sent.provider, sent.attempts[0].asked, sent.attempts[0].reason) == ("second", Told.NOT_THERE, None)


async def test_near_its_deliver_by_it_goes_to_the_other_with_the_reason_on_record_before_the_call() -> None:
    world = World("first", "second")
    lost = await world.lost(await world.one(deliver_by=START + timedelta(minutes=4)))
    world.store._deliveries[lost.notification_id, "email"] = lost = replace(
        lost, deliver_by=START + timedelta(minutes=4)
    )
    world.provider.has = None
    await down(world)
    on_record: list[str | None] = []
    send = world.providers[1].send

    async def sending(outgoing: Outgoing) -> str | None:
        on_record.append(world.store.get(lost.notification_id, "email").attempts[0].reason)
        return await send(outgoing)

    world.providers[1].send = sending  # type: ignore[method-assign] # to look at the record meanwhile
    sent = await world.pushed(lost)
    assert on_record == [FAILOVER_AFTER_UNKNOWN]
    assert (sent.provider, sent.attempts[0].reason, sent.attempts[0].asked) == (
        "second",
        FAILOVER_AFTER_UNKNOWN,
        Told.CANNOT_TELL,
    )


async def test_a_late_receipt_of_a_message_that_was_taken_for_another_is_that_others(world: World) -> None:
    """Of two with the same text the provider has one: were both sent by it, one would be lost."""
    arrived, other = await world.lost(), await world.lost()
    world.provider.has = [world.there("m-1")]
    assert (await world.pushed(other)).provider_message_id == "m-1"
    receipt = Receipt("email", "scripted", "m-1", S.DELIVERED, notification_id=arrived.notification_id)
    people = MemoryPeople(world.store)
    assert await apply(world.store, people, receipt, world.clock.now()) is None
    found = [world.store.get(delivery.notification_id, "email") for delivery in (arrived, other)]
    assert [delivery.status for delivery in found] == [S.RETRYING, S.DELIVERED]


async def test_a_message_that_a_receipt_has_told_of_is_taken_for_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrived, other = await world.lost(), await world.lost()
    world.provider.has = [world.there("m-1")]
    receipt = Receipt("email", "scripted", "m-1", S.DELIVERED, notification_id=arrived.notification_id)

    async def nobody(channel: str, message_id: str) -> None:
        """As it was before the receipt came."""
        await apply(world.store, MemoryPeople(world.store), receipt, world.clock.now())

    monkeypatch.setattr(world.store, "sent_as", nobody)
    sent = await world.pushed(other)
    assert (sent.status, sent.attempts[0].asked, len(world.provider.sent)) == (S.SENT, Told.NOT_THERE, 3)
    assert world.store.get(arrived.notification_id, "email").status is S.DELIVERED
