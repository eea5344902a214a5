"""Requests that say more than what and to whom: what goes on record of them, and which order of them holds."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from functions.gateway.notifications.idempotency import fingerprint
from functions.gateway.notifications.schemas import NotificationRequest
from shared.delivery.model import Delivery, DeliveryStatus, Notification, Rule, Step, TemplateUsed
from tests.fakes.api import Api, api_on_fakes
from tests.fakes.clock import START

POST = "/v1/notifications"
TO = {"email": "a@example.com", "sms": "+14155552671"}
S = DeliveryStatus


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with api_on_fakes() as api:
        api.gateway = replace(api.gateway, now=lambda: START)
        yield api


async def sent(api: Api, client: httpx.AsyncClient, **body: Any) -> tuple[Notification, list[Delivery]]:
    """As it is on record."""
    answer = await client.post(POST, json={"to": TO, "message": "x", **body})
    assert answer.status_code == 202, answer.text
    notification = await api.store.notification(answer.json()["id"])
    assert notification is not None
    return notification, list(await api.store.deliveries_of(notification))


async def test_all_that_is_asked_is_on_record(api: Api, client: httpx.AsyncClient) -> None:
    at, until = START + timedelta(hours=1), START + timedelta(hours=2)
    steps = [{"channel": "sms"}, {"channel": "email", "after": 60, "unless": "delivered"}]
    how = {"collapse_key": "c", "ordering_key": "o", "escalation": steps}
    times = {"send_at": at.isoformat(), "deliver_by": until.isoformat()}
    notification, (sms, email) = await sent(api, client, **how, **times)
    assert (notification.send_at, notification.deliver_by) == (at, until)
    assert (notification.collapse_key, notification.ordering_key) == ("c", "o")
    assert notification.escalation == (Step("sms"), Step("email", 60, S.DELIVERED))
    assert notification.expire_at == at + timedelta(seconds=60) + api.gateway.retention
    assert (sms.channel, sms.status, sms.due_at, sms.escalates_to) == ("sms", S.SCHEDULED, at, "email")
    assert (email.escalates_from, email.after, email.unless) == ("sms", 60, S.DELIVERED)
    assert email.next_try_at == email.due_at == email.scheduled_for == at + timedelta(seconds=60)
    assert {d.deliver_by for d in (sms, email)} == {until}
    assert None not in {sms.collapse, sms.ordering, email.collapse, email.ordering}
    assert len({sms.collapse, sms.ordering, email.collapse, email.ordering}) == 4, "each address, each key"


async def test_a_step_that_waits_for_an_end_has_a_due_time_and_no_second(api: Api, client: httpx.AsyncClient) -> None:
    _, (sms, email) = await sent(api, client, escalation=[{"channel": "sms"}, {"channel": "email"}])
    assert (sms.status, sms.reason) == (S.QUEUED, None)
    assert (email.status, email.reason, email.scheduled_for) == (S.SCHEDULED, Rule.ESCALATION, None)
    assert email.due_at == START + api.gateway.policy.grace


async def test_each_follows_the_one_before_with_its_key(api: Api, client: httpx.AsyncClient) -> None:
    made = [await sent(api, client, ordering_key="k") for _ in range(3)]
    other, _ = await sent(api, client, ordering_key="other")
    followed = [{d.follows for d in deliveries} for _, deliveries in made]
    assert followed == [{None}, {made[0][0].id}, {made[1][0].id}]
    assert other.id not in {d.follows for _, deliveries in made for d in deliveries}


async def test_of_many_at_once_each_follows_another(api: Api, client: httpx.AsyncClient) -> None:
    made = await asyncio.gather(*(sent(api, client, ordering_key="k", channels=["sms"]) for _ in range(8)))
    followed = [deliveries[0].follows for _, deliveries in made]
    assert len(set(followed)) == 8
    assert None in followed


async def test_what_another_caller_sends_with_the_same_key_is_no_matter(api: Api, client: httpx.AsyncClient) -> None:
    await sent(api, client, ordering_key="k", collapse_key="k", send_at=(START + timedelta(hours=1)).isoformat())
    _, deliveries = await sent(api, await api.client(), ordering_key="k", collapse_key="k")
    assert {d.follows for d in deliveries} == {None}
    assert {d.status for _, d in [*api.store._deliveries.items()]} == {S.SCHEDULED, S.QUEUED}


async def test_only_what_no_other_record_has_a_say_in_is_published_with_its_content(
    api: Api, client: httpx.AsyncClient
) -> None:
    await sent(api, client)
    assert all(message.content is not None for message in api.publisher.taken())
    steps = [{"channel": "sms"}, {"channel": "email"}]
    for how in ({"ordering_key": "k"}, {"collapse_key": "k"}, {"escalation": steps}):
        await sent(api, client, **how)
        assert all(message.content is None for message in api.publisher.taken()), how


async def test_a_template_goes_where_it_has_texts_for(api: Api, client: httpx.AsyncClient) -> None:
    texts = {"default_locale": "en", "locales": {"en": {"sms": {"message": "order {{ order }}"}}}}
    assert (await client.put("/v1/templates/order", json=texts)).status_code == 201
    body = {"to": TO, "template": {"name": "order"}, "data": {"order": 42}}
    answer = await client.post(POST, json=body)
    notification = await api.store.notification(answer.json()["id"])
    assert notification is not None
    assert (notification.channels, notification.message) == (("sms",), None)
    assert (notification.template, notification.data) == (TemplateUsed("order", 1, "en"), '{"order": 42}')
    (delivery,) = await api.store.deliveries_of(notification)
    assert (delivery.made_of, delivery.content) == ("order/1", '{"message": "order 42"}')


def test_the_fingerprint_of_a_plain_request_is_that_of_ever() -> None:
    """Records of before have it: a request that is made again is the same one."""
    body = {"to": TO, "message": "x", "channels": ["sms"], "tags": {"a": "b"}}
    request = NotificationRequest.model_validate(body)
    whole = {"recipient": None, "subject": None, **body}
    assert fingerprint(request) == hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()
    for how in (
        {"send_at": "2026-12-24T18:00:00Z"},
        {"deliver_by": "2026-12-24T18:00:00Z"},
        {"collapse_key": "k"},
        {"ordering_key": "k"},
        {"content": {"sms": {"message": "y"}}},
        {"escalation": [{"channel": "sms"}]},
    ):
        assert fingerprint(NotificationRequest.model_validate(body | how)) != fingerprint(request)
