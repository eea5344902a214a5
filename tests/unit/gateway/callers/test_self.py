"""GET /v1/callers/self: what a caller may do, for itself to see."""

import httpx
import pytest

from functions.gateway.access.caller import CallerKind, Scope
from functions.gateway.callers.schemas import CallerJson
from tests.fakes.api import Api
from tests.integration.gateway import client_of, declared, problem

PATH = "/v1/callers/self"


@pytest.mark.parametrize("scopes", [{Scope.NOTIFICATIONS_SEND}, {Scope.CALLERS_MANAGE}, set(Scope)])
async def test_a_caller_sees_itself_whatever_its_scopes(
    api: Api, client: httpx.AsyncClient, scopes: set[Scope]
) -> None:
    made, own = await api.caller(scopes=frozenset(scopes), channels=frozenset({"email"}))
    shown: CallerJson = declared(CallerJson, await own.get(PATH))
    assert (shown["id"], shown["scopes"], shown["channels"]) == (made.id, sorted(scopes), ["email"])
    managed: CallerJson = declared(CallerJson, await client.get(f"/v1/callers/{made.id}"))
    assert managed["last_used_at"] is not None
    assert {**shown, "last_used_at": managed["last_used_at"]} == managed
    assert (await own.head(PATH)).status_code == 200


async def test_who_made_it_is_seen_by_who_may_see_that_one(api: Api) -> None:
    maker, manager = await api.caller()
    body = {"name": "billing", "kind": "live"}
    for scopes, seen in ((["notifications:send"], None), (sorted(Scope), maker.id)):
        limits = dict.fromkeys(("requests_per_minute", "notifications_per_day", "segments_per_day"))
        made = (await manager.post("/v1/callers", json={**body, "scopes": scopes, **limits})).json()
        async with client_of(api.gateway, made["key"]) as own:
            shown: CallerJson = declared(CallerJson, await own.get(PATH))
        assert (shown["id"], shown["created_by"]) == (made["id"], seen)
        assert made["key"] not in str(shown)


async def test_it_needs_a_credential_that_is_not_revoked(api: Api, client: httpx.AsyncClient) -> None:
    made, own = await api.caller()
    async with client_of(api.gateway, None) as nobody:
        problem(await nobody.get(PATH), 401)
    assert (await client.delete(f"/v1/callers/{made.id}")).status_code == 204
    problem(await own.get(PATH), 401)


async def test_it_counts_as_a_request(api: Api) -> None:
    _, own = await api.caller(requests_per_minute=2)
    assert [(await own.get(PATH)).status_code for _ in range(3)] == [200, 200, 429]


async def test_a_team_key_sees_its_addresses(api: Api) -> None:
    _, own = await api.caller(kind=CallerKind.TEAM, addresses={"email": ("a@example.com",)})
    shown: CallerJson = declared(CallerJson, await own.get(PATH))
    assert shown["addresses"] == {"email": ["a@example.com"]}


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_no_caller_is_called_self(client: httpx.AsyncClient, method: str) -> None:
    refused = await client.request(method, PATH, json={"name": "x", "scopes": ["callers:manage"]})
    problem(refused, 405)
    assert refused.headers["allow"] == "GET, HEAD"
