"""Receipts on the real system: the lab signs them, the gateway checks them, the relay comes back to the early ones.

Most of these wait for one, so both channels do it at once.
"""

import asyncio
from typing import Any

import pytest

from tests.e2e.stack import TO, Stack, until

UNREACHED = {"email": "undelivered@fail.test", "sms": "+15005550009"}
CHANNELS = sorted(UNREACHED)


async def reported(stack: Stack, notification_id: str, seconds: float = 60) -> dict[str, Any]:
    """The notification's one delivery once a receipt has been applied."""

    async def said() -> dict[str, Any] | None:
        [delivery] = (await stack.read(notification_id))["deliveries"]
        return delivery if delivery["status"] in {"delivered", "undelivered"} else None

    return await until(said, seconds)


async def receipts(stack: Stack, notification_id: str) -> list[dict[str, Any]]:
    """Those that the lab has sent and that were answered, the early ones first."""
    url = f"{stack.lab}/receipts/sent.json"
    answer = await stack.http.get(url, params={"notification_id": notification_id})
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


@pytest.mark.parametrize("channel", CHANNELS)
async def test_what_was_sent_becomes_delivered_or_undelivered(stack: Stack, channel: str) -> None:
    reached = await stack.send(to={channel: TO[channel]})
    unreached = await stack.send(to={channel: UNREACHED[channel]})
    assert (await reported(stack, reached["id"]))["status"] == "delivered"
    delivery = await reported(stack, unreached["id"])
    assert delivery["status"] == "undelivered"
    assert " reports " in delivery["error"]
    assert UNREACHED[channel] not in delivery["error"]
    assert (await stack.read(unreached["id"]))["status"] == "failed"


@pytest.mark.parametrize("mode", ["double", "reorder", "early"])
async def test_doubled_reordered_and_early_receipts_end_the_same(stack: Stack, mode: str) -> None:
    async def ends(channel: str) -> None:
        await stack.receipts(channel, mode)
        sent = await stack.send(to={channel: TO[channel]})
        assert (await reported(stack, sent["id"]))["status"] == "delivered"

        async def all_sent() -> list[dict[str, Any]]:
            return [each for each in await receipts(stack, sent["id"]) if each["mode"] == mode]

        assert {each["answer"] for each in await until(all_sent)} == {204}
        assert (await reported(stack, sent["id"]))["status"] == "delivered"
        assert len(await stack.inbox(sent["id"])) == 1

    await asyncio.gather(*map(ends, CHANNELS))


async def test_a_forged_receipt_is_refused(stack: Stack) -> None:
    async def refused(channel: str) -> None:
        await stack.receipts(channel, "forge")
        sent = await stack.send(to={channel: TO[channel]})
        assert (await reported(stack, sent["id"]))["status"] == "delivered"
        answers = {each["mode"]: each["answer"] for each in await receipts(stack, sent["id"])}
        assert answers["forge"] == 403

    await asyncio.gather(*map(refused, CHANNELS))


async def test_a_late_receipt_is_taken(stack: Stack) -> None:
    async def taken(channel: str) -> None:
        await stack.receipts(channel, "delay", seconds=4)
        sent = await stack.send(to={channel: TO[channel]})
        assert (await stack.ended(sent["id"]))["deliveries"][0]["status"] == "sent"
        assert (await reported(stack, sent["id"]))["status"] == "delivered"

    await asyncio.gather(*map(taken, CHANNELS))


async def test_what_a_test_key_sends_reaches_no_provider(stack: Stack) -> None:
    request = {"name": "trial", "kind": "test", "scopes": ["notifications:send", "notifications:read"]}
    made = await stack.http.post(f"{stack.url}/v1/callers", json=request)
    headers = {"Authorization": f"Bearer {made.json()['key']}"}
    body = {"to": TO, "message": "for nobody"}
    sent = (await stack.http.post(f"{stack.url}/v1/notifications", json=body, headers=headers)).json()
    notification = await stack.ended(sent["id"])
    assert {(d["provider"], d["status"]) for d in notification["deliveries"]} == {("simulated", "sent")}
    assert await stack.inbox(sent["id"]) == []
