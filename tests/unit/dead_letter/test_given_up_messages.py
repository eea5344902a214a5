"""What becomes of a delivery whose message Pub/Sub gave up on: only the record decides."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from functions.dead_letter.given_up_messages import DeadLetter
from shared.delivery.errors import StoreUnavailable
from shared.delivery.model import PENDING, Attempt, Delivery, DeliveryStatus, Outcome
from shared.delivery.state_machine import Write, decide
from shared.sending.messages import Answer, Message
from tests.fakes.clock import START, Clock
from tests.fakes.publisher import MemoryPublisher
from tests.fakes.records import POLICY, a_notification, accepted, later_message
from tests.fakes.store import MemoryStore

S = DeliveryStatus
TERMINAL = sorted(set(S) - PENDING)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def dead_letter(store: MemoryStore, publisher: MemoryPublisher, clock: Clock) -> DeadLetter:
    return DeadLetter(store, publisher, POLICY, now=clock.now)


async def recorded(store: MemoryStore, **fields: Any) -> Delivery:
    (delivery,) = await accepted(store, a_notification())
    await store.update(replace(delivery, **fields))
    return store.get(delivery.notification_id, "email")


async def claimed(store: MemoryStore, *, failures: int) -> Delivery:
    """In the attempt after these failures, with a live lease."""
    attempts = tuple(Attempt(n + 1, START, Outcome.RETRYABLE, "503") for n in range(failures))
    (delivery,) = await accepted(store, a_notification())
    decision = decide(replace(delivery, attempts=attempts), "another's", START, POLICY)
    assert isinstance(decision, Write)
    await store.update(decision.delivery)
    return store.get(delivery.notification_id, "email")


@pytest.mark.parametrize("status", TERMINAL)
async def test_a_terminal_delivery_is_acked_and_left(
    dead_letter: DeadLetter, store: MemoryStore, publisher: MemoryPublisher, status: DeliveryStatus
) -> None:
    delivery = await recorded(store, status=status, due_at=None)
    assert await dead_letter.take(later_message(delivery)) is Answer.ACK
    assert (store.get(delivery.notification_id, "email"), publisher.messages) == (delivery, [])


@pytest.mark.parametrize("status", [S.QUEUED, S.RETRYING, S.DEFERRED])
async def test_a_delivery_with_tries_left_is_published_again(
    dead_letter: DeadLetter, store: MemoryStore, publisher: MemoryPublisher, status: DeliveryStatus
) -> None:
    delivery = await recorded(store, status=status)
    assert await dead_letter.take(later_message(delivery)) is Answer.ACK
    assert publisher.messages == [later_message(delivery)]
    assert store.get(delivery.notification_id, "email") == delivery


async def test_a_lost_lease_with_tries_left_is_published_again(
    dead_letter: DeadLetter, store: MemoryStore, publisher: MemoryPublisher, clock: Clock
) -> None:
    delivery = await claimed(store, failures=3)
    clock.advance(POLICY.lease)
    assert await dead_letter.take(later_message(delivery)) is Answer.ACK
    assert (publisher.messages, store.get(delivery.notification_id, "email")) == ([later_message(delivery)], delivery)


async def test_a_last_attempt_that_still_holds_its_lease_is_not_dead(
    dead_letter: DeadLetter, store: MemoryStore, clock: Clock
) -> None:
    delivery = await claimed(store, failures=4)
    clock.advance(POLICY.lease - timedelta(microseconds=1))
    assert await dead_letter.take(later_message(delivery)) is Answer.ACK
    assert store.get(delivery.notification_id, "email").status is S.SENDING


async def test_a_lost_lease_at_the_last_attempt_is_dead_with_the_attempt_on_record(
    dead_letter: DeadLetter, store: MemoryStore, publisher: MemoryPublisher, clock: Clock
) -> None:
    delivery = await claimed(store, failures=4)
    clock.advance(POLICY.lease)
    assert await dead_letter.take(later_message(delivery)) is Answer.ACK
    dead = store.get(delivery.notification_id, "email")
    assert (dead.status, dead.dead_at, dead.due_at) == (S.DEAD, clock.now(), None)
    assert (len(dead.attempts), dead.attempts[-1].outcome) == (5, Outcome.UNKNOWN)
    assert dead.error == "attempts used up; the last one: the lease ran out before an outcome was recorded"
    assert publisher.messages == []


async def test_a_delivery_that_another_moves_on_meanwhile_is_looked_at_again(
    publisher: MemoryPublisher, clock: Clock
) -> None:
    class Overtaken(MemoryStore):
        async def load(self, notification_id: str, channel: str) -> Any:
            loaded = await super().load(notification_id, channel)
            assert loaded is not None
            await self.update(replace(loaded[1], claim="a third's"))
            return loaded

    store = Overtaken()
    delivery = await claimed(store, failures=4)
    clock.advance(POLICY.lease)
    taken = await DeadLetter(store, publisher, POLICY, now=clock.now).take(later_message(delivery))
    assert (taken, store.get(delivery.notification_id, "email").status) == (Answer.NACK, S.SENDING)


@pytest.mark.parametrize("after_taking", [False, True])
async def test_a_failed_publish_is_acked_because_the_delivery_stays_due(
    dead_letter: DeadLetter, store: MemoryStore, publisher: MemoryPublisher, after_taking: bool
) -> None:
    delivery = await recorded(store, status=S.RETRYING)
    publisher.fail(after_taking=after_taking)
    assert await dead_letter.take(later_message(delivery)) is Answer.ACK
    now = store.get(delivery.notification_id, "email")
    assert (now, now.due_at is not None) == (delivery, True)


async def test_a_message_of_no_delivery_is_acked(dead_letter: DeadLetter, publisher: MemoryPublisher) -> None:
    assert (
        await dead_letter.take(Message(notification_id="11111111-1111-4111-8111-111111111111", channel="email"))
        is Answer.ACK
    )
    assert publisher.messages == []


@pytest.mark.parametrize("operation", ["load", "update"])
async def test_records_that_cannot_be_reached_are_the_callers_to_nack(
    dead_letter: DeadLetter, store: MemoryStore, clock: Clock, operation: str
) -> None:
    delivery = await claimed(store, failures=4)
    clock.advance(POLICY.lease)
    store.down(operation)
    with pytest.raises(StoreUnavailable):
        await dead_letter.take(later_message(delivery))
    store.down()
    assert await dead_letter.take(later_message(delivery)) is Answer.ACK
    assert store.get(delivery.notification_id, "email").status is S.DEAD
