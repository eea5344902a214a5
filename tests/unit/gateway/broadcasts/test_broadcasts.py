"""Broadcasts on fakes: planned, begun once, worked off page by page, to exactly their audience."""

import itertools
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from functions.gateway.access.caller import Caller, Scope
from functions.gateway.access.caller_quotas import CallerQuotas
from functions.gateway.broadcasts import broadcasting, planning
from functions.gateway.broadcasts.broadcasting import BROADCAST, Broadcasting, key_of
from functions.gateway.notifications.idempotency import new_notification_id
from shared.channels.declaration import Screen
from shared.delivery.model import CategoryClass, DeliveryStatus, QuietHours, Recipient, SuppressionReason
from shared.people.category import Category
from shared.people.frequency import DaysNotifications, day_of, frequency_id
from shared.people.suppression import CLASS_BY_REASON, Entry
from shared.sending.operations import Operation, OperationState, Worker
from shared.sending.suppressing import suppress
from shared.sending.waiting_deliveries import publish_waiting
from tests.fakes.api import Api, api_on_fakes
from tests.fakes.clock import START, Clock

TEXT = {"list": "news", "message": "Sale"}
LETTERS = [f"{a}{b}" for a, b in itertools.product("abcdefghij", repeat=2)]


class World:
    """A list `news`, and the operations that its broadcasts are."""

    def __init__(self, api: Api, caller: Caller, client: httpx.AsyncClient, clock: Clock) -> None:
        self.api, self.caller, self.client, self.clock = api, caller, client, clock
        self.worker = Worker({BROADCAST: Broadcasting(api.gateway)}, api.gateway.operations, clock.now, clock.sleep)

    async def member(self, name: str, **more: Any) -> None:
        addresses = more.pop("addresses", {"email": f"{name}@example.com"})
        await self.api.store.create_recipient(Recipient(name, addresses, START, START, **more))
        await self.joins(name)

    async def joins(self, name: str) -> None:
        answer = await self.client.put(f"/v1/lists/news/members/{name}")
        assert answer.status_code == 204, answer.text

    async def leaves(self, name: str) -> None:
        assert (await self.client.delete(f"/v1/lists/news/members/{name}")).status_code == 204

    async def asked(self, **body: Any) -> httpx.Response:
        return await self.client.post("/v1/broadcasts", json=body)

    async def planned(self, **more: Any) -> dict[str, Any]:
        answer = await self.asked(**{**TEXT, "dry_run": True, **more})
        assert answer.status_code == 200, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def begun(self, **more: Any) -> str:
        return await self.begin((await self.planned(**more))["plan"])

    async def begin(self, plan: str) -> str:
        answer = await self.asked(plan=plan)
        assert answer.status_code == 202, answer.text
        operation_id: str = answer.json()["id"]
        assert answer.headers["Location"] == f"/v1/operations/{operation_id}"
        return operation_id

    async def operation(self, operation_id: str) -> Operation:
        found = await self.api.gateway.operations.read(operation_id)
        assert found is not None
        return found

    async def done(self, operation_id: str) -> Operation:
        for _ in range(100):
            await self.worker.sweep(50)
            found = await self.operation(operation_id)
            if found.state is not OperationState.RUNNING:
                return found
            self.clock.advance(timedelta(seconds=31))
        raise AssertionError("it does not end")

    def sent_to(self) -> list[str]:
        return sorted(n.recipient or "" for n in self.api.store.all_notifications())


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with api_on_fakes() as api:
        clock = Clock()
        api.gateway = replace(api.gateway, now=clock.now)
        caller, client = await api.caller()
        assert (await client.put("/v1/lists/news", json={})).status_code == 201
        clock.advance(1)
        yield World(api, caller, client, clock)


