"""A recall: all that has not gone does not go, whoever dies at it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.delivery.errors import StoreUnavailable
from shared.delivery.model import Attempt, DeliveryStatus, Notification, Outcome, TemplateUsed
from shared.sending import recalling
from shared.sending.operations import AGAIN, OperationState, Worker
from shared.sending.recalling import RECALL, Recalling, recall
from tests.fakes.clock import START, Clock
from tests.fakes.operations import MemoryOperations
from tests.fakes.publisher import MemoryPublisher
from tests.fakes.records import a_notification, accepted
from tests.fakes.store import MemoryStore

S = DeliveryStatus
MADE_OF = TemplateUsed("order", 1, "en")


async def made(store: MemoryStore, version: int = 1) -> Notification:
    notification = replace(a_notification(), template=replace(MADE_OF, version=version))
    await accepted(store, notification)
    return notification


def worker(store: MemoryStore, operations: MemoryOperations, publisher: MemoryPublisher, clock: Clock) -> Worker:
    return Worker({RECALL: Recalling(store, publisher, clock.now)}, operations, clock.now)


async def test_all_of_a_version_that_has_not_gone_is_withdrawn(
    store: MemoryStore, publisher: MemoryPublisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recalling, "PAGE", 3)
    clock, operations = Clock(), MemoryOperations()
    wanted = [await made(store) for _ in range(10)]
    other = await made(store, version=2)
    leased, unsure = wanted[:2]
    held = store.get(leased.id, "email")
    until = START + timedelta(minutes=1)
    await store.update(replace(held, status=S.SENDING, claim="c", claimed_at=START, lease_until=until, due_at=until))
    unknown = (Attempt(1, START, Outcome.UNKNOWN, "no answer"),)
    await store.update(replace(store.get(unsure.id, "email"), status=S.RETRYING, attempts=unknown))
    operation = recall("o", "c", MADE_OF.id, START)
    operation = replace(operation, version=await operations.create(operation))
    done = await worker(store, operations, publisher, clock).work(operation, 60)
    assert (done.state, done.due_at) == (OperationState.DONE, None)
    assert done.counts == {"cancelled": 8, "too_late": 1, "stopped_retrying": 1}
    assert store.get(other.id, "email").status is S.QUEUED
    assert store.get(leased.id, "email").status is S.SENDING
    marked = await store.notification(leased.id)
    assert marked is not None
    assert marked.cancelled_at == START, "so that it is not tried again"


async def test_what_is_dead_is_not_replayed_after_a_recall(store: MemoryStore, publisher: MemoryPublisher) -> None:
    operations = MemoryOperations()
    notification = await made(store)
    await store.update(replace(store.get(notification.id, "email"), status=S.DEAD, due_at=None, error="x"))
    operation = recall("o", "c", MADE_OF.id, START)
    operation = replace(operation, version=await operations.create(operation))
    done = await worker(store, operations, publisher, Clock()).work(operation, 60)
    assert (done.state, done.counts) == (OperationState.DONE, {"not_replayable": 1})
    marked = await store.notification(notification.id)
    assert marked is not None
    assert marked.cancelled_at == START


async def test_whoever_dies_at_it_is_made_up_for(store: MemoryStore, publisher: MemoryPublisher) -> None:
    clock, operations = Clock(), MemoryOperations()
    notification = await made(store)
    operation = recall("o", "c", MADE_OF.id, START)
    operation = replace(operation, version=await operations.create(operation))
    works = worker(store, operations, publisher, clock)
    store.fail("update_all")
    with pytest.raises(StoreUnavailable):
        await works.work(operation, 60)
    assert await works.sweep(60) == 0, "not due yet"
    clock.advance(AGAIN + timedelta(seconds=1))
    assert await works.sweep(60) == 1
    assert store.get(notification.id, "email").status is S.CANCELLED
    assert operations.records["o"].state is OperationState.DONE
    assert await works.sweep(60) == 0


async def test_of_two_at_it_one_gives_way(store: MemoryStore, publisher: MemoryPublisher) -> None:
    clock, operations = Clock(), MemoryOperations()
    await made(store)
    operation = recall("o", "c", MADE_OF.id, START)
    operation = replace(operation, version=await operations.create(operation))
    works = worker(store, operations, publisher, clock)
    done = await works.work(operation, 60)
    assert done.state is OperationState.DONE
    assert (await works.work(operation, 60)).state is OperationState.RUNNING, "as far as it knows"
    assert operations.records["o"].counts == done.counts
