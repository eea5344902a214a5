"""A notification's category: who may have one, what goes on record, and what would happen to it."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from shared.delivery.model import CategoryClass, SuppressionReason
from shared.people.category import Category
from shared.people.suppression import CLASS_BY_REASON, Entry
from shared.sending.suppressing import suppress
from tests.fakes.api import Api
from tests.fakes.clock import START

MAIL = {"to": {"email": "ana@example.com"}, "message": "hello"}


@pytest.fixture
async def client(api: Api) -> httpx.AsyncClient:
    for name, class_ in (("news", CategoryClass.MARKETING), ("orders", CategoryClass.SERVICE)):
        await api.people.put_category(Category(name, class_, START, START))
    return await api.client()


async def sent(client: httpx.AsyncClient, **body: Any) -> httpx.Response:
    return await client.post("/v1/notifications", json={**MAIL, **body})


def fields(answer: httpx.Response) -> dict[str, str]:
    assert answer.status_code == 422, answer.text
    return {error["field"]: error["message"] for error in answer.json()["errors"]}


async def test_it_goes_on_record_with_its_class(api: Api, client: httpx.AsyncClient) -> None:
    made = (await sent(client, category="news")).json()
    assert (made["category"], made["deliveries"][0]["judged_by"]) == ("news", None)
    delivery = api.store.get(made["id"], "email")
    assert (delivery.category, delivery.category_class) == ("news", CategoryClass.MARKETING)
    (message,) = api.publisher.taken()
    assert message.content is not None
    assert (message.content.category, message.content.category_class) == ("news", CategoryClass.MARKETING)


async def test_without_one_no_category_is_read(api: Api, client: httpx.AsyncClient) -> None:
    made = (await sent(client)).json()
    assert made["category"] is None
    assert api.people.calls["category"] == 0
    (message,) = api.publisher.taken()
    assert message.content is not None
    assert '"category"' not in message.model_dump_json(exclude_defaults=True)


@pytest.mark.parametrize("category", ["none", "", "a b", "x" * 129])
async def test_there_must_be_one_of_this_name(api: Api, client: httpx.AsyncClient, category: str) -> None:
    assert "category" in fields(await sent(client, category=category))
    assert api.store.all_notifications() == []


async def test_marketing_goes_where_one_can_unsubscribe_alone(api: Api, client: httpx.AsyncClient) -> None:
    slack = {"email": "ana@example.com", "slack": "#ana"}
    said = fields(await sent(client, to=slack, category="news"))
    assert said == {"category": "is of class marketing, and nobody can unsubscribe over slack"}
    assert (await sent(client, to=slack, category="orders")).status_code == 202
    assert (await sent(client, to=slack, category="news", channels=["email"])).status_code == 202


async def test_the_same_key_with_another_category_is_another_request(client: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "k"}
    for category, status in (("news", 202), ("orders", 422), (None, 422), ("news", 202)):
        body = {**MAIL, **({} if category is None else {"category": category})}
        answer = await client.post("/v1/notifications", json=body, headers=headers)
        assert answer.status_code == status


async def test_what_would_happen_says_what_the_persons_records_say(api: Api, client: httpx.AsyncClient) -> None:
    reason = SuppressionReason.UNSUBSCRIBED
    address = api.people.suppression_id("email", "ana@example.com")
    await suppress(api.people, "email", address, Entry(reason, CLASS_BY_REASON[reason], START, "a link"))
    for category, code in (("news", "suppression"), ("orders", "queued"), (None, "queued")):
        body = {**MAIL, **({} if category is None else {"category": category})}
        forecast = (await client.post("/v1/notifications/explain", json=body)).json()
        assert [event["code"] for event in forecast["events"]] == ["accepted", code]
    assert api.store.all_notifications() == []


async def test_what_would_happen_at_its_time_is_what_is_asked_about(api: Api, client: httpx.AsyncClient) -> None:
    hours = [{"from": "00:00", "to": "06:00"}]
    about = {"addresses": MAIL["to"], "time_zone": "UTC", "quiet_hours": hours}
    assert (await client.put("/v1/recipients/ana", json=about)).status_code == 201
    body = {"recipient": "ana", "message": "x", "category": "orders"}
    tomorrow = (api.gateway.now() + timedelta(days=1)).date().isoformat()
    for at, code in (("T03:00:00Z", "quiet_hours"), ("T07:00:00Z", "scheduled")):
        asked = {**body, "send_at": f"{tomorrow}{at}"}
        forecast = (await client.post("/v1/notifications/explain", json=asked)).json()
        assert code in [event["code"] for event in forecast["events"]]
