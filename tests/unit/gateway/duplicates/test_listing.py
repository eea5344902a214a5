"""GET /v1/duplicates: what may have arrived twice, why, and by which attempts."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from functions.gateway.access.caller import Scope
from functions.gateway.duplicates.schemas import DuplicatesJson
from shared.delivery.model import Attempt, Outcome, Told
from tests.fakes.api import Api
from tests.fakes.clock import START
from tests.integration.gateway import declared, problem

PATH = "/v1/duplicates"
LOST = Attempt(1, START, Outcome.UNKNOWN, "no answer within 30.0 s", provider="smtp", asked=Told.CANNOT_TELL)
SENT = Attempt(2, START + timedelta(seconds=9), Outcome.ACCEPTED, provider="smtp")


async def sent_twice(api: Api, client: httpx.AsyncClient, at: datetime = START) -> str:
    answer = await client.post("/v1/notifications", json={"to": {"email": "a@example.com"}, "message": "x"})
    made = str(answer.json()["id"])
    await api.store.update(replace(api.store.get(made, "email"), attempts=(LOST, SENT), twice_at=at))
    return made


async def listed(client: httpx.AsyncClient, **query: Any) -> list[dict[str, Any]]:
    answer = declared(DuplicatesJson, await client.get(PATH, params=query))
    items: list[dict[str, Any]] = answer["items"]
    return items


async def test_one_is_listed_with_its_reason_and_both_attempts(api: Api, client: httpx.AsyncClient) -> None:
    made = await sent_twice(api, client)
    await client.post("/v1/notifications", json={"to": {"email": "a@example.com"}, "message": "x"})
    (found,) = await listed(client)
    assert (found["notification_id"], found["channel"], found["status"]) == (made, "email", "queued")
    (pair,) = found["pairs"]
    assert (pair["reason"], pair["channel"]) == ("unknown_outcome", "email")
    assert [(a["number"], a["outcome"], a["asked"]) for a in pair["attempts"]] == [
        (1, "unknown", "cannot_tell"),
        (2, "accepted", None),
    ]
    assert "a@example.com" not in str(found)


async def test_they_are_found_by_when(api: Api, client: httpx.AsyncClient) -> None:
    early, late = await sent_twice(api, client), await sent_twice(api, client, START + timedelta(days=1))
    assert [d["notification_id"] for d in await listed(client)] == [late, early]
    day = (START + timedelta(days=1)).isoformat()
    assert [d["notification_id"] for d in await listed(client, **{"from": day})] == [late]
    assert [d["notification_id"] for d in await listed(client, to=day)] == [early]


async def test_a_page_leads_to_the_next(api: Api, client: httpx.AsyncClient) -> None:
    made = {await sent_twice(api, client, START + timedelta(hours=n)) for n in range(3)}
    first = (await client.get(PATH, params={"limit": 2})).json()
    rest = (await client.get(PATH, params={"limit": 2, "cursor": first["next_cursor"]})).json()
    assert {d["notification_id"] for d in first["items"] + rest["items"]} == made
    assert rest["next_cursor"] is None


async def test_it_is_of_the_callers_own_unless_it_may_read_all(api: Api, client: httpx.AsyncClient) -> None:
    made = await sent_twice(api, client)
    own = await api.client(scopes=frozenset({Scope.NOTIFICATIONS_READ}))
    assert await listed(own) == []
    everybodys = await api.client(scopes=frozenset({Scope.NOTIFICATIONS_READ, Scope.NOTIFICATIONS_READ_ALL}))
    assert [d["notification_id"] for d in await listed(everybodys)] == [made]
    nobodys = await api.client(scopes=frozenset({Scope.NOTIFICATIONS_SEND}))
    problem(await nobodys.get(PATH), 403)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"from": "yesterday"}, "from"),
        ({"from": "2026-01-01T00:00:00"}, "from"),
        ({"to": "2026-13-01T00:00:00Z"}, "to"),
        ({"from": "2026-01-02T00:00:00Z", "to": "2026-01-02T00:00:00Z"}, "from"),
        ({"since": "2026-01-02T00:00:00Z"}, "since"),
        ({"limit": "0"}, "limit"),
        ({"cursor": "eyJ4Ijox"}, "cursor"),
    ],
)
async def test_what_is_wrong_is_named(client: httpx.AsyncClient, query: dict[str, str], field: str) -> None:
    problem(await client.get(PATH, params=query), 422, field)
