"""The way past FastAPI answers as FastAPI does, whatever is asked."""

import asyncio
import json
import threading
from codecs import BOM_UTF8
from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp

from functions.gateway.access.caller import Scope
from functions.gateway.application import Direct, application, around
from functions.gateway.fastapi_app import create_app
from functions.gateway.services import Gateway
from tests.fakes.callers import MemoryCallers
from tests.fakes.publisher import MemoryPublisher
from tests.fakes.receipts import MemoryReceipts
from tests.fakes.store import MemoryStore
from tests.integration.gateway import gateway_over, new_caller_in

GOOD: Mapping[str, Any] = {"to": {"sms": "+14155552671"}, "message": "Build 42 is live", "tags": {"team": "infra"}}


async def a_gateway(**caller: Any) -> tuple[Gateway, MemoryStore, MemoryPublisher, str]:
    store, publisher, callers = MemoryStore(), MemoryPublisher(), MemoryCallers()
    _, key = await new_caller_in(callers, **caller)
    return gateway_over(store, publisher, callers, MemoryReceipts()), store, publisher, key


async def answer(gateway: Gateway, *, direct: bool, **asked: Any) -> httpx.Response:
    transport = httpx.ASGITransport(application(gateway) if direct else around(create_app(gateway)))
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        request = {"method": "POST", "url": "/v1/notifications", **asked}
        return await client.request(**request)


CASES: Mapping[str, tuple[int, Mapping[str, Any]]] = {
    "good": (202, {"json": GOOD}),
    "no JSON": (400, {"content": b"{"}),
    "no fields": (422, {"json": {}}),
    "a wrong key": (422, {"json": GOOD, "headers": {"Idempotency-Key": "\t"}}),
    "no credentials": (401, {"json": GOOD, "headers": {"Authorization": ""}}),
    "too large": (413, {"content": b" " * 300_000}),
    "a query": (202, {"json": GOOD, "params": {"any": "thing"}}),
    "a line end": (404, {"json": GOOD, "url": "/v1/notifications%0A"}),
    "a slash": (404, {"json": GOOD, "url": "/v1/notifications/"}),
    "another method": (405, {"method": "PUT", "json": GOOD}),
    "a list": (200, {"method": "GET"}),
    "health": (200, {"method": "GET", "url": "/healthz"}),
    "health by another method": (405, {"method": "PUT", "url": "/healthz"}),
    "health without a body": (200, {"method": "HEAD", "url": "/healthz"}),
    "a list without a body": (200, {"method": "HEAD"}),
    "compressed": (415, {"content": b"\x1f\x8b", "headers": {"Content-Encoding": "gzip"}}),
    "a byte order mark": (202, {"content": BOM_UTF8 + json.dumps(GOOD).encode()}),
    "a long query": (414, {"params": {"any": "x" * 20_000}}),
}


@pytest.mark.parametrize("case", CASES)
async def test_it_answers_as_fastapi_does(case: str) -> None:
    status, asked = CASES[case]
    gateway, _, _, key = await a_gateway()
    headers = {"Authorization": f"Bearer {key}", **asked.get("headers", {})}
    one, other = [await answer(gateway, direct=direct, **{**asked, "headers": headers}) for direct in (True, False)]
    assert one.status_code == other.status_code == status
    assert one.headers.keys() == other.headers.keys()
    if status == 202:
        assert one.json().keys() == other.json().keys()
    else:
        assert (one.content, one.headers) == (other.content, other.headers)


@pytest.mark.parametrize("direct", [True, False])
async def test_a_caller_without_the_scope_is_refused(direct: bool) -> None:
    gateway, store, _, key = await a_gateway(scopes=frozenset(Scope) - {Scope.NOTIFICATIONS_SEND})
    refused = await answer(gateway, direct=direct, json=GOOD, headers={"Authorization": f"Bearer {key}"})
    assert refused.status_code == 403
    assert not store.calls


@pytest.mark.parametrize("direct", [True, False])
async def test_a_failed_publish_is_a_503_and_a_fault_of_ours_a_500(
    direct: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway, store, publisher, key = await a_gateway()
    headers = {"Authorization": f"Bearer {key}"}
    publisher.fail()
    assert (await answer(gateway, direct=direct, json=GOOD, headers=headers)).status_code == 503

    async def broken(*_: object) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr(store, "create", broken)
    fault = await answer(gateway, direct=direct, json=GOOD, headers=headers)
    assert fault.status_code == 500
    assert fault.json()["detail"] == "a fault of ours; it is on record"


async def test_fastapi_is_loaded_once_and_only_for_what_needs_it() -> None:
    gateway, _, _, key = await a_gateway()
    loads: list[Gateway] = []

    def load(loaded: Gateway) -> ASGIApp:
        loads.append(loaded)
        return create_app(loaded)

    transport = httpx.ASGITransport(Direct(gateway, load))
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway", headers=headers) as client:
        assert (await client.post("/v1/notifications", json=GOOD)).status_code == 202
        assert (await client.get("/healthz")).text == "ok"
        assert loads == []
        answers = await asyncio.gather(*(client.get("/v1/notifications") for _ in range(5)))
        assert [answered.status_code for answered in answers] == [200] * 5
        assert len(loads) == 1


async def test_fastapi_that_cannot_be_loaded_is_tried_again() -> None:
    gateway, _, _, _ = await a_gateway()
    loads: list[Gateway] = []

    def load(loaded: Gateway) -> ASGIApp:
        loads.append(loaded)
        if len(loads) == 1:
            raise MemoryError
        return create_app(loaded)

    transport = httpx.ASGITransport(around(Direct(gateway, load)))
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        assert [(await client.get("/openapi.json")).status_code for _ in range(2)] == [500, 200]


async def test_fastapi_is_loaded_on_when_the_first_to_need_it_goes_away() -> None:
    gateway, _, _, _ = await a_gateway()
    begun, go_on, loads = asyncio.Event(), threading.Event(), list[Gateway]()
    loop = asyncio.get_running_loop()

    def load(loaded: Gateway) -> ASGIApp:
        loads.append(loaded)
        loop.call_soon_threadsafe(begun.set)
        go_on.wait(10)
        return create_app(loaded)

    transport = httpx.ASGITransport(around(Direct(gateway, load)))
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        first = asyncio.create_task(client.get("/openapi.json"))
        await begun.wait()
        first.cancel()
        second = asyncio.create_task(client.get("/openapi.json"))
        go_on.set()
        assert (await second).status_code == 200
        assert len(loads) == 1
