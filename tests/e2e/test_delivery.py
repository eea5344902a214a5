"""What becomes of a notification when providers fail, as far as a client and the lab's witness can see."""

import asyncio
import json
import secrets
from collections import Counter
from typing import Any

import pytest

from tests.e2e.stack import ARRIVED, TO, Stack, until


async def test_one_notification_reaches_every_channel(stack: Stack) -> None:
    sent = await stack.send(subject="Deploy", message="Build 42 <is> live & well")
    notification = await stack.ended(sent["id"])
    inbox = {item["channel"]: item for item in await stack.inbox(sent["id"])}

    assert notification["status"] == "sent"
    assert {d["channel"]: d["address"] for d in notification["deliveries"]} == TO
    for delivery in notification["deliveries"]:
        item = inbox[delivery["channel"]]
        assert item["to"] == delivery["address"]
        assert item["text"] == "Build 42 <is> live & well"
        assert item["message_id"] == delivery["provider_message_id"]
        assert [a["outcome"] for a in delivery["attempts"]] == ["accepted"]
    assert inbox["email"]["subject"] == "Deploy"


FIXED = {
    "email": ("permanent@fail.test", "retry@fail.test", "once@fail.test"),
    "sms": ("+15005550001", "+15005550002", "+15005550003"),
    "slack": ("#fail-permanent", "#fail-retry", "#fail-once"),
}


async def test_the_fixed_addresses_behave_as_the_readme_says(stack: Stack) -> None:
    """Of all channels at once: the pauses between attempts are what it takes."""

    async def behave(channel: str) -> None:
        sent = [await stack.send(to={channel: address}) for address in FIXED[channel]]
        refused, dead, second = [(await stack.ended(n["id"]))["deliveries"][0] for n in sent]

        assert (refused["status"], [a["outcome"] for a in refused["attempts"]]) == ("failed", ["permanent"])
        assert (dead["status"], [a["outcome"] for a in dead["attempts"]]) == ("dead", ["retryable"] * 5)
        assert second["status"] in ARRIVED
        assert [a["outcome"] for a in second["attempts"]] == ["retryable", "accepted"]
        assert [len(await stack.inbox(n["id"])) for n in sent] == [0, 0, 1]

    await asyncio.gather(*map(behave, FIXED))


async def test_a_dead_provider_ends_in_a_dead_letter_that_can_be_replayed(stack: Stack) -> None:
    await stack.fault("sms", "503")
    sent = await stack.send(to={"sms": TO["sms"]})
    dead = (await stack.ended(sent["id"]))["deliveries"][0]
    assert dead["status"] == "dead"
    assert [a["number"] for a in dead["attempts"]] == [1, 2, 3, 4, 5]

    letters = (await stack.http.get(f"{stack.url}/v1/dead-letters", params={"channel": "sms"})).json()["items"]
    letter = next(item for item in letters if item["notification_id"] == sent["id"])
    assert letter["attempts"] == 5
    assert "Twilio answered 503" in letter["error"]

    await stack.repair()
    replay = f"{stack.url}/v1/dead-letters/{sent['id']}/sms/replay"
    assert (await stack.http.post(replay)).status_code == 202
    after = (await stack.ended(sent["id"]))["deliveries"][0]
    assert after["status"] in ARRIVED
    assert [a["outcome"] for a in after["attempts"]] == ["retryable"] * 5 + ["accepted"]
    assert (await stack.http.post(replay)).status_code == 409
    assert len(await stack.inbox(sent["id"])) == 1


async def test_what_an_operator_can_mend_is_dead_at_once_without_an_alarm_of_the_credentials(stack: Stack) -> None:
    sent = await stack.send(to={"slack": "#fail-refused"})
    dead = (await stack.ended(sent["id"]))["deliveries"][0]
    assert (dead["status"], [a["outcome"] for a in dead["attempts"]]) == ("dead", ["refused"])
    assert "invite the app to the channel" in dead["error"]
    lines = [json.loads(line) for line in (stack.folder / "logs" / "slack.log").read_text().splitlines() if "{" in line]
    told = [line["message"] for line in lines if line.get("notification_id") == sent["id"] and "outcome" in line]
    assert told == ["dead"]

    replay = f"{stack.url}/v1/dead-letters/{sent['id']}/slack/replay"
    assert (await stack.http.post(replay)).status_code == 202
    again = (await stack.ended(sent["id"]))["deliveries"][0]
    assert (again["status"], [a["outcome"] for a in again["attempts"]]) == ("dead", ["refused"] * 2)


