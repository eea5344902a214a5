"""What a provider is told besides the message: of whom it is for and of its category as both are when it is sent, and
how long it is wanted.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.delivery.model import CategoryClass, Recipient
from shared.people.category import Category
from shared.sending.messages import Answer
from shared.sending.pipeline import Pipeline
from shared.sending.provider import Outgoing
from tests.fakes.clock import START, Clock
from tests.fakes.people import MemoryPeople
from tests.fakes.provider import ScriptedProvider
from tests.fakes.records import POLICY, a_notification, first_message, later_message, queued_deliveries
from tests.fakes.store import MemoryStore


async def sent(store: MemoryStore, people: MemoryPeople | None, *, first: bool, **fields: Any) -> Outgoing:
    notification = replace(a_notification(recipient="alice"), category=fields.get("category"))
    (delivery,) = (replace(d, **fields) for d in queued_deliveries(notification))
    delivery = replace(delivery, version=await store.create(notification, [delivery]))
    provider, clock = ScriptedProvider(), Clock()
    message = first_message(notification, delivery) if first else later_message(delivery)
    pipeline = Pipeline(store, provider, POLICY, now=clock.now, sleep=clock.sleep, people=people)
    assert await pipeline.deliver(message) is Answer.ACK
    (outgoing,) = provider.sent
    return outgoing


@pytest.mark.parametrize("first", [True, False])
async def test_the_category_that_there_is_decides_its_class(store: MemoryStore, first: bool) -> None:
    people = MemoryPeople(store)
    await people.put_category(Category("orders", CategoryClass.MARKETING, START, START))
    await store.create_recipient(Recipient("alice", {"email": "a@example.com"}, START, START, locale="de"))
    outgoing = await sent(store, people, first=first, category="orders", category_class=CategoryClass.SERVICE)
    assert (outgoing.category, outgoing.category_class) == ("orders", CategoryClass.MARKETING)
    assert (outgoing.recipient, outgoing.locale) == ("alice", "de")


@pytest.mark.parametrize("first", [True, False])
async def test_when_it_is_gone_the_class_is_that_of_the_202(store: MemoryStore, first: bool) -> None:
    people = MemoryPeople(store)
    await store.create_recipient(Recipient("alice", {"email": "a@example.com"}, START, START))
    outgoing = await sent(store, people, first=first, category="orders", category_class=CategoryClass.SERVICE)
    assert (outgoing.category_class, outgoing.recipient, outgoing.locale) == (CategoryClass.SERVICE, "alice", None)


@pytest.mark.parametrize("first", [True, False])
async def test_its_end_is_told(store: MemoryStore, first: bool) -> None:
    ends = START + timedelta(minutes=5)
    assert (await sent(store, None, first=first, deliver_by=ends)).deliver_by == ends
    assert (await sent(MemoryStore(), None, first=first)).deliver_by is None


async def test_its_collapse_key_is_told(store: MemoryStore) -> None:
    assert (await sent(store, None, first=False, collapse="a-hash")).collapse == "a-hash"
    assert (await sent(MemoryStore(), None, first=False)).collapse is None


@pytest.mark.parametrize("first", [True, False])
async def test_without_a_category_there_is_no_class(store: MemoryStore, first: bool) -> None:
    outgoing = await sent(store, MemoryPeople(store), first=first)
    assert (outgoing.category, outgoing.category_class) == (None, None)
