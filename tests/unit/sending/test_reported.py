"""What a receipt makes of a delivery: in whatever order they come, and however often, they end in the same state."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.relay.waiting_receipts import WaitingReceipts
from shared.delivery.errors import StoreUnavailable
from shared.delivery.model import Attempt, Delivery, DeliveryStatus, Outcome, Receipt, Rule
from shared.delivery.state_machine import Write, decide, settle
from shared.sending.receipts import FIRST_PAUSE, KEPT, reported, take
from tests.fakes.clock import START, Clock
from tests.fakes.people import MemoryPeople
from tests.fakes.receipts import MemoryReceipts
from tests.fakes.records import POLICY, a_notification, accepted, queued_deliveries
from tests.fakes.store import MemoryStore

S = DeliveryStatus
LATER = START + timedelta(hours=1)


def a_receipt(status: DeliveryStatus = S.DELIVERED, message_id: str = "m-1", **changes: object) -> Receipt:
    fixed: dict[str, object] = {"channel": "email", "provider": "sendgrid"}
    reason = "SendGrid reports bounce" if status is S.UNDELIVERED else None
    return Receipt(**{**fixed, "reason": reason, "provider_message_id": message_id, "status": status, **changes})  # type: ignore[arg-type]


def claimed(delivery: Delivery) -> Delivery:
    decision = decide(delivery, "token", START, POLICY)
    assert isinstance(decision, Write)
    return decision.delivery


def attempted(delivery: Delivery, *outcomes: Outcome) -> Delivery:
    """After these attempts, each under a claim of its own."""
    for n, outcome in enumerate(outcomes):
        at = START + n * timedelta(hours=1)
        decision = decide(delivery, f"token {n}", at, POLICY)
        assert isinstance(decision, Write)
        error = None if outcome is Outcome.ACCEPTED else str(outcome)
        attempt = Attempt(len(delivery.attempts) + 1, at, outcome, error)
        message_id = "m-1" if outcome is Outcome.ACCEPTED else None
        delivery = settle(decision.delivery, [attempt], at, POLICY, provider="sendgrid", provider_message_id=message_id)
    return delivery


def a_delivery(*outcomes: Outcome) -> Delivery:
    return attempted(queued_deliveries(a_notification())[0], *outcomes)


def after(delivery: Delivery, receipts: Sequence[Receipt]) -> Delivery:
    """As the gateway and the relay leave it: a receipt that must wait is looked at again behind the others."""
    waiting = list(receipts)
    for _ in range(2):
        again = []
        for receipt in waiting:
            outcome = reported(delivery, receipt, LATER)
            if isinstance(outcome, Delivery):
                delivery = outcome
            elif outcome is not None:
                again.append(receipt)
        waiting = again
    return delivery


@pytest.mark.parametrize("status", [S.DELIVERED, S.UNDELIVERED])
def test_that_one_went_before_its_turn_stays_on_record(status: DeliveryStatus) -> None:
    sent = replace(a_delivery(Outcome.ACCEPTED), reason=Rule.ORDER_BOUND)
    moved = reported(sent, a_receipt(status), LATER)
    assert isinstance(moved, Delivery)
    assert moved.reason == Rule.ORDER_BOUND
    held = reported(replace(a_delivery(Outcome.UNKNOWN), reason=Rule.ORDER), a_receipt(), LATER)
    assert isinstance(held, Delivery)
    assert held.reason is None


def test_a_sent_delivery_is_delivered_or_undelivered_with_the_providers_reason() -> None:
    sent = a_delivery(Outcome.ACCEPTED)
    delivered = reported(sent, a_receipt(), LATER)
    assert delivered == replace(sent, status=S.DELIVERED, updated_at=LATER)
    undelivered = reported(sent, a_receipt(S.UNDELIVERED), LATER)
    assert undelivered == replace(sent, status=S.UNDELIVERED, error="SendGrid reports bounce", updated_at=LATER)


@pytest.mark.parametrize("names_ours", [True, False], ids=["with our id", "without our id"])
@pytest.mark.parametrize("before", [S.SENT, S.DELIVERED, S.UNDELIVERED])
def test_a_receipt_of_another_message_changes_nothing_that_was_sent(before: DeliveryStatus, names_ours: bool) -> None:
    """Of an earlier attempt of the same notification, for instance, that ended unknown and arrived as well."""
    delivery = replace(a_delivery(Outcome.UNKNOWN, Outcome.ACCEPTED), status=before)
    ours = delivery.notification_id if names_ours else None
    for status in (S.DELIVERED, S.UNDELIVERED):
        receipt = a_receipt(status, "another", notification_id=ours, overrules=True)
        assert reported(delivery, receipt, LATER) is None


def test_a_receipt_that_has_only_our_id_is_of_the_message_on_record() -> None:
    sent = a_delivery(Outcome.ACCEPTED)
    receipt = a_receipt(provider_message_id=None, notification_id=sent.notification_id)
    delivered = reported(sent, receipt, LATER)
    assert delivered == replace(sent, status=S.DELIVERED, updated_at=LATER)


@pytest.mark.parametrize("status", [S.DELIVERED, S.UNDELIVERED])
def test_a_message_that_was_accepted_without_an_id_gets_the_receipts_that_name_its_notification(
    status: DeliveryStatus,
) -> None:
    """SendGrid may answer 202 without X-Message-Id; its events have an id all the same, and ours."""
    sent = replace(a_delivery(Outcome.RETRYABLE, Outcome.ACCEPTED), provider_message_id=None)
    receipt = a_receipt(status, "its own", notification_id=sent.notification_id, overrules=True)
    moved = reported(sent, receipt, LATER)
    assert isinstance(moved, Delivery)
    assert (moved.status, moved.provider_message_id) == (status, "its own")
    another = replace(receipt, provider_message_id="another", status=S.UNDELIVERED)
    assert reported(moved, another, LATER) is None


def test_a_message_without_an_id_is_not_taken_for_an_earlier_one_that_may_have_arrived_as_well() -> None:
    sent = replace(a_delivery(Outcome.UNKNOWN, Outcome.ACCEPTED), provider_message_id=None)
    for status in (S.DELIVERED, S.UNDELIVERED):
        assert reported(sent, a_receipt(status, "whose", notification_id=sent.notification_id), LATER) is None


def test_who_holds_a_live_lease_is_not_disturbed() -> None:
    busy = claimed(a_delivery())
    assert busy.lease_until is not None
    assert reported(busy, a_receipt(), START) == POLICY.lease
    assert reported(busy, a_receipt(), busy.lease_until - timedelta(seconds=1)) == timedelta(seconds=1)


def test_an_unknown_attempt_that_was_delivered_ends_the_delivery() -> None:
    for unsure in (a_delivery(Outcome.UNKNOWN), a_delivery(*[Outcome.UNKNOWN] * 5), claimed(a_delivery())):
        after_receipt = reported(unsure, a_receipt(), LATER)
        assert isinstance(after_receipt, Delivery)
        assert (after_receipt.status, after_receipt.provider_message_id) == (S.DELIVERED, "m-1")
        assert (after_receipt.due_at, after_receipt.lease_until, after_receipt.dead_at) == (None, None, None)
        assert after_receipt.attempts[-1].outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(
    "outcomes", [(Outcome.UNKNOWN,), (Outcome.UNKNOWN, Outcome.PERMANENT), (Outcome.UNKNOWN,) * 5], ids="-".join
)
def test_what_arrived_after_all_has_nothing_left_of_its_tries(outcomes: Sequence[Outcome]) -> None:
    unsure = a_delivery(*outcomes)
    receipt = a_receipt(provider="another", reason="by its word")
    assert reported(unsure, receipt, LATER) == replace(
        unsure,
        status=S.DELIVERED,
        provider="another",
        provider_message_id="m-1",
        error="by its word",
        updated_at=LATER,
        due_at=None,
        next_try_at=None,
        dead_at=None,
    )


def test_an_attempt_that_was_lost_arrived_once_its_lease_is_over() -> None:
    busy = claimed(a_delivery())
    assert busy.lease_until is not None
    arrived = reported(busy, a_receipt(), busy.lease_until)
    assert isinstance(arrived, Delivery)
    assert (arrived.status, arrived.claimed_at, arrived.lease_until) == (S.DELIVERED, None, None)
    assert [(attempt.number, attempt.outcome, attempt.at) for attempt in arrived.attempts] == [
        (1, Outcome.UNKNOWN, START)
    ]


def test_an_unknown_attempt_that_was_not_delivered_ends_nothing() -> None:
    """It may be tried again, and be accepted then: of that message the receipt says nothing."""
    for unsure in (a_delivery(Outcome.UNKNOWN), a_delivery(*[Outcome.UNKNOWN] * 5), claimed(a_delivery())):
        assert reported(unsure, a_receipt(S.UNDELIVERED, overrules=True), LATER) == FIRST_PAUSE


@pytest.mark.parametrize("status", [S.DELIVERED, S.UNDELIVERED])
def test_the_same_word_again_is_no_news(status: DeliveryStatus) -> None:
    ended = replace(a_delivery(Outcome.ACCEPTED), status=status)
    assert reported(ended, a_receipt(status, overrules=True), LATER) is None


def test_before_any_attempt_and_after_a_clear_no_a_receipt_waits_while_it_can_still_matter() -> None:
    assert reported(a_delivery(), a_receipt(), LATER) == FIRST_PAUSE
    assert reported(a_delivery(Outcome.RETRYABLE), a_receipt(), LATER) == FIRST_PAUSE
    assert reported(a_delivery(Outcome.PERMANENT), a_receipt(), LATER) is None
    for status in (S.DISCARDED, S.EXPIRED, S.CANCELLED):
        assert reported(replace(a_delivery(*[Outcome.UNKNOWN] * 5), status=status), a_receipt(), LATER) is None


STATES = [
    (Outcome.ACCEPTED,),
    (Outcome.UNKNOWN, Outcome.ACCEPTED),
    (Outcome.UNKNOWN,),
    (Outcome.UNKNOWN, Outcome.PERMANENT),
    (Outcome.UNKNOWN,) * 5,
]


@pytest.mark.parametrize("winner", [S.DELIVERED, S.UNDELIVERED])
@pytest.mark.parametrize("outcomes", STATES, ids="-".join)
def test_the_order_of_the_receipts_and_how_often_they_come_make_no_difference(
    outcomes: Sequence[Outcome], winner: DeliveryStatus
) -> None:
    before = a_delivery(*outcomes)
    both = [a_receipt(status, overrules=status is winner) for status in (S.DELIVERED, S.UNDELIVERED)]
    for some in (both[:1], both[1:], both):
        orders = {tuple(order) for n in (1, 2) for order in itertools.permutations(some * n)}
        ends = {after(before, order).status for order in orders}
        assert len(ends) == 1, some
    ended = after(before, both)
    assert ended.status is winner


@given(receipts=st.lists(st.tuples(st.booleans(), st.sampled_from(["m-1", "m-2"]), st.booleans()), max_size=6))
@pytest.mark.parametrize("outcomes", STATES, ids="-".join)
def test_no_receipt_takes_a_delivery_back(outcomes: Sequence[Outcome], receipts: list[tuple[bool, str, bool]]) -> None:
    now = a_delivery(*outcomes)
    for delivered, message_id, names_ours in receipts:
        status = S.DELIVERED if delivered else S.UNDELIVERED
        ours = now.notification_id if names_ours else None
        receipt = a_receipt(status, message_id, notification_id=ours, overrules=not delivered)
        following = after(now, [receipt])
        if now.status in {S.SENT, S.DELIVERED, S.UNDELIVERED}:
            assert following.status in {now.status, S.DELIVERED, S.UNDELIVERED}
            assert following.provider_message_id == now.provider_message_id
        if following != now:
            assert following.status in {S.DELIVERED, S.UNDELIVERED}
            assert following.due_at is None
            assert following.attempts == now.attempts
        now = following


@pytest.fixture
def waiting() -> MemoryReceipts:
    return MemoryReceipts()


@pytest.fixture
def clock() -> Clock:
    return Clock(START)


async def sent_on_record(store: MemoryStore, delivery: Delivery) -> Delivery:
    claim = replace(claimed(delivery), version=delivery.version)
    claim = replace(claim, version=await store.update(claim))
    await store.update(attempted_now(claim))
    return store.get(delivery.notification_id, "email")


def attempted_now(claim: Delivery) -> Delivery:
    attempt = Attempt(1, START, Outcome.ACCEPTED)
    return settle(claim, [attempt], START, POLICY, provider="sendgrid", provider_message_id="m-1")


async def test_an_early_receipt_waits_and_the_relay_applies_it(
    store: MemoryStore, waiting: MemoryReceipts, clock: Clock
) -> None:
    (delivery,) = await accepted(store, a_notification())
    for receipt in (a_receipt(), a_receipt(), a_receipt(notification_id=delivery.notification_id)):
        await take(store, waiting, MemoryPeople(store), receipt, clock.now())
    assert len(waiting.waiting) == 1, "the same one waits once"
    relay = WaitingReceipts(store, waiting, MemoryPeople(store), clock.now)
    clock.advance(FIRST_PAUSE + timedelta(seconds=1))
    assert await relay.sweep() == 0
    await sent_on_record(store, delivery)
    clock.advance(FIRST_PAUSE * 2)
    assert await relay.sweep() == 1
    assert store.get(delivery.notification_id, "email").status is S.DELIVERED
    assert waiting.waiting == {}


async def test_a_receipt_of_nothing_we_know_is_looked_at_ever_more_rarely_and_then_forgotten(
    store: MemoryStore, waiting: MemoryReceipts, clock: Clock
) -> None:
    await take(store, waiting, MemoryPeople(store), a_receipt(notification_id=a_notification().id), clock.now())
    relay = WaitingReceipts(store, waiting, MemoryPeople(store), clock.now)
    looks = 0
    while waiting.waiting and looks < 20:
        (receipt,) = waiting.waiting.values()
        clock.time = receipt.due_at + timedelta(microseconds=1)
        store.calls.clear()
        await relay.sweep()
        looks += store.calls["sent_as"]
    assert waiting.waiting == {}
    assert clock.now() - START >= KEPT
    assert looks < 20


async def test_receipts_and_functions_that_write_at_once_lose_neither(
    store: MemoryStore, waiting: MemoryReceipts
) -> None:
    (delivery,) = await accepted(store, a_notification())
    sent = await sent_on_record(store, delivery)
    store.fail("update", landed=True)
    with pytest.raises(StoreUnavailable):  # the provider has no answer, and sends it again
        await take(store, waiting, MemoryPeople(store), a_receipt(), LATER)
    await take(store, waiting, MemoryPeople(store), a_receipt(), LATER)
    assert store.get(sent.notification_id, "email").status is S.DELIVERED
