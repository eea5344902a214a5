"""Each change is published when it is on record, and stays there until it is."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from functions.relay.untold_events import UntoldEvents
from shared.delivery.errors import Conflict, StoreUnavailable
from shared.delivery.model import Attempt, Delivery, DeliveryStatus, Outcome
from shared.delivery.store import SHARDS
from shared.runtime import failpoints
from shared.runtime.failpoints import Failpoint
from shared.sending.telling_store import telling
from tests.fakes.clock import Clock
from tests.fakes.publisher import MemoryEvents
from tests.fakes.records import POLICY, a_notification, accepted
from tests.fakes.store import MemoryStore

S = DeliveryStatus
CANARY = "email-address"  # what `accepted` sends to


class Died(BaseException):
    """The process is gone at once: nothing that it would have done after is done."""


class Setting:
    def __init__(self) -> None:
        self.clock, self.records, self.events = Clock(), MemoryStore(), MemoryEvents()
        self.store = telling(self.records, lambda: self.events, POLICY.grace, self.clock.now)
        self.relay = UntoldEvents(self.records, self.events, self.clock.now)

    async def accepted(self, channels: tuple[str, ...] = ("email",)) -> list[Delivery]:
        return await accepted(self.store, a_notification(channels=channels))

    def ended(self, delivery: Delivery, status: DeliveryStatus = S.SENT) -> Delivery:
        self.clock.advance(1)
        attempt = Attempt(len(delivery.attempts) + 1, self.clock.now(), Outcome.ACCEPTED, provider="sendgrid")
        attempts = (*delivery.attempts, attempt)
        return replace(delivery, status=status, attempts=attempts, due_at=None, updated_at=self.clock.now())

    def on_record(self, delivery: Delivery) -> Delivery:
        return self.records.get(delivery.notification_id, delivery.channel)

    @property
    def told(self) -> list[str]:
        return [event.type for event in self.events.events]


@pytest.fixture
def setting() -> Setting:
    return Setting()


async def test_a_change_is_told_and_then_no_longer_on_record(setting: Setting) -> None:
    (delivery,) = await setting.accepted()
    version = await setting.store.update(setting.ended(delivery))
    (event,) = setting.events.events
    assert (event.type, event.subject) == (
        "delivery.sent",
        f"notifications/{delivery.notification_id}/deliveries/email",
    )
    assert json.loads(event.data)["status"] == "sent"
    assert CANARY not in event.data
    there = setting.on_record(delivery)
    assert (there.untold, there.tell_at, there.version) == ((), None, version)


async def test_what_is_accepted_or_claimed_is_told_nobody_and_costs_no_call(setting: Setting) -> None:
    (delivery,) = await setting.accepted()
    claimed = replace(delivery, status=S.SENDING, lease_until=setting.clock.now() + POLICY.lease)
    await setting.store.update(claimed)
    assert setting.events.calls == 0
    assert setting.records.calls["update"] == 1


async def test_a_refused_write_tells_nothing(setting: Setting) -> None:
    (delivery,) = await setting.accepted()
    with pytest.raises(Conflict):
        await setting.store.update(replace(setting.ended(delivery), version=1))
    setting.records.fail("update")
    with pytest.raises(StoreUnavailable):
        await setting.store.update(setting.ended(delivery))
    assert setting.told == []


async def test_many_changes_are_told_at_once_each_for_itself(setting: Setting) -> None:
    first, second, third = await setting.accepted(("email", "sms", "slack"))
    stale = replace(setting.ended(second), version=1)
    touched = replace(third, due_at=setting.clock.now(), relays=1)
    versions = await setting.store.update_all([setting.ended(first, S.CANCELLED), stale, touched])
    assert setting.told == ["delivery.cancelled"]
    assert setting.events.calls == 1
    assert versions[1] is None
    assert versions[0] == setting.on_record(first).version
    assert versions[2] == setting.on_record(third).version


@pytest.mark.parametrize("after_taking", [False, True])
async def test_what_pubsub_does_not_take_the_relay_tells(setting: Setting, after_taking: bool) -> None:
    (delivery,) = await setting.accepted()
    setting.events.fail(after_taking=after_taking)
    await setting.store.update(setting.ended(delivery))
    assert setting.told == ["delivery.sent"] * after_taking
    assert await setting.relay.sweep() == 0  # whoever wrote it may still be at it
    setting.clock.advance(POLICY.grace + timedelta(seconds=1))
    assert await setting.relay.sweep() == 1
    assert setting.told[-1] == "delivery.sent"
    assert len({event.id for event in setting.events.events}) == 1
    assert await setting.relay.sweep() == 0


@pytest.mark.parametrize("place", [Failpoint.NOTED, Failpoint.TOLD])
@pytest.mark.parametrize("many", [False, True])
async def test_a_process_that_dies_there_loses_nothing(
    setting: Setting, monkeypatch: pytest.MonkeyPatch, place: Failpoint, many: bool
) -> None:
    def dies(point: Failpoint) -> None:
        if point is place:
            raise Died

    (delivery,) = await setting.accepted()
    ended = setting.ended(delivery)
    with monkeypatch.context() as dying:
        dying.setattr(failpoints, "reached", dies)
        with pytest.raises(Died):
            await (setting.store.update_all([ended]) if many else setting.store.update(ended))
    setting.clock.advance(POLICY.grace + timedelta(seconds=1))
    await setting.relay.sweep()
    assert set(setting.told) == {"delivery.sent"}
    assert len({event.id for event in setting.events.events}) == 1
    assert setting.on_record(delivery).untold == ()


async def test_whoever_writes_it_next_tells_what_was_not_told(setting: Setting) -> None:
    """A receipt that comes before the relay does, say."""
    (delivery,) = await setting.accepted()
    setting.events.fail()
    await setting.store.update(setting.ended(delivery))
    await setting.store.update(replace(setting.ended(setting.on_record(delivery), S.DELIVERED)))
    assert setting.told == ["delivery.sent", "delivery.delivered"]
    assert setting.on_record(delivery).untold == ()


async def test_another_that_writes_between_the_publish_and_its_note_loses_nothing(setting: Setting) -> None:
    (delivery,) = await setting.accepted()
    publish: Callable[..., object] = setting.events.publish_events

    async def publish_while_another_writes(events: object) -> None:
        setting.events.publish_events = publish  # type: ignore[method-assign, assignment]
        await setting.store.update(setting.ended(setting.on_record(delivery), S.DELIVERED))
        await publish(events)  # type: ignore[misc]

    setting.events.publish_events = publish_while_another_writes  # type: ignore[method-assign]
    await setting.store.update(setting.ended(delivery))
    assert sorted(setting.told) == ["delivery.delivered", "delivery.sent", "delivery.sent"]
    assert setting.on_record(delivery).status is S.DELIVERED
    assert setting.on_record(delivery).untold == ()


async def test_the_relay_leaves_who_holds_a_lease_alone(setting: Setting) -> None:
    (delivery,) = await setting.accepted()
    setting.events.fail()
    await setting.store.update(setting.ended(delivery, S.RETRYING))
    lease_until = setting.clock.now() + 3 * POLICY.grace
    claimed = replace(setting.on_record(delivery), status=S.SENDING, lease_until=lease_until)
    version = await setting.store.update(claimed)
    setting.clock.advance(2 * POLICY.grace)
    assert await setting.relay.sweep() == 0
    await setting.store.update(replace(setting.ended(setting.on_record(delivery)), version=version))
    assert setting.told == ["delivery.retrying", "delivery.sent"]


async def test_the_relay_tells_more_than_a_batch_of_each_shard(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("functions.relay.untold_events.BATCH", 2)
    setting.events.fail(7)
    for n in range(7):
        (delivery,) = await accepted(setting.store, a_notification(shard=n % 2))
        await setting.store.update(setting.ended(delivery))
    setting.clock.advance(POLICY.grace + timedelta(seconds=1))
    assert await setting.relay.sweep() == 7
    assert setting.records.calls["untold"] >= SHARDS


async def test_without_its_records_the_relay_says_so(setting: Setting) -> None:
    setting.records.down("untold")
    with pytest.raises(StoreUnavailable):
        await setting.relay.sweep()


async def test_all_else_is_the_records_own(setting: Setting) -> None:
    (delivery,) = await setting.accepted()
    loaded = await setting.store.load(delivery.notification_id, "email")
    assert loaded is not None
    assert await asyncio.wait_for(setting.store.overdue(None, setting.clock.now(), 5), 1) == []
