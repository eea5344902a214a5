"""Who is behind whom, when some of an order end without having had their turn."""

from dataclasses import replace

import pytest

from shared.delivery.gate import Facts, Go, Later, gate
from shared.delivery.model import Attempt, Delivery, DeliveryStatus, Outcome, Rule
from shared.sending import order
from shared.sending.order import next_in_line, with_its_turn
from tests.fakes.clock import START
from tests.fakes.records import POLICY, a_notification, queued_deliveries
from tests.fakes.store import MemoryStore

S = DeliveryStatus
UNTRIED = [S.CANCELLED, S.SUPERSEDED, S.EXPIRED, S.DEAD]


async def line(store: MemoryStore, *statuses: DeliveryStatus) -> list[Delivery]:
    """One behind the other."""
    made: list[Delivery] = []
    for status in statuses:
        notification = a_notification()
        (queued,) = queued_deliveries(notification)
        follows = made[-1].notification_id if made else None
        tried = (Attempt(1, START, Outcome.ACCEPTED),) if status is S.SENT else ()
        delivery = replace(queued, status=status, ordering="k", follows=follows, attempts=tried)
        if not delivery.pending:
            delivery = replace(delivery, due_at=None)
        made.append(replace(delivery, version=await store.create(notification, [delivery])))
    return made


async def facts_of(store: MemoryStore, delivery: Delivery) -> Facts:
    notification = await store.notification(delivery.notification_id)
    assert notification is not None
    return await with_its_turn(store, await store.facts(notification, delivery))


@pytest.mark.parametrize("status", UNTRIED)
async def test_behind_one_that_had_no_turn_is_behind_the_one_before_it(
    store: MemoryStore, status: DeliveryStatus
) -> None:
    first, *_, last = await line(store, S.RETRYING, status, status, S.QUEUED)
    facts = await facts_of(store, last)
    assert facts.before is not None
    assert facts.before.notification_id == first.notification_id
    assert isinstance(gate(last, facts, START, POLICY), Later)


async def test_behind_one_that_had_its_turn_nobody_is_looked_for(store: MemoryStore) -> None:
    *_, last = await line(store, S.RETRYING, S.SENT, S.QUEUED)
    assert gate(last, await facts_of(store, last), START, POLICY) == Go()
    assert store.calls["load"] == 0


async def test_when_all_before_have_ended_it_goes(store: MemoryStore) -> None:
    *_, last = await line(store, S.SENT, S.CANCELLED, S.QUEUED)
    assert gate(last, await facts_of(store, last), START, POLICY) == Go()


async def test_what_cannot_all_be_looked_at_goes_and_says_so(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order, "_MOST", 3)
    *_, last = await line(store, *[S.CANCELLED] * 9, S.QUEUED)
    assert gate(last, await facts_of(store, last), START, POLICY) == Go(Rule.ORDER_BOUND)


async def test_who_ends_wakes_the_next_that_waits_past_those_that_had_no_turn(store: MemoryStore) -> None:
    first, *_, last = await line(store, S.SENT, S.CANCELLED, S.SUPERSEDED, S.DEFERRED)
    assert [d.notification_id for d in await next_in_line(store, first)] == [last.notification_id]