async def test_it_is_shown_before_it_is_done(world: World) -> None:
    for name in ("ana", "bob", "cleo", "dan"):
        await world.member(name)
    await world.member("eve", addresses={"slack": "#eve"})
    await world.member("fay", addresses={"email": "fay@example.com", "sms": "+14155552671"})
    bounced = Entry(SuppressionReason.HARD_BOUNCE, CLASS_BY_REASON[SuppressionReason.HARD_BOUNCE], START, "a test")
    people = world.api.people
    await suppress(people, "email", people.suppression_id("email", "bob@example.com"), bounced)
    plan = await world.planned(channels=["email"], per_second=2, subject="Now")
    assert (plan["recipients"], plan["counted"], plan["estimated"], plan["suppressed"]) == (6, 6, False, 1)
    assert plan["channels"] == {"email": {"deliveries": 5, "suppressed": 1, "held": 0}}
    assert plan["refused"] == {"channels: there is no address for email": 1}
    assert (plan["per_second"], plan["seconds"], plan["segments"]) == (2, 3, 0)
    assert [each["recipient"] for each in plan["sample"]] == ["ana", "bob", "cleo"]
    assert plan["sample"][0]["content"] == {"email": {"subject": "Now", "message": "Sale"}}
    assert world.sent_to() == []
    assert world.api.publisher.messages == []


async def test_what_was_sent_to_all_is_found_by_its_tag(world: World) -> None:
    for name in ("ana", "bob"):
        await world.member(name)
    await world.done(await world.begun(tags={"sale": "autumn"}))
    found = await world.client.get("/v1/notifications", params={"tag": "sale:autumn"})
    assert sorted(n["recipient"] for n in found.json()["items"]) == ["ana", "bob"]
    of_ana = {"channel": "email", "address": "ana@example.com"}
    assert len((await world.client.get("/v1/notifications", params=of_ana)).json()["items"]) == 1


async def test_what_it_costs_is_reckoned_by_the_operators_table(world: World) -> None:
    def price(address: str) -> Decimal | None:
        return Decimal("0.0083") if address.startswith("+1") else None

    screen = Screen(lambda _: None, None, "SMS_PER_NUMBER_PER_HOUR", price)
    gateway = replace(world.api.gateway, screens={"sms": screen})
    for name, number in (("ana", "+14155552671"), ("bob", "+436641234567")):
        await world.member(name, addresses={"sms": number})
    world.api.gateway = gateway
    client = await world.api.client()
    answer = await client.post("/v1/broadcasts", json={**TEXT, "message": "x" * 161, "dry_run": True})
    said = answer.json()
    assert said["channels"]["sms"] == {
        **{"deliveries": 2, "suppressed": 0, "held": 0},
        **{"segments": 4, "price": 0.0166, "without_price": 2},
    }
    assert said["segments"] == 4


async def test_quiet_hours_and_preferences_are_in_the_plan(world: World) -> None:
    await world.api.people.put_category(Category("news", CategoryClass.MARKETING, START, START))
    all_day = (QuietHours(tuple(range(7)), 0, 23 * 60),)
    await world.member("ana", time_zone="UTC", quiet_hours=all_day)
    await world.member("bob", preferences={"news": {"email": False}})
    plan = await world.planned(category="news")
    assert plan["channels"] == {"email": {"deliveries": 2, "suppressed": 1, "held": 1}}


async def test_all_of_the_list_have_it_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broadcasting, "PAGE", 7)
    for name in LETTERS[:30]:
        await world.member(name)
    operation_id = await world.begun()
    ended = await world.done(operation_id)
    assert (ended.state, ended.total, ended.counts) == (OperationState.DONE, 30, {"accepted": 30, "refused": 0})
    assert world.sent_to() == LETTERS[:30]
    assert {message.bulk for message in world.api.publisher.messages} == {True}
    there = world.api.store.get(new_notification_id(world.caller.id, key_of(operation_id, "aa")), "email")
    assert (there.status, there.bulk, there.recipient) == (DeliveryStatus.QUEUED, True, "aa")


async def test_a_plan_is_one_operation_however_often_it_is_begun(world: World) -> None:
    await world.member("ana")
    plan = (await world.planned())["plan"]
    first = await world.begin(plan)
    assert await world.begin(plan) == first
    await world.done(first)
    assert await world.begin(plan) == first
    assert world.sent_to() == ["ana"]


async def test_who_is_in_the_list_when_it_is_planned_gets_it(world: World) -> None:
    for name in ("ana", "bob", "cleo"):
        await world.member(name)
    await world.leaves("cleo")
    world.clock.advance(1)
    plan = (await world.planned())["plan"]
    world.clock.advance(1)
    await world.member("dan")
    await world.leaves("ana")
    await world.leaves("bob")
    world.clock.advance(1)
    await world.joins("bob")
    await world.joins("cleo")
    await world.done(await world.begin(plan))
    assert world.sent_to() == ["ana", "bob"]


