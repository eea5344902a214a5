"""Listing, replaying and discarding dead deliveries over HTTP."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from functions.gateway.dead_letters.schemas import DeadLettersJson
from functions.gateway.notifications.schemas import NotificationJson
from shared.delivery.errors import Conflict
from shared.delivery.model import Attempt, Delivery, DeliveryStatus, Outcome
from tests.integration.gateway import BrokenPublisher, Hark, client_of, declared, nothing_done, problem

AT = datetime(2026, 1, 1, tzinfo=UTC)
NEITHER = [status for status in DeliveryStatus if status not in {DeliveryStatus.DEAD, DeliveryStatus.FAILED}]


async def listed(hark: Hark, **query: Any) -> list[list[tuple[str, str]]]:
    """Pages of (notification id, channel)."""
    pages: list[list[tuple[str, str]]] = []
    while True:
        page = declared(DeadLettersJson, await hark.client.get("/v1/dead-letters", params=query))
        pages.append([(item["notification_id"], item["channel"]) for item in page["items"]])
        if page["next_cursor"] is None:
            return pages
        query["cursor"] = page["next_cursor"]


async def test_a_dead_delivery_is_listed_with_its_reason(hark: Hark) -> None:
    notification_id = (await hark.sent())["id"]
    attempts = tuple(Attempt(n, AT, Outcome.RETRYABLE, "503", 5) for n in range(1, 6))
    await hark.set(notification_id, "email", DeliveryStatus.DEAD, attempts=attempts, error="503", dead_at=AT)
    assert declared(DeadLettersJson, await hark.client.get("/v1/dead-letters")) == {
        "items": [
            {
                "notification_id": notification_id,
                "channel": "email",
                "error": "503",
                "attempts": 5,
                "dead_at": "2026-01-01T00:00:00Z",
            }
        ],
        "next_cursor": None,
    }


async def test_dead_letters_are_listed_latest_first_by_channel_and_page_by_page(hark: Hark) -> None:
    to = {"email": "a@example.com", "sms": "+14155552671"}
    ids = [(await hark.sent(to=to))["id"] for _ in range(3)]
    for age, notification_id in enumerate(ids):
        for channel in to:
            await hark.set(notification_id, channel, DeliveryStatus.DEAD, dead_at=AT - timedelta(minutes=age))

    # Of those that died at the same time, the order is only sure to be the same from page to page.
    whole = (await listed(hark))[0]
    assert [notification_id for notification_id, _ in whole] == [i for i in ids for _ in to]
    assert await listed(hark, limit=1) == [[row] for row in whole]
    assert await listed(hark, limit=4) == [whole[:4], whole[4:]]
    assert await listed(hark, channel="sms", limit=2) == [[(ids[0], "sms"), (ids[1], "sms")], [(ids[2], "sms")]]
    assert await listed(hark, channel="slack") == [[]]


async def test_a_replay_queues_the_delivery_again_publishes_it_and_keeps_its_attempts(hark: Hark) -> None:
    notification_id = await hark.dead(to={"email": "a@example.com", "sms": "+14155552671"})
    await hark.published("email")
    hark.calls.taken()

    answer = await hark.client.post(f"/v1/dead-letters/{notification_id}/email/replay")

    assert answer.status_code == 202
    notification = declared(NotificationJson, answer)
    assert notification == (await hark.client.get(f"/v1/notifications/{notification_id}")).json()
    email, sms = notification["deliveries"]
    assert (email["status"], email["error"], len(email["attempts"])) == ("queued", None, 1)
    assert sms["status"] == "queued"
    assert hark.calls.taken()["Publish"] == 1
    (message,) = await hark.published("email")
    assert (message.notification_id, message.channel) == (notification_id, "email")
    assert await listed(hark) == [[]]


async def test_a_replay_is_left_to_the_relay_when_it_cannot_be_published(hark: Hark) -> None:
    notification_id = await hark.dead()
    broken = BrokenPublisher(hark.gateway.publisher)
    async with client_of(replace(hark.gateway, publisher=broken), hark.key) as client:
        answer = await client.post(f"/v1/dead-letters/{notification_id}/email/replay")
    assert answer.status_code == 202
    loaded = await hark.store.load(notification_id, "email")
    assert loaded is not None
    assert loaded[1].due_at is not None


async def test_a_discarded_delivery_is_no_dead_letter_any_more(hark: Hark) -> None:
    notification_id = await hark.dead()

    answer = await hark.client.delete(f"/v1/dead-letters/{notification_id}/email")

    assert (answer.status_code, answer.content) == (204, b"")
    notification = (await hark.client.get(f"/v1/notifications/{notification_id}")).json()
    assert (notification["status"], notification["deliveries"][0]["status"]) == ("failed", "discarded")
    assert await listed(hark) == [[]]
    problem(await hark.client.delete(f"/v1/dead-letters/{notification_id}/email"), 409)
    problem(await hark.client.post(f"/v1/dead-letters/{notification_id}/email/replay"), 409)


async def test_what_is_neither_dead_nor_failed_can_be_neither_replayed_nor_discarded(hark: Hark) -> None:
    notification_id = (await hark.sent())["id"]
    for status in NEITHER:
        before = await hark.set(notification_id, "email", status)
        hark.calls.taken()
        problem(await hark.client.post(f"/v1/dead-letters/{notification_id}/email/replay"), 409)
        problem(await hark.client.delete(f"/v1/dead-letters/{notification_id}/email"), 409)
        assert hark.calls.taken() == {"BatchGetDocuments": 2}
        loaded = await hark.store.load(notification_id, "email")
        assert loaded is not None
        assert loaded[1] == before


async def test_what_failed_is_replayed_by_its_name_but_neither_listed_nor_discarded(hark: Hark) -> None:
    notification_id = (await hark.sent())["id"]
    await hark.published("email")
    refused = Attempt(1, AT, Outcome.PERMANENT, "no such mailbox", 5)
    await hark.set(notification_id, "email", DeliveryStatus.FAILED, attempts=(refused,), error="no such mailbox")
    url = f"/v1/dead-letters/{notification_id}/email"
    assert await listed(hark) == [[]]
    assert problem(await hark.client.delete(url), 409)["detail"] == "the delivery is not dead"

    answer = await hark.client.post(f"{url}/replay")

    assert answer.status_code == 202
    (email,) = declared(NotificationJson, answer)["deliveries"]
    assert (email["status"], email["error"], len(email["attempts"])) == ("queued", None, 1)
    (message,) = await hark.published("email")
    assert (message.notification_id, message.channel) == (notification_id, "email")
    again = problem(await hark.client.post(f"{url}/replay"), 409)
    assert again["detail"] == "the delivery is neither dead nor failed"


async def test_of_many_replays_and_discards_at_once_only_one_is_made(hark: Hark) -> None:
    notification_id = await hark.dead()
    url = f"/v1/dead-letters/{notification_id}/email"
    calls = [hark.client.post(f"{url}/replay") for _ in range(5)] + [hark.client.delete(url) for _ in range(5)]
    codes = sorted(answer.status_code for answer in await asyncio.gather(*calls))
    assert codes[0] in {202, 204}
    assert codes[1:] == [409] * 9


async def test_a_delivery_that_changes_in_between_is_not_overwritten(
    hark: Hark, monkeypatch: pytest.MonkeyPatch
) -> None:
    notification_id = await hark.dead()

    async def changed(_: Delivery) -> int:
        raise Conflict("a test")

    monkeypatch.setattr(hark.store, "update", changed)
    problem(await hark.client.delete(f"/v1/dead-letters/{notification_id}/email"), 409)


@pytest.mark.parametrize("path", ["{other}/email", "{id}/sms", "{id}/fax", "{id}/__x__", "{ID}/email", "x/email"])
async def test_what_is_not_there_is_not_found(hark: Hark, path: str) -> None:
    notification_id = await hark.dead()
    other = "6ba95bd8-6a68-49cb-a4fb-9d8f2ac7c1b4"
    url = f"/v1/dead-letters/{path.format(id=notification_id, ID=notification_id.upper(), other=other)}"
    async with nothing_done(hark):
        problem(await hark.client.post(f"{url}/replay"), 404)
        problem(await hark.client.delete(url), 404)
