"""GET /v1/audit: everybody's acts, the latest first, by actor, action and time."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from functions.gateway.access.caller import Scope
from functions.gateway.audit.schemas import AuditEntriesJson
from tests.fakes.api import Api
from tests.integration.gateway import declared, problem

PATH = "/v1/audit"


async def listed(client: httpx.AsyncClient, **query: Any) -> list[dict[str, Any]]:
    answer = declared(AuditEntriesJson, await client.get(PATH, params=query))
    items: list[dict[str, Any]] = answer["items"]
    return items


async def test_they_are_found_by_actor_action_and_time(api: Api, client: httpx.AsyncClient) -> None:
    other, others = await api.caller()
    await client.post("/v1/channels/sms/pause", json={"reason": "x"})
    await others.post("/v1/channels/sms/resume")
    await others.put("/v1/recipients/alice", json={"addresses": {"email": "a@example.com"}})
    assert [e["action"] for e in await listed(client)] == ["put_recipient", "resume_channel", "pause_channel"]
    assert [e["action"] for e in await listed(client, actor=other.id)] == ["put_recipient", "resume_channel"]
    assert [e["actor"] for e in await listed(client, action="resume_channel")] == [other.id]
    assert [e["action"] for e in await listed(client, actor=other.id, action="put_recipient")] == ["put_recipient"]
    assert await listed(client, actor=other.id, action="pause_channel") == []
    soon = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
    assert await listed(client, **{"from": soon}) == []
    assert len(await listed(client, to=soon)) == 3


async def test_a_page_leads_to_the_next(api: Api, client: httpx.AsyncClient) -> None:
    for _ in range(3):
        await client.post("/v1/channels/sms/resume")
    first = (await client.get(PATH, params={"limit": 2})).json()
    rest = (await client.get(PATH, params={"limit": 2, "cursor": first["next_cursor"]})).json()
    assert [e["number"] for e in [*first["items"], *rest["items"]]] == [3, 2, 1]
    assert rest["next_cursor"] is None


async def test_it_needs_its_scope_and_asking_in_vain_is_an_entry(api: Api, client: httpx.AsyncClient) -> None:
    caller, without = await api.caller(scopes=frozenset(Scope) - {Scope.AUDIT_READ})
    answer = await without.get(PATH)
    assert answer.status_code == 403
    assert [(e["actor"], e["action"], e["result"]) for e in await listed(client)] == [
        (caller.id, "list_audit_entries", "refused")
    ]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"actor": "alice"}, "actor"),
        ({"action": "Pause channel"}, "action"),
        ({"from": "yesterday"}, "from"),
        ({"from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"}, "from"),
        ({"cursor": "WzFd"}, "cursor"),
        ({"record": "channels/sms"}, "record"),
    ],
)
async def test_what_is_not_valid_is_named(client: httpx.AsyncClient, query: dict[str, str], field: str) -> None:
    answer = problem(await client.get(PATH, params=query), 422)
    assert [error["field"] for error in answer["errors"]] == [field]