async def test_a_list_that_is_deleted_meanwhile_has_still_its_audience(world: World) -> None:
    await world.member("ana")
    operation_id = await world.begun()
    assert (await world.client.delete("/v1/lists/news")).status_code == 204
    await world.done(operation_id)
    assert world.sent_to() == ["ana"]


@pytest.mark.parametrize("landed", [True, False])
@pytest.mark.parametrize("dies_at", ["create_all", "recipients_of"])
async def test_a_page_that_fails_anywhere_leaves_nobody_out_and_sends_nobody_twice(
    world: World, monkeypatch: pytest.MonkeyPatch, dies_at: str, landed: bool
) -> None:
    monkeypatch.setattr(broadcasting, "PAGE", 3)
    for name in LETTERS[:10]:
        await world.member(name)
    operation_id = await world.begun()
    for nth in (1, 3, 4):
        world.api.store.fail(dies_at, nth, landed=landed)
    ended = await world.done(operation_id)
    assert ended.counts == {"accepted": 10, "refused": 0}
    assert world.sent_to() == LETTERS[:10]


async def test_a_page_that_runs_twice_does_nothing_twice(world: World) -> None:
    for name in LETTERS[:5]:
        await world.member(name)
    operation = await world.operation(await world.begun())
    kind = Broadcasting(world.api.gateway)
    once = await kind.page(operation)
    again = await kind.page(operation)
    assert (once.counts, once.state) == (again.counts, again.state)
    assert world.sent_to() == LETTERS[:5]


async def test_it_keeps_its_pace(world: World) -> None:
    for name in LETTERS[:10]:
        await world.member(name)
    operation = await world.operation(await world.begun(per_second=4))
    page = await Broadcasting(world.api.gateway).page(operation)
    assert (page.counts["accepted"], page.due_at) == (4, world.clock.now() + timedelta(seconds=1))


async def test_a_pause_and_a_cancel_stop_it_between_pages(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broadcasting, "PAGE", 2)
    for name in LETTERS[:6]:
        await world.member(name)
    operation_id = await world.begun()
    operation = await world.operation(operation_id)
    moved = await Broadcasting(world.api.gateway).page(operation)
    await world.api.gateway.operations.update(moved)
    assert (await world.client.post(f"/v1/operations/{operation_id}/pause")).json()["state"] == "paused"
    world.clock.advance(60)
    await world.worker.sweep(50)
    assert world.sent_to() == LETTERS[:2]
    assert (await world.client.post(f"/v1/operations/{operation_id}/resume")).json()["state"] == "running"
    assert (await world.client.post(f"/v1/operations/{operation_id}/cancel")).json()["state"] == "cancelled"
    world.clock.advance(60)
    await world.worker.sweep(50)
    assert world.sent_to() == LETTERS[:2]


async def test_who_cannot_have_it_is_counted_and_keeps_nobody_back(world: World) -> None:
    await world.member("ana")
    await world.member("bob", addresses={"slack": "#bob"})
    await world.member("cleo")
    operation_id = await world.begun(channels=["email"])
    await world.api.store.delete_recipient("cleo")
    ended = await world.done(operation_id)
    assert (ended.state, ended.counts) == (OperationState.DONE, {"accepted": 1, "refused": 2})


async def test_a_caller_that_is_revoked_sends_no_further_page(world: World) -> None:
    await world.member("ana")
    operation_id = await world.begun()
    there = (await world.api.callers.look_up([world.caller.id]))[world.caller.id]
    await world.api.callers.replace(replace(there, revoked_at=START))
    ended = await world.done(operation_id)
    assert (ended.state, ended.error, world.sent_to()) == (OperationState.FAILED, "its caller may send no more", [])


