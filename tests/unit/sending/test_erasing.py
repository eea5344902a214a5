"""An erasure: whatever the records say of a person is gone, whoever asked for it, whoever dies at it."""

import dataclasses
from collections.abc import Sequence
from datetime import timedelta

import pytest

from shared.delivery.errors import StoreUnavailable, WrongState
from shared.delivery.model import (
    Attachment,
    Attempt,
    Delivery,
    DeliveryStatus,
    Notification,
    Outcome,
    Recipient,
    TemplateUsed,
    replace,
)
from shared.delivery.state_machine import replayed
from shared.people.people_store import PeopleStore
from shared.sending import erasing
from shared.sending.erasing import ERASURE, REASON, SETTLED, Erasing, erasure
from shared.sending.messages import Answer
from shared.sending.operations import AGAIN, Operation, OperationState, Worker
from shared.sending.pipeline import Pipeline
from tests.fakes.clock import START, Clock
from tests.fakes.lists import MemoryLists
from tests.fakes.operations import MemoryOperations
from tests.fakes.people import MemoryPeople
from tests.fakes.provider import ScriptedProvider
from tests.fakes.publisher import MemoryPublisher
from tests.fakes.records import POLICY, a_notification, accepted, first_message, later_message, queued_deliveries
from tests.fakes.store import MemoryStore

S = DeliveryStatus
NAME, PSEUDONYM = "alice@example.com", "erased-0123456789abcdef"
EMAIL = "alice@example.com"
LONG_AGO = START - timedelta(days=3)


def hash_of(address: str) -> str:
    return f"hash of {address}"


class World:
    def __init__(self) -> None:
        self.clock, self.store, self.publisher = Clock(), MemoryStore(), MemoryPublisher()
        self.operations, self.lists = MemoryOperations(), MemoryLists(self.store)
        self.worker = Worker(
            {ERASURE: Erasing(self.store, self.lists, self.publisher, self.clock.now)},
            self.operations,
            self.clock.now,
            self.clock.sleep,
        )
        self.provider = ScriptedProvider()
        people: PeopleStore = MemoryPeople(self.store)
        self.pipeline = Pipeline(
            self.store, self.provider, POLICY, now=self.clock.now, sleep=self.clock.sleep, people=people
        )

    async def marked(self, **addresses: str) -> None:
        await self.store.create_recipient(Recipient(NAME, addresses, START, START, erased_at=START))

    async def notification(
        self,
        recipient: str | None = NAME,
        files: int = 0,
        status: DeliveryStatus = S.SENT,
        content: str | None = None,
        **to: str,
    ) -> Notification:
        asked = a_notification(channels=list(to), recipient=recipient, created_at=LONG_AGO)
        asked = dataclasses.replace(
            asked, data='{"name": "Alice"}', collapse_key=EMAIL, ordering_key=EMAIL, found_by=("tag:team:infra",)
        )
        deliveries = [
            replace(d, address=to[d.channel], address_hash=hash_of(to[d.channel]), attachments=files, content=content)
            for d in queued_deliveries(asked)
        ]
        attached = [Attachment(f"{i}.pdf", "application/pdf", b"1") for i in range(files)]
        version = await self.store.create(asked, deliveries, {c: attached for c in to if files})
        for delivery in deliveries:
            if status is not S.QUEUED:
                ended = replace(delivery, status=status, due_at=None, updated_at=LONG_AGO, version=version)
                await self.store.update(ended)
        return asked

    async def begun(self) -> Operation:
        operation = erasure("o", "c", NAME, PSEUDONYM, self.clock.now())
        await self.operations.create(operation)
        return operation

    async def swept(self, times: int = 1) -> Operation:
        """After so many sweeps, a minute after another."""
        for _ in range(times):
            self.clock.advance(timedelta(minutes=1))
            await self.worker.sweep(60)
        return self.operations.records["o"]

    async def erased(self) -> Operation:
        await self.begun()
        operation = await self.swept()
        assert operation.state is OperationState.DONE
        return operation

    async def of(self, notification: Notification) -> tuple[Notification, Sequence[Delivery]]:
        found = await self.store.notification(notification.id)
        assert found is not None
        return found, await self.store.deliveries_of(found)

    async def is_emptied(self, notification: Notification) -> bool:
        found, deliveries = await self.of(notification)
        said = repr((found, deliveries))
        return not any(text in said for text in (EMAIL, "alice", "Alice", "Build 42", "Deploy", "infra", "+1415"))


