"""Making, changing, trying and deleting endpoints, and sending them events again."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from functions.gateway.access.caller import Scope
from functions.gateway.endpoints.schemas import EndpointJson, EndpointsJson, EventDeliveriesJson, SentTestJson
from functions.gateway.endpoints.sending_again import SendingAgain
from functions.gateway.operations.schemas import OperationJson
from functions.gateway.services import Endpoints
from shared.delivery.model import DeliveryStatus
from shared.sending.endpoints import MOST_ENDPOINTS, EndpointState
from shared.sending.operations import OperationState
from tests.fakes.api import Api
from tests.fakes.callers import MemoryCallers
from tests.fakes.endpoints import MemoryEndpoints
from tests.fakes.publisher import MemoryPublisher
from tests.fakes.receipts import MemoryReceipts
from tests.fakes.store import MemoryStore
from tests.integration.gateway import client_of, declared, gateway_over, new_caller_in, problem

BILLING = "/v1/endpoints/billing"
BODY = {"url": "https://billing.example.com/hark", "events": ["delivery.sent", "delivery.dead"]}


def endpoints_of(api: Api) -> Endpoints:
    assert api.gateway.endpoints is not None
    return api.gateway.endpoints


def records(api: Api) -> MemoryEndpoints:
    store = endpoints_of(api).store
    assert isinstance(store, MemoryEndpoints)
    return store


async def test_its_secret_is_shown_once(api: Api, client: httpx.AsyncClient) -> None:
    answer = await client.put(BILLING, json=BODY)
    assert answer.status_code == 201
    made = declared(EndpointJson, answer)
    assert made["secret"].startswith("whsec_")
    assert made == {**made, "name": "billing", **BODY, "state": "active", "reason": None, "disabled_at": None}
    again = await client.put(BILLING, json={**BODY, "events": ["*"]})
    assert again.status_code == 200
    for answer in (again, await client.get(BILLING)):
        assert declared(EndpointJson, answer) == {
            **made,
            "secret": None,
            "events": ["*"],
            "updated_at": again.json()["updated_at"],
        }
    listed = declared(EndpointsJson, await client.get("/v1/endpoints"))
    assert [(item["name"], item["secret"]) for item in listed["items"]] == [("billing", None)]
    assert made["secret"] not in repr(records(api).records)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"url": "http://billing.example.com/"}, "url"),
        ({"url": "https://169.254.169.254/"}, "url"),
        ({"url": "https://10.0.0.1/"}, "url"),
        ({"url": "ftp://billing.example.com/"}, "url"),
        ({"url": "https://user:pass@example.com/"}, "url"),  # pragma: allowlist secret
        ({"url": "https://example.com/" + "x" * 2000}, "url"),
        ({"events": []}, "events"),
        ({"events": ["delivery.sending"]}, "events.0"),
        ({"events": ["*", "*"]}, "events"),
        ({"secret": "mine"}, "secret"),  # pragma: allowlist secret
    ],
)
async def test_a_wrong_field_is_named_and_nothing_written(
    api: Api, client: httpx.AsyncClient, change: dict[str, Any], field: str
) -> None:
    details = problem(await client.put(BILLING, json={**BODY, **change}), 422, field)
    assert "pass@" not in json.dumps(details)
    assert records(api).records == {}


@pytest.mark.parametrize("name", ["UPPER", "-x", "a" * 64, "a b"])
async def test_a_wrong_name_is_named(client: httpx.AsyncClient, name: str) -> None:
    problem(await client.put(f"/v1/endpoints/{name}", json=BODY), 422, "name")


async def test_what_is_not_there_is_a_404(client: httpx.AsyncClient) -> None:
    for method, path, body in [
        ("GET", "", None),
        ("DELETE", "", None),
        ("POST", "/test", None),
        ("POST", "/rotate", {}),
        ("POST", "/replay", {"from": "2020-01-01T00:00:00Z", "to": "2020-01-02T00:00:00Z"}),
    ]:
        problem(await client.request(method, BILLING + path, json=body), 404)


async def test_a_deleted_one_is_gone_and_its_name_has_another_secret(client: httpx.AsyncClient) -> None:
    first = (await client.put(BILLING, json=BODY)).json()["secret"]
    assert (await client.delete(BILLING)).status_code == 204
    problem(await client.get(BILLING), 404)
    assert (await client.put(BILLING, json=BODY)).json()["secret"] not in {first, None}


async def test_the_old_secret_signs_besides_for_a_time(api: Api, client: httpx.AsyncClient) -> None:
    first = (await client.put(BILLING, json=BODY)).json()["secret"]
    second = declared(EndpointJson, await client.post(f"{BILLING}/rotate", json={}))["secret"]
    secrets, there, now = endpoints_of(api).secrets, records(api).records["billing"], api.gateway.now()
    assert secrets.signing(there, now) == [second, first]
    assert secrets.signing(there, now + timedelta(days=1, seconds=1)) == [second]
    third = (await client.post(f"{BILLING}/rotate", json={"old_secret_seconds": 0})).json()["secret"]
    assert secrets.signing(records(api).records["billing"], api.gateway.now()) == [third]


async def test_whoever_has_lost_the_new_secret_asks_again(api: Api, client: httpx.AsyncClient) -> None:
    first = (await client.put(BILLING, json=BODY)).json()["secret"]
    lost, second = [(await client.post(f"{BILLING}/rotate", json={})).json()["secret"] for _ in range(2)]
    signing = endpoints_of(api).secrets.signing(records(api).records["billing"], api.gateway.now())
    assert signing == [second, lost, first]


async def test_there_are_so_many_and_no_more(client: httpx.AsyncClient) -> None:
    for number in range(MOST_ENDPOINTS):
        assert (await client.put(f"/v1/endpoints/e{number}", json=BODY)).status_code == 201
    problem(await client.put(BILLING, json=BODY), 409)
    assert (await client.put("/v1/endpoints/e0", json=BODY)).status_code == 200


async def test_a_test_is_sent_whatever_it_wants(api: Api, client: httpx.AsyncClient) -> None:
    await client.put(BILLING, json=BODY)
    answer = await client.post(f"{BILLING}/test", headers={"Idempotency-Key": "1"})
    assert answer.status_code == 202
    tested = declared(SentTestJson, answer)
    assert (await client.post(f"{BILLING}/test", headers={"Idempotency-Key": "1"})).json() == tested
    (message,) = api.publisher.messages
    assert (message.notification_id, message.channel) == (tested["id"], "webhook")
    listed = declared(EventDeliveriesJson, await client.get(f"{BILLING}/deliveries"))
    assert [(item["id"], item["event"], item["status"]) for item in listed["items"]] == [
        (tested["id"], tested["event"], "queued")
    ]


async def test_a_disabled_one_takes_nothing_until_it_is_put_again(api: Api, client: httpx.AsyncClient) -> None:
    await client.put(BILLING, json=BODY)
    there = records(api).records["billing"]
    records(api).records["billing"] = replace(there, state=EndpointState.DISABLED, reason="it answered 410 Gone")
    problem(await client.post(f"{BILLING}/test"), 409)
    assert (await client.get(BILLING)).json()["reason"] == "it answered 410 Gone"
    again = (await client.put(BILLING, json=BODY)).json()
    assert (again["state"], again["reason"], again["secret"]) == ("active", None, None)


async def ended(api: Api, client: httpx.AsyncClient, count: int) -> list[str]:
    """The events of so many deliveries that have ended."""
    events = []
    for _ in range(count):
        tested = (await client.post(f"{BILLING}/test")).json()
        delivery = api.store.get(tested["id"], "webhook")
        await api.store.update(replace(delivery, status=DeliveryStatus.DEAD, due_at=None))
        events.append(tested["event"])
    api.publisher.taken()
    return events


async def test_the_events_of_a_time_are_sent_again_with_their_ids(api: Api, client: httpx.AsyncClient) -> None:
    await client.put(BILLING, json=BODY)
    events = await ended(api, client, 3)
    pending = (await client.post(f"{BILLING}/test")).json()["id"]
    api.publisher.taken()
    asked = {"from": (api.gateway.now() - timedelta(hours=1)).isoformat()}
    key = {"Idempotency-Key": "again"}
    answer = await client.post(f"{BILLING}/replay", json=asked, headers=key)
    assert answer.status_code == 202
    begun = declared(OperationJson, answer)
    assert answer.headers["location"] == f"/v1/operations/{begun['id']}"
    assert (await client.post(f"{BILLING}/replay", json=asked, headers=key)).json()["id"] == begun["id"]
    operation = await api.gateway.operations.read(begun["id"])
    assert operation is not None
    for _ in range(2):  # a page that runs twice makes nothing twice
        done = await SendingAgain(api.gateway).page(operation)
        assert (done.state, done.counts["sent_again"], done.counts["pending"]) == (OperationState.DONE, 3, 1)
    messages = api.publisher.taken()
    assert sorted(m.content.everything()["event"] for m in messages if m.content) == sorted(events)
    assert pending not in {message.notification_id for message in messages}


@pytest.mark.parametrize(
    "asked",
    [
        {"from": "2999-01-01T00:00:00Z"},
        {"from": "2020-01-02T00:00:00Z", "to": "2020-01-01T00:00:00Z"},
        {"from": "2020-01-01T00:00:00Z"},
        {"from": "yesterday"},
    ],
)
async def test_a_time_that_is_none_is_named(client: httpx.AsyncClient, asked: dict[str, str]) -> None:
    await client.put(BILLING, json=BODY)
    problem(await client.post(f"{BILLING}/replay", json=asked), 422, "from")


async def test_a_key_is_for_one_endpoint(api: Api, client: httpx.AsyncClient) -> None:
    for name in ("billing", "stock"):
        await client.put(f"/v1/endpoints/{name}", json=BODY)
    asked = {"from": (api.gateway.now() - timedelta(hours=1)).isoformat()}
    key = {"Idempotency-Key": "again"}
    await client.post(f"{BILLING}/replay", json=asked, headers=key)
    problem(await client.post("/v1/endpoints/stock/replay", json=asked, headers=key), 422, "Idempotency-Key")


async def test_it_wants_a_scope_of_its_own(api: Api) -> None:
    client = await api.client(scopes=frozenset(Scope) - {Scope.ENDPOINTS_MANAGE})
    for method, path in [("GET", "/v1/endpoints"), ("PUT", BILLING), ("POST", f"{BILLING}/test")]:
        problem(await client.request(method, path, json=BODY), 403)


async def test_no_notification_goes_to_an_endpoint_by_its_name(client: httpx.AsyncClient) -> None:
    await client.put(BILLING, json=BODY)
    asked = {"to": {"webhook": "billing"}, "message": "x"}
    problem(await client.post("/v1/notifications", json=asked), 422, "to.webhook")


async def test_its_dead_letters_are_among_the_others(api: Api, client: httpx.AsyncClient) -> None:
    await client.put(BILLING, json=BODY)
    tested = (await client.post(f"{BILLING}/test")).json()
    await api.die(tested["id"], "webhook")
    listed = (await client.get("/v1/dead-letters?channel=webhook")).json()
    assert [item["notification_id"] for item in listed["items"]] == [tested["id"]]
    assert (await client.post(f"/v1/dead-letters/{tested['id']}/webhook/replay")).status_code == 202


async def test_where_events_are_off_there_are_no_endpoints() -> None:
    callers, store = MemoryCallers(), MemoryStore()
    gateway = replace(gateway_over(store, MemoryPublisher(), callers, MemoryReceipts()), endpoints=None)
    _, key = await new_caller_in(callers)
    async with client_of(gateway, key) as client:
        for method, path in [("PUT", BILLING), ("GET", BILLING), ("GET", "/v1/endpoints"), ("POST", f"{BILLING}/test")]:
            details = problem(await client.request(method, path, json=BODY), 409)
            assert "EVENTS" in details["detail"]
        channels = (await client.get("/v1/channels")).json()["items"]
        assert "webhook" not in {channel["name"] for channel in channels}
    assert store.calls.total() == 0
