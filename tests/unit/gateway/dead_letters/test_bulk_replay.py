"""POST /v1/dead-letters/replay: planned first, begun by its plan, and worked off page by page."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from functions.gateway.access.caller import Caller, Scope
from functions.gateway.access.caller_quotas import CallerQuotas
from functions.gateway.dead_letters.replaying import REPLAY, Replaying
from functions.gateway.dead_letters.schemas import ReplayPlanJson
from functions.gateway.operations.schemas import OperationJson
from functions.gateway.services import Gateway
from shared.delivery.errors import PublishFailed
from shared.delivery.model import Attempt, Delivery, DeliveryStatus, Outcome
from shared.sending.messages import Message
from shared.sending.operations import Worker
from tests.fakes.api import Api
from tests.fakes.clock import START
from tests.integration.gateway import declared, problem

S = DeliveryStatus
PATH = "/v1/dead-letters/replay"
WHY = "attempts used up; the last one: Twilio answered 503"


class World:
    def __init__(self, api: Api, client: httpx.AsyncClient) -> None:
        self.api, self.client = api, client
        self._numbers = iter(range(1000))

    async def dead(self, error: str = WHY, status: DeliveryStatus = S.DEAD, **changes: Any) -> Delivery:
        to = {"sms": f"+1415555{next(self._numbers):04}"}
        made = (await self.client.post("/v1/notifications", json={"to": to, "message": "x"})).json()["id"]
        there = self.api.store.get(made, "sms")
        ended = self.api.gateway.now() - timedelta(seconds=1)
        died = ended if status is S.DEAD else None
        fields = {"status": status, "error": error, "due_at": None, "dead_at": died, "updated_at": ended, **changes}
        await self.api.store.update(replace(there, **fields))
        return self.api.store.get(made, "sms")

    async def plan(self, **filters: Any) -> ReplayPlanJson:
        answer = await self.client.post(PATH, json={"filter": filters, "dry_run": True, "per_second": 1000})
        planned: ReplayPlanJson = declared(ReplayPlanJson, answer)
        return planned

    async def begin(self, plan: ReplayPlanJson) -> OperationJson:
        answer = await self.client.post(PATH, json={"plan": plan["plan"]})
        begun: OperationJson = declared(OperationJson, answer)
        assert answer.headers["Location"] == f"/v1/operations/{begun['id']}"
        return begun

    async def work(self) -> None:
        gateway = self.api.gateway
        await Worker({REPLAY: Replaying(gateway)}, gateway.operations, gateway.now).sweep(30)

    async def operation(self, begun: OperationJson) -> OperationJson:
        found: OperationJson = (await self.client.get(f"/v1/operations/{begun['id']}")).json()
        return found

    def status(self, delivery: Delivery) -> DeliveryStatus:
        return self.api.store.get(delivery.notification_id, "sms").status


@pytest.fixture
def world(api: Api, client: httpx.AsyncClient) -> World:
    return World(api, client)


async def test_a_plan_says_what_it_would_come_to_and_changes_nothing(world: World) -> None:
    unknown = Attempt(1, START, Outcome.UNKNOWN)
    dead = [await world.dead(), await world.dead(), await world.dead("refused: a sender", attempts=(unknown,))]
    await world.dead(status=S.FAILED)
    written = world.api.store.calls["update_all"]
    plan = await world.plan()
    assert plan["by_reason"] == {WHY: 2, "refused: a sender": 1}
    assert (plan["count"], plan["may_have_arrived"], plan["estimated"], plan["refused"]) == (3, 1, False, {})
    assert plan["channels"]["sms"]["deliveries"] == 3
    assert plan["channels"]["sms"]["segments"] == 3
    assert plan["by_age"] == {"less than an hour": 3}
    assert [world.status(d) for d in dead] == [S.DEAD] * 3
    assert world.api.store.calls["update_all"] == written


async def test_its_plan_replays_them_all_and_publishes_each(world: World) -> None:
    dead = [await world.dead() for _ in range(150)]
    world.api.publisher.messages.clear()
    begun = await world.begin(await world.plan())
    assert (begun["kind"], begun["total"]) == ("replay", 150)
    await world.work()
    done = await world.operation(begun)
    assert (done["state"], done["counts"]) == ("done", {"replayed": 150})
    assert {world.status(d) for d in dead} == {S.QUEUED}
    assert len(world.api.publisher.messages) == 150


async def test_the_same_plan_is_one_operation(world: World) -> None:
    await world.dead()
    plan = await world.plan()
    first, again = await world.begin(plan), await world.begin(plan)
    assert first["id"] == again["id"]
    await world.work()
    assert (await world.begin(plan))["counts"] == {"replayed": 1}


async def test_what_failed_goes_when_it_is_named(world: World) -> None:
    dead, failed = await world.dead(), await world.dead("no such number", S.FAILED)
    assert (await world.plan(status=["failed"]))["by_reason"] == {"no such number": 1}
    await world.begin(await world.plan(status=["dead", "failed"]))
    await world.work()
    assert (world.status(dead), world.status(failed)) == (S.QUEUED, S.QUEUED)


async def test_only_what_the_filter_finds_is_replayed(world: World) -> None:
    old = await world.dead(dead_at=START)
    other, wanted = await world.dead("throttled 400 times"), await world.dead()
    cases: list[tuple[dict[str, Any], int]] = [
        ({"channel": "email"}, 0),
        ({"error": "503"}, 2),
        ({"error": "throttled"}, 1),
        ({"to": (START + timedelta(seconds=1)).isoformat()}, 1),
        ({"from": (START + timedelta(seconds=1)).isoformat()}, 2),
        ({"from": START.isoformat(), "to": (START + timedelta(seconds=1)).isoformat(), "error": "429"}, 0),
    ]
    for filters, count in cases:
        assert (await world.plan(**filters))["count"] == count, filters
    await world.begin(await world.plan(error="503", **{"from": (START + timedelta(seconds=1)).isoformat()}))
    await world.work()
    assert [world.status(d) for d in (old, other, wanted)] == [S.DEAD, S.DEAD, S.QUEUED]


async def test_what_dies_after_it_was_planned_is_left_alone(world: World) -> None:
    plan = await world.plan()
    late = await world.dead(dead_at=world.api.gateway.now() + timedelta(seconds=5))
    await world.begin(plan)
    await world.work()
    assert world.status(late) is S.DEAD


async def test_what_cannot_be_replayed_is_counted_by_why(world: World) -> None:
    late = await world.dead()
    world.api.store._deliveries[late.notification_id, "sms"] = replace(late, deliver_by=START)
    cancelled = await world.dead()
    await world.api.store.cancel(cancelled.notification_id, START)
    plan = await world.plan()
    assert (plan["count"], plan["refused"]) == (0, {"too_late": 1, "cancelled": 1})
    begun = await world.begin(plan)
    await world.work()
    assert (await world.operation(begun))["counts"] == {"too_late": 1, "cancelled": 1}
    assert (world.status(late), world.status(cancelled)) == (S.DEAD, S.DEAD)


async def test_a_page_that_dies_before_it_is_counted_replays_nothing_twice(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = [await world.dead() for _ in range(3)]
    begun = await world.begin(await world.plan())

    async def fails(_: list[Message]) -> None:
        raise PublishFailed("away")

    with monkeypatch.context() as patch:
        patch.setattr(world.api.publisher, "publish", fails)
        await world.work()
    queued = [world.api.store.get(d.notification_id, "sms") for d in dead]
    assert {d.status for d in queued} == {S.QUEUED}
    assert all(d.due_at is not None for d in queued)  # so the relay publishes them
    there = world.api.gateway.operations.records[begun["id"]]  # type: ignore[attr-defined] # it is in memory
    world.api.gateway.operations.records[begun["id"]] = replace(there, due_at=START)  # type: ignore[attr-defined] # likewise
    await world.work()
    assert [world.api.store.get(d.notification_id, "sms") for d in dead] == queued
    assert (await world.operation(begun))["state"] == "done"


async def test_it_can_be_paused_and_goes_on(world: World) -> None:
    dead = await world.dead()
    begun = await world.begin(await world.plan())
    assert (await world.client.post(f"/v1/operations/{begun['id']}/pause")).status_code == 200
    await world.work()
    assert world.status(dead) is S.DEAD
    await world.client.post(f"/v1/operations/{begun['id']}/resume")
    await world.work()
    assert world.status(dead) is S.QUEUED


async def test_the_callers_limits_make_it_wait(world: World) -> None:
    dead = [await world.dead() for _ in range(3)]
    limited, client = await world.api.caller(notifications_per_day=1)
    mine = World(world.api, client)
    plan = await mine.plan()
    assert plan["count"] == 3  # it may see all
    begun = await mine.begin(plan)
    await world.work()
    assert sorted(world.status(d) for d in dead) == [S.DEAD, S.DEAD, S.QUEUED]
    there = await mine.operation(begun)
    assert (there["state"], there["counts"]) == ("running", {"replayed": 1})
    assert limited.id


async def test_whoever_works_it_off_knows_first_what_the_caller_has_had_today(world: World) -> None:
    _, client = await world.api.caller(notifications_per_day=12)
    mine = World(world.api, client)
    dead = [await mine.dead() for _ in range(10)]
    begun = await mine.begin(await mine.plan())
    gateway = world.api.gateway
    await gateway.quotas.exchange(await _caller_of(gateway, dead[0]))
    started = replace(gateway, quotas=CallerQuotas(gateway.callers, gateway.now))
    await Worker({REPLAY: Replaying(started)}, gateway.operations, gateway.now).sweep(30)
    assert (await mine.operation(begun))["counts"] == {"replayed": 2}


async def _caller_of(gateway: Gateway, delivery: Delivery) -> Caller:
    loaded = await gateway.store.load(delivery.notification_id, delivery.channel)
    assert loaded is not None
    return (await gateway.callers.look_up([loaded[0].caller]))[loaded[0].caller]


async def test_a_callers_plan_is_of_its_own(world: World) -> None:
    await world.dead()
    own = await world.api.client(scopes=frozenset({Scope.DEAD_LETTERS_MANAGE}))
    mine = World(world.api, own)
    assert (await mine.plan())["count"] == 0
    problem(await own.post(PATH, json={"plan": (await world.plan())["plan"]}), 422, "plan")
    sender = await world.api.client(scopes=frozenset({Scope.NOTIFICATIONS_SEND}))
    problem(await sender.post(PATH, json={"dry_run": True}), 403)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "dry_run"),
        ({"dry_run": False}, "dry_run"),
        ({"filter": {"status": []}, "dry_run": True}, "filter.status"),
        ({"filter": {"status": ["sent"]}, "dry_run": True}, "filter.status.0"),
        ({"filter": {"channel": "fax"}, "dry_run": True}, "filter.channel"),
        ({"filter": {"error": ""}, "dry_run": True}, "filter.error"),
        ({"filter": {"from": "today"}, "dry_run": True}, "filter.from"),
        ({"filter": {"caller": "x"}, "dry_run": True}, "filter.caller"),
        ({"dry_run": True, "per_second": 0}, "per_second"),
        ({"plan": "0f0d2f3c-0000-4000-8000-000000000000"}, "plan"),
        ({"plan": "mine"}, "plan"),
        ({"plan": "0f0d2f3c-0000-4000-8000-000000000000", "dry_run": True}, "plan"),
    ],
)
async def test_what_is_wrong_is_named(client: httpx.AsyncClient, body: dict[str, Any], field: str) -> None:
    answer = await client.post(PATH, json=body)
    errors = problem(answer, 422).get("errors", [])
    assert any(field in error["field"] or field in error["message"] for error in errors), errors