@pytest.fixture
def world() -> World:
    return World()


async def test_all_that_is_the_persons_is_emptied_and_the_rest_stays(world: World) -> None:
    await world.marked(email=EMAIL)
    named = await world.notification(files=2, content='{"message": "Alice"}', email="old@alice", sms="+14155552671")
    to_old = await world.notification(None, sms="+14155552671")
    to_new = await world.notification("bob", email=EMAIL)
    dead = await world.notification(status=S.DEAD, email=EMAIL)
    others = [await world.notification("bob", email="bob@example.com"), await world.notification(None, sms=EMAIL)]
    before = [await world.of(other) for other in others]
    done = await world.erased()
    for notification in (named, to_old, to_new, dead):
        assert await world.is_emptied(notification)
    assert await world.store.attachments(named.id, "email", 2) == []
    assert [await world.of(other) for other in others] == before
    assert done.counts == {"notifications": 4, "deliveries": 5, "attachments": 4}
    assert (done.total, done.about, done.after) == (4, {"recipient": PSEUDONYM}, None)
    assert await world.store.recipient(NAME) is None
    found, (email, _) = await world.of(named)
    assert (found.recipient, email.recipient, email.address) == (PSEUDONYM, PSEUDONYM, "")
    kept, (delivery,) = await world.of(to_new)
    assert (kept.recipient, delivery.recipient, delivery.address) == ("bob", "bob", ""), "bob is not erased"
    assert (email.status, email.created_at, email.caller) == (S.SENT, LONG_AGO, "shop")
    assert found.fingerprint == named.fingerprint, "so that its Idempotency-Key holds"


async def test_the_template_and_its_version_stay(world: World) -> None:
    await world.marked(email=EMAIL)
    notification = dataclasses.replace(a_notification(recipient=NAME), template=TemplateUsed("order", 1, "en"))
    await accepted(world.store, notification)
    await world.erased()
    found, _ = await world.of(notification)
    assert found.template == TemplateUsed("order", 1, "en")


@pytest.mark.parametrize("page", [1, 2, 50])
async def test_it_goes_page_by_page(world: World, page: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasing, "PAGE", page)
    await world.marked(email=EMAIL)
    many = [await world.notification(email=EMAIL, sms=f"+1415555267{i}") for i in range(5)]
    many += [await world.notification(None, sms=f"+1415555267{i % 3}") for i in range(5)]
    done = await world.erased()
    assert done.counts == {"notifications": 10, "deliveries": 15}
    assert all([await world.is_emptied(notification) for notification in many])


async def test_what_has_not_gone_does_not_go(world: World) -> None:
    await world.marked(email=EMAIL)
    named = await world.notification(status=S.QUEUED, email=EMAIL)
    addressed = await world.notification(None, status=S.QUEUED, email=EMAIL)
    dead = await world.notification(status=S.DEAD, email=EMAIL)
    done = await world.erased()
    assert done.counts == {"notifications": 3, "deliveries": 3, "cancelled": 2}
    for notification in (named, addressed):
        found, (delivery,) = await world.of(notification)
        assert (delivery.status, delivery.error, delivery.due_at) == (S.CANCELLED, REASON, None)
        assert await world.pipeline.deliver(later_message(delivery)) is Answer.ACK
    found, (delivery,) = await world.of(dead)
    assert found.cancelled_at is not None, "so that it cannot be replayed"
    with pytest.raises(WrongState):
        replayed(delivery, world.clock.now(), POLICY)
    assert world.provider.sent == []


