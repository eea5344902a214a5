"""What goes with an earlier notification's message: it waits for that one, and gets its message or the reason."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.delivery.errors import StoreUnavailable
from shared.delivery.model import Delivery, DeliveryStatus, Outcome
from shared.sending.messages import Answer, Message
from shared.sending.pipeline import Pipeline
from shared.sending.provider import Earlier, Outgoing, Sent
from tests.fakes.clock import START, Clock
from tests.fakes.provider import ScriptedProvider
from tests.fakes.records import POLICY, a_notification, accepted, later_message, queued_deliveries
from tests.fakes.store import MemoryStore

S = DeliveryStatus
SENT: dict[str, Any] = {
    "status": S.SENT,
    "provider": "scripted",
    "provider_message_id": "m-1",
    "provider_conversation": "c-1",
}


class Conversing(ScriptedProvider):
    """Says where it has put a message."""

    async def send(self, outgoing: Outgoing) -> Any:
        message_id = await super().send(outgoing)
        return Sent(message_id, "c-1")


class World:
    def __init__(self) -> None:
        self.store, self.provider, self.clock = MemoryStore(), Conversing(), Clock()
        self.pipeline = Pipeline(
            self.store, self.provider, POLICY, now=self.clock.now, sleep=self.clock.sleep, chance=lambda: 0.0
        )

    async def begin(self, **of_the_earlier: Any) -> Message:
        """Two notifications, of which the second goes with the first; the message about it."""
        self.first = a_notification()
        (earlier,) = await accepted(self.store, self.first)
        await self.store.update(replace(earlier, **of_the_earlier))
        return await self.named(self.first.id)

    async def named(self, notification_id: str, deliver_by: datetime | None = None) -> Message:
        self.second = replace(a_notification(), deliver_by=deliver_by)
        (delivery,) = queued_deliveries(self.second)
        await self.store.create(self.second, [replace(delivery, earlier={"thread": notification_id})])
        return later_message(delivery)

    def record(self) -> Delivery:
        return self.store.get(self.second.id, "email")


async def test_nothing_begins_when_its_time_ran_out_while_the_earlier_one_was_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    await world.begin(**SENT, due_at=None)
    message = await world.named(world.first.id, deliver_by=START + timedelta(seconds=2))
    load = world.store.load

    async def slow(notification_id: str, channel: str) -> Any:
        if notification_id == world.first.id:
            world.clock.advance(2)
        return await load(notification_id, channel)

    monkeypatch.setattr(world.store, "load", slow)
    assert await world.pipeline.deliver(message) is Answer.ACK
    assert (world.provider.sent, world.record().status) == ([], S.EXPIRED)


@pytest.mark.parametrize("status", [S.SENT, S.DELIVERED, S.UNDELIVERED])
async def test_it_gets_the_earlier_message_and_leaves_its_own_on_record(status: DeliveryStatus) -> None:
    world = World()
    message = await world.begin(**{**SENT, "status": status, "due_at": None})
    assert await world.pipeline.deliver(message) is Answer.ACK
    assert world.provider.sent[0].earlier == {"thread": Earlier(Sent("m-1", "c-1"))}
    assert (world.record().provider_message_id, world.record().provider_conversation) == ("message-1", "c-1")


async def test_while_the_earlier_one_is_on_its_way_it_waits_and_no_provider_is_asked() -> None:
    world = World()
    message = await world.begin()
    assert await world.pipeline.deliver(message) is Answer.ACK
    assert world.provider.sent == []
    assert world.record().status is S.DEFERRED
    assert {attempt.outcome for attempt in world.record().attempts} == {Outcome.THROTTLED}
    assert world.first.id in str(world.record().error)
    earlier = world.store.get(world.first.id, "email")
    await world.store.update(replace(earlier, **SENT, due_at=None))
    world.clock.advance(POLICY.longest_pause)
    assert await world.pipeline.deliver(message) is Answer.ACK
    assert world.record().status is S.SENT
    assert world.provider.sent[0].earlier["thread"].sent.id == "m-1"


@pytest.mark.parametrize(
    ("earlier", "why"),
    [
        ({"status": S.FAILED}, "was not sent (failed)"),
        ({"status": S.DEAD}, "was not sent (dead)"),
        ({"status": S.CANCELLED}, "was not sent (cancelled)"),
        ({**SENT, "provider": "another"}, "has no message that this provider knows"),
        ({**SENT, "provider_message_id": None}, "has no message that this provider knows"),
    ],
)
async def test_of_what_has_no_message_it_gets_the_reason(earlier: dict[str, Any], why: str) -> None:
    world = World()
    assert await world.pipeline.deliver(await world.begin(**{**earlier, "due_at": None})) is Answer.ACK
    got = world.provider.sent[0].earlier["thread"]
    assert got.sent == Sent(None)
    assert why in str(got.why_not)
    assert world.first.id in str(got.why_not)


async def test_of_what_is_no_longer_on_record_it_gets_the_reason() -> None:
    world = World()
    await world.pipeline.deliver(await world.named("5b3c9cde-0001-4000-8000-000000000001"))
    assert "no longer on record" in str(world.provider.sent[0].earlier["thread"].why_not)


async def test_what_cannot_be_read_is_tried_again() -> None:
    world = World()
    message = await world.begin(**SENT, due_at=None)
    load = world.store.load

    async def unavailable(notification_id: str, channel: str) -> Any:
        if notification_id == world.first.id:
            raise StoreUnavailable("a test")
        return await load(notification_id, channel)

    world.store.load = unavailable  # type: ignore[method-assign]
    assert await world.pipeline.deliver(message) is Answer.NACK
    assert (world.provider.sent, world.record().status) == ([], S.RETRYING)


async def test_what_goes_with_nothing_reads_nothing() -> None:
    world = World()
    notification = a_notification()
    (delivery,) = await accepted(world.store, notification)
    await world.pipeline.deliver(later_message(delivery))
    assert world.provider.sent[0].earlier == {}
    assert world.store.calls["load"] == 1  # of itself: the message had no content
