"""The audit log on Firestore: each audited operation's entry, what it costs, and that the chain is whole."""

import json
from typing import Any

import pytest

from functions.gateway.audit_trail.acts import AUDITED
from functions.gateway.audit_trail.entry import AuditEntry, digest
from tests.integration.canaries import ADDRESS, REQUEST, assert_gives_nothing_away
from tests.integration.gateway import Hark
from tests.integration.test_examples import EXAMPLES, parameters

PLANNED = ("broadcast_to_list", "replay_by_plan")
"""Whose examples are dry runs: the plan of one is begun by another request."""


async def entries(hark: Hark) -> list[AuditEntry]:
    """The newest first."""
    return list((await hark.gateway.audit.trail.store.entries(limit=100)).items)


async def call(hark: Hark, operation: str, **body: Any) -> int:
    """As in its example, of what is made for it; the status of the answer."""
    document = (await hark.client.get("/openapi.json")).json()
    [(path, method, described)] = [
        (path, method, described)
        for path, methods in document["paths"].items()
        for method, described in methods.items()
        if described["operationId"] == operation
    ]
    shown = {p["name"]: p["example"] for p in described.get("parameters", []) if "example" in p}
    filled = path.format(**{**shown, **await parameters(hark, operation)})
    example = body or EXAMPLES[operation].body
    [media_type] = described.get("requestBody", {}).get("content", {"application/json": {}})
    request: dict[str, Any] = {} if example is None else {"json" if "json" in media_type else "content": example}
    answer = await hark.client.request(method.upper(), filled, **request)
    assert answer.is_success, answer.text
    if operation in PLANNED and not body:
        return await call_plan(hark, filled, answer.json()["plan"])
    return answer.status_code


async def call_plan(hark: Hark, path: str, plan: str) -> int:
    begun = [entry.action for entry in await entries(hark)]
    assert not {*begun} & {*PLANNED}, "a plan is no act"
    return (await hark.client.post(path, json={"plan": plan})).status_code


@pytest.mark.parametrize("operation", AUDITED)
async def test_each_audited_operation_has_its_entry(hark: Hark, operation: str) -> None:
    status = await call(hark, operation)
    newest = (await entries(hark))[0]
    assert (newest.actor, newest.action) == (hark.key.split("_")[2], operation)
    assert (newest.result, newest.status) == ("done", status)
    assert newest.hash == digest(newest)


async def test_an_act_costs_one_write_more_and_a_chain_one_read(hark: Hark) -> None:
    await hark.client.put("/v1/categories/news", json={"class": "service", "description": ""})
    hark.calls.taken()
    await hark.client.put("/v1/categories/news", json={"class": "marketing", "description": ""})
    with_entry = hark.calls.taken()
    assert with_entry == {"BatchGetDocuments": 1, "Commit": 2}
    assert (await hark.client.get("/v1/categories")).status_code == 200
    assert "Commit" not in hark.calls.taken()


async def test_an_accept_writes_no_entry(hark: Hark) -> None:
    await hark.sent()
    assert await entries(hark) == []


async def test_what_is_listed_is_a_chain_without_what_it_is_about(hark: Hark) -> None:
    for _ in range(3):
        await hark.client.put(f"/v1/recipients/{ADDRESS}", json={"addresses": {"email": ADDRESS}})
        await hark.client.post("/v1/notifications", json=REQUEST)
    page = (await hark.client.get("/v1/audit")).json()
    assert [item["number"] for item in page["items"]] == [3, 2, 1]
    assert [item["previous"] for item in page["items"]] == [*(item["hash"] for item in page["items"][1:]), ""]
    assert_gives_nothing_away(json.dumps(page))
