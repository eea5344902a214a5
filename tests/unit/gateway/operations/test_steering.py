"""Who may pause, resume and cancel an operation, and what that is answered."""

from dataclasses import replace
from typing import Any

import httpx
import pytest

from functions.gateway.access.caller import Scope
from shared.delivery.errors import Conflict
from shared.sending.operations import Operation, OperationState, begun
from tests.fakes.api import Api
from tests.fakes.clock import START
from tests.integration.gateway import problem

ID = "6ba95bd8-6a68-49cb-a4fb-9d8f2ac7c1b4"
S = OperationState


async def made(api: Api, caller_id: str, **changes: Any) -> Operation:
    operation = replace(begun(ID, "count", caller_id, {"what": "numbers"}, START), **changes)
    return replace(operation, version=await api.gateway.operations.create(operation))


async def told(client: httpx.AsyncClient, act: str) -> str:
    answer = await client.post(f"/v1/operations/{ID}/{act}")
    assert answer.status_code == 200, answer.text
    assert answer.json() == (await client.get(f"/v1/operations/{ID}")).json()
    return str(answer.json()["state"])


async def test_the_same_again_is_the_same(api: Api) -> None:
    caller, client = await api.caller()
    await made(api, caller.id)
    acts = ("resume", "pause", "pause", "resume", "resume", "pause", "cancel", "cancel")
    states = [await told(client, act) for act in acts]
    assert states == ["running", *["paused"] * 2, *["running"] * 2, "paused", *["cancelled"] * 2]


@pytest.mark.parametrize("state", [S.CANCELLED, S.DONE, S.FAILED])
async def test_what_has_ended_is_not_brought_back(api: Api, state: OperationState) -> None:
    caller, client = await api.caller()
    before = await made(api, caller.id, state=state, due_at=None)
    for act in ("pause", "resume", "cancel"):
        if (act, state) != ("cancel", S.CANCELLED):
            answer = problem(await client.post(f"/v1/operations/{ID}/{act}"), 409)
            assert answer.get("detail") == f"the operation is {state}"
    assert await api.gateway.operations.read(ID) == before


async def test_it_is_for_its_caller_and_for_who_sees_all(api: Api) -> None:
    owner, client = await api.caller(scopes=frozenset({Scope.NOTIFICATIONS_SEND, Scope.NOTIFICATIONS_READ}))
    before = await made(api, owner.id)
    few = await api.client(scopes=frozenset({Scope.NOTIFICATIONS_SEND, Scope.NOTIFICATIONS_READ}))
    reader = await api.client(scopes=frozenset({Scope.NOTIFICATIONS_READ, Scope.NOTIFICATIONS_READ_ALL}))
    for act in ("pause", "resume", "cancel"):
        problem(await few.post(f"/v1/operations/{ID}/{act}"), 404)
        problem(await reader.post(f"/v1/operations/{ID}/{act}"), 403)
        problem(await client.post(f"/v1/operations/{ID[:-1]}5/{act}"), 404)
        problem(await client.post(f"/v1/operations/nothing/{act}"), 404)
    assert await api.gateway.operations.read(ID) == before
    assert await told(client, "pause") == "paused"
    assert await told(await api.client(), "resume") == "running"


async def test_it_is_heard_though_a_worker_writes_meanwhile(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    caller, client = await api.caller()
    await made(api, caller.id)
    operations, update = api.gateway.operations, api.gateway.operations.update
    pages = iter(range(3))

    async def behind_a_page(operation: Operation) -> int:
        if (page := next(pages, None)) is not None:
            there = await operations.read(ID)
            assert there is not None
            await update(replace(there, counts={"counted": page + 1}))
        return await update(operation)

    monkeypatch.setattr(operations, "update", behind_a_page)
    assert await told(client, "pause") == "paused"
    there = await operations.read(ID)
    assert there is not None
    assert (there.state, there.counts) == (S.PAUSED, {"counted": 3})


async def test_a_worker_that_is_always_faster_is_a_503(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    caller, client = await api.caller()
    await made(api, caller.id)

    async def too_late(_: Operation) -> int:
        raise Conflict("o")

    monkeypatch.setattr(api.gateway.operations, "update", too_late)
    answer = await client.post(f"/v1/operations/{ID}/pause")
    assert (problem(answer, 503)["status"], answer.headers["retry-after"]) == (503, "1")


async def test_each_kind_is_shown_with_what_it_is_about(api: Api) -> None:
    caller, client = await api.caller()
    shown = {"what": "numbers"}
    await made(api, caller.id, total=9, counts={"counted": 3}, failures=2, error="KeyError at kind.py:7")
    answer = (await client.get(f"/v1/operations/{ID}")).json()
    assert (answer["about"], answer["total"], answer["counts"]) == (shown, 9, {"counted": 3})
    assert answer["error"] == "KeyError at kind.py:7"
    assert "template" not in answer
