"""POST /v1/recipients/{name}/erase: who may, what it begins, and what the API says of what was erased."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import httpx
import pytest

from functions.gateway.access.caller import CallerKind, Scope
from shared.delivery.model import DeliveryStatus as S
from shared.delivery.model import Receipt, SuppressionReason
from shared.sending.erasing import ERASURE, Erasing
from shared.sending.operations import Operation, OperationState, Worker, cancelled
from shared.sending.receipts import apply
from tests.fakes.api import Api
from tests.fakes.clock import Clock
from tests.integration.gateway import problem

ALICE, ERASE = "/v1/recipients/alice", "/v1/recipients/alice/erase"
ADDRESSES = {"email": "a@example.com", "sms": "+14155552671"}
MESSAGE = {"recipient": "alice", "subject": "Hello", "message": "Dear Alice", "tags": {"who": "Alice"}}
PERSONAL = ("a@example.com", "+14155552671", "Alice", "Hello", '"alice"')


@pytest.fixture
async def client(api: Api) -> httpx.AsyncClient:
    client = await api.client()
    assert (await client.put(ALICE, json={"addresses": ADDRESSES})).status_code == 201
    return client


async def begun(client: httpx.AsyncClient) -> str:
    answer = await client.post(ERASE)
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/v1/operations/{answer.json()['id']}"
    return str(answer.json()["id"])


async def swept(api: Api, times: int = 2) -> None:
    """So many sweeps, a minute after another."""
    clock = Clock(api.gateway.now())
    worker = Worker(
        {ERASURE: Erasing(api.store, api.lists, api.publisher, clock.now)},
        api.gateway.operations,
        clock.now,
        clock.sleep,
    )
    for _ in range(times):
        clock.advance(timedelta(minutes=1))
        await worker.sweep(60)


async def operation(api: Api, operation_id: str) -> Operation:
    found = await api.gateway.operations.read(operation_id)
    assert found is not None
    return found


async def test_a_person_is_erased(api: Api, client: httpx.AsyncClient) -> None:
    to = {"to": ADDRESSES, "message": "Dear Alice"}
    sent = [(await client.post("/v1/notifications", json=body)).json()["id"] for body in (MESSAGE, to)]
    answer = await client.post(ERASE)
    assert answer.status_code == 202
    assert (answer.json()["kind"], answer.json()["state"]) == ("erasure", "running")
    problem(await client.get(ALICE), 404)
    problem(await client.post("/v1/notifications", json=MESSAGE), 422)
    problem(await client.put(ALICE, json={"addresses": ADDRESSES}), 409)
    searches = [{"channel": channel, "address": address} for channel, address in ADDRESSES.items()]
    for query in [*searches, {"tag": "who:Alice"}]:
        assert (await client.get("/v1/notifications", params=query)).json()["items"] != []
    await swept(api)
    for query in [*searches, {"tag": "who:Alice"}]:
        assert (await client.get("/v1/notifications", params=query)).json()["items"] == []
    report = (await client.get(answer.headers["location"])).json()
    assert (report["state"], report["total"]) == ("done", 2)
    assert report["counts"] == {"notifications": 2, "deliveries": 4, "cancelled": 4}
    pseudonym = report["about"]["recipient"]
    assert pseudonym.startswith("erased-")
    for notification_id in sent:
        for path in (f"/v1/notifications/{notification_id}", f"/v1/notifications/{notification_id}/explain"):
            read = await client.get(path)
            assert read.status_code == 200
            assert not any(text in read.text for text in PERSONAL)
    listed = (await client.get("/v1/notifications", params={"recipient": pseudonym})).json()["items"]
    assert [n["id"] for n in listed] == sent[:1]
    assert {d["address"] for d in listed[0]["deliveries"]} == {""}
    assert {d["content"]["message"] for d in listed[0]["deliveries"]} == {""}
    assert (await client.get("/v1/operations")).text.count("alice") == 0
    assert (await client.put(ALICE, json={"addresses": ADDRESSES})).status_code == 201


async def test_asked_again_it_is_the_same_one(api: Api, client: httpx.AsyncClient) -> None:
    first = await begun(client)
    assert await begun(client) == first
    assert await begun(await api.client()) == first
    await swept(api)
    assert await begun(client) == first, "it is done, and nobody has used the name since"
    await client.put(ALICE, json={"addresses": ADDRESSES})
    second = await begun(client)
    assert second != first
    assert await begun(client) == second
    await swept(api)
    assert (await operation(api, second)).state is OperationState.DONE
    assert await begun(client) == second


async def test_names_that_differ_by_a_capital_letter_are_two(api: Api, client: httpx.AsyncClient) -> None:
    await client.put("/v1/recipients/Alice", json={"addresses": {"email": "b@example.com"}})
    other = (await client.post("/v1/recipients/Alice/erase")).json()["id"]
    assert await begun(client) != other


async def test_one_that_was_cancelled_is_begun_anew(api: Api, client: httpx.AsyncClient) -> None:
    first = await begun(client)
    stopped = cancelled(await operation(api, first), api.gateway.now())
    await api.gateway.operations.update(stopped)
    problem(await client.put(ALICE, json={"addresses": ADDRESSES}), 409)
    second = await begun(client)
    assert second != first
    await swept(api)
    assert (await operation(api, second)).state is OperationState.DONE


async def test_a_recipient_that_was_deleted_before_is_erased(api: Api, client: httpx.AsyncClient) -> None:
    named = (await client.post("/v1/notifications", json=MESSAGE)).json()["id"]
    addressed = (await client.post("/v1/notifications", json={"to": ADDRESSES, "message": "x"})).json()["id"]
    assert (await client.delete(ALICE)).status_code == 204
    await begun(client)
    problem(await client.put(ALICE, json={"addresses": ADDRESSES}), 409)
    await swept(api)
    for notification_id in (named, addressed):
        assert {api.store.get(notification_id, channel).address for channel in ADDRESSES} == {""}
    problem(await client.get(ALICE), 404)


async def test_a_name_of_which_nothing_is_known_is_not_found(api: Api) -> None:
    client = await api.client()
    problem(await client.post("/v1/recipients/nobody/erase"), 404)
    problem(await client.post("/v1/recipients/no body/erase"), 422)
    assert await api.store.recipient("nobody") is None
    assert (await client.get("/v1/operations")).json()["items"] == []


LIMITED: list[Mapping[str, Any]] = [
    {"channels": frozenset({"email"})},
    {"kind": CallerKind.TEAM, "addresses": {"email": ("a@example.com",)}},
    {"recipients": ("bo",)},
    {"scopes": frozenset(Scope) - {Scope.RECIPIENTS_WRITE}},
]


@pytest.mark.parametrize("limits", LIMITED)
@pytest.mark.parametrize("is_deleted", [False, True])
async def test_who_may_not_use_all_of_its_addresses_may_not_erase_it(
    api: Api, client: httpx.AsyncClient, limits: Mapping[str, Any], is_deleted: bool
) -> None:
    await client.post("/v1/notifications", json=MESSAGE)
    if is_deleted:
        await client.delete(ALICE)
    before = await api.store.recipient("alice")
    limited = await api.client(**limits)
    refused = await limited.post(ERASE)
    problem(refused, 403)
    assert not any(address in refused.text for address in ADDRESSES.values())
    assert await api.store.recipient("alice") == before
    assert (await client.get("/v1/operations")).json()["items"] == []


async def test_an_erasure_of_a_deleted_one_that_stopped_is_not_a_limited_callers_to_go_on_with(
    api: Api, client: httpx.AsyncClient
) -> None:
    await client.post("/v1/notifications", json=MESSAGE)
    await client.delete(ALICE)
    stopped = cancelled(await operation(api, await begun(client)), api.gateway.now())
    await api.gateway.operations.update(stopped)
    problem(await (await api.client(channels=frozenset({"email"}))).post(ERASE), 403)


async def test_who_may_use_all_of_its_addresses_may_erase_it(api: Api, client: httpx.AsyncClient) -> None:
    limited = await api.client(channels=frozenset(ADDRESSES), recipients=("al",), scopes=frozenset(Scope))
    await begun(limited)


@pytest.mark.parametrize("landed", [False, True])
@pytest.mark.parametrize("call", ["recipient", "replace_recipient", "notifications"])
async def test_after_an_outage_it_is_asked_for_again(
    api: Api, client: httpx.AsyncClient, call: str, landed: bool
) -> None:
    api.store.fail(call, landed=landed)
    answer = await client.post(ERASE)
    if answer.status_code != 202:  # with a record nobody asks for its notifications
        problem(answer, 503)
    first = await begun(client)
    await swept(api)
    assert (await operation(api, first)).state is OperationState.DONE


async def test_the_same_request_with_its_key_is_answered_as_before_without_its_texts(
    api: Api, client: httpx.AsyncClient
) -> None:
    key = {"Idempotency-Key": "deploy-42"}
    first = await client.post("/v1/notifications", json=MESSAGE, headers=key)
    await begun(client)
    await swept(api)
    for _ in range(2):
        again = await client.post("/v1/notifications", json=MESSAGE, headers=key)
        assert (again.status_code, again.headers["idempotent-replayed"]) == (202, "true")
        assert again.json()["id"] == first.json()["id"]
        assert (again.json()["status"], again.json()["message"], again.json()["tags"]) == ("cancelled", None, {})
        assert not any(text in again.text for text in PERSONAL)
        await client.put(ALICE, json={"addresses": ADDRESSES})  # whoever has the name now gets nothing of it


async def test_what_is_dead_cannot_be_replayed_and_can_be_discarded(api: Api, client: httpx.AsyncClient) -> None:
    named = (await client.post("/v1/notifications", json=MESSAGE)).json()["id"]
    to = {"to": ADDRESSES | {"slack": "#ops"}, "message": "Dear Alice"}
    shared = (await client.post("/v1/notifications", json=to)).json()["id"]
    for notification_id in (named, shared):
        await api.die(notification_id)
        await api.die(notification_id, "sms")
    await begun(client)
    await swept(api)
    for notification_id in (named, shared):
        for channel in ADDRESSES:
            problem(await client.post(f"/v1/dead-letters/{notification_id}/{channel}/replay"), 409)
        assert (await client.delete(f"/v1/dead-letters/{notification_id}/email")).status_code == 204
    listed = await client.get("/v1/dead-letters")
    assert not any(text in listed.text for text in PERSONAL)


async def test_a_receipt_that_comes_later_suppresses_no_address(api: Api, client: httpx.AsyncClient) -> None:
    named = (await client.post("/v1/notifications", json=MESSAGE)).json()["id"]
    await begun(client)
    await swept(api)
    bounced = Receipt("email", "sendgrid", None, S.UNDELIVERED, named, "550", suppresses=SuppressionReason.HARD_BOUNCE)
    await apply(api.store, api.people, bounced, api.gateway.now())
    assert api.people.suppressed == {}


async def test_the_log_has_neither_name_nor_address(
    api: Api, client: httpx.AsyncClient, capfd: pytest.CaptureFixture[str]
) -> None:
    await client.post("/v1/notifications", json=MESSAGE)
    await begun(client)
    await swept(api)
    said = "".join(capfd.readouterr())
    assert "recipient is being erased" in said
    assert not any(text in said for text in (*ADDRESSES.values(), "alice", "Alice"))


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_its_path_takes_no_other_method(client: httpx.AsyncClient, method: str) -> None:
    answer = await client.request(method, ERASE)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
