"""What a channel function does with what the person's records say: it gives back what it has claimed."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from types import MappingProxyType
from typing import Any
from unittest.mock import AsyncMock

import pytest

from shared.delivery.errors import AlreadyExists, Conflict, Permanent, Throttled, UnreadableRecord
from shared.delivery.model import (
    CategoryClass,
    Delivery,
    DeliveryStatus,
    Notification,
    Outcome,
    QuietHours,
    Recipient,
    Rule,
    SuppressionReason,
)
from shared.people.category import Category
from shared.people.frequency import frequency_id
from shared.people.suppression import CLASS_BY_REASON, Entry, Suppression
from shared.sending.asking_people import AGAIN
from shared.sending.messages import Answer
from shared.sending.pipeline import Pipeline
from shared.sending.suppressing import suppress
from tests.fakes.clock import START, Clock
from tests.fakes.people import MemoryPeople
from tests.fakes.provider import Result, ScriptedProvider
from tests.fakes.publisher import MemoryPublisher
from tests.fakes.records import POLICY, a_notification, first_message, later_message, queued_deliveries
from tests.fakes.store import MemoryStore

S = DeliveryStatus
ALL_DAY = tuple(range(7))


class World:
    def __init__(self, script: Sequence[Result] = ()) -> None:
        self.clock, self.store = Clock(), MemoryStore()
        self.people = MemoryPeople(self.store)
        self.provider = ScriptedProvider(script)
        self.pipeline = Pipeline(
            self.store, self.provider, POLICY, now=self.clock.now, sleep=self.clock.sleep, people=self.people
        )

    async def category(self, class_: CategoryClass, **more: Any) -> None:
        there = await self.people.category("news")
        version = None if there is None else there.version
        await self.people.put_category(Category("news", class_, START, START, version=version, **more))

    async def recipient(self, **more: Any) -> None:
        await self.store.create_recipient(Recipient("ana", {}, START, START, **more))

    async def suppress(self, reason: SuppressionReason = SuppressionReason.HARD_BOUNCE) -> None:
        address = self.people.suppression_id("email", "email-address")
        entry = Entry(reason, CLASS_BY_REASON[reason], START, "a test")
        await suppress(self.people, "email", address, entry)

    async def accepted(
        self, category: str | None = "news", place: Mapping[str, Any] = MappingProxyType({}), **more: Any
    ) -> tuple[Notification, Delivery]:
        """place: of the delivery among others"""
        simulated = more.pop("simulated", False)
        notification = replace(a_notification(recipient="ana", simulated=simulated), category=category, **more)
        class_ = None if category is None else CategoryClass.MARKETING
        (queued,) = queued_deliveries(notification)
        made = replace(queued, category=category, category_class=class_, **place)
        version = await self.store.create(notification, [made])
        return notification, replace(made, version=version)

    async def sent(self, category: str | None = "news", **more: Any) -> Delivery:
        """After its first push."""
        notification, made = await self.accepted(category, **more)
        assert await self.pipeline.deliver(first_message(notification, made)) is Answer.ACK
        return self.store.get(notification.id, "email")

    async def pushed(self, delivery: Delivery) -> Delivery:
        assert await self.pipeline.deliver(later_message(delivery)) is Answer.ACK
        return self.store.get(delivery.notification_id, "email")


@pytest.fixture
def world() -> World:
    return World()


async def test_a_plain_one_is_asked_about_once_beside_the_claim(world: World) -> None:
    sent = await world.sent(category=None)
    assert (sent.status, sent.judged_by) == (S.SENT, None)
    assert (world.people.calls, world.store.calls["update"]) == ({"person": 1}, 2)


async def test_of_whom_a_cancelled_one_was_for_nothing_is_read(world: World) -> None:
    notification, made = await world.accepted(None)
    await world.store.cancel(notification.id, START)
    assert (await world.pushed(made)).status is S.CANCELLED
    assert world.people.calls == {}


async def test_who_is_suppressed_gets_nothing_and_it_says_why(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    await world.suppress()
    ended = await world.sent(category=None)
    assert (ended.status, ended.reason) == (S.SUPPRESSED, Rule.SUPPRESSION)
    at = START.isoformat(timespec="seconds").replace("+00:00", "Z")
    assert (ended.error, set(ended.judged_by or ())) == (f"hard_bounce since {at}: a test", {"suppression"})
    assert (world.provider.sent, ended.attempts, ended.due_at, ended.lease_until) == ([], (), None, None)
    assert "not sent" in "".join(capsys.readouterr())
    assert await world.pushed(ended) == ended


async def test_what_changes_between_the_202_and_the_send_counts(world: World) -> None:
    await world.category(CategoryClass.MARKETING)
    await world.recipient()
    notification, made = await world.accepted()
    there = await world.store.recipient("ana")
    assert there is not None
    later = START + timedelta(seconds=3)
    await world.store.replace_recipient(replace(there, preferences={"news": {"email": False}}, updated_at=later))
    await world.pipeline.deliver(first_message(notification, made))
    ended = world.store.get(notification.id, "email")
    assert (ended.status, ended.reason, world.provider.sent) == (S.SUPPRESSED, Rule.PREFERENCE, [])
    assert (ended.judged_by or {})["recipient"] == later.isoformat().replace("+00:00", "Z")


async def test_quiet_hours_put_it_off_until_they_end_and_it_is_sent_then(world: World) -> None:
    await world.category(CategoryClass.SERVICE)
    minute = START.hour * 60 + START.minute
    hours = QuietHours(ALL_DAY, minute, (minute + 120) % 1440)
    await world.recipient(time_zone="UTC", quiet_hours=(hours,))
    held = await world.sent()
    end = START.replace(second=0, microsecond=0) + timedelta(hours=2)
    assert (held.status, held.reason, held.next_try_at, held.due_at) == (S.DEFERRED, Rule.QUIET_HOURS, end, end)
    assert await world.pushed(held) == held  # too early: nothing is written
    world.clock.advance(end - START)
    sent = await world.pushed(held)
    assert (sent.status, sent.reason, len(world.provider.sent)) == (S.SENT, None, 1)


async def test_what_would_be_deleted_in_quiet_hours_expires(world: World) -> None:
    await world.category(CategoryClass.SERVICE)
    await world.recipient(time_zone="UTC", quiet_hours=(QuietHours((4,), 0, 24 * 60),))
    ended = await world.sent(expire_at=START + timedelta(days=2))
    assert (ended.status, ended.reason) == (S.EXPIRED, Rule.QUIET_HOURS)


async def test_a_day_of_throttling_begins_when_the_quiet_hours_end() -> None:
    world = World([Throttled("429", retry_after=60)])
    await world.category(CategoryClass.SERVICE)
    friday_and_saturday = QuietHours((4, 5), 0, 24 * 60)
    await world.recipient(time_zone="UTC", quiet_hours=(friday_and_saturday,))
    held = await world.sent()
    assert held.next_try_at is not None
    assert held.next_try_at - START > POLICY.give_up
    world.clock.advance(held.next_try_at - START)
    put_off = await world.pushed(held)
    assert (put_off.status, [a.outcome for a in put_off.attempts]) == (S.DEFERRED, [Outcome.THROTTLED])


async def test_what_cannot_be_read_is_not_sent_and_soon_asked_again(world: World) -> None:
    world.people.down("person")
    held = await world.sent(category=None)
    assert (held.status, held.reason, world.provider.sent) == (S.DEFERRED, Rule.PEOPLE_UNREAD, [])
    assert (held.next_try_at, world.people.calls["person"]) == (world.clock.now() + AGAIN, 2)
    world.people.down()
    world.clock.advance(AGAIN)
    assert (await world.pushed(held)).status is S.SENT


async def test_a_read_that_fails_once_costs_nothing(world: World) -> None:
    world.people.fail("person")
    assert (await world.sent(category=None)).status is S.SENT


async def test_a_record_that_is_spoilt_is_read_no_second_time(world: World) -> None:
    await world.category(CategoryClass.SERVICE)
    world.people.spoil("categories/news")
    held = await world.sent()
    assert (held.status, held.reason, world.people.calls["person"]) == (S.DEFERRED, Rule.PEOPLE_UNREAD, 1)


async def test_who_is_deleted_before_it_goes_gets_nothing_that_they_may_not_want(world: World) -> None:
    await world.category(CategoryClass.SERVICE)
    await world.recipient(preferences={"news": {"email": False}})
    _, made = await world.accepted()
    await world.store.delete_recipient("ana")
    ended = await world.pushed(made)
    assert (ended.status, ended.reason, world.provider.sent) == (S.SUPPRESSED, Rule.PREFERENCE, [])
    assert (await world.sent(category=None)).status is S.SENT


async def test_what_judged_one_that_goes_is_on_record(world: World) -> None:
    await world.category(CategoryClass.MARKETING)
    await world.recipient()
    sent = await world.sent()
    assert (sent.status, set(sent.judged_by or ())) == (S.SENT, {"category", "recipient"})
    assert world.people.calls["days_notifications"] == 0, "it has no bound"


async def test_marketing_goes_over_no_channel_that_nobody_can_leave(world: World) -> None:
    await world.category(CategoryClass.MARKETING)
    world.pipeline = replace(world.pipeline, unsubscribes=False)
    ended = await world.sent()
    assert (ended.status, ended.reason, world.provider.sent) == (S.SUPPRESSED, Rule.NO_UNSUBSCRIBE, [])


async def test_that_it_went_before_its_turn_stays_on_record_whatever_the_person_wants(world: World) -> None:
    _, first = await world.accepted(None)
    _, second = await world.accepted(None, {"ordering": "k", "follows": first.notification_id})
    world.clock.advance(POLICY.order_wait)
    sent = await world.pushed(second)
    assert (sent.status, sent.reason) == (S.SENT, Rule.ORDER_BOUND)


async def test_one_that_is_given_back_for_good_publishes_what_waits_for_it(world: World) -> None:
    publisher = MemoryPublisher()
    world.pipeline = replace(world.pipeline, publisher=lambda: publisher)
    await world.suppress()
    _, made = await world.accepted(None, {"escalates_to": "sms"})
    assert (await world.pushed(made)).status is S.SUPPRESSED
    assert [(m.notification_id, m.channel) for m in publisher.taken()] == [(made.notification_id, "sms")]


class TestFrequency:
    @pytest.fixture
    async def capped(self, world: World) -> World:
        await world.category(CategoryClass.MARKETING, max_per_day=1)
        await world.recipient(time_zone="UTC")
        return world

    async def test_the_second_of_a_day_goes_on_the_next(self, capped: World) -> None:
        assert (await capped.sent()).status is S.SENT
        held = await capped.sent()
        midnight = START.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        assert (held.status, held.reason, held.next_try_at) == (S.DEFERRED, Rule.FREQUENCY, midnight)
        capped.clock.advance(midnight - START)
        assert (await capped.pushed(held)).status is S.SENT

    async def test_of_many_at_once_one_goes(self, capped: World) -> None:
        many = await asyncio.gather(*(capped.sent() for _ in range(8)))
        assert sorted(d.status for d in many) == [*[S.DEFERRED] * 7, S.SENT]
        assert {d.reason for d in many if d.status is S.DEFERRED} == {Rule.FREQUENCY}

    @pytest.mark.parametrize("faster", [Conflict, AlreadyExists])
    async def test_whom_others_are_always_faster_than_asks_again_soon(
        self, capped: World, faster: type[Exception], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        counted = AsyncMock(side_effect=faster)
        monkeypatch.setattr(capped.people, "count", counted)
        held = await capped.sent()
        assert (held.status, held.reason) == (S.DEFERRED, Rule.FREQUENCY)
        assert (held.next_try_at, counted.await_count) == (capped.clock.now() + AGAIN, 10)

    async def test_a_day_is_kept_until_it_has_ended_everywhere(
        self, capped: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        counted = AsyncMock(side_effect=capped.people.count)
        monkeypatch.setattr(capped.people, "count", counted)
        await capped.sent()
        assert [call.args[1] for call in counted.await_args_list] == [START + timedelta(days=3)]

    async def test_a_day_that_is_spoilt_lets_nothing_go(self, capped: World) -> None:
        first = await capped.sent()
        capped.people.spoil(f"frequencies/{frequency_id(first, START.date())}")
        held = await capped.sent()
        assert (held.reason, held.next_try_at) == (Rule.FREQUENCY, capped.clock.now() + AGAIN)

    async def test_what_is_suppressed_is_none(self, capped: World) -> None:
        await capped.suppress()
        assert (await capped.sent()).status is S.SUPPRESSED
        assert capped.people.calls["count"] == 0

    async def test_a_test_keys_is_none(self, capped: World) -> None:
        assert (await capped.sent(simulated=True)).status is S.SENT
        assert (await capped.sent()).status is S.SENT

    async def test_a_retry_is_no_further_one(self) -> None:
        world = World([Throttled("429", retry_after=60)])
        await world.category(CategoryClass.MARKETING, max_per_day=1)
        await world.recipient()
        put_off = await world.sent()
        world.clock.advance(timedelta(minutes=10))
        assert (await world.pushed(put_off)).status is S.SENT

    async def test_one_that_was_counted_and_lost_its_answer_goes(self, capped: World) -> None:
        capped.people.fail("count", landed=True)
        held = await capped.sent()
        assert (held.status, held.reason) == (S.DEFERRED, Rule.FREQUENCY)
        capped.clock.advance(AGAIN)
        assert (await capped.pushed(held)).status is S.SENT

    @pytest.mark.parametrize("class_", list(CategoryClass))
    async def test_what_nobody_can_count_goes_if_it_is_transactional(self, world: World, class_: CategoryClass) -> None:
        await world.category(class_, max_per_day=1)
        await world.recipient()
        world.people.down("days_notifications")
        said = await world.sent()
        expected = S.SENT if class_ is CategoryClass.TRANSACTIONAL else S.DEFERRED
        assert (said.status, said.reason) == (expected, Rule.FREQUENCY)


class TestGivingBack:
    async def test_a_write_whose_answer_is_lost_is_made_again(self, world: World) -> None:
        await world.suppress()
        world.store.fail("update", 2, landed=True)
        assert (await world.sent(category=None)).status is S.SUPPRESSED

    async def test_one_that_cannot_be_written_is_nacked_and_given_back_by_the_next(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await world.suppress()
        notification, made = await world.accepted(None)
        monkeypatch.setattr(time, "monotonic", lambda: world.clock.now().timestamp())
        for nth in range(2, 400):
            world.store.fail("update", nth)
        assert await world.pipeline.deliver(first_message(notification, made)) is Answer.NACK
        assert world.provider.sent == []
        monkeypatch.undo()
        world.store._faults.clear()
        world.clock.advance(POLICY.lease)
        ended = await world.pushed(made)
        assert (ended.status, [a.outcome for a in ended.attempts]) == (S.SUPPRESSED, [Outcome.UNKNOWN])
        assert (ended.error or "").endswith("an attempt may have arrived")


class TestWhatAProviderSaysOfAnAddress:
    GONE = Permanent("5.1.1", suppresses=SuppressionReason.HARD_BOUNCE)

    async def test_it_is_suppressed_before_the_outcome_is_on_record(self) -> None:
        world = World([self.GONE])
        failed = await world.sent(category=None)
        assert failed.status is S.FAILED
        (there,) = world.people.suppressed.values()
        evidence = f"scripted refused notification {failed.notification_id}"
        assert there.entries[SuppressionReason.HARD_BOUNCE].evidence == evidence
        assert (await world.sent(category=None)).status is S.SUPPRESSED
        assert len(world.provider.sent) == 1

    async def test_the_outcome_is_on_record_though_it_cannot_be(self) -> None:
        world = World([self.GONE])
        world.people.down("put_suppression")
        assert (await world.sent(category=None)).status is S.FAILED
        assert world.people.suppressed == {}

    async def test_the_outcome_is_on_record_though_what_is_on_record_of_it_is_spoilt(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world = World([self.GONE])
        monkeypatch.setattr(world.people, "suppression", AsyncMock(side_effect=UnreadableRecord))
        assert (await world.sent(category=None)).status is S.FAILED

    async def test_a_refusal_of_the_message_says_nothing_of_the_address(self) -> None:
        world = World([Permanent("5.7.1")])
        assert (await world.sent(category=None)).status is S.FAILED
        assert world.people.suppressed == {}


async def test_a_suppression_that_others_write_at_the_same_time_has_all_of_it() -> None:
    world = World()
    await asyncio.gather(*(world.suppress(reason) for reason in SuppressionReason))
    (there,) = world.people.suppressed.values()
    assert set(there.entries) == set(SuppressionReason)
    assert isinstance(there, Suppression)