async def test_the_limits_of_its_caller_hold_it_back_and_lose_nobody() -> None:
    async with api_on_fakes() as api:
        clock = Clock()
        api.gateway = replace(api.gateway, now=clock.now)
        caller, client = await api.caller(notifications_per_day=2)
        assert (await client.put("/v1/lists/news", json={})).status_code == 201
        clock.advance(1)
        world = World(api, caller, client, clock)
        for name in LETTERS[:3]:
            await world.member(name)
        operation_id = await world.begun()
        clock.advance(1)
        await world.worker.sweep(50)
        assert world.sent_to() == LETTERS[:2]
        held = await world.operation(operation_id)
        counts = {"accepted": 2, "refused": 0}
        assert (held.state, held.after, held.counts) == (OperationState.RUNNING, LETTERS[1], counts)
        there = (await api.callers.look_up([caller.id]))[caller.id]
        await api.callers.replace(replace(there, notifications_per_day=None))
        ended = await world.done(operation_id)
        assert (ended.counts, world.sent_to()) == ({"accepted": 3, "refused": 0}, LETTERS[:3])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({**TEXT}, "body"),
        ({**TEXT, "dry_run": False}, "body"),
        ({"message": "x", "dry_run": True}, "body"),
        ({**TEXT, "dry_run": True, "list": "none"}, "list"),
        ({**TEXT, "dry_run": True, "recipient": "ana"}, "recipient"),
        ({**TEXT, "dry_run": True, "to": {"email": "a@example.com"}}, "to"),
        ({**TEXT, "dry_run": True, "per_second": 0}, "per_second"),
        ({**TEXT, "dry_run": True, "per_second": 1001}, "per_second"),
        ({**TEXT, "dry_run": True, "mesage": "x"}, "mesage"),
        ({**TEXT, "dry_run": True, "category": "none"}, "category"),
        ({**TEXT, "dry_run": True, "channels": ["fax"]}, "channels.0"),
        ({"list": "news", "dry_run": True}, "message"),
        ({**TEXT, "dry_run": True, "content": {"email": {"attachments": []}}}, "content.email.attachments"),
        ({"plan": "0b0b0b0b-0000-4000-8000-000000000000"}, "plan"),
        ({"plan": "x"}, "plan"),
        ({**TEXT, "dry_run": True, "template": {"name": "x"}}, "message"),
        ({"plan": "0b0b0b0b-0000-4000-8000-000000000000", "list": "news"}, "list"),
    ],
)
async def test_what_is_wrong_is_named_and_nothing_is_written(world: World, body: Any, field: str) -> None:
    await world.member("ana")
    answer = await world.asked(**body)
    assert answer.status_code == 422
    assert field in [error["field"] for error in answer.json()["errors"]]


async def test_a_plan_is_its_callers_and_good_for_a_day(world: World) -> None:
    await world.member("ana")
    plan = (await world.planned())["plan"]
    other = await world.api.client()
    assert (await other.post("/v1/broadcasts", json={"plan": plan})).status_code == 422
    world.clock.advance(timedelta(days=1, seconds=1))
    assert (await world.asked(plan=plan)).status_code == 422


async def test_it_needs_both_scopes(world: World) -> None:
    for scopes in ({Scope.NOTIFICATIONS_SEND}, {Scope.LISTS_READ}):
        client = await world.api.client(scopes=frozenset(scopes))
        assert (await client.post("/v1/broadcasts", json={**TEXT, "dry_run": True})).status_code == 403


