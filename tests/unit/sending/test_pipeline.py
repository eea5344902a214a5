"""The pipeline on fakes: what it does with each answer of the provider, of the store, and of fate."""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock

import pytest
from structlog.testing import capture_logs

from functions.relay.overdue_deliveries import Relay
from shared.delivery.errors import (
    Conflict,
    Permanent,
    Refused,
    Retryable,
    StoreUnavailable,
    Throttled,
    Unknown,
    UnreadableRecord,
)
from shared.delivery.model import PENDING, Attachment, Attempt, Delivery, DeliveryStatus, Notification, Outcome
from shared.delivery.retries import Policy
from shared.delivery.state_machine import relayed
from shared.runtime import logs
from shared.sending.messages import Answer, Message
from shared.sending.pipeline import Pipeline
from shared.sending.provider import Outgoing
from tests.fakes.clock import Clock
from tests.fakes.provider import HANG, Result, ScriptedProvider
from tests.fakes.publisher import MemoryPublisher
from tests.fakes.records import POLICY, a_notification, accepted, first_message, later_message, queued_deliveries
from tests.fakes.store import MemoryStore

S = DeliveryStatus


class World:
    """One accepted notification, and the pipeline of its channel."""

    notification: Notification
    queued: Delivery

    def __init__(self, script: Sequence[Result] = (), policy: Policy = POLICY) -> None:
        self.store = MemoryStore()
        self.provider = ScriptedProvider(script)
        self.clock = Clock()
        self.policy = policy
        self.pipeline = self.new_pipeline()

    @classmethod
    async def begin(cls, script: Sequence[Result] = (), policy: Policy = POLICY) -> "World":
        world = cls(script, policy)
        world.notification = a_notification()
        (world.queued,) = await accepted(world.store, world.notification, policy)
        return world

    def new_pipeline(self, store: Any = None, provider: Any = None) -> Pipeline:
        return Pipeline(
            store or self.store,
            provider or self.provider,
            self.policy,
            now=self.clock.now,
            sleep=self.clock.sleep,
            chance=lambda: 0.0,
        )

    def claims_take(self, seconds: float) -> None:
        """From here on so much time passes after each write of a delivery."""
        update = self.store.update

        async def slow(delivery: Delivery) -> int:
            version = await update(delivery)
            self.clock.advance(seconds)
            return version

        self.store.update = slow  # type: ignore[method-assign]

    @property
    def first_message(self) -> Message:
        return first_message(self.notification, self.queued)

    @property
    def later_message(self) -> Message:
        return later_message(self.queued)

    @property
    def record(self) -> Delivery:
        return self.store.get(self.notification.id, "email")

    @property
    def outcomes(self) -> list[Outcome]:
        return [attempt.outcome for attempt in self.record.attempts]

    async def set(self, **fields: Any) -> None:
        await self.store.update(replace(self.record, **fields))
        self.store.calls.clear()

    async def claimed_by_another(self, attempts: int = 0) -> None:
        await self.set(
            status=S.SENDING,
            attempts=tuple(Attempt(n + 1, self.clock.now(), Outcome.RETRYABLE, "busy") for n in range(attempts)),
            claim="another's",
            claimed_at=self.clock.now(),
            lease_until=self.clock.now() + self.policy.lease,
        )


async def test_an_accepted_message_is_acked_and_sent_in_two_writes_and_no_read() -> None:
    world = await World.begin(["m-1"])
    world.store.calls.clear()
    assert await world.pipeline.deliver(world.first_message) is Answer.ACK
    assert world.store.calls == {"update": 2}
    assert (world.record.status, world.record.provider_message_id, world.record.due_at) == (S.SENT, "m-1", None)
    assert (world.outcomes, world.record.attempts[0].at) == ([Outcome.ACCEPTED], world.clock.now())
    assert world.record.queued_at == world.queued.created_at
    assert (world.record.attempts[0].error, world.record.error) == (None, None)
    (sent,) = world.provider.sent
    assert (sent.address, sent.subject, sent.text) == ("email-address", "Deploy", "Build 42 is live")
    assert (sent.notification_id, 0 < sent.timeout <= 30) == (world.notification.id, True)
    assert (sent.parts, sent.attachments) == ({}, ())


