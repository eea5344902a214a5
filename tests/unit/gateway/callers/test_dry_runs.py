"""What stopping a caller would come to, before it is done."""

from dataclasses import replace
from datetime import timedelta

import httpx

from functions.gateway.callers.schemas import WouldRevokeJson
from shared.delivery.model import Attempt, DeliveryStatus, Outcome
from tests.fakes.api import Api
from tests.fakes.clock import START
from tests.integration.gateway import declared, problem

TO = {"email": "a@example.com"}
NOTHING = {"cancelled": 0, "may_have_arrived": 0, "under_way": 0, "channels": {}, "estimated": False}


async def sent(client: httpx.AsyncClient) -> str:
    made: str = (await client.post("/v1/notifications", json={"to": TO, "message": "x"})).json()["id"]
    return made


async def would(client: httpx.AsyncClient, caller_id: str, query: str = "") -> WouldRevokeJson:
    answer = await client.delete(f"/v1/callers/{caller_id}?dry_run=true{query}")
    shown: WouldRevokeJson = declared(WouldRevokeJson, answer)
    return shown


async def test_it_says_whom_and_what_it_would_stop_and_stops_nothing(api: Api, client: httpx.AsyncClient) -> None:
    made, own = await api.caller()
    queued, doubtful, claimed = [await sent(own) for _ in range(3)]
    unknown = Attempt(1, START, Outcome.UNKNOWN)
    there = api.store.get(doubtful, "email")
    await api.store.update(replace(there, status=DeliveryStatus.RETRYING, attempts=(unknown,)))
    lease = api.gateway.now() + timedelta(minutes=1)
    there = api.store.get(claimed, "email")
    await api.store.update(replace(there, status=DeliveryStatus.SENDING, lease_until=lease))
    await sent(client)  # another's
    stopped = {**NOTHING, "cancelled": 2, "may_have_arrived": 1, "under_way": 1, "channels": {"email": 2}}
    assert await would(client, made.id, "&stop=true") == {"callers": [made.id], "stopped": stopped}
    assert await would(client, made.id) == {"callers": [made.id], "stopped": None}
    assert api.store.get(queued, "email").status is DeliveryStatus.QUEUED
    assert (await own.get("/v1/notifications")).status_code == 200


async def test_with_cascade_it_finds_those_that_it_made(api: Api, client: httpx.AsyncClient) -> None:
    first, manager = await api.caller()
    second = (
        await manager.post("/v1/callers", json={"name": "b", "kind": "live", "scopes": ["callers:manage"]})
    ).json()
    by_second = replace(api.callers.records[second["id"]], id="f" * 16, created_by=second["id"])
    api.callers.records[by_second.id] = by_second
    assert (await would(client, first.id, "&cascade=true"))["callers"] == sorted([first.id, second["id"], by_second.id])
    assert (await would(client, first.id))["callers"] == [first.id]
    assert all(caller.revoked_at is None for caller in api.callers.records.values())


async def test_one_that_is_none_is_a_404(client: httpx.AsyncClient) -> None:
    problem(await client.delete(f"/v1/callers/{'0' * 16}?dry_run=true"), 404)
