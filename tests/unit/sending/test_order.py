"""What is on record is on record before anybody is told of it: the order of each step's write, publish and send.

Were it another, the relay or the next push would mend it, sooner or later, and every other test would pass.
"""

from datetime import timedelta

import pytest

from functions.dead_letter.given_up_messages import DeadLetter
from functions.relay.overdue_deliveries import Relay
from functions.relay.waiting_receipts import WaitingReceipts
from shared.delivery.errors import Retryable, Throttled
from shared.delivery.model import DeliveryStatus, Receipt
from shared.sending.messages import Answer
from shared.sending.pipeline import Pipeline
from shared.sending.receipts import FIRST_PAUSE, take
from tests.fakes.clock import START, Clock
from tests.fakes.order import Order
from tests.fakes.people import MemoryPeople
from tests.fakes.provider import Result, ScriptedProvider
from tests.fakes.publisher import MemoryPublisher
from tests.fakes.receipts import MemoryReceipts
from tests.fakes.records import POLICY, a_notification, accepted, first_message, later_message
from tests.fakes.store import MemoryStore

OVERDUE = POLICY.grace + timedelta(seconds=1)
WRITES = ("create", "update", "update_all")


@pytest.fixture
def order() -> Order:
    return Order()


def whole(*calls: str) -> list[str]:
    """Each ends before the next begins."""
    return [f"{call} {step}" for call in calls for step in ("begins", "ends")]


async def test_the_relay_moves_due_times_on_before_it_publishes(
    store: MemoryStore, publisher: MemoryPublisher, order: Order
) -> None:
    await accepted(store, a_notification(channels=("email", "sms")))
    relay = Relay(order.of(store, *WRITES), order.of(publisher, "publish"), POLICY, Clock(START + OVERDUE).now)
    assert (await relay.sweep()).published == 2
    assert order.steps == whole("update_all", "publish")


async def test_the_relay_has_each_batch_on_record_before_its_publish(
    store: MemoryStore, publisher: MemoryPublisher, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("functions.relay.overdue_deliveries.BATCH", 1)
    await accepted(store, a_notification(channels=("email", "sms")))
    relay = Relay(order.of(store, *WRITES), order.of(publisher, "publish"), POLICY, Clock(START + OVERDUE).now)
    assert (await relay.sweep()).published == 2
    assert order.steps == whole("update_all", "publish") * 2


async def test_the_relay_makes_what_it_could_not_publish_due_soon_only_then(
    store: MemoryStore, publisher: MemoryPublisher, order: Order
) -> None:
    await accepted(store, a_notification())
    publisher.fail()
    relay = Relay(order.of(store, *WRITES), order.of(publisher, "publish"), POLICY, Clock(START + OVERDUE).now)
    assert (await relay.sweep()).unpublished == 1
    assert order.steps == whole("update_all", "publish", "update_all")


async def test_dead_letter_reads_before_it_publishes_and_writes_nothing_besides(
    store: MemoryStore, publisher: MemoryPublisher, order: Order
) -> None:
    (delivery,) = await accepted(store, a_notification())
    dead_letter = DeadLetter(order.of(store, "load", *WRITES), order.of(publisher, "publish"), POLICY, Clock().now)
    assert await dead_letter.take(later_message(delivery)) is Answer.ACK
    assert order.steps == whole("load", "publish")


@pytest.mark.parametrize(
    ("script", "sends"),
    [([], 1), ([Retryable("503")], 1), ([Throttled("429", retry_after=2)], 2)],
    ids=["accepted", "refused", "throttled, then accepted"],
)
@pytest.mark.parametrize("first", [True, False], ids=["with content", "by its ids"])
async def test_a_function_claims_before_it_sends_and_records_before_it_answers(
    store: MemoryStore, order: Order, script: list[Result], sends: int, first: bool
) -> None:
    notification = a_notification()
    (delivery,) = await accepted(store, notification)
    clock = Clock()
    pipeline = Pipeline(
        order.of(store, "load", *WRITES),
        order.of(ScriptedProvider(script), "send"),
        POLICY,
        now=clock.now,
        sleep=clock.sleep,
    )
    await pipeline.deliver(first_message(notification, delivery) if first else later_message(delivery))
    read = [] if first else ["load"]
    assert order.steps == whole(*read, "update", *["send"] * sends, "update")


def delivered(notification_id: str) -> Receipt:
    return Receipt("email", "sendgrid", "m-1", DeliveryStatus.DELIVERED, notification_id)


async def test_a_receipt_is_applied_or_kept_before_the_provider_is_answered(store: MemoryStore, order: Order) -> None:
    (delivery,) = await accepted(store, a_notification())
    waiting = MemoryReceipts()
    noted = order.of(store, "load", *WRITES), order.of(waiting, "keep", "forget")
    await take(*noted, MemoryPeople(store), delivered(delivery.notification_id), START)
    assert order.steps == whole("load", "keep")


async def test_a_receipt_that_waited_is_applied_before_it_is_forgotten(store: MemoryStore, order: Order) -> None:
    notification = a_notification()
    (delivery,) = await accepted(store, notification)
    waiting = MemoryReceipts()
    await take(store, waiting, MemoryPeople(store), delivered(delivery.notification_id), START)
    clock = Clock()
    await Pipeline(store, ScriptedProvider(["m-1"]), POLICY, now=clock.now).deliver(
        first_message(notification, delivery)
    )
    clock.advance(FIRST_PAUSE + timedelta(seconds=1))
    relay = WaitingReceipts(
        order.of(store, "load", *WRITES), order.of(waiting, "keep", "forget"), MemoryPeople(store), clock.now
    )
    assert await relay.sweep() == 1
    assert order.steps == whole("load", "update", "forget")