async def test_a_message_without_content_is_sent_from_the_record() -> None:
    world = await World.begin()
    assert await world.pipeline.deliver(world.later_message) is Answer.ACK
    (sent,) = world.provider.sent
    assert (sent.address, sent.subject, sent.text) == ("email-address", "Deploy", "Build 42 is live")
    assert world.store.calls == {"create": 1, "load": 1, "update": 2}


A_FILE = Attachment("report.pdf", "application/pdf", b"%PDF")


async def with_files(count: int) -> World:
    """A message of its channel's own with so many files, of which one is on record."""
    world = World()
    world.notification = a_notification()
    (queued,) = queued_deliveries(world.notification)
    world.queued = replace(queued, attachments=count, content=json.dumps({"message": "Hello", "html": "<p>Hello"}))
    await world.store.create(world.notification, [world.queued], attachments={"email": [A_FILE]})
    return world


async def test_whatever_a_message_has_besides_its_text_goes_with_it() -> None:
    world = await with_files(1)
    assert await world.pipeline.deliver(world.later_message) is Answer.ACK
    (sent,) = world.provider.sent
    assert (sent.text, sent.parts, sent.attachments) == ("Hello", {"html": "<p>Hello"}, [A_FILE])


async def test_a_message_goes_with_all_of_its_files_or_not_at_all() -> None:
    world = await with_files(2)
    assert await world.pipeline.deliver(world.later_message) is Answer.ACK
    assert (world.provider.sent, world.record.status, world.outcomes) == ([], S.DEAD, [Outcome.REFUSED])