async def test_an_attempt_that_may_have_arrived_is_counted_as_that(world: World) -> None:
    await world.marked(email=EMAIL)
    notification = await world.notification(status=S.QUEUED, email=EMAIL)
    unknown = (Attempt(1, LONG_AGO, Outcome.UNKNOWN, "no answer"),)
    await world.store.update(replace(world.store.get(notification.id, "email"), status=S.RETRYING, attempts=unknown))
    done = await world.erased()
    assert done.counts == {"notifications": 1, "deliveries": 1, "stopped_retrying": 1}


async def test_the_first_message_that_is_still_in_pubsub_sends_nothing(world: World) -> None:
    await world.marked(email=EMAIL)
    notification = await world.notification(status=S.QUEUED, email=EMAIL)
    waits = first_message(notification, world.store.get(notification.id, "email"))
    assert waits.content is not None
    assert waits.content.address == EMAIL
    await world.erased()
    assert await world.pipeline.deliver(waits) is Answer.ACK
    assert world.provider.sent == []
    assert await world.is_emptied(notification)


async def test_what_is_under_lease_is_left_and_emptied_when_it_has_ended(world: World) -> None:
    await world.marked(email=EMAIL)
    gone, lost = [await world.notification(status=S.QUEUED, email=EMAIL) for _ in range(2)]
    until = START + timedelta(seconds=90)
    for notification in (gone, lost):
        held = world.store.get(notification.id, "email")
        held = replace(held, status=S.SENDING, claim="c", claimed_at=START, lease_until=until, due_at=until)
        await world.store.update(held)
    await world.begun()
    operation = await world.swept()
    assert (operation.state, operation.counts) == (OperationState.RUNNING, {})
    assert not await world.is_emptied(gone)
    held, at = world.store.get(gone.id, "email"), world.clock.now()
    made = (Attempt(1, at, Outcome.ACCEPTED, None, 20),)
    await world.store.update(replace(held, status=S.SENT, attempts=made, lease_until=None, due_at=None, updated_at=at))
    operation = await world.swept()
    assert operation.state is OperationState.DONE
    assert operation.counts == {"notifications": 2, "deliveries": 2, "too_late": 1, "stopped_retrying": 1}
    assert await world.is_emptied(gone)
    assert await world.is_emptied(lost)


async def test_of_what_others_get_as_well_only_the_persons_part_is_withdrawn_and_emptied(world: World) -> None:
    await world.marked(email=EMAIL)
    waits = await world.notification(None, status=S.QUEUED, email=EMAIL, slack="#ops")
    ended = await world.notification(None, email=EMAIL, slack="#ops")
    own = await world.notification(None, status=S.QUEUED, content='{"message": "hi"}', email=EMAIL, slack="#ops")
    done = await world.erased()
    assert done.counts == {"notifications": 3, "deliveries": 3, "cancelled": 2, "texts_kept": 1}
    found, (email, slack) = await world.of(waits)
    assert (found.message, found.cancelled_at) == ("Build 42 is live", None), "it is still to be sent"
    assert (email.status, email.address) == (S.CANCELLED, "")
    assert (slack.status, slack.address) == (S.QUEUED, "#ops")
    assert await world.is_emptied(ended)
    assert (email.address_hash, slack.address_hash) == (None, hash_of("#ops"))
    assert found.found_by == ("tag:team:infra",), "like its tags"
    found, (_, slack) = await world.of(own)
    assert found.found_by == ()
    assert (found.message, slack.content) == (None, '{"message": "hi"}'), "it has a text of its own"


async def test_what_is_dead_of_a_notification_to_others_cannot_be_replayed(world: World) -> None:
    await world.marked(email=EMAIL)
    notification = await world.notification(None, status=S.DEAD, email=EMAIL, slack="#ops")
    await world.erased()
    email, slack = (await world.of(notification))[1]
    with pytest.raises(WrongState, match="erased"):
        replayed(email, world.clock.now(), POLICY)
    assert replayed(slack, world.clock.now(), POLICY).status is S.QUEUED


