"""Processes killed at the worst moments, on the real system. Each test says where, and what must come back."""

import asyncio
import base64
import json
import signal
from typing import Any

from tests.e2e.stack import TO, Stack, until


async def test_a_function_killed_or_frozen_between_the_providers_accept_and_the_record_asks_or_sends_again(
    stack: Stack,
) -> None:
    """Twilio can be asked, SendGrid without its activity can't. Both wait for the lease, so they do it at once.

    A frozen one neither loses nor overwrites when it goes on.
    """

    async def accepted(channel: str) -> str:
        """By the provider, whose answer is on its way for ever."""
        await stack.receipts(channel, "off")
        await stack.fault(channel, "accept-then-timeout", count=1)
        sent = await stack.send(to={channel: TO[channel]})
        await until(lambda: stack.inbox(sent["id"]))
        return str(sent["id"])

    async def killed() -> None:
        notification_id = await accepted("sms")
        stack.kill("sms")
        delivery = (await stack.ended(notification_id, 90))["deliveries"][0]
        [attempt] = delivery["attempts"]
        assert (delivery["status"], attempt["outcome"], attempt["asked"]) == ("sent", "unknown", "reconciled")
        assert "lease" in attempt["error"]
        assert len(await stack.inbox(notification_id)) == 1

    async def frozen() -> None:
        notification_id = await accepted("email")
        stack.kill("email", signal.SIGSTOP)
        try:
            # A frozen process takes pushes and answers none; its lease, and nothing else, frees the delivery.
            await asyncio.sleep(16)
        finally:
            stack.kill("email", signal.SIGCONT)
        delivery = (await stack.ended(notification_id, 90))["deliveries"][0]
        assert [a["outcome"] for a in delivery["attempts"]] == ["unknown", "accepted"]
        assert len(await stack.inbox(notification_id)) == 2

    await asyncio.gather(killed(), frozen())


async def test_a_receipt_tells_what_the_killed_function_could_not_and_nothing_is_sent_twice(stack: Stack) -> None:
    await stack.fault("sms", "accept-then-timeout", count=1)
    sent = await stack.send(to={"sms": TO["sms"]})
    await until(lambda: stack.inbox(sent["id"]))
    stack.kill("sms")
    delivery = (await stack.ended(sent["id"], 90))["deliveries"][0]

    assert (delivery["status"], [a["outcome"] for a in delivery["attempts"]]) == ("delivered", ["unknown"])
    assert len(await stack.inbox(sent["id"])) == 1


async def test_the_gateway_killed_between_commit_and_publish_leaves_it_to_the_relay(stack: Stack) -> None:
    before = {n["id"] for n in await _listed(stack)}
    stack.kill("pubsub", signal.SIGSTOP)  # the publish hangs
    asking = asyncio.create_task(stack.send(to={"slack": TO["slack"]}, message="between commit and publish"))

    async def committed() -> str | None:
        return next((n["id"] for n in await _listed(stack) if n["id"] not in before), None)

    notification_id = await until(committed)
    stack.kill("gateway")
    stack.kill("pubsub")  # with whatever of the publish it had received
    assert isinstance((await asyncio.gather(asking, return_exceptions=True))[0], Exception)

    delivery = (await stack.ended(notification_id, 90))["deliveries"][0]
    assert [a["outcome"] for a in delivery["attempts"]] == ["accepted"]
    assert len(await stack.inbox(notification_id)) == 1


async def test_pubsub_killed_with_messages_in_flight_loses_none(stack: Stack) -> None:
    for channel in TO:
        await stack.fault(channel, "slow", rate=0.2)
    gate = asyncio.Semaphore(8)

    async def send(n: int) -> str | None:
        async with gate:
            channel = list(TO)[n % 3]
            answer = await stack.http.post(
                f"{stack.url}/v1/notifications",
                json={"to": {channel: TO[channel]}, "message": f"in flight {n}"},
            )
            return str(answer.json()["id"]) if answer.status_code == 202 else None

    sending = [asyncio.create_task(send(n)) for n in range(60)]
    await asyncio.wait(sending[:30])
    stack.kill("pubsub")
    accepted = [i for i in await asyncio.gather(*sending) if i is not None]
    assert len(accepted) >= 30
    await stack.repair()
    for notification_id in accepted:
        notification = await stack.ended(notification_id, 90)
        assert notification["status"] == "sent"
        assert len(await stack.inbox(notification_id)) >= 1


async def test_a_push_delivered_ten_times_at_once_is_one_send(stack: Stack) -> None:
    await stack.fault("slack", "slow")  # long enough for the ten to overlap
    sent = await stack.send(to={"slack": TO["slack"]})
    hint = base64.b64encode(json.dumps({"notification_id": sent["id"], "channel": "slack"}).encode()).decode()
    push = {"message": {"data": hint, "messageId": "1"}, "subscription": "projects/p/subscriptions/s"}
    function = f"http://127.0.0.1:{8105 + stack.offset}/"
    answers = await asyncio.gather(*(stack.http.post(function, json=push) for _ in range(10)))
    assert {answer.status_code for answer in answers} == {204}
    delivery = (await stack.ended(sent["id"]))["deliveries"][0]
    assert [a["outcome"] for a in delivery["attempts"]] == ["accepted"]
    assert len(await stack.inbox(sent["id"])) == 1


async def test_a_malformed_push_is_nacked_and_hurts_nobody(stack: Stack) -> None:
    function = f"http://127.0.0.1:{8103 + stack.offset}/"
    for body in (b"", b"{}", b"\xff", b'{"message":{"data":"!"}}'):
        assert (await stack.http.post(function, content=body)).status_code == 503
    await stack.ended((await stack.send(to={"email": TO["email"]}))["id"])


async def _listed(stack: Stack) -> list[dict[str, Any]]:
    answer = await stack.http.get(f"{stack.url}/v1/notifications", params={"limit": 100})
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def test_an_idle_connection_is_still_good_after_gunicorns_two_seconds(stack: Stack) -> None:
    """Else a request that meets the closing one gets a reset, and nobody knows whether it was taken."""
    reader, writer = await asyncio.open_connection("127.0.0.1", 8080 + stack.offset)
    for pause in (3, 0):
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: gateway\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        while (await reader.readline()).strip():
            pass
        await reader.readexactly(len("ok"))
        await asyncio.sleep(pause)
    writer.close()
    await writer.wait_closed()