@pytest.mark.parametrize("error", [StoreUnavailable, UnreadableRecord])
async def test_files_that_cannot_be_read_are_asked_for_again(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = await with_files(1)
    monkeypatch.setattr(world.store, "attachments", AsyncMock(side_effect=error))
    assert await world.pipeline.deliver(world.later_message) is Answer.NACK
    assert (world.provider.sent, world.record.status, world.outcomes) == ([], S.RETRYING, [Outcome.RETRYABLE])


async def test_a_retryable_refusal_is_nacked_and_due_again() -> None:
    world = await World.begin([Retryable("503")])
    assert await world.pipeline.deliver(world.first_message) is Answer.NACK
    assert (world.record.status, world.record.error) == (S.RETRYING, "503")
    next_try = world.clock.now() + POLICY.retry_base / 2
    assert (world.record.next_try_at, world.record.due_at) == (next_try, next_try + POLICY.grace)


async def test_the_fifth_failure_is_the_last_and_its_message_goes_to_the_dead_letters() -> None:
    world = await World.begin([Retryable("503")] * 9)
    for n in range(1, 6):
        assert await world.pipeline.deliver(world.first_message) is Answer.NACK
        assert world.record.status is (S.DEAD if n == 5 else S.RETRYING)
        world.clock.advance(POLICY.retry_cap)
    assert world.record.error == "attempts used up; the last one: 503"
    assert await world.pipeline.deliver(world.first_message) is Answer.ACK
    assert len(world.provider.sent) == 5


async def test_a_permanent_refusal_is_acked_and_failed() -> None:
    world = await World.begin([Permanent("no such number")])
    assert await world.pipeline.deliver(world.first_message) is Answer.ACK
    assert (world.record.status, world.record.error) == (S.FAILED, "no such number")


async def test_what_an_operator_can_mend_is_dead_at_once_and_its_message_is_not_pushed_again() -> None:
    world = await World.begin([Refused("invite the app")])
    with capture_logs() as lines:
        assert await world.pipeline.deliver(world.first_message) is Answer.ACK
    record = world.record
    assert (record.status, record.error) == (S.DEAD, "refused: invite the app")
    assert (world.outcomes, record.dead_at, record.due_at) == ([Outcome.REFUSED], world.clock.now(), None)
    (line,) = lines
    assert (line["log_level"], line["event"]) == ("error", "dead"), "what the metric of dead deliveries counts"
    assert (line["outcome"], line["reason"]) == ("refused", "refused: invite the app")
    assert await world.pipeline.deliver(world.later_message) is Answer.ACK
    assert len(world.provider.sent) == 1


async def test_a_refusal_of_our_credentials_rings_its_own_alarm_and_is_tried_again() -> None:
    world = await World.begin([Retryable("401", credentials=True)])
    with capture_logs() as lines:
        assert await world.pipeline.deliver(world.first_message) is Answer.NACK
    assert world.record.status is S.RETRYING
    assert [line["event"] for line in lines] == ["the provider refuses our credentials"]


async def test_a_short_throttle_is_waited_out_in_place() -> None:
    world = await World.begin([Throttled("429", retry_after=3), "m-1"])
    assert await world.pipeline.deliver(world.first_message) is Answer.ACK
    assert (world.record.status, world.record.provider_message_id) == (S.SENT, "m-1")
    assert (world.outcomes, world.clock.slept) == ([Outcome.THROTTLED, Outcome.ACCEPTED], [3])
    assert [attempt.number for attempt in world.record.attempts] == [1, 2]


@pytest.mark.parametrize(("retry_after", "pause"), [(120, 120), (None, 5), (10_000, 3600)])
async def test_a_long_throttle_is_acked_and_left_to_the_relay(retry_after: float | None, pause: float) -> None:
    world = await World.begin([Throttled("429", retry_after=retry_after)])
    assert await world.pipeline.deliver(world.first_message) is Answer.ACK
    assert (world.record.status, world.clock.slept) == (S.DEFERRED, [])
    assert world.record.due_at == world.clock.now() + timedelta(seconds=pause)


@pytest.mark.parametrize("retry_after", [0, 0.001, 1])
async def test_a_provider_that_throttles_again_at_once_is_asked_twice_and_then_left_alone(retry_after: float) -> None:
    world = await World.begin([Throttled("429", retry_after=retry_after)] * 100)
    assert await world.pipeline.deliver(world.first_message) is Answer.ACK
    assert (world.record.status, world.clock.slept, len(world.provider.sent)) == (S.DEFERRED, [1.0], 2)


async def test_waiting_in_place_leaves_time_for_the_call() -> None:
    world = await World.begin([Throttled("429", retry_after=8)], replace(POLICY, send_deadline=timedelta(seconds=12)))
    assert await world.pipeline.deliver(world.first_message) is Answer.ACK
    assert (world.record.status, world.clock.slept) == (S.DEFERRED, [])


async def test_an_unknown_outcome_goes_on_record_as_unknown_and_is_tried_again() -> None:
    world = await World.begin([Unknown("connection reset")])
    assert await world.pipeline.deliver(world.first_message) is Answer.NACK
    assert (world.record.status, world.outcomes) == (S.RETRYING, [Outcome.UNKNOWN])


@pytest.mark.parametrize("stray", [KeyError("canary"), OSError("canary"), ExceptionGroup("canary", [ValueError()])])
async def test_a_foreign_exception_of_the_provider_is_unknown_and_keeps_its_text_to_itself(
    stray: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    world = await World.begin([stray])
    assert await world.pipeline.deliver(world.first_message) is Answer.NACK
    assert (world.outcomes, world.record.error) == ([Outcome.UNKNOWN], f"scripted failed with {type(stray).__name__}")
    assert "canary" not in capsys.readouterr().out


async def test_a_provider_that_hangs_is_unknown_when_the_deadline_is_over() -> None:
    quick = replace(POLICY, send_deadline=timedelta(seconds=0.1), lease=timedelta(seconds=1))
    world = await World.begin([HANG], quick)
    async with asyncio.timeout(5):
        assert await world.pipeline.deliver(world.first_message) is Answer.NACK
    assert (world.outcomes, world.record.error) == ([Outcome.UNKNOWN], "no answer within 0.1 s")


async def test_a_cancelled_delivery_says_nothing_of_its_outcome() -> None:
    world = await World.begin([HANG])
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(world.pipeline.deliver(world.first_message), 0.1)
    assert (world.record.status, world.record.attempts) == (S.SENDING, ())


async def test_a_slow_claim_shortens_the_call_so_that_it_cannot_outlive_the_lease() -> None:
    world = await World.begin()
    world.claims_take(20)
    await world.pipeline.deliver(world.first_message)
    assert 17 < world.provider.sent[0].timeout <= 45 - 20 - 7.5


async def test_a_claim_that_leaves_no_time_is_not_sent_and_tried_again() -> None:
    """As when the process is frozen in between: a call that is cut short might have left all the same."""
    world = await World.begin()
    world.claims_take(40)
    assert await world.pipeline.deliver(world.first_message) is Answer.NACK
    assert world.provider.sent == []
    assert (world.outcomes, world.record.error) == ([Outcome.RETRYABLE], "no time was left to send it")


async def test_anothers_live_lease_is_acked_and_nothing_sent() -> None:
    world = await World.begin()
    await world.claimed_by_another()
    for message in (world.first_message, world.later_message):
        assert await world.pipeline.deliver(message) is Answer.ACK
    assert (world.provider.sent, world.record.claim) == ([], "another's")


async def test_a_lease_that_is_over_leaves_an_unknown_attempt_and_the_message_is_sent_again() -> None:
    world = await World.begin()
    await world.claimed_by_another(attempts=1)
    claimed_at = world.clock.now()
    world.clock.advance(POLICY.lease)
    assert await world.pipeline.deliver(world.later_message) is Answer.ACK
    assert world.outcomes == [Outcome.RETRYABLE, Outcome.UNKNOWN, Outcome.ACCEPTED]
    assert world.record.attempts[1].at == claimed_at


async def test_a_lease_that_is_over_at_the_last_try_is_dead_and_nothing_sent() -> None:
    world = await World.begin()
    await world.claimed_by_another(attempts=4)
    world.clock.advance(POLICY.lease)
    assert await world.pipeline.deliver(world.later_message) is Answer.ACK
    assert (world.record.status, world.outcomes[-1], world.provider.sent) == (S.DEAD, Outcome.UNKNOWN, [])


async def test_a_message_that_is_a_little_early_waits_for_its_time() -> None:
    world = await World.begin([Retryable("503")])
    await world.pipeline.deliver(world.first_message)
    assert await world.pipeline.deliver(world.later_message) is Answer.ACK
    assert (world.record.status, world.clock.slept) == (S.SENT, [5.0])


async def test_a_message_that_is_far_too_early_is_acked() -> None:
    world = await World.begin([Retryable("503")], replace(POLICY, retry_base=timedelta(seconds=60)))
    await world.pipeline.deliver(world.first_message)
    assert await world.pipeline.deliver(world.later_message) is Answer.ACK
    assert (world.record.status, len(world.provider.sent), world.clock.slept) == (S.RETRYING, 1, [])


async def test_a_first_message_that_comes_again_later_reads_the_record() -> None:
    world = await World.begin([Retryable("503")])
    await world.pipeline.deliver(world.first_message)
    world.clock.advance(POLICY.retry_cap)
    assert await world.pipeline.deliver(world.first_message) is Answer.ACK
    assert world.outcomes == [Outcome.RETRYABLE, Outcome.ACCEPTED]


async def test_a_claim_that_landed_unheard_goes_on_and_sends_once() -> None:
    world = await World.begin()
    world.store.fail("update", landed=True)
    assert await world.pipeline.deliver(world.first_message) is Answer.ACK
    assert (len(world.provider.sent), world.outcomes) == (1, [Outcome.ACCEPTED])


async def test_a_record_that_landed_unheard_is_acked_and_written_once() -> None:
    world = await World.begin()
    world.store.fail("update", nth=2, landed=True)
    assert await world.pipeline.deliver(world.first_message) is Answer.ACK
    assert (world.record.status, world.outcomes, len(world.provider.sent)) == (S.SENT, [Outcome.ACCEPTED], 1)


@pytest.mark.parametrize("landed", [False, True])
@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize("script", [[], [Retryable("503")], [Throttled("429", retry_after=99)], [Unknown("reset")]])
async def test_no_single_lost_write_costs_a_duplicate(script: list[Result], nth: int, landed: bool) -> None:
    world = await World.begin(script)
    world.store.fail("update", nth, landed=landed)
    await world.pipeline.deliver(world.first_message)
    assert len(world.provider.sent) == len(world.record.attempts) == 1
    assert world.record.status is not S.SENDING


async def test_a_short_outage_is_waited_out_before_the_outcome_is_lost() -> None:
    world = await World.begin()
    for nth in range(2, 12):
        world.store.fail("update", nth)
    assert await world.pipeline.deliver(world.first_message) is Answer.ACK
    assert (world.record.status, len(world.provider.sent)) == (S.SENT, 1)


async def test_an_outcome_that_cannot_be_recorded_while_the_lease_holds_is_nacked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = await World.begin()
    monkeypatch.setattr("shared.sending.pipeline.time.monotonic", lambda: world.clock.now().timestamp())
    ends = world.clock.now() + POLICY.lease

    class LosesTheStore(ScriptedProvider):
        async def send(self, outgoing: Outgoing) -> str | None:
            world.store.down("update")
            return await super().send(outgoing)

    pipeline = world.new_pipeline(provider=LosesTheStore())
    assert await pipeline.deliver(world.first_message) is Answer.NACK
    assert (world.record.status, world.record.attempts) == (S.SENDING, ())
    assert ends <= world.clock.now() <= ends + timedelta(seconds=1)


@pytest.mark.parametrize("fault", [None, "down", "spoilt"])
async def test_what_another_has_claimed_meanwhile_is_not_overwritten(fault: str | None) -> None:
    world = await World.begin()

    class Overtaken(ScriptedProvider):
        async def send(self, outgoing: Outgoing) -> str | None:
            world.clock.advance(POLICY.lease)
            assert await world.pipeline.deliver(world.later_message) is Answer.ACK
            if fault == "down":
                world.store.down("load")
            elif fault == "spoilt":
                world.store.spoil(f"notifications/{world.notification.id}")
            return await super().send(outgoing)

    overtaken = world.new_pipeline(provider=Overtaken(["too-late"]))
    assert await overtaken.deliver(world.first_message) is Answer.NACK
    assert (world.record.status, world.record.provider_message_id) == (S.SENT, "message-1")
    assert world.outcomes == [Outcome.UNKNOWN, Outcome.ACCEPTED], "the duplicate has its reason on record"


async def test_an_outcome_is_kept_for_as_long_as_the_lease_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    world = await World.begin()
    monkeypatch.setattr("shared.sending.pipeline.time.monotonic", lambda: world.clock.now().timestamp())
    ended = world.clock.now() + POLICY.lease - timedelta(seconds=1)
    update = world.store.update

    async def away(delivery: Delivery) -> int:
        if delivery.status is not S.SENDING and world.clock.now() < ended:
            raise StoreUnavailable("Firestore is away for all but the last second of the lease")
        return await update(delivery)

    monkeypatch.setattr(world.store, "update", away)
    assert await world.pipeline.deliver(world.first_message) is Answer.ACK
    assert world.record.status is S.SENT


async def test_the_end_that_another_recorded_meanwhile_is_not_taken_for_ours() -> None:
    world = await World.begin()
    update = world.store.update

    async def overtaken(delivery: Delivery) -> int:
        if delivery.status is S.SENT:  # frozen since the send: the relay has given the delivery up
            stored = world.record
            await update(relayed(stored, world.clock.now() + timedelta(days=2), POLICY))
        return await update(delivery)

    world.store.update = overtaken  # type: ignore[method-assign]
    assert await world.pipeline.deliver(world.first_message) is Answer.NACK
    assert (world.record.status, world.outcomes) == (S.DEAD, [Outcome.UNKNOWN])


async def test_a_message_for_no_delivery_is_acked() -> None:
    world = await World.begin()
    stranger = a_notification()
    messages = [
        Message(notification_id=stranger.id, channel="email"),
        Message(notification_id=stranger.id, channel="email", content=world.first_message.content),
        Message(notification_id=world.notification.id, channel="sms"),
    ]
    for message in messages:
        assert await world.pipeline.deliver(message) is Answer.ACK
    assert world.provider.sent == []


@pytest.mark.parametrize("status", sorted(set(S) - PENDING))
async def test_a_message_for_a_terminal_delivery_is_acked_and_nothing_sent(status: DeliveryStatus) -> None:
    world = await World.begin()
    await world.set(status=status, due_at=None)
    for message in (world.first_message, world.later_message):
        assert await world.pipeline.deliver(message) is Answer.ACK
    assert (world.provider.sent, world.record.status) == ([], status)


@pytest.mark.parametrize("kind", ["first", "later"])
async def test_ten_deliveries_of_one_message_at_once_send_it_once(kind: str) -> None:
    world = await World.begin()
    message = world.first_message if kind == "first" else world.later_message
    answers = await asyncio.gather(*(world.new_pipeline().deliver(message) for _ in range(10)))
    assert (len(world.provider.sent), world.record.status) == (1, S.SENT)
    assert set(answers) == {Answer.ACK}


async def test_records_that_cannot_be_read_are_the_callers_to_nack() -> None:
    world = await World.begin()
    world.store.down("load", "update")
    with pytest.raises(StoreUnavailable):
        await world.pipeline.deliver(world.later_message)
    assert world.provider.sent == []


def on_virtual_time(world: World, patch: pytest.MonkeyPatch) -> None:
    """The pipeline's deadlines are by the world's clock, too."""
    patch.setattr("shared.sending.pipeline.time", SimpleNamespace(monotonic=lambda: world.clock.now().timestamp()))


async def test_a_claim_that_cannot_be_written_is_tried_for_eight_seconds_and_nacked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = await World.begin()
    on_virtual_time(world, monkeypatch)
    world.store.down("update")
    began = world.clock.now()
    assert await world.pipeline.deliver(world.first_message) is Answer.NACK
    assert (world.provider.sent, world.record.status) == ([], S.QUEUED)
    assert timedelta(seconds=8) <= world.clock.now() - began < timedelta(seconds=8.3)
    assert (set(world.clock.slept), world.store.calls["update"]) == ({0.2}, 40)


async def test_a_wait_for_its_time_is_not_taken_from_the_claims(monkeypatch: pytest.MonkeyPatch) -> None:
    """The longest that is slept through is longer than a claim may take."""
    world = await World.begin([Retryable("503")], replace(POLICY, retry_base=2 * POLICY.wait_in_place))
    on_virtual_time(world, monkeypatch)
    await world.pipeline.deliver(world.first_message)
    assert await world.pipeline.deliver(world.later_message) is Answer.ACK
    assert (world.record.status, world.clock.slept) == (S.SENT, [10.0])


@pytest.mark.parametrize(("retry_after", "slept"), [(10, [10]), (10.001, [])])
async def test_a_throttle_is_waited_out_if_as_much_time_is_left_for_the_call(
    monkeypatch: pytest.MonkeyPatch, retry_after: float, slept: list[float]
) -> None:
    policy = replace(POLICY, send_deadline=timedelta(seconds=20), wait_in_place=timedelta(minutes=1))
    world = await World.begin([Throttled("429", retry_after=retry_after)], policy)
    on_virtual_time(world, monkeypatch)
    await world.pipeline.deliver(world.first_message)
    assert world.clock.slept == slept


async def test_a_throttle_as_long_as_one_may_sleep_is_slept_through(monkeypatch: pytest.MonkeyPatch) -> None:
    world = await World.begin([Throttled("429", retry_after=POLICY.wait_in_place.total_seconds())])
    on_virtual_time(world, monkeypatch)
    await world.pipeline.deliver(world.first_message)
    assert world.clock.slept == [10]


async def test_a_claim_that_leaves_no_moment_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    world = await World.begin()
    on_virtual_time(world, monkeypatch)
    margin = (POLICY.lease - POLICY.send_deadline) / 2
    world.claims_take((POLICY.lease - margin).total_seconds())
    assert await world.pipeline.deliver(world.first_message) is Answer.NACK
    assert (world.provider.sent, world.record.error) == ([], "no time was left to send it")


async def test_a_record_that_is_gone_meanwhile_is_nacked() -> None:
    world = await World.begin()

    class Gone(ScriptedProvider):
        async def send(self, outgoing: Outgoing) -> str | None:
            world.store._deliveries.clear()
            return await super().send(outgoing)

    assert await world.new_pipeline(provider=Gone()).deliver(world.first_message) is Answer.NACK


async def test_retries_are_spread_by_chance() -> None:
    world = await World.begin([Retryable("503")])
    await replace(world.pipeline, chance=lambda: 0.5).deliver(world.first_message)
    assert world.record.next_try_at == world.clock.now() + 0.75 * POLICY.retry_base


async def test_an_attempt_says_how_long_it_took(monkeypatch: pytest.MonkeyPatch) -> None:
    world = await World.begin()
    on_virtual_time(world, monkeypatch)
    began = world.clock.now()

    class Slow(ScriptedProvider):
        async def send(self, outgoing: Outgoing) -> str | None:
            world.clock.advance(1.2345)
            return await super().send(outgoing)

    await world.new_pipeline(provider=Slow()).deliver(world.first_message)
    assert [(a.at, a.duration_ms) for a in world.record.attempts] == [(began, 1234)]


def said(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


async def test_each_outcome_is_in_the_log_with_its_ids(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure()
    world = await World.begin([Retryable("503"), "m-1"])
    await world.pipeline.deliver(world.first_message)
    world.clock.advance(10)
    await world.pipeline.deliver(world.later_message)
    first, second = said(capsys)
    common = {"message": "attempt", "notification_id": world.notification.id, "channel": "email"}
    common |= {"severity": "INFO", "provider": "scripted"}
    assert common.items() <= first.items()
    assert (first["outcome"], first["attempt"], first["error"], first["status"]) == ("retryable", 1, "503", "retrying")
    assert "accept_to_sent_ms" not in first
    assert common.items() <= second.items()
    assert (second["outcome"], second["attempt"], second["status"]) == ("accepted", 2, "sent")
    assert second["accept_to_sent_ms"] == 10_000


@pytest.mark.parametrize(("asked_for", "waited"), [(timedelta(minutes=50), 600_000), (None, 3_600_000)])
async def test_the_wait_is_since_it_was_last_asked_for(
    asked_for: timedelta | None, waited: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """A replay begins it anew; an old record does not say when that was."""
    logs.configure()
    world = await World.begin()
    await world.set(queued_at=asked_for and world.clock.now() + asked_for)
    world.clock.advance(timedelta(hours=1))
    await world.pipeline.deliver(world.later_message)
    assert [line["accept_to_sent_ms"] for line in said(capsys)] == [waited]


async def test_credentials_that_are_refused_are_an_error_of_their_own(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure()
    world = await World.begin([Retryable("401", credentials=True), Retryable("503")] * 3)
    for _ in range(5):
        await world.pipeline.deliver(world.later_message)
        world.clock.advance(POLICY.retry_cap)
    assert [(line["message"], line["severity"]) for line in said(capsys)] == [
        ("the provider refuses our credentials", "ERROR"),
        ("attempt", "INFO"),
        ("the provider refuses our credentials", "ERROR"),
        ("attempt", "INFO"),
        ("the provider refuses our credentials", "ERROR"),
    ]


async def test_what_dies_and_what_is_not_recorded_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure()
    world = await World.begin([Retryable("503")], replace(POLICY, max_attempts=1))
    await world.pipeline.deliver(world.first_message)
    (dead,) = said(capsys)
    assert (dead["message"], dead["severity"], dead["reason"]) == ("dead", "ERROR", world.record.error)
    lost = await World.begin()
    update = lost.store.update

    async def refused_once_sent(delivery: Delivery) -> int:
        if delivery.status is S.SENT:
            raise Conflict("another")
        return await update(delivery)

    lost.store.update = refused_once_sent  # type: ignore[method-assign]
    assert await lost.pipeline.deliver(lost.first_message) is Answer.NACK
    (unrecorded,) = said(capsys)
    assert unrecorded["message"] == "outcome not recorded: another may send this again"
    assert (unrecorded["severity"], unrecorded["outcome"]) == ("ERROR", "accepted")


class ProcessDied(BaseException):
    """As a SIGKILL would: nothing of the pipeline's may catch it."""


class Fuse:
    """Counts the steps of one process, and ends it at the given one: from then on no step is taken."""

    def __init__(self, burns_at: int | None = None) -> None:
        self.steps = 0
        self._burns_at = burns_at

    def step(self) -> None:
        self.steps += 1
        if self._burns_at is not None and self.steps >= self._burns_at:
            raise ProcessDied

    def on(self, inner: object) -> Any:
        """`inner` with a step before and after each of its calls: whatever it waits for may be its end."""
        fuse = self

        class Mortal:
            def __getattr__(self, name: str) -> Any:
                method: Callable[..., Any] = getattr(inner, name)
                if not callable(method):
                    return method

                async def call(*args: Any, **kwargs: Any) -> Any:
                    fuse.step()
                    try:
                        return await method(*args, **kwargs)
                    finally:
                        fuse.step()

                return call

        return Mortal()


class Lives:
    """One delivery, handled by one process after the other."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.publisher = MemoryPublisher()

    async def live(self, fuse: Fuse, message: Message | None = None) -> bool:
        """One process: takes the message, then sweeps and delivers until all is done. False when it died."""
        world = self.world
        pipeline = world.new_pipeline(fuse.on(world.store), fuse.on(world.provider))
        relay = Relay(fuse.on(world.store), fuse.on(self.publisher), world.policy, now=world.clock.now)
        try:
            if message is not None:
                await pipeline.deliver(message)
            for _ in range(30):
                if not world.record.pending:
                    return True
                world.clock.advance(world.policy.lease + 2 * world.policy.grace)
                await relay.sweep()
                for published in self.publisher.taken():
                    await pipeline.deliver(published)
        except ProcessDied:
            return False
        pytest.fail(f"not terminal after 30 sweeps: {world.record.status}")

    def check(self) -> None:
        assert self.world.record.status is S.SENT
        unknown = self.world.outcomes.count(Outcome.UNKNOWN)
        accepts = len(self.world.provider.accepted)
        assert 1 <= accepts <= 1 + unknown, "each duplicate has its reason on record"


SCRIPTS: dict[str, list[Result]] = {
    "accepted": [],
    "retried": [Retryable("503")],
    "unknown": [Unknown("reset")],
    "waited out": [Throttled("429", retry_after=2)],
    "deferred": [Throttled("429", retry_after=99)],
}


@pytest.mark.parametrize("kind", ["first", "later"])
@pytest.mark.parametrize("script", SCRIPTS)
async def test_wherever_the_process_dies_the_message_is_sent(
    script: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("functions.relay.overdue_deliveries.SHARDS", 4)  # fewer places to die in, none of another kind

    async def run(*burning: int) -> list[Fuse]:
        """Processes that die at these steps, and a last one that lives."""
        lives = Lives(await World.begin(SCRIPTS[script]))
        fuses = [*(Fuse(k) for k in burning), Fuse()]
        world = lives.world
        message: Message | None = world.first_message if kind == "first" else world.later_message
        for fuse in fuses:
            if await lives.live(fuse, message):
                break
            message = None  # the worst case: what it held is lost, and only the relay brings it back
        lives.check()
        return fuses

    (whole,) = await run()
    assert whole.steps >= 6
    for k in range(1, whole.steps + 1):
        _, second = await run(k)
        for then in range(1, min(second.steps, 60) + 1, 1 if script == "accepted" else 7):
            await run(k, then)


@pytest.mark.parametrize("first", [True, False], ids=["with content", "by its ids"])
async def test_what_a_test_key_sent_goes_the_whole_way_and_reaches_no_provider(first: bool) -> None:
    world = World()
    world.notification = a_notification(simulated=True)
    (world.queued,) = await accepted(world.store, world.notification)
    message = world.first_message if first else world.later_message
    assert await world.pipeline.deliver(message) is Answer.ACK
    assert world.provider.sent == []
    record = world.record
    assert (record.status, record.provider, record.provider_message_id) == (S.SENT, "simulated", None)
    assert world.outcomes == [Outcome.ACCEPTED]