async def test_where_all_cannot_be_looked_at_in_time_the_numbers_say_so(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in LETTERS[:5]:
        await world.member(name)
    monkeypatch.setattr(planning, "PAGE", 2)
    monkeypatch.setattr(planning, "SECONDS", 0.0)
    plan = await world.planned()
    assert (plan["counted"], plan["estimated"]) == (0, True)
    assert plan["recipients"] <= 5


async def test_a_daily_limit_below_a_page_only_delays_it() -> None:
    async with api_on_fakes() as api:
        clock = Clock()
        api.gateway = replace(api.gateway, now=clock.now, quotas=CallerQuotas(api.callers, clock.now))
        caller, client = await api.caller()
        assert (await client.put("/v1/lists/news", json={})).status_code == 201
        clock.advance(1)
        world = World(api, caller, client, clock)
        for name in LETTERS:
            await world.member(name)
        world.caller, world.client = await api.caller(notifications_per_day=30)
        operation_id = await world.begun()
        for day in range(1, 5):
            clock.advance(60)
            await world.worker.sweep(50)
            assert len(world.sent_to()) == min(30 * day, 100)
            clock.advance(timedelta(days=1))
        ended = await world.done(operation_id)
        assert ended.counts == {"accepted": 100, "refused": 0}


async def test_a_time_that_comes_while_it_goes_on_leaves_nobody_out(world: World) -> None:
    for name in LETTERS[:3]:
        await world.member(name)
    operation_id = await world.begun(send_at=(world.clock.now() + timedelta(seconds=10)).isoformat())
    world.clock.advance(timedelta(minutes=2))
    ended = await world.done(operation_id)
    assert ended.counts == {"accepted": 3, "refused": 0}


async def test_a_number_that_has_had_enough_keeps_nobody_else_from_getting_it(world: World) -> None:
    screen = Screen(lambda _: None, 2, "SMS_PER_NUMBER_PER_HOUR")
    gateway = replace(
        world.api.gateway, screens={"sms": screen}, quotas=CallerQuotas(world.api.callers, world.clock.now)
    )
    world.worker = Worker({BROADCAST: Broadcasting(gateway)}, gateway.operations, world.clock.now, world.clock.sleep)
    for number in range(4):
        await world.member(f"a{number}", addresses={"sms": "+14155552671"})
    await world.member("z", addresses={"sms": "+14155552672"})
    ended = await world.done(await world.begun())
    assert (ended.counts, world.sent_to()) == ({"accepted": 3, "refused": 2}, ["a0", "a1", "z"])


async def test_a_recipient_that_cannot_be_read_keeps_nobody_else_from_getting_it(world: World) -> None:
    for name in ("ana", "bob", "cleo"):
        await world.member(name)
    world.api.store.spoil("recipients/bob")
    plan = await world.planned()
    assert (plan["counted"], plan["refused"]) == (3, {"its records cannot be read": 1})
    ended = await world.done(await world.begin(plan["plan"]))
    assert (ended.counts, world.sent_to()) == ({"accepted": 2, "refused": 1}, ["ana", "cleo"])


async def test_a_paused_one_is_not_deleted_under_whoever_paused_it(world: World) -> None:
    await world.member("ana")
    operation_id = await world.begun()
    await world.client.post(f"/v1/operations/{operation_id}/pause")
    world.clock.advance(timedelta(days=29))
    await world.client.post(f"/v1/operations/{operation_id}/resume")
    assert (await world.operation(operation_id)).expire_at >= world.clock.now() + timedelta(days=30)


async def test_a_list_that_a_caller_may_not_see_cannot_be_planned_for(world: World) -> None:
    client = await world.api.client(recipients=("team-",))
    answer = await client.post("/v1/broadcasts", json={**TEXT, "dry_run": True})
    assert answer.status_code == 403


async def test_the_next_step_of_its_escalation_waits_in_its_queue(world: World) -> None:
    await world.member("ana", addresses={"email": "ana@example.com", "sms": "+14155552671"})
    await world.done(await world.begun(escalation=[{"channel": "email"}, {"channel": "sms"}]))
    (notification,) = world.api.store.all_notifications()
    email = replace(world.api.store.get(notification.id, "email"), status=DeliveryStatus.FAILED, due_at=None)
    world.api.publisher.messages.clear()
    await publish_waiting(world.api.store, world.api.publisher, email)
    assert [(message.channel, message.bulk) for message in world.api.publisher.messages] == [("sms", True)]


async def test_what_a_day_has_had_is_in_the_plan(world: World) -> None:
    category = Category("news", CategoryClass.MARKETING, START, START, max_per_day=1)
    await world.api.people.put_category(category)
    await world.member("ana")
    answer = await world.client.post("/v1/notifications", json={"recipient": "ana", "message": "x", "category": "news"})
    delivery = world.api.store.get(answer.json()["id"], "email")
    day, _ = day_of(None, world.clock.now())
    had = DaysNotifications(frequency_id(delivery, day), ("another",))
    await world.api.people.count(had, START)
    plan = await world.planned(category="news")
    assert plan["channels"]["email"]["held"] == 1
    body = {"recipient": "ana", "message": "x", "category": "news"}
    forecast = (await world.client.post("/v1/notifications/explain", json=body)).json()
    assert "frequency" in [event["code"] for event in forecast["events"]]
