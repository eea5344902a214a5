"""send_at, deliver_by, keys and escalation through the API; cancel and explain."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from functions.gateway.access.caller import Scope
from functions.gateway.notifications.schemas import CancelledJson, NotificationJson
from shared.delivery.model import Attempt, DeliveryStatus, Outcome
from tests.integration.gateway import Hark, client_of, declared, problem

S = DeliveryStatus
TO = {"email": "a@example.com", "sms": "+14155552671"}
HOUR = timedelta(hours=1)


def ahead(by: timedelta = HOUR) -> str:
    return (datetime.now(UTC) + by).isoformat()


async def post(hark: Hark, path: str = "", **request: Any) -> httpx.Response:
    return await hark.client.post(f"/v1/notifications{path}", json={"to": TO, "message": "x", **request})


async def sent(hark: Hark, **request: Any) -> NotificationJson:
    answer = await post(hark, **request)
    assert answer.status_code == 202, answer.text
    made: NotificationJson = declared(NotificationJson, answer)
    return made


async def read(hark: Hark, notification_id: str) -> Any:
    return declared(NotificationJson, await hark.client.get(f"/v1/notifications/{notification_id}"))


async def only_what_comes_now_is_published(hark: Hark, channel: str) -> None:
    now = await sent(hark, channels=[channel])
    assert [message.notification_id for message in await hark.published(channel)] == [now["id"]]


async def cancel(hark: Hark, notification_id: str) -> dict[str, str]:
    """The verdicts by channel."""
    answer = await hark.client.post(f"/v1/notifications/{notification_id}/cancel")
    assert answer.status_code == 200, answer.text
    made = declared(CancelledJson, answer)
    assert made["deliveries"] == (await read(hark, notification_id))["deliveries"]
    return {each["channel"]: each["verdict"] for each in made["verdicts"]}


async def test_what_is_scheduled_is_not_published(hark: Hark) -> None:
    at = ahead()
    made = await sent(hark, send_at=at)
    assert made["status"] == "scheduled"
    assert {d["status"] for d in made["deliveries"]} == {"scheduled"}
    assert datetime.fromisoformat(str(made["send_at"])) == datetime.fromisoformat(at)
    await only_what_comes_now_is_published(hark, "email")


@pytest.mark.parametrize("by", [timedelta(), -timedelta(seconds=30)])
async def test_a_time_that_has_just_passed_is_now(hark: Hark, by: timedelta) -> None:
    assert (await sent(hark, send_at=ahead(by)))["status"] == "queued"


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        ({"send_at": "2026-12-24T18:00:00"}, "send_at"),
        ({"send_at": 1798135200}, "send_at"),
        ({"send_at": "2020-01-01T00:00:00Z"}, "send_at"),
        ({"send_at": "2999-01-01T00:00:00Z"}, "send_at"),
        ({"deliver_by": "2020-01-01T00:00:00Z"}, "deliver_by"),
        ({"collapse_key": ""}, "collapse_key"),
        ({"ordering_key": "a\nb"}, "ordering_key"),
        ({"ordering_key": "x" * 256}, "ordering_key"),
        ({"escalation": []}, "escalation"),
        ({"escalation": [{"channel": "fax"}]}, "escalation.0.channel"),
        ({"escalation": [{"channel": "sms", "after": 1}]}, "escalation"),
        ({"escalation": [{"channel": "sms"}, {"channel": "sms"}]}, "escalation"),
        ({"escalation": [{"channel": "sms"}, {"channel": "email", "after": 0}]}, "escalation.1.after"),
        ({"escalation": [{"channel": "sms"}, {"channel": "email", "unless": "delivered"}]}, "escalation.1"),
        (
            {"escalation": [{"channel": "sms"}, {"channel": "email", "after": 9, "unless": "x"}]},
            "escalation.1.unless",
        ),
        ({"escalation": [{"channel": "sms"}, {"channel": "slack"}]}, "escalation.1.channel"),
    ],
)
async def test_what_cannot_be_is_named_and_nothing_is_written(hark: Hark, request_: Any, field: str) -> None:
    problem(await post(hark, **request_), 422, field)
    assert await hark.documents() == 0


async def test_the_same_key_later_is_the_same_one_though_its_time_is_past_by_then(hark: Hark) -> None:
    headers, body = {"Idempotency-Key": "k"}, {"to": TO, "message": "x", "send_at": ahead(timedelta(seconds=1))}
    first = await hark.client.post("/v1/notifications", json=body, headers=headers)
    later = client_of(_an_hour_later(hark), hark.key)
    async with later:
        again = await later.post("/v1/notifications", json=body, headers=headers)
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (202, "true")
    assert again.json()["id"] == first.json()["id"]


def _an_hour_later(hark: Hark) -> Any:
    return replace(hark.gateway, now=lambda: datetime.now(UTC) + HOUR)


async def test_what_has_not_gone_is_cancelled(hark: Hark) -> None:
    made = await sent(hark, send_at=ahead())
    assert await cancel(hark, made["id"]) == {"email": "cancelled", "sms": "cancelled"}
    assert (await read(hark, made["id"]))["status"] == "cancelled"
    assert await cancel(hark, made["id"]) == {"email": "already_cancelled", "sms": "already_cancelled"}


async def test_each_delivery_has_its_own_verdict(hark: Hark) -> None:
    made = await sent(hark)
    unknown = (Attempt(1, datetime.now(UTC), Outcome.UNKNOWN, "no answer"),)
    await hark.set(made["id"], "email", S.SENT)
    await hark.set(made["id"], "sms", S.RETRYING, attempts=unknown)
    assert await cancel(hark, made["id"]) == {"email": "too_late", "sms": "stopped_retrying"}


async def test_what_is_under_way_is_not_written_to(hark: Hark) -> None:
    made = await sent(hark)
    leased = {"claim": "c", "claimed_at": datetime.now(UTC), "lease_until": datetime.now(UTC) + HOUR}
    await hark.set(made["id"], "email", S.SENDING, **leased)
    assert await cancel(hark, made["id"]) == {"email": "too_late", "sms": "cancelled"}
    assert [d["status"] for d in (await read(hark, made["id"]))["deliveries"]] == ["sending", "cancelled"]


async def test_who_may_cancel(hark: Hark) -> None:
    made = await sent(hark)
    path = f"/v1/notifications/{made['id']}/cancel"
    async with (await hark.caller(scopes=frozenset(Scope) - {Scope.NOTIFICATIONS_SEND}))[1] as reader:
        problem(await reader.post(path), 403)
    async with (await hark.caller(scopes=frozenset({Scope.NOTIFICATIONS_SEND, Scope.NOTIFICATIONS_READ})))[
        1
    ] as stranger:
        problem(await stranger.post(path), 404)
    async with (await hark.caller(scopes=frozenset(Scope) - {Scope.DEAD_LETTERS_MANAGE}))[1] as other:
        problem(await other.post(path), 403)
    problem(await hark.client.post("/v1/notifications/nothing/cancel"), 404)
    assert (await read(hark, made["id"]))["status"] == "queued"


async def test_a_cancelled_one_is_not_replayed(hark: Hark) -> None:
    made = await hark.dead()
    await cancel(hark, made)
    problem(await hark.client.post(f"/v1/dead-letters/{made}/email/replay"), 409)


async def test_a_newer_one_takes_the_place_of_what_has_not_gone(hark: Hark) -> None:
    first = await sent(hark, collapse_key="k", send_at=ahead())
    other = await sent(hark, collapse_key="other", send_at=ahead())
    second = await sent(hark, collapse_key="k")
    assert (await read(hark, first["id"]))["status"] == "superseded"
    assert (await read(hark, second["id"]))["status"] == "queued"
    assert (await read(hark, other["id"]))["status"] == "scheduled"


async def test_the_steps_of_an_escalation_wait(hark: Hark) -> None:
    steps = [{"channel": "sms"}, {"channel": "email", "after": 300, "unless": "delivered"}]
    made = await sent(hark, escalation=steps)
    assert made["escalation"] == [{"channel": "sms", "after": None, "unless": "sent"}, steps[1]]
    shown = [(d["channel"], d["status"], d["reason"]) for d in made["deliveries"]]
    assert shown == [("sms", "queued", None), ("email", "scheduled", "escalation")]
    await only_what_comes_now_is_published(hark, "email")
    assert len(await hark.published("sms")) == 1


async def test_what_is_in_channels_alone_goes_at_once(hark: Hark) -> None:
    steps = [{"channel": "email"}, {"channel": "sms"}]
    made = await sent(hark, to={**TO, "slack": "#ops"}, channels=["slack"], escalation=steps)
    assert [(d["channel"], d["status"]) for d in made["deliveries"]] == [
        ("slack", "queued"),
        ("email", "queued"),
        ("sms", "scheduled"),
    ]


async def test_a_request_is_explained_and_nothing_is_written(hark: Hark) -> None:
    answer = await post(hark, "/explain", send_at=ahead(), ordering_key="k")
    assert answer.status_code == 200
    told = answer.json()
    assert (told["outcome"], told["problem"]) == ("accepted", None)
    assert {"accepted", "send_at", "order", "scheduled", "segments"} <= {event["code"] for event in told["events"]}
    refused = (await post(hark, "/explain", channels=["slack"])).json()
    assert (refused["outcome"], refused["problem"]["status"]) == ("refused", 422)
    problem(await post(hark, "/explain", nonsense=1), 422, "nonsense")
    assert await hark.documents() == 0


async def test_what_happened_is_explained_in_order(hark: Hark) -> None:
    made = await sent(hark)
    attempt = Attempt(1, datetime.now(UTC), Outcome.RETRYABLE, "503")
    await hark.set(made["id"], "sms", S.RETRYING, attempts=(attempt,), provider="twilio")
    await cancel(hark, made["id"])
    told = (await hark.client.get(f"/v1/notifications/{made['id']}/explain")).json()
    assert [event["code"] for event in told["events"]][:2] == ["accepted", "retryable"]
    assert {event["code"] for event in told["events"][2:]} == {"cancelled"}
    assert [event["at"] for event in told["events"]] == sorted(event["at"] for event in told["events"])
    assert told["next"] == []
    problem(await hark.client.get("/v1/notifications/nothing/explain"), 404)


async def test_what_comes_next_is_told(hark: Hark) -> None:
    made = await sent(hark, escalation=[{"channel": "sms"}, {"channel": "email"}])
    told = (await hark.client.get(f"/v1/notifications/{made['id']}/explain")).json()
    assert [(event["channel"], event["code"]) for event in told["next"]] == [("sms", "queued"), ("email", "escalation")]
    assert told["next"][1]["text"].startswith("It goes when that one has ended.")
    made = await sent(hark, escalation=[{"channel": "sms"}, {"channel": "email", "after": 60, "unless": "delivered"}])
    told = (await hark.client.get(f"/v1/notifications/{made['id']}/explain")).json()
    assert told["next"][1]["text"].startswith("It goes then, unless sms is delivered before;")