async def test_a_failed_delivery_can_be_replayed_by_its_name(stack: Stack) -> None:
    await stack.fault("sms", "400", count=1)
    sent = await stack.send(to={"sms": TO["sms"]})
    failed = (await stack.ended(sent["id"]))["deliveries"][0]
    assert (failed["status"], [a["outcome"] for a in failed["attempts"]]) == ("failed", ["permanent"])
    assert (await stack.http.post(f"{stack.url}/v1/dead-letters/{sent['id']}/sms/replay")).status_code == 202
    after = (await stack.ended(sent["id"]))["deliveries"][0]
    assert after["status"] in ARRIVED
    assert [a["outcome"] for a in after["attempts"]] == ["permanent", "accepted"]


async def test_refused_credentials_are_retried_and_can_be_replayed_after_the_repair(stack: Stack) -> None:
    await stack.fault("slack", "401")
    sent = await stack.send(to={"slack": "#ops"})
    dead = (await stack.ended(sent["id"]))["deliveries"][0]
    assert (dead["status"], {a["outcome"] for a in dead["attempts"]}) == ("dead", {"retryable"})
    discarded = await stack.http.delete(f"{stack.url}/v1/dead-letters/{sent['id']}/slack")
    assert discarded.status_code == 204
    assert (await stack.read(sent["id"]))["deliveries"][0]["status"] == "discarded"


async def test_a_short_throttle_is_waited_out_in_place(stack: Stack) -> None:
    await stack.fault("slack", "429", count=1)
    sent = await stack.send(to={"slack": TO["slack"]})
    delivery = (await stack.ended(sent["id"]))["deliveries"][0]
    assert [a["outcome"] for a in delivery["attempts"]] == ["throttled", "accepted"]


@pytest.mark.parametrize("channel", ["slack", "sms"])
async def test_a_provider_is_asked_what_became_of_an_answer_that_is_lost(stack: Stack, channel: str) -> None:
    """What Twilio has with the text of ours is taken for ours only once nobody else can be sending it: half a minute,
    so all wait for it together.
    """
    await stack.receipts("sms", "off")  # one could tell first that the lost one has arrived

    async def lost(mode: str) -> str:
        await stack.fault(channel, mode, count=1)
        sent = await stack.send(to={channel: TO[channel]}, message=f"{channel} {mode}")

        async def tried() -> bool:
            return bool((await stack.read(sent["id"]))["deliveries"][0]["attempts"])

        await until(tried)
        return str(sent["id"])

    accepted = [await lost(mode) for mode in ("accept-then-reset", "truncated")]
    others = [await lost(mode) for mode in ("reset", "html")]
    for notification_id in (*accepted, *others):
        delivery = (await stack.ended(notification_id))["deliveries"][0]
        said = [(a["outcome"], a["asked"]) for a in delivery["attempts"]]
        arrived = [("unknown", "reconciled")]
        assert said == (arrived if notification_id in accepted else [("unknown", "not_there"), ("accepted", None)])
        assert delivery["status"] == "sent"
        assert len(await stack.inbox(notification_id)) == 1


@pytest.mark.parametrize("mode", ["accept-then-reset", "reset"])
async def test_where_a_provider_cannot_be_asked_it_is_tried_again(stack: Stack, mode: str) -> None:
    await stack.receipts("email", "off")
    await stack.fault("email", mode, count=1)
    sent = await stack.send(to={"email": TO["email"]})
    delivery = (await stack.ended(sent["id"]))["deliveries"][0]
    said = [(a["outcome"], a["asked"]) for a in delivery["attempts"]]
    assert said == [("unknown", "cannot_tell"), ("accepted", None)]
    assert len(await stack.inbox(sent["id"])) == (2 if mode == "accept-then-reset" else 1)
    listed = (await stack.http.get(f"{stack.url}/v1/duplicates")).json()["items"]
    assert sent["id"] in [item["notification_id"] for item in listed]


async def test_a_slow_provider_is_waited_for(stack: Stack) -> None:
    await stack.fault("email", "slow", count=1)
    sent = await stack.send(to={"email": TO["email"]})
    delivery = (await stack.ended(sent["id"]))["deliveries"][0]
    assert [a["outcome"] for a in delivery["attempts"]] == ["accepted"]