async def test_an_accept_that_had_read_the_recipient_before_the_mark_is_erased_too(world: World) -> None:
    await world.marked(email=EMAIL)
    await world.begun()
    world.clock.advance(timedelta(seconds=1))
    await world.worker.sweep(60)
    operation = world.operations.records["o"]
    assert operation.state is OperationState.RUNNING
    assert operation.due_at == START + SETTLED
    late = await world.notification(status=S.QUEUED, email=EMAIL)
    assert (await world.swept()).state is OperationState.DONE
    assert await world.is_emptied(late)


async def test_a_name_that_is_used_again_once_the_record_is_deleted_is_another_persons(world: World) -> None:
    """It died after deleting the record, before it could say so."""
    await world.marked(email=EMAIL)
    await world.begun()
    await world.store.delete_recipient(NAME)
    await world.store.create_recipient(Recipient(NAME, {"email": EMAIL}, START, START))
    new = await world.notification(email=EMAIL)
    done = await world.swept()
    assert (done.state, done.about) == (OperationState.DONE, {"recipient": PSEUDONYM})
    assert not await world.is_emptied(new)
    assert await world.store.recipient(NAME) is not None


async def test_deliveries_whose_notification_has_expired_are_emptied(world: World) -> None:
    await world.marked(email=EMAIL)
    notification = await world.notification(None, email=EMAIL)
    del world.store._notifications[notification.id]
    done = await world.erased()
    assert done.counts == {"notifications": 1, "deliveries": 1}
    assert world.store.get(notification.id, "email").address == ""


async def test_what_cannot_be_read_is_not_passed_over(world: World) -> None:
    await world.marked(email=EMAIL)
    notification = await world.notification(email=EMAIL)
    world.store.spoil(f"notifications/{notification.id}/deliveries/email")
    await world.begun()
    operation = await world.swept()
    assert (operation.state, operation.failures) == (OperationState.RUNNING, 1)
    assert await world.store.recipient(NAME) is not None


READS_AND_WRITES = [
    *((name, nth) for name in ("erase", "update_all", "cancel", "deliveries_of") for nth in (1, 2, 3)),
    *((name, 1) for name in ("notifications", "to_address", "recipient", "delete_recipient")),
]


@pytest.mark.parametrize("landed", [False, True])
@pytest.mark.parametrize(("operation", "nth"), READS_AND_WRITES)
async def test_whoever_dies_at_it_is_made_up_for(world: World, operation: str, nth: int, landed: bool) -> None:
    await world.marked(email=EMAIL)
    named = [await world.notification(status=S.QUEUED, email="old@alice", sms="+14155552671") for _ in range(3)]
    addressed = [await world.notification(None, status=S.QUEUED, email=to) for to in ("old@alice", EMAIL)]
    await world.begun()
    world.store.fail(operation, nth, landed=landed)
    done = await world.swept(3)
    assert done.state is OperationState.DONE
    for notification in (*named, *addressed):
        assert await world.is_emptied(notification)
        for delivery in (await world.of(notification))[1]:
            assert delivery.status is S.CANCELLED
    assert await world.store.recipient(NAME) is None
    lost = 2 if operation == "erase" and landed else 0  # of which nobody knows that it was written
    assert done.counts["deliveries"] == done.counts["cancelled"] == 8 - lost


async def test_an_answer_that_is_lost_leaves_it_to_the_next_sweep(world: World) -> None:
    await world.marked(email=EMAIL)
    await world.notification(email=EMAIL)
    operation = await world.begun()
    leased = dataclasses.replace(operation, version=1, due_at=world.clock.now() + AGAIN)
    world.store.fail("erase")
    with pytest.raises(StoreUnavailable):
        await world.worker.work(leased, 60)
    assert (await world.swept()).state is OperationState.DONE
