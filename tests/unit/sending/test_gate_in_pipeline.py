"""What a channel function does with what the gate says, and whom it wakes when a delivery has ended."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.delivery.errors import Permanent, Retryable, Throttled
from shared.delivery.model import (
    ESCALATION_AFTER_RECEIPT,
    Attempt,
    Delivery,
    DeliveryStatus,
    Notification,
    Outcome,
    Receipt,
    Rule,
    Step,
)
from shared.delivery.state_machine import step_of
from shared.sending.messages import Answer, Message, content_of
from shared.sending.pipeline import Pipeline
from shared.sending.receipts import apply
from tests.fakes.clock import START, Clock
from tests.fakes.people import MemoryPeople
from tests.fakes.provider import ScriptedProvider
from tests.fakes.publisher import MemoryPublisher
from tests.fakes.records import POLICY, a_notification, first_message, later_message, queued_deliveries
from tests.fakes.store import MemoryStore

S = DeliveryStatus
SECOND = timedelta(seconds=1)


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def on_record(store: MemoryStore, notification: Notification, *changed: Delivery) -> list[Delivery]:
    deliveries = list(changed) or queued_deliveries(notification)
    version = await store.create(notification, deliveries)
    return [replace(d, version=version) for d in deliveries]


def pipeline(store: MemoryStore, publisher: MemoryPublisher, clock: Clock, provider: ScriptedProvider) -> Pipeline:
    return Pipeline(store, provider, POLICY, now=clock.now, sleep=clock.sleep, publisher=lambda: publisher)


def keys(publisher: MemoryPublisher) -> list[tuple[str, str]]:
    return [(m.notification_id, m.channel) for m in publisher.taken()]


async def test_what_is_scheduled_is_sent_at_its_time_and_not_before(
    store: MemoryStore, publisher: MemoryPublisher, clock: Clock
) -> None:
    notification = replace(a_notification(), send_at=START + timedelta(hours=1))
    (delivery,) = await on_record(store, notification)
    provider = ScriptedProvider(["m-1"])
    sends = pipeline(store, publisher, clock, provider)
    assert await sends.deliver(later_message(delivery)) is Answer.ACK
    assert (provider.sent, store.calls["update"]) == ([], 0)
    clock.advance(timedelta(hours=1))
    assert await sends.deliver(later_message(delivery)) is Answer.ACK
    record = store.get(notification.id, "email")
    assert (len(provider.sent), record.status, record.scheduled_for) == (1, S.SENT, None)


async def test_a_first_message_that_is_a_moment_early_waits_for_its_time(
    store: MemoryStore, publisher: MemoryPublisher, clock: Clock
) -> None:
    notification = replace(a_notification(), send_at=START + SECOND)
    (delivery,) = await on_record(store, notification)
    sends = pipeline(store, publisher, clock, ScriptedProvider(["m-1"]))
    assert await sends.deliver(first_message(notification, delivery)) is Answer.ACK
    record = store.get(notification.id, "email")
    assert (record.status, record.queued_at, clock.slept) == (S.SENT, START + SECOND, [1])


@pytest.mark.parametrize("first", [True, False])
async def test_nothing_begins_when_its_time_is_past(
    store: MemoryStore, publisher: MemoryPublisher, clock: Clock, first: bool
) -> None:
    notification = replace(a_notification(), deliver_by=START + SECOND)
    (delivery,) = await on_record(store, notification)
    clock.advance(SECOND)
    provider = ScriptedProvider([])
    message = first_message(notification, delivery) if first else later_message(delivery)
    assert await pipeline(store, publisher, clock, provider).deliver(message) is Answer.ACK
    record = store.get(notification.id, "email")
    assert (provider.sent, record.status, record.reason, record.due_at) == ([], S.EXPIRED, Rule.DELIVER_BY, None)


async def test_no_second_attempt_begins_when_its_time_ran_out_in_the_first(
    store: MemoryStore, publisher: MemoryPublisher, clock: Clock
) -> None:
    """Which was put off for a moment, and waited for."""
    notification = replace(a_notification(), deliver_by=START + 2 * SECOND)
    (delivery,) = await on_record(store, notification)
    provider = ScriptedProvider([Throttled("slow down", retry_after=3)])
    await pipeline(store, publisher, clock, provider).deliver(first_message(notification, delivery))
    record = store.get(notification.id, "email")
    assert (len(provider.sent), record.status, len(record.attempts)) == (1, S.EXPIRED, 1)


async def test_a_claim_whose_time_is_over_before_the_call_makes_none(
    store: MemoryStore, publisher: MemoryPublisher, clock: Clock
) -> None:
    notification = replace(a_notification(), deliver_by=START + SECOND)
    (delivery,) = await on_record(store, notification)
    provider = ScriptedProvider([])
    update = store.update

    async def slow(delivery: Delivery) -> int:
        version = await update(delivery)
        clock.advance(SECOND)
        return version

    store.update = slow  # type: ignore[method-assign]
    assert await pipeline(store, publisher, clock, provider).deliver(later_message(delivery)) is Answer.ACK
    record = store.get(notification.id, "email")
    assert (provider.sent, record.status, record.attempts) == ([], S.EXPIRED, ())


async def test_one_that_would_be_tried_again_too_late_has_expired(
    store: MemoryStore, publisher: MemoryPublisher, clock: Clock
) -> None:
    notification = replace(a_notification(), deliver_by=START + 2 * SECOND)
    (delivery,) = await on_record(store, notification)
    provider = ScriptedProvider([Retryable("503")])
    sends = pipeline(store, publisher, clock, provider)
    assert await sends.deliver(first_message(notification, delivery)) is Answer.ACK
    record = store.get(notification.id, "email")
    assert (record.status, record.due_at) == (S.EXPIRED, None)
    assert "503" in (record.error or "")


async def test_a_cancelled_notification_is_not_sent(
    store: MemoryStore, publisher: MemoryPublisher, clock: Clock
) -> None:
    notification = a_notification()
    (delivery,) = await on_record(store, notification)
    await store.cancel(notification.id, START)
    provider = ScriptedProvider([])
    await pipeline(store, publisher, clock, provider).deliver(later_message(delivery))
    assert (provider.sent, store.get(notification.id, "email").status) == ([], S.CANCELLED)


async def in_order(store: MemoryStore, count: int = 2) -> list[Delivery]:
    """Each follows the one before."""
    made: list[Delivery] = []
    for _ in range(count):
        notification = a_notification()
        (delivery,) = queued_deliveries(notification)
        behind = made[-1].notification_id if made else None
        made += await on_record(store, notification, replace(delivery, ordering="k", follows=behind))
    return made


async def test_the_next_in_an_order_waits_and_is_published_when_the_one_before_has_ended(
    store: MemoryStore, publisher: MemoryPublisher, clock: Clock
) -> None:
    first, second = await in_order(store)
    provider = ScriptedProvider(["m-1", "m-2"])
    sends = pipeline(store, publisher, clock, provider)
    assert await sends.deliver(later_message(second)) is Answer.ACK
    held = store.get(second.notification_id, "email")
    assert (held.status, held.reason, held.due_at) == (S.DEFERRED, Rule.ORDER, START + POLICY.grace)
    updates = store.calls["update"]
    assert await sends.deliver(later_message(second)) is Answer.ACK
    assert store.calls["update"] == updates, "it is on record already"
    assert await sends.deliver(later_message(first)) is Answer.ACK
    assert keys(publisher) == [(second.notification_id, "email")]
    assert await sends.deliver(later_message(second)) is Answer.ACK
    assert [call.notification_id for call in provider.sent] == [first.notification_id, second.notification_id]
    assert store.get(second.notification_id, "email").reason is None


async def test_whoever_died_before_it_published_what_waits_is_made_up_for(
    store: MemoryStore, publisher: MemoryPublisher, clock: Clock
) -> None:
    first, second = await in_order(store)
    sends = pipeline(store, publisher, clock, ScriptedProvider(["m-1"]))
    publisher.fail(1)
    await sends.deliver(later_message(first))
    assert keys(publisher) == []
    await sends.deliver(later_message(first))
    assert keys(publisher) == [(second.notification_id, "email")]


async def test_one_that_waited_too_long_goes_and_that_is_on_record(
    store: MemoryStore, publisher: MemoryPublisher, clock: Clock
) -> None:
    _, second = await in_order(store)
    clock.advance(POLICY.order_wait)
    await pipeline(store, publisher, clock, ScriptedProvider(["m-2"])).deliver(later_message(second))
    record = store.get(second.notification_id, "email")
    assert (record.status, record.reason) == (S.SENT, Rule.ORDER_BOUND)


async def escalating(store: MemoryStore, step: Step) -> tuple[Delivery, Delivery]:
    notification = replace(a_notification(channels=["email", "sms"]), escalation=(Step("email"), step))
    email, sms = queued_deliveries(notification)
    first, second = await on_record(
        store, notification, replace(email, escalates_to="sms"), step_of(sms, email, step, POLICY)
    )
    return first, second


async def test_the_next_step_goes_when_the_one_before_has_failed(
    store: MemoryStore, publisher: MemoryPublisher, clock: Clock
) -> None:
    email, sms = await escalating(store, Step("sms", 300))
    await pipeline(store, publisher, clock, ScriptedProvider([Permanent("no")])).deliver(later_message(email))
    assert keys(publisher) == [(email.notification_id, "sms")]
    await pipeline(store, publisher, clock, ScriptedProvider(["m-1"])).deliver(later_message(sms))
    assert store.get(sms.notification_id, "sms").status is S.SENT


async def test_the_next_step_is_not_needed_when_the_one_before_was_sent(
    store: MemoryStore, publisher: MemoryPublisher, clock: Clock
) -> None:
    email, sms = await escalating(store, Step("sms", 300))
    await pipeline(store, publisher, clock, ScriptedProvider(["m-1"])).deliver(later_message(email))
    provider = ScriptedProvider([])
    await pipeline(store, publisher, clock, provider).deliver(later_message(sms))
    record = store.get(sms.notification_id, "sms")
    assert (provider.sent, record.status, record.reason) == ([], S.CANCELLED, Rule.NOT_NEEDED)


async def test_a_receipt_after_the_next_step_went_is_on_record_with_its_reason(
    store: MemoryStore, publisher: MemoryPublisher, clock: Clock
) -> None:
    email, sms = await escalating(store, Step("sms", 300, S.DELIVERED))
    await pipeline(store, publisher, clock, ScriptedProvider(["m-1"])).deliver(later_message(email))
    receipt = Receipt("email", "sendgrid", "m-1", S.DELIVERED, email.notification_id)
    clock.advance(300)
    await pipeline(store, publisher, clock, ScriptedProvider(["m-2"])).deliver(later_message(sms))
    publisher.taken()
    await apply(store, MemoryPeople(store), receipt, clock.now(), publisher)
    record = store.get(email.notification_id, "email")
    assert (record.status, record.attempts[-1].reason) == (S.DELIVERED, ESCALATION_AFTER_RECEIPT)
    assert keys(publisher) == [(email.notification_id, "sms")]


async def test_what_has_arrived_after_all_is_scheduled_no_more(
    store: MemoryStore, publisher: MemoryPublisher, clock: Clock
) -> None:
    notification = a_notification()
    (delivery,) = await on_record(store, notification)
    unknown = (Attempt(1, START, Outcome.UNKNOWN, "no answer"),)
    later = START + timedelta(hours=1)
    held = replace(delivery, attempts=unknown, status=S.SCHEDULED, scheduled_for=later, reason=Rule.ESCALATION)
    await store.update(replace(held, due_at=later))
    await apply(
        store, MemoryPeople(store), Receipt("email", "sendgrid", "m-1", S.DELIVERED, notification.id), START, publisher
    )
    record = store.get(notification.id, "email")
    assert (record.status, record.scheduled_for, record.reason) == (S.DELIVERED, None, None)


async def test_a_receipt_in_time_spares_the_next_step(
    store: MemoryStore, publisher: MemoryPublisher, clock: Clock
) -> None:
    email, sms = await escalating(store, Step("sms", 300, S.DELIVERED))
    await pipeline(store, publisher, clock, ScriptedProvider(["m-1"])).deliver(later_message(email))
    receipt = Receipt("email", "sendgrid", "m-1", S.DELIVERED, email.notification_id)
    await apply(store, MemoryPeople(store), receipt, clock.now(), publisher)
    assert store.get(email.notification_id, "email").attempts[-1].reason is None
    clock.advance(300)
    provider = ScriptedProvider([])
    await pipeline(store, publisher, clock, provider).deliver(later_message(sms))
    assert (provider.sent, store.get(sms.notification_id, "sms").reason) == ([], Rule.NOT_NEEDED)


async def test_of_a_plain_one_nobody_is_asked_and_nobody_is_told(
    store: MemoryStore, publisher: MemoryPublisher, clock: Clock
) -> None:
    notification = a_notification()
    (delivery,) = await on_record(store, notification)
    message = Message(notification_id=notification.id, channel="email", content=content_of(notification, delivery))
    await pipeline(store, publisher, clock, ScriptedProvider(["m-1"])).deliver(message)
    assert (dict(store.calls), publisher.calls) == ({"create": 1, "update": 2}, 0)
