"""Sending and reading notifications over HTTP."""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import combinations_with_replacement
from typing import Any

import pytest

from functions.gateway.notifications.schemas import NotificationJson, NotificationsJson
from shared.delivery.model import Attempt, DeliveryStatus, Outcome
from tests.integration.gateway import Hark, declared, problem

TO = {"email": "a@example.com", "sms": "+14155552671", "slack": "#ops"}
FULL: dict[str, Any] = {"to": TO, "channels": ["slack", "email"], "subject": "Deploy", "tags": {"team": "infra"}}
SUCCESS = {DeliveryStatus.SENT, DeliveryStatus.DELIVERED}
PENDING = {DeliveryStatus(word) for word in ("scheduled", "queued", "sending", "retrying", "deferred")}


def channels_of(notification: NotificationJson) -> list[str]:
    return [delivery["channel"] for delivery in notification["deliveries"]]


async def test_a_notification_is_accepted_with_its_place_and_every_field(hark: Hark) -> None:
    answer = await hark.send(**FULL)

    assert answer.status_code == 202
    assert answer.headers["content-type"] == "application/json"
    assert "idempotent-replayed" not in answer.headers
    sent = declared(NotificationJson, answer)
    assert answer.headers["location"] == f"/v1/notifications/{sent['id']}"
    at, message = sent["created_at"], "Build 42 is live"
    delivery = {
        "status": "queued",
        "provider": None,
        "provider_message_id": None,
        "error": None,
        "reason": None,
        "next_try_at": None,
        "judged_by": None,
        "updated_at": at,
        "attempts": [],
    }
    assert sent == {
        "id": sent["id"],
        "status": "queued",
        "recipient": None,
        "subject": "Deploy",
        "message": "Build 42 is live",
        "tags": {"team": "infra"},
        "send_at": None,
        "deliver_by": None,
        "collapse_key": None,
        "ordering_key": None,
        "escalation": None,
        "template": None,
        "category": None,
        "created_at": at,
        "deliveries": [
            {"channel": "slack", "address": "#ops", "content": {"message": message}, **delivery},
            {
                "channel": "email",
                "address": "a@example.com",
                "content": {"subject": "Deploy", "message": message},
                **delivery,
            },
        ],
    }
    read = await hark.client.get(answer.headers["location"])
    assert (read.status_code, read.headers["content-type"]) == (200, "application/json")
    assert declared(NotificationJson, read) == sent


async def test_what_is_left_out_is_null_or_empty(hark: Hark) -> None:
    sent = await hark.sent()
    assert (sent["recipient"], sent["subject"], sent["tags"]) == (None, None, {})


async def test_each_channel_gets_one_message_with_all_it_needs(hark: Hark) -> None:
    sent = await hark.sent(**FULL)
    for channel, address in (("email", "a@example.com"), ("slack", "#ops")):
        (message,) = await hark.published(channel)
        assert (message.notification_id, message.channel) == (sent["id"], channel)
        assert message.content is not None
        assert (message.content.address, message.content.subject) == (address, "Deploy")
    assert hark.calls.taken() == {"Commit": 1, "Publish": 2}


async def test_by_default_every_channel_with_an_address_is_used(hark: Hark) -> None:
    assert channels_of(await hark.sent(to=TO)) == ["email", "sms", "slack"]
    assert channels_of(await hark.sent(to=TO, channels=None)) == ["email", "sms", "slack"]


async def test_a_registered_recipient_is_reached_by_name_on_all_or_some_channels(hark: Hark) -> None:
    await hark.client.put("/v1/recipients/alice", json={"addresses": TO})

    everywhere = await hark.sent(to=None, recipient="alice")
    by_sms = await hark.sent(to=None, recipient="alice", channels=["sms"])

    assert everywhere["recipient"] == "alice"
    assert {d["channel"]: d["address"] for d in everywhere["deliveries"]} == TO
    assert channels_of(by_sms) == ["sms"]


