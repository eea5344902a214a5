"""Instances whose provider is down: who calls it, who knows, and what becomes of the deliveries."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.delivery.errors import Conflict, Permanent, Retryable, StoreUnavailable, Throttled, Unknown
from shared.delivery.model import Attempt, Delivery, DeliveryStatus, Outcome, Rule
from shared.sending.breaker import FEWEST_FAILED, OTHERS_WORD, Breaker, BreakerState
from shared.sending.breakers import Breakers, Turn
from shared.sending.channel_states import (
    LOOK_AGAIN,
    Activity,
    ChannelState,
    ChannelStates,
    as_held,
    holds_of,
    resumed_at,
)
from shared.sending.messages import Answer
from shared.sending.pipeline import Pipeline
from tests.fakes.channel_states import MemoryChannelStates
from tests.fakes.clock import START, Clock
from tests.fakes.provider import Result, ScriptedProvider
from tests.fakes.records import POLICY, a_notification, accepted, first_message, later_message, queued_deliveries
from tests.fakes.store import MemoryStore

S = DeliveryStatus
DOWN = Retryable("scripted answered 503")
LOOK = timedelta(seconds=LOOK_AGAIN)
PROBE = timedelta(seconds=5)


class Instance:
    """One process of the function; all of them share the records."""

    def __init__(self, world: "World", number: int, providers: Sequence[ScriptedProvider]) -> None:
        self.world = world
        self.states = ChannelStates(world.records, lambda: world.clock.now().timestamp())
        tokens = iter(range(1000))
        self.breakers = Breakers(
            "email",
            [provider.name for provider in providers],
            self.states,
            POLICY,
            world.clock.now,
            lambda: f"{number}#{next(tokens)}",
        )
        self.pipeline = Pipeline(
            world.store,
            providers[0],
            POLICY,
            now=world.clock.now,
            sleep=world.clock.sleep,
            chance=lambda: 0.0,
            channel_states=self.states,
            breakers=self.breakers,
            others=providers[1:],
        )

    async def pushed(self, delivery: Delivery | None = None, answer: Answer | None = None) -> Delivery:
        delivery = delivery or await self.world.one()
        said = await self.pipeline.deliver(later_message(delivery))
        assert answer in {None, said}
        return self.world.store.get(delivery.notification_id, "email")

    async def opens(self) -> None:
        """Its provider fails until its breaker is open."""
        self.world.provider.script = [DOWN] * FEWEST_FAILED
        for _ in range(FEWEST_FAILED):
            await self.pushed(answer=Answer.NACK)
        assert self.world.breaker.is_open


class World:
    def __init__(self, *names: str) -> None:
        self.clock, self.store, self.records = Clock(), MemoryStore(), MemoryChannelStates()
        self.providers = [ScriptedProvider() for _ in names or ("scripted",)]
        for provider, name in zip(self.providers, names, strict=False):
            provider.name = name
        self.provider = self.providers[0]
        self.here, self.there = (Instance(self, number, self.providers) for number in (1, 2))
        self._numbers = iter(range(1000))

    async def one(self) -> Delivery:
        (made,) = await accepted(self.store, a_notification(created_at=self.clock.now()))
        key = made.notification_id, "email"
        self.store._deliveries[key] = replace(made, address=f"a{next(self._numbers)}@example.com")
        return self.store._deliveries[key]

    @property
    def breaker(self) -> Breaker:
        return self.records.records["email"].breakers[self.provider.name]

    def script(self, *results: Result) -> None:
        self.provider.script = list(results)


@pytest.fixture
def world() -> World:
    return World()


async def test_while_all_is_well_a_delivery_costs_nothing_more(world: World) -> None:
    for _ in range(20):
        assert (await world.here.pushed()).status is S.SENT
    assert (world.records.reads, world.records.records) == (1, {})


async def test_a_provider_that_fails_is_called_no_more(world: World) -> None:
    await world.here.opens()
    assert (world.breaker.reason, world.breaker.by) == ("scripted answered 503", "1#0")
    calls, writes = len(world.provider.sent), world.store.calls["update"]
    for _ in range(50):
        made = await world.one()
        assert await world.here.pushed(made, Answer.ACK) == made
    assert (len(world.provider.sent), world.store.calls["update"]) == (calls, writes)


async def test_others_know_as_soon_as_they_look(world: World) -> None:
    await world.there.pushed()
    await world.here.opens()
    world.clock.time += LOOK
    calls = len(world.provider.sent)
    held = await world.there.pushed(answer=Answer.ACK)
    assert (held.status, held.reason, held.attempts) == (S.DEFERRED, Rule.PROVIDER_DOWN, ())
    made = await world.one()
    assert await world.there.pushed(made, Answer.ACK) == made
    assert len(world.provider.sent) == calls


async def test_one_probe_at_a_time_and_none_of_the_deliverys_tries(world: World) -> None:
    await world.here.opens()
    world.clock.time += PROBE
    world.script(DOWN)
    before = len(world.provider.sent)
    probes = await asyncio.gather(*(instance.pushed() for instance in (world.here, world.there) * 5))
    (failed,) = [probe for probe in probes if probe.attempts]
    assert len(world.provider.sent) == before + 1
    assert (failed.status, [a.probe for a in failed.attempts]) == (S.RETRYING, [True])
    assert (world.breaker.is_open, world.breaker.probes, world.breaker.reason) == (True, 1, str(DOWN))
    assert world.breaker.probe_at == world.clock.now() + 2 * PROBE


async def test_a_probe_that_is_answered_lets_all_go(world: World) -> None:
    await world.here.opens()
    world.clock.time += PROBE
    assert (await world.there.pushed()).status is S.SENT
    assert (world.breaker.state, world.breaker.by) == (BreakerState.CLOSED, "2#0")
    assert (await world.there.pushed()).status is S.SENT
    world.clock.time += LOOK
    assert (await world.here.pushed()).status is S.SENT


@pytest.mark.parametrize("answer", [Permanent("no such address"), Throttled("too fast", retry_after=99)])
async def test_a_provider_that_says_no_is_there(world: World, answer: Exception) -> None:
    await world.here.opens()
    world.clock.time += PROBE
    world.script(answer)
    await world.here.pushed()
    assert not world.breaker.is_open


async def test_a_probe_of_which_nobody_knows_what_became_keeps_it_open(world: World) -> None:
    await world.here.opens()
    world.clock.time += PROBE
    world.script(Unknown("reset"))
    probe = await world.here.pushed()
    assert (probe.attempts[0].outcome, world.breaker.is_open) == (Outcome.UNKNOWN, True)


async def test_a_probe_that_has_nothing_to_send_is_free_again(world: World) -> None:
    await world.here.opens()
    world.clock.time += PROBE
    gone = await world.one()
    await world.store.cancel(gone.notification_id, world.clock.now())
    assert (await world.here.pushed(gone)).status is S.CANCELLED
    assert (await world.here.pushed()).status is S.SENT


async def test_a_probe_that_dies_is_followed_by_another_when_its_time_is_over(world: World) -> None:
    await world.here.opens()
    world.clock.time += PROBE
    assert isinstance(await world.here.breakers.turn(), Turn)
    await world.there.states.states()
    made = await world.one()
    assert await world.there.pushed(made) == made
    world.clock.time += POLICY.lease + POLICY.wait_in_place
    assert (await world.there.pushed(made)).status is S.SENT


async def test_a_probe_that_ends_late_ends_no_other(world: World) -> None:
    await world.here.opens()
    world.clock.time += PROBE
    late = await world.here.breakers.turn()
    world.clock.time += POLICY.lease + POLICY.wait_in_place
    await world.there.states.states()
    other = await world.there.breakers.turn()
    assert isinstance(late, Turn)
    assert isinstance(other, Turn)
    answered = Attempt(1, world.clock.now(), Outcome.ACCEPTED)
    await world.here.breakers.over(late, answered)
    assert world.breaker.is_open
    await world.there.breakers.over(other, answered)
    assert not world.breaker.is_open


async def test_what_fails_as_a_probe_for_its_own_sake_is_dead_after_a_day(world: World) -> None:
    await world.here.opens()
    poor = await world.one()
    while poor.pending:
        world.script(DOWN)
        world.clock.time = max(poor.next_try_at or world.clock.now(), world.clock.now() + timedelta(minutes=1))
        poor = await world.here.pushed(poor)
    assert (poor.status, len(poor.attempts) > POLICY.max_attempts) == (S.DEAD, True)
    assert world.clock.now() - START >= POLICY.give_up
    assert poor.error == f"was a probe {len(poor.attempts)} times; the last answer: {DOWN}"


async def test_whom_alone_the_provider_fails_holds_itself_back_and_nobody_else(world: World) -> None:
    await world.here.opens()
    world.clock.time += PROBE
    assert (await world.there.pushed()).status is S.SENT
    world.clock.time += LOOK
    world.script(*[DOWN] * FEWEST_FAILED)
    for _ in range(FEWEST_FAILED):
        await world.here.pushed(answer=Answer.NACK)
    assert not world.breaker.is_open
    made = await world.one()
    calls = len(world.provider.sent)
    assert await world.here.pushed(made, Answer.NACK) == made  # another may get through
    assert len(world.provider.sent) == calls
    assert (await world.there.pushed(made)).status is S.SENT
    world.clock.time += timedelta(seconds=30)
    assert (await world.here.pushed()).status is S.SENT


async def test_when_the_others_word_is_old_it_counts_no_more(world: World) -> None:
    await world.here.opens()
    world.clock.time += PROBE
    await world.there.pushed()
    world.clock.time += OTHERS_WORD
    await world.here.opens()


async def test_who_cannot_write_it_down_holds_itself_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(state: ChannelState) -> None:
        raise StoreUnavailable("away")

    monkeypatch.setattr(world.records, "put", away)
    world.script(*[DOWN] * 99)
    for _ in range(FEWEST_FAILED):
        await world.here.pushed(answer=Answer.NACK)
    calls = len(world.provider.sent)
    for _ in range(20):
        await world.here.pushed(answer=Answer.NACK)
    assert (len(world.provider.sent), world.records.records) == (calls, {})


async def test_who_loses_to_another_writer_writes_after_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    put = world.records.put
    refused: list[ChannelState] = []

    async def once(state: ChannelState) -> None:
        if not refused:
            refused.append(state)
            await put(ChannelState("email", Activity.ACTIVE, START, "an-operator"))
            raise Conflict("email")
        await put(state)

    monkeypatch.setattr(world.records, "put", once)
    await world.here.opens()
    assert world.records.records["email"].by == "an-operator"


async def test_a_pause_goes_before_a_probe(world: World) -> None:
    await world.here.opens()
    there = world.records.records["email"]
    await world.records.put(replace(there, activity=Activity.PAUSED, since=world.clock.now(), by="an-operator"))
    world.clock.time += PROBE
    made = await world.one()
    assert await world.here.pushed(made, Answer.ACK) == made
    (hold,) = holds_of(world.records.records).values()
    assert hold.rule is Rule.CHANNEL_PAUSED


async def test_a_test_keys_message_asks_no_provider_and_waits_for_none(world: World) -> None:
    await world.here.opens()
    world.clock.time += PROBE / 2
    notification = replace(a_notification(created_at=world.clock.now()), simulated=True)
    (queued,) = queued_deliveries(notification)
    version = await world.store.create(notification, [queued])
    calls = len(world.provider.sent)
    message = first_message(notification, replace(queued, version=version))
    assert await world.here.pipeline.deliver(message) is Answer.ACK
    assert world.store.get(notification.id, "email").status is S.SENT
    assert len(world.provider.sent) == calls


async def test_throttling_slows_what_has_waited_down(world: World) -> None:
    await world.here.opens()
    world.clock.time += PROBE
    await world.here.pushed()
    ramp = world.records.records["email"].ramp
    assert ramp is not None
    world.clock.time += timedelta(seconds=60)
    world.script(*[Throttled("too fast", retry_after=99)] * 3)
    for _ in range(3):
        await world.here.pushed()
    slower = world.records.records["email"].ramp
    assert slower is not None
    assert (slower.per_second, slower.since) == (ramp.rate(world.clock.now()) / 2, world.clock.now())


async def test_throttling_without_a_ramp_writes_nothing(world: World) -> None:
    world.script(*[Throttled("too fast", retry_after=99)] * 20)
    for _ in range(20):
        await world.here.pushed()
    assert world.records.records == {}


async def test_what_is_shown_says_what_is_down_and_since_when(world: World) -> None:
    await world.here.opens()
    made = await world.one()
    (held,) = as_held([made], holds_of(world.records.records), world.clock.now())
    assert (held.status, held.reason) == (S.DEFERRED, Rule.PROVIDER_DOWN)
    assert held.error == f"scripted is down since {world.breaker.since.isoformat()}"
    assert resumed_at(world.records.records, "email") is None
    world.clock.time += PROBE
    await world.here.pushed()
    assert resumed_at(world.records.records, "email") == world.clock.now()


async def test_while_the_first_provider_is_down_the_second_sends() -> None:
    world = World("first", "second")
    await world.here.opens()
    first, second = world.providers
    assert holds_of(world.records.records) == {}
    sent = [await world.here.pushed() for _ in range(3)]
    assert Counter(delivery.provider for delivery in sent) == {"second": 3}
    world.clock.time += PROBE
    first.script = [DOWN]
    probe = await world.here.pushed()
    assert (probe.status, probe.provider) == (S.RETRYING, "first")
    assert (await world.here.pushed()).provider == "second"
    world.clock.time += 2 * PROBE
    assert (await world.here.pushed()).provider == "first"
    assert (await world.here.pushed()).provider == "first"
    assert len(second.sent) == 4


async def test_while_both_are_down_the_channel_is() -> None:
    world = World("first", "second")
    await world.here.opens()
    world.providers[1].script = [DOWN] * FEWEST_FAILED
    for _ in range(FEWEST_FAILED):
        await world.here.pushed()
    (hold,) = holds_of(world.records.records).values()
    assert hold.what == "first, second are down"
    made = await world.one()
    assert await world.here.pushed(made, Answer.ACK) == made