@pytest.mark.parametrize("reset", ["reset", "accept-then-reset"])
async def test_300_notifications_under_faults_are_all_sent_and_every_duplicate_has_its_reason(
    stack: Stack, reset: str
) -> None:
    for channel in TO:
        await stack.fault(channel, "503", rate=0.2)
        await stack.fault(channel, reset, rate=0.1)
    gate = asyncio.Semaphore(16)

    async def send(n: int) -> str:
        async with gate:
            channel = list(TO)[n % 3]
            return str((await stack.send(to={channel: TO[channel]}, message=f"number {n}"))["id"])

    ids = await asyncio.gather(*(send(n) for n in range(300)))
    notifications = [await stack.ended(i, 150) for i in ids]
    accepts = Counter(item["notification_id"] for item in await stack.inbox())

    assert Counter(n["status"] for n in notifications) == {"sent": 300}
    for notification in notifications:
        (delivery,) = notification["deliveries"]
        unknown = sum(attempt["outcome"] == "unknown" for attempt in delivery["attempts"])
        assert 0 <= accepts[notification["id"]] - 1 <= unknown
    if reset == "accept-then-reset":
        assert sum(accepts[i] for i in ids) > 300  # or this test would show nothing


async def test_a_callers_trace_is_on_every_line_from_the_gateway_to_the_attempt(stack: Stack) -> None:
    trace_id = secrets.token_hex(16)
    stack.http.headers["traceparent"] = f"00-{trace_id}-{secrets.token_hex(8)}-01"
    await stack.fault("sms", "503", count=1)
    sent = await stack.send(to={"sms": TO["sms"]})
    await stack.ended(sent["id"])

    async def traced(process: str, message: str) -> list[dict[str, Any]]:
        lines = (stack.folder / "logs" / f"{process}.log").read_text().splitlines()
        logged = [json.loads(line) for line in lines if sent["id"] in line]
        return [line for line in logged if line["message"] == message]

    [accepted] = await until(lambda: traced("gateway", "accepted"))
    attempts = await until(lambda: traced("sms", "attempt"))
    assert [line["outcome"] for line in attempts] == ["retryable", "accepted"]
    assert attempts[1]["accept_to_sent_ms"] > 0
    for line in (accepted, *attempts):
        assert line["logging.googleapis.com/trace"] == f"projects/hark-local/traces/{trace_id}"
        assert line["logging.googleapis.com/labels"]["notification_id"] == sent["id"]


async def test_50_requests_with_one_key_are_one_notification_and_one_send(stack: Stack) -> None:
    answers = await asyncio.gather(*(stack.send(key="deploy-42", to={"sms": TO["sms"]}) for _ in range(50)))
    assert len({answer["id"] for answer in answers}) == 1
    await stack.ended(answers[0]["id"])
    await _quiet(stack, answers[0]["id"])
    assert len(await stack.inbox(answers[0]["id"])) == 1


async def _quiet(stack: Stack, notification_id: str) -> None:
    """Until a second notification, sent behind it, has gone the same way: what was to come before has come."""
    behind = await stack.send(to={"sms": TO["sms"]})
    await stack.ended(behind["id"])

    async def settled() -> bool:
        return bool((await stack.read(notification_id))["status"] == "sent")

    await until(settled)


async def test_nothing_goes_over_a_paused_channel_and_all_of_it_when_it_is_resumed(stack: Stack) -> None:
    url = f"{stack.url}/v1/channels/slack"
    paused = await stack.http.post(f"{url}/pause", json={"reason": "a test"})
    assert paused.json()["state"] == "paused"
    try:
        made = [await stack.send() for _ in range(5)]

        async def others_sent() -> bool:
            ended = 0
            for each in made:
                deliveries = {d["channel"]: d for d in (await stack.read(each["id"]))["deliveries"]}
                held = deliveries.pop("slack")
                # One that was claimed before anybody had looked is being given back.
                ended += (held["status"], held["reason"]) == ("deferred", "channel_paused")
                ended += all(d["status"] in ARRIVED for d in deliveries.values())
            return ended == 2 * len(made)

        await until(others_sent, 60)
    finally:
        resumed = await stack.http.post(f"{url}/resume")
    assert resumed.json()["state"] == "active"
    for each in made:
        (slack,) = [d for d in (await stack.ended(each["id"], 90))["deliveries"] if d["channel"] == "slack"]
        assert (slack["status"], [a["outcome"] for a in slack["attempts"]]) == ("sent", ["accepted"])
    assert len([item for item in await stack.inbox() if item["notification_id"] in {m["id"] for m in made}]) == 15