@pytest.mark.parametrize(
    ("channel", "given", "normal"),
    [
        ("email", "Alice@EXAMPLE.Com", "Alice@example.com"),
        ("email", "a+b@example.co.uk", "a+b@example.co.uk"),
        ("email", "jürgen@exämple.de", "jürgen@exämple.de"),
        ("sms", "+1 (415) 555-2671", "+14155552671"),
        ("sms", "+44 20.7946/0018", "+442079460018"),
        ("sms", " +1\u00a0415\u2011555\u20112671 ", "+14155552671"),
        ("slack", "#Ops", "#ops"),
        ("slack", " #Größe ", "#größe"),
        ("slack", "C0123ABCD", "C0123ABCD"),
        ("slack", "#हिन्दी", "#हिन्दी"),
        ("slack", "#ภาษาไทย_น้ำ", "#ภาษาไทย_น้ำ"),
        ("slack", "#Cafe\u0301", "#caf\u00e9"),
        ("slack", "#\u0130stanbul", "#i\u0307stanbul"),
    ],
)
async def test_an_address_takes_its_channels_one_spelling(hark: Hark, channel: str, given: str, normal: str) -> None:
    sent = await hark.sent(to={channel: given})
    assert sent["deliveries"][0]["address"] == normal
    assert (await hark.sent(to={channel: normal}))["deliveries"][0]["address"] == normal


@pytest.mark.parametrize("channel", ["email", "sms", "slack"])
async def test_a_message_at_its_channels_limit_is_accepted_and_one_longer_is_not(hark: Hark, channel: str) -> None:
    limit = hark.gateway.channels[channel].max_length
    assert len((await hark.sent(to={channel: TO[channel]}, message="x" * limit))["message"] or "") == limit

    answer = await hark.send(to={channel: TO[channel]}, message="x" * (limit + 1))

    (error,) = problem(answer, 422, "message")["errors"]
    assert channel in error["message"]
    assert str(limit) in error["message"]


@pytest.mark.parametrize(
    ("channel", "longest"),
    [
        ("sms", "🎉" * 800),
        ("sms", "漢" * 1600),
        ("email", "漢" * 33_333),
        ("email", "🎉" * 25_000),
        ("email", "\n" * 99_999 + "x"),
        ("email", '"' * 100_000),
        ("slack", "🎉" * 40_000),
        ("slack", "&" * 8_000),
        ("slack", "<" * 10_000),
    ],
)
async def test_what_counts_for_more_than_one_is_counted_so(hark: Hark, channel: str, longest: str) -> None:
    assert (await hark.sent(to={channel: TO[channel]}, message=longest))["message"] == longest

    answer = await hark.send(to={channel: TO[channel]}, message=longest + longest[0])

    (error,) = problem(answer, 422, "message")["errors"]
    assert hark.gateway.channels[channel].measure.name in error["message"]


async def test_text_of_every_script_comes_back_as_it_was(hark: Hark) -> None:
    message = "Grüße\tزمان 🎉 ﷽\r\nsecond line\u2028third\x85fourth"
    sent = await hark.sent(message=message, tags={"a.b`c/d": "", "größe": "x\ny"})
    read = (await hark.client.get(f"/v1/notifications/{sent['id']}")).json()
    assert (read["message"], read["tags"]) == (message, {"a.b`c/d": "", "größe": "x\ny"})


def derived(statuses: Sequence[DeliveryStatus]) -> str:
    """The contract's words, written down a second time."""
    if all(s is DeliveryStatus.QUEUED for s in statuses):
        return "queued"
    if all(s in {DeliveryStatus.QUEUED, DeliveryStatus.SCHEDULED} for s in statuses):
        return "queued" if DeliveryStatus.QUEUED in statuses else "scheduled"
    if any(s in PENDING for s in statuses):
        return "sending"
    unsent = (DeliveryStatus.CANCELLED, DeliveryStatus.EXPIRED, DeliveryStatus.SUPERSEDED, DeliveryStatus.SUPPRESSED)
    if set(statuses) in [{status} for status in unsent]:
        return statuses[0]
    successes = sum(s in SUCCESS for s in statuses)
    return "sent" if successes == len(statuses) else "partial" if successes else "failed"


async def test_the_status_is_derived_from_every_pair_of_deliveries(hark: Hark) -> None:
    sent = await hark.sent(to={"email": TO["email"], "sms": TO["sms"]})
    for pair in combinations_with_replacement(DeliveryStatus, 2):
        for channel, status in zip(("email", "sms"), pair, strict=True):
            await hark.set(sent["id"], channel, status)
        read = declared(NotificationJson, await hark.client.get(f"/v1/notifications/{sent['id']}"))
        assert [d["status"] for d in read["deliveries"]] == list(pair)
        assert read["status"] == derived(pair)


