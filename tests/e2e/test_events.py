"""Events on the real system: to a receiver that checks them, while it plays deaf, and while processes die."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from hark_client import AsyncClient, webhooks
from hark_client.models import Endpoint
from tests.e2e.stack import TO, Stack, System, running, talking_to, until

DIES_AT = "events.noted:3,events.told:5,events.fanned_out:4"
"""Each process that comes there so often, again and again."""


@pytest.fixture(scope="module")
def telling_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with running(tmp_path_factory.mktemp("events"), {"EVENTS": "on"}) as system:
        yield system


@asynccontextmanager
async def with_endpoint(system: System, *events: str) -> AsyncIterator[tuple[Stack, AsyncClient, Endpoint]]:
    """An endpoint at the lab, which knows its secret."""
    async with (
        talking_to(system) as stack,
        AsyncClient(stack.url, system.env["HARK_API_KEY"], retry_for=90.0) as hark,
    ):
        await stack.repair()
        await stack.http.delete(f"{stack.lab}/webhooks.json")
        endpoint = await hark.endpoints.put("billing", url=f"{stack.lab}/webhooks/billing", events=list(events))
        assert endpoint.secret is not None
        await knows(stack, endpoint.secret)
        yield stack, hark, endpoint
        await stack.repair()
        await hark.endpoints.delete("billing")


async def knows(stack: Stack, *secrets: str) -> None:
    answer = await stack.http.put(f"{stack.lab}/webhooks/billing", json={"secrets": list(secrets)})
    assert answer.status_code == 204


async def taken(stack: Stack) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await stack.http.get(f"{stack.lab}/webhooks.json")).json()["items"]
    return items


async def test_what_becomes_of_each_delivery_is_told_and_our_client_verifies_it(telling_system: System) -> None:
    async with with_endpoint(telling_system, "*") as (stack, hark, endpoint):
        await asyncio.sleep(0)
        tested = await hark.endpoints.test("billing")
        sent = await stack.send(to=TO)
        await stack.ended(sent["id"])
        wanted = {("email", "delivered"), ("sms", "delivered"), ("slack", "sent"), ("email", "sent"), ("sms", "sent")}

        async def all_told() -> bool:
            events = [webhooks.Event.model_validate_json(item["body"]) for item in await taken(stack)]
            of_it = [e.data for e in events if e.data.get("notification_id") == sent["id"]]
            return {(data["channel"], data["status"]) for data in of_it} == wanted

        await until(all_told)
        items = await taken(stack)
        assert tested.event in {item["id"] for item in items}
        assert {item["verified"] for item in items} == {1}
        inbox = [item for item in await stack.inbox() if item["channel"] == "webhook"]
        assert endpoint.secret is not None
        for item in inbox:
            assert webhooks.verify(item["text"], item["headers"], endpoint.secret).type == item["subject"]
        assert not any(word in item["body"] for item in items for word in (*TO.values(), "Build 42"))
        deliveries = [each async for each in hark.endpoints.deliveries("billing")]
        assert {each.event for each in deliveries} == {item["id"] for item in items}


async def test_a_deaf_one_is_told_later_a_new_secret_signs_and_a_410_ends_it(telling_system: System) -> None:
    async with with_endpoint(telling_system, "delivery.sent") as (stack, hark, endpoint):
        for mode in ("429", "503", "500", "reset"):  # one less than it has attempts
            await stack.fault("webhook", mode, count=1, rate=0.25)
        new = await hark.endpoints.rotate("billing")
        assert new.secret is not None
        assert endpoint.secret is not None
        await knows(stack, new.secret)
        tested = await hark.endpoints.test("billing")

        async def came() -> bool:
            return tested.event in {item["id"] for item in await taken(stack)}

        await until(came, 90)
        (item,) = [item for item in await taken(stack) if item["id"] == tested.event]
        assert (item["verified"], item["signatures"]) == (1, 2)
        await stack.repair()
        await stack.fault("webhook", "410", count=1)
        await hark.endpoints.test("billing")

        async def ended() -> bool:
            return (await hark.endpoints.get("billing")).state == "disabled"

        await until(ended)
        assert (await hark.endpoints.get("billing")).reason == "it answered 410 Gone"


async def test_whoever_dies_each_terminal_state_is_told(tmp_path: Path) -> None:
    with running(tmp_path, {"EVENTS": "on", "HARK_FAIL_AT": DIES_AT}) as system:
        async with with_endpoint(system, "*") as (stack, _, _):
            sent = [await stack.send(to=TO) for _ in range(6)]
            ended = [await stack.ended(each["id"], 120) for each in sent]

            async def all_told() -> bool:
                said = [json.loads(item["body"])["data"] for item in await taken(stack)]
                told = {(d["notification_id"], d["channel"], d["status"]) for d in said}
                now = [await stack.read(each["id"]) for each in ended]
                return {(n["id"], d["channel"], d["status"]) for n in now for d in n["deliveries"]} <= told

            await until(all_told, 150)
            died = stack.logs().count('"failpoint"')
            assert died, "nobody died: the test tests nothing"
