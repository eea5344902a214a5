"""What providers say of an address is on record before the outcome that it came with, and stays there."""

from dataclasses import replace
from typing import Any
from unittest.mock import AsyncMock

import pytest

from functions.relay.waiting_receipts import WaitingReceipts
from shared.delivery.errors import AlreadyExists, Conflict, NotFound, Permanent, StoreUnavailable
from shared.delivery.model import Attempt, Delivery, DeliveryStatus, Outcome, Receipt, SuppressionReason
from shared.people.suppression import CLASS_BY_REASON, Entry, SuppressionClass
from shared.runtime import failpoints
from shared.runtime.failpoints import Failpoint
from shared.sending.messages import Answer
from shared.sending.pipeline import Pipeline
from shared.sending.receipts import FIRST_PAUSE, take
from shared.sending.replies import Reply, Wish, follow
from shared.sending.suppressing import suppress
from tests.fakes.clock import START, Clock
from tests.fakes.order import Order
from tests.fakes.people import MemoryPeople
from tests.fakes.provider import Result, ScriptedProvider
from tests.fakes.receipts import MemoryReceipts
from tests.fakes.records import POLICY, a_notification, accepted, first_message, later_message
from tests.fakes.store import MemoryStore

S, R = DeliveryStatus, SuppressionReason
GONE = Permanent("550 5.1.1", suppresses=R.HARD_BOUNCE)
ADDRESS = "email-address"


class Died(BaseException):
    """The process has ended."""


@pytest.fixture
def people(store: MemoryStore) -> MemoryPeople:
    return MemoryPeople(store)


@pytest.fixture
def waiting() -> MemoryReceipts:
    return MemoryReceipts()


def reasons(people: MemoryPeople, address: str = ADDRESS, channel: str = "email") -> set[SuppressionReason]:
    record = people.suppressed.get(people.suppression_id(channel, address))
    return set() if record is None else set(record.entries)


def pipeline(store: Any, people: Any, script: list[Result], clock: Clock | None = None) -> Pipeline:
    clock = clock or Clock()
    return Pipeline(
        store,
        ScriptedProvider(script),
        POLICY,
        now=clock.now,
        sleep=clock.sleep,
        chance=lambda: 0.0,
        people=people,
    )


async def test_a_refused_address_is_suppressed_with_its_evidence(store: MemoryStore, people: MemoryPeople) -> None:
    notification = a_notification()
    (delivery,) = await accepted(store, notification)
    assert await pipeline(store, people, [GONE]).deliver(first_message(notification, delivery)) is Answer.ACK
    assert store.get(notification.id, "email").status is S.FAILED
    (record,) = people.suppressed.values()
    [entry] = record.entries.values()
    assert (record.channel, entry.reason, entry.class_) == ("email", R.HARD_BOUNCE, SuppressionClass.ALL)
    assert entry.evidence == f"scripted refused notification {notification.id}"
    assert ADDRESS not in repr(record)

    another = a_notification()
    (second,) = await accepted(store, another)
    provider = ScriptedProvider([])
    await replace(pipeline(store, people, []), provider=provider).deliver(first_message(another, second))
    assert (store.get(another.id, "email").status, provider.sent) == (S.SUPPRESSED, [])


async def test_it_is_on_record_before_the_outcome(store: MemoryStore, people: MemoryPeople) -> None:
    order = Order()
    notification = a_notification()
    (delivery,) = await accepted(store, notification)
    noted = order.of(store, "update"), order.of(people, "put_suppression")
    await pipeline(*noted, [GONE]).deliver(first_message(notification, delivery))
    assert order.steps == [
        f"{call} {step}" for call in ("update", "put_suppression", "update") for step in ("begins", "ends")
    ]


async def test_a_refusal_of_the_mail_alone_suppresses_nothing(store: MemoryStore, people: MemoryPeople) -> None:
    notification = a_notification()
    (delivery,) = await accepted(store, notification)
    await pipeline(store, people, [Permanent("552 5.3.4")]).deliver(first_message(notification, delivery))
    assert (store.get(notification.id, "email").status, people.suppressed) == (S.FAILED, {})