async def test_attempts_are_shown_with_their_outcomes_also_one_without_a_duration(hark: Hark) -> None:
    sent = await hark.sent()
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    attempts = (Attempt(1, at, Outcome.UNKNOWN, "the lease ran out"), Attempt(2, at, Outcome.ACCEPTED, None, 41))
    await hark.set(
        sent["id"],
        "email",
        DeliveryStatus.SENT,
        attempts=attempts,
        provider="sendgrid",
        provider_message_id="m-1",
        updated_at=at,
    )

    (delivery,) = declared(NotificationJson, await hark.client.get(f"/v1/notifications/{sent['id']}"))["deliveries"]

    time = "2026-01-02T03:04:05Z"
    assert (delivery["provider"], delivery["provider_message_id"], delivery["updated_at"]) == ("sendgrid", "m-1", time)
    no = {"reason": None, "provider": None, "asked": None, "probe": False}
    assert delivery["attempts"] == [
        {"number": 1, "at": time, "outcome": "unknown", "error": "the lease ran out", "duration_ms": None, **no},
        {"number": 2, "at": time, "outcome": "accepted", "error": None, "duration_ms": 41, **no},
    ]


async def pages(hark: Hark, path: str, **query: Any) -> list[list[dict[str, Any]]]:
    """All pages of a listing of notifications."""
    found: list[list[dict[str, Any]]] = []
    while True:
        page = declared(NotificationsJson, await hark.client.get(path, params=query))
        found.append(page["items"])
        if page["next_cursor"] is None:
            return found
        query["cursor"] = page["next_cursor"]


async def test_notifications_are_listed_newest_first_page_by_page(hark: Hark) -> None:
    ids = [(await hark.sent())["id"] for _ in range(5)]
    ids.reverse()
    assert [[n["id"] for n in page] for page in await pages(hark, "/v1/notifications", limit=2)] == [
        ids[:2],
        ids[2:4],
        ids[4:],
    ]
    assert [[n["id"] for n in page] for page in await pages(hark, "/v1/notifications", limit=5)] == [ids]
    assert [[n["id"] for n in page] for page in await pages(hark, "/v1/notifications")] == [ids]


async def test_a_page_holds_what_a_single_read_gives(hark: Hark) -> None:
    sent = await hark.sent(**FULL)
    ((item,),) = await pages(hark, "/v1/notifications")
    assert item == sent


async def test_with_none_the_listing_is_empty(hark: Hark) -> None:
    assert await pages(hark, "/v1/notifications") == [[]]
    assert await pages(hark, "/v1/notifications", recipient="nobody", status="dead") == [[]]


async def test_the_listing_is_filtered_by_recipient_by_status_and_by_both(hark: Hark) -> None:
    for name in ("alice", "bob"):
        await hark.client.put(f"/v1/recipients/{name}", json={"addresses": TO})
    ids = [(await hark.sent(to=None, recipient=name))["id"] for name in ("alice", "bob", "alice", "alice")]
    for index in (0, 1, 3):
        await hark.set(ids[index], "sms", DeliveryStatus.FAILED)
    await hark.set(ids[3], "email", DeliveryStatus.FAILED)  # two in that status are still one notification

    async def listed(**query: Any) -> list[list[int]]:
        return [[ids.index(n["id"]) for n in page] for page in await pages(hark, "/v1/notifications", **query)]

    assert await listed(recipient="alice") == [[3, 2, 0]]
    assert await listed(recipient="alice", limit=2) == [[3, 2], [0]]
    assert await listed(status="failed") == [[3, 1, 0]]
    assert await listed(status="failed", limit=1) == [[3], [1], [0]]
    assert await listed(recipient="alice", status="failed", limit=1) == [[3], [0]]
    assert await listed(status="queued") == [[3, 2, 1, 0]]
    assert await listed(status="delivered") == [[]]


async def test_a_notification_that_nobody_sent_is_not_found(hark: Hark) -> None:
    problem(await hark.client.get("/v1/notifications/6ba95bd8-6a68-49cb-a4fb-9d8f2ac7c1b4"), 404)