@pytest.mark.parametrize("operation", ["suppression", "put_suppression"])
async def test_an_outcome_is_recorded_though_the_suppression_cannot_be(
    store: MemoryStore, people: MemoryPeople, operation: str, capsys: pytest.CaptureFixture[str]
) -> None:
    notification = a_notification()
    (delivery,) = await accepted(store, notification)
    people.down(operation)
    assert await pipeline(store, people, [GONE]).deliver(first_message(notification, delivery)) is Answer.ACK
    assert (store.get(notification.id, "email").status, people.suppressed) == (S.FAILED, {})
    printed = "".join(capsys.readouterr())
    assert "not suppressed" in printed
    assert ADDRESS not in printed


async def test_what_a_test_key_sends_suppresses_nothing(store: MemoryStore, people: MemoryPeople) -> None:
    notification = a_notification(simulated=True)
    (delivery,) = await accepted(store, notification)
    await pipeline(store, people, []).deliver(first_message(notification, delivery))
    sent = store.get(notification.id, "email")
    await take(store, MemoryReceipts(), people, receipt(sent, S.UNDELIVERED, R.HARD_BOUNCE), START)
    assert people.suppressed == {}


@pytest.mark.parametrize("by", ["refusal", "receipt"])
async def test_who_dies_in_between_has_it_on_record_and_is_asked_again(
    store: MemoryStore, people: MemoryPeople, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    notification = a_notification()
    (delivery,) = await accepted(store, notification)
    clock, waiting = Clock(), MemoryReceipts()

    def die(point: Failpoint) -> None:
        if point is Failpoint.SUPPRESSED:
            raise Died

    with monkeypatch.context() as mortal:
        mortal.setattr(failpoints, "reached", die)
        if by == "refusal":
            with pytest.raises(Died):
                await pipeline(store, people, [GONE], clock).deliver(first_message(notification, delivery))
        else:
            sent = await on_record_as_sent(store, delivery)
            with pytest.raises(Died):
                await take(store, waiting, people, receipt(sent, S.UNDELIVERED, R.HARD_BOUNCE), START)
    assert reasons(people) == {R.HARD_BOUNCE}
    assert store.get(notification.id, "email").status is (S.SENDING if by == "refusal" else S.SENT)
    if by == "refusal":
        clock.advance(POLICY.lease.total_seconds() + 1)
        await pipeline(store, people, [], clock).deliver(later_message(delivery))
        again = store.get(notification.id, "email")
        assert (again.status, [a.outcome for a in again.attempts]) == (S.SUPPRESSED, [Outcome.UNKNOWN])
    else:
        await take(store, waiting, people, receipt(sent, S.UNDELIVERED, R.HARD_BOUNCE), START)
        assert store.get(notification.id, "email").status is S.UNDELIVERED
    assert reasons(people) == {R.HARD_BOUNCE}


async def on_record_as_sent(store: MemoryStore, delivery: Delivery, **changes: Any) -> Delivery:
    attempt = Attempt(1, START, Outcome.ACCEPTED, None, 12)
    sent = replace(delivery, status=S.SENT, due_at=None, attempts=(attempt,), provider_message_id="m-1", **changes)
    return replace(sent, version=await store.update(sent))


def receipt(delivery: Delivery, status: DeliveryStatus, suppresses: SuppressionReason | None) -> Receipt:
    undelivered = status is S.UNDELIVERED
    return Receipt(
        "email",
        "sendgrid",
        "m-1",
        status,
        delivery.notification_id,
        "SendGrid reports bounce" if undelivered else None,
        overrules=undelivered,
        suppresses=suppresses,
    )


@pytest.mark.parametrize(
    ("status", "suppresses"),
    [(S.UNDELIVERED, R.HARD_BOUNCE), (S.DELIVERED, R.COMPLAINT), (S.DELIVERED, R.UNSUBSCRIBED)],
)
async def test_a_receipt_suppresses_before_it_moves_the_delivery(
    store: MemoryStore,
    people: MemoryPeople,
    waiting: MemoryReceipts,
    status: DeliveryStatus,
    suppresses: SuppressionReason,
) -> None:
    (delivery,) = await accepted(store, a_notification())
    sent = await on_record_as_sent(store, delivery)
    order = Order()
    noted = order.of(store, "update"), waiting, order.of(people, "put_suppression")
    for _ in range(2):
        await take(*noted, receipt(sent, status, suppresses), START)
    assert order.steps == [f"{call} {step}" for call in ("put_suppression", "update") for step in ("begins", "ends")]
    assert store.get(sent.notification_id, "email").status is status
    (record,) = people.suppressed.values()
    entry = Entry(
        suppresses,
        CLASS_BY_REASON[suppresses],
        START,
        f"a receipt of sendgrid for notification {sent.notification_id}",
    )
    assert record.entries == {suppresses: entry}


@pytest.mark.parametrize(
    "status", [S.DELIVERED, S.UNDELIVERED, S.FAILED, S.DEAD, S.CANCELLED, S.SUPPRESSED, S.DISCARDED]
)
async def test_a_late_complaint_changes_no_state_and_suppresses_all_the_same(
    store: MemoryStore, people: MemoryPeople, waiting: MemoryReceipts, status: DeliveryStatus
) -> None:
    (delivery,) = await accepted(store, a_notification())
    ended = replace(await on_record_as_sent(store, delivery), status=status)
    await store.update(ended)
    await take(store, waiting, people, receipt(ended, S.DELIVERED, R.COMPLAINT), START)
    assert store.get(ended.notification_id, "email").status is status
    assert reasons(people) == {R.COMPLAINT}


async def test_who_complains_and_bounces_has_both_on_record(
    store: MemoryStore, people: MemoryPeople, waiting: MemoryReceipts
) -> None:
    (delivery,) = await accepted(store, a_notification())
    sent = await on_record_as_sent(store, delivery)
    for said in (
        receipt(sent, S.DELIVERED, R.COMPLAINT),
        receipt(sent, S.UNDELIVERED, R.HARD_BOUNCE),
        receipt(sent, S.DELIVERED, None),
    ):
        await take(store, waiting, people, said, START)
    assert store.get(sent.notification_id, "email").status is S.UNDELIVERED
    assert reasons(people) == {R.COMPLAINT, R.HARD_BOUNCE}


async def test_an_early_complaint_waits_beside_the_delivered_and_loses_nothing(
    store: MemoryStore, people: MemoryPeople, waiting: MemoryReceipts
) -> None:
    (delivery,) = await accepted(store, a_notification())
    without_id = replace(receipt(delivery, S.DELIVERED, None), notification_id=None)
    for suppresses in (None, R.COMPLAINT, R.UNSUBSCRIBED, R.COMPLAINT):
        await take(store, waiting, people, replace(without_id, suppresses=suppresses), START)
    assert sorted(str(w.receipt.suppresses) for w in waiting.waiting.values()) == ["None", "complaint", "unsubscribed"]
    assert people.suppressed == {}
    await on_record_as_sent(store, delivery)
    clock = Clock()
    clock.advance(3600)
    assert await WaitingReceipts(store, waiting, people, clock.now).sweep() == 3
    assert (store.get(delivery.notification_id, "email").status, waiting.waiting) == (S.DELIVERED, {})
    assert reasons(people) == {R.COMPLAINT, R.UNSUBSCRIBED}


async def test_a_receipt_whose_suppression_cannot_be_written_is_not_taken(
    store: MemoryStore, people: MemoryPeople, waiting: MemoryReceipts
) -> None:
    (delivery,) = await accepted(store, a_notification())
    sent = await on_record_as_sent(store, delivery)
    people.down("put_suppression")
    with pytest.raises(StoreUnavailable):  # the provider has no answer, and sends it again
        await take(store, waiting, people, receipt(sent, S.UNDELIVERED, R.HARD_BOUNCE), START)
    assert store.get(sent.notification_id, "email").status is S.SENT


async def test_a_receipt_under_a_lease_suppresses_at_once(
    store: MemoryStore, people: MemoryPeople, waiting: MemoryReceipts
) -> None:
    """Its delivery is about to be recorded by whoever sends; the address is known to be bad now."""
    (delivery,) = await accepted(store, a_notification())
    leased = replace(delivery, status=S.SENDING, claim="c", claimed_at=START, lease_until=START + POLICY.lease)
    await store.update(leased)
    await take(store, waiting, people, receipt(delivery, S.UNDELIVERED, R.HARD_BOUNCE), START + FIRST_PAUSE)
    assert (reasons(people), len(waiting.waiting)) == ({R.HARD_BOUNCE}, 1)


async def test_who_suppresses_has_it_as_it_is_on_record(people: MemoryPeople) -> None:
    address = people.suppression_id("email", ADDRESS)
    entry = Entry(R.STOP, SuppressionClass.MARKETING, START, "a test")
    for _ in range(2):
        assert (await suppress(people, "email", address, entry)).entries == {R.STOP: entry}


@pytest.mark.parametrize("faster", [Conflict, AlreadyExists, NotFound])
async def test_whom_others_are_always_faster_than_has_it_not_on_record(
    people: MemoryPeople, faster: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    put = AsyncMock(side_effect=faster)
    monkeypatch.setattr(people, "put_suppression", put)
    with pytest.raises(StoreUnavailable):
        await suppress(people, "email", "hash", Entry(R.STOP, SuppressionClass.MARKETING, START, "a test"))
    assert put.await_count == 10


NUMBER = "+14155552671"


def said(wish: Wish, message_id: str = "SM" + "0" * 32) -> Reply:
    return Reply("sms", NUMBER, wish, message_id)


async def test_stop_is_on_record_and_start_takes_it_back(
    people: MemoryPeople, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        await follow(people, said(Wish.STOP), START)
    (record,) = people.suppressed.values()
    entry = Entry(R.STOP, SuppressionClass.MARKETING, START, f"message SM{'0' * 32}")
    assert (record.channel, record.entries, people.calls["put_suppression"]) == ("sms", {R.STOP: entry}, 1)
    for _ in range(2):
        await follow(people, said(Wish.START), START)
    assert (people.suppressed, people.calls["put_suppression"]) == ({}, 2)
    assert NUMBER not in "".join(capsys.readouterr())


async def test_the_first_stop_keeps_its_evidence(people: MemoryPeople) -> None:
    for message_id in ("first", "second"):
        await follow(people, said(Wish.STOP, message_id), START)
    (record,) = people.suppressed.values()
    assert record.entries[R.STOP].evidence == "message first"


@pytest.mark.parametrize("reason", [reason for reason in R if reason is not R.STOP])
async def test_start_takes_back_nothing_but_stop(people: MemoryPeople, reason: SuppressionReason) -> None:
    entry = Entry(reason, CLASS_BY_REASON[reason], START, "a test")
    await suppress(people, "sms", people.suppression_id("sms", NUMBER), entry)
    for wish in (Wish.START, Wish.STOP, Wish.START):
        await follow(people, said(wish), START)
    (record,) = people.suppressed.values()
    assert record.entries == {reason: entry}


@pytest.mark.parametrize("wish", Wish)
async def test_a_wish_that_cannot_be_written_is_not_taken(people: MemoryPeople, wish: Wish) -> None:
    await follow(people, said(Wish.STOP), START)
    before = dict(people.suppressed)
    people.down("suppression")
    with pytest.raises(StoreUnavailable):
        await follow(people, said(wish), START)
    assert people.suppressed == before


async def test_a_wish_whose_write_has_landed_unseen_can_be_said_again(people: MemoryPeople) -> None:
    people.fail("put_suppression", landed=True)
    with pytest.raises(StoreUnavailable):
        await follow(people, said(Wish.STOP), START)
    await follow(people, said(Wish.STOP), START)
    assert reasons(people, NUMBER, "sms") == {R.STOP}
