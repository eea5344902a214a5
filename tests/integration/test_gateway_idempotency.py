"""The same request again: one notification, whatever went wrong in between."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import httpx
import pytest

from functions.gateway.access.caller import Scope
from shared.delivery.errors import StoreUnavailable
from shared.delivery.model import Attachment, Delivery, DeliveryStatus, Notification
from shared.sending.messages import Message
from tests.integration.gateway import MINIMAL, BrokenPublisher, Hark, client_of, nothing_done, problem

KEY = {"Idempotency-Key": "deploy-42"}


@pytest.fixture
async def broken(hark: Hark) -> AsyncIterator[BrokenPublisher]:
    """The gateway's publisher, which publishes nothing until `broken` is False."""
    publisher = BrokenPublisher(hark.gateway.publisher)
    hark.gateway = replace(hark.gateway, publisher=publisher)
    async with client_of(hark.gateway, hark.key) as client:
        hark.client = client
        yield publisher


def is_replayed(answer: httpx.Response) -> bool:
    assert answer.status_code == 202, answer.text
    return bool(answer.headers.get("idempotent-replayed") == "true")


async def test_the_same_key_and_body_give_the_same_notification(hark: Hark) -> None:
    first = await hark.send(KEY, subject="Deploy")
    again = await hark.send(KEY, subject="Deploy")
    assert (is_replayed(first), is_replayed(again)) == (False, True)
    assert again.json() == first.json()
    assert again.headers["location"] == first.headers["location"]
    assert await hark.documents("notifications") == 1


async def test_a_body_is_the_same_however_its_json_is_spelt(hark: Hark) -> None:
    first = await hark.client.post(
        "/v1/notifications", headers=KEY, content=b'{"to": {"email": "a@example.com"}, "message": "Hi"}'
    )
    again = await hark.client.post(
        "/v1/notifications",
        headers=KEY,
        content=b'{"tags":{},"message":"\\u0048i","channels":null,\n"to":{"email":"a@example.com"}}',
    )
    assert (is_replayed(first), is_replayed(again)) == (False, True)


async def test_a_body_is_the_same_in_whatever_order_its_keys_come(hark: Hark) -> None:
    to, tags = {"email": "a@example.com", "sms": "+14155552671"}, {"a": "1", "b": "2"}
    first = await hark.send(KEY, to=to, tags=tags)
    again = await hark.send(KEY, tags=dict(reversed(tags.items())), to=dict(reversed(to.items())))
    assert (is_replayed(first), is_replayed(again)) == (False, True)
    assert first.json() == again.json()


async def test_the_same_request_again_uses_nothing_of_the_days_limit(hark: Hark) -> None:
    _, client = await hark.caller(notifications_per_day=2)
    async with client:
        for _ in range(4):
            assert (await client.post("/v1/notifications", json=MINIMAL, headers=KEY)).status_code == 202
        assert (await client.post("/v1/notifications", json=MINIMAL)).status_code == 202
        problem(await client.post("/v1/notifications", json=MINIMAL), 429)


async def test_the_first_answer_holds_without_the_addresses_that_one_may_not_read_any_more(hark: Hark) -> None:
    await hark.client.put("/v1/recipients/alice", json={"addresses": {"email": "a@example.com"}})
    body = {"recipient": "alice", "message": "x"}
    made = await hark.client.post("/v1/callers", json={"name": "x", "kind": "live", "scopes": list(Scope)})
    async with client_of(hark.gateway, made.json()["key"]) as client:
        first = await client.post("/v1/notifications", json=body, headers=KEY)
        assert first.json()["deliveries"][0]["address"] == "a@example.com"
        narrowed = {"name": "x", "scopes": ["notifications:send"]}
        assert (await hark.client.put(f"/v1/callers/{made.json()['id']}", json=narrowed)).status_code == 200
        again = await client.post("/v1/notifications", json=body, headers=KEY)
    assert is_replayed(again)
    assert again.json()["deliveries"][0]["address"] is None
    assert "a@example.com" not in again.text


@pytest.mark.parametrize(
    "other",
    [
        {"message": "Build 43 is live"},
        {"subject": "Deploy"},
        {"tags": {"team": "infra"}},
        {"channels": ["email"]},
        {"to": {"email": "b@example.com"}},
        {"to": {"email": "a@example.com", "slack": "#ops"}},
        {"to": None, "recipient": "alice"},
        {"to": None, "recipient": "nobody"},
    ],
)
async def test_a_key_that_was_used_for_another_body_is_refused(hark: Hark, other: dict[str, Any]) -> None:
    await hark.client.put("/v1/recipients/alice", json={"addresses": {"email": "a@example.com"}})
    await hark.send(KEY)
    async with nothing_done(hark):
        problem(await hark.send(KEY, **other), 422, "Idempotency-Key")


async def test_other_keys_and_no_key_give_other_notifications(hark: Hark) -> None:
    keys = [{"Idempotency-Key": key} for key in ("a", "A", "a!", "x" * 255, "\x21\x7e")]
    answers = [await hark.send(headers) for headers in [*keys, None, None]]
    assert not any(map(is_replayed, answers))
    assert len({answer.json()["id"] for answer in answers}) == len(answers)


async def test_fifty_at_once_with_one_key_make_one_notification(hark: Hark) -> None:
    answers = await asyncio.gather(*(hark.send(KEY) for _ in range(50)))
    assert [is_replayed(answer) for answer in answers].count(False) == 1
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert await hark.documents("notifications") == 1
    assert await hark.documents("deliveries") == 1


async def test_of_many_bodies_at_once_with_one_key_one_is_sent(hark: Hark) -> None:
    answers = await asyncio.gather(*(hark.send(KEY, message=f"Build {n}") for n in range(10)))
    assert sorted(answer.status_code for answer in answers) == [202] + [422] * 9
    assert await hark.documents("notifications") == 1


async def test_a_key_holds_after_its_recipient_was_deleted_or_changed(hark: Hark) -> None:
    url = "/v1/recipients/alice"
    await hark.client.put(url, json={"addresses": {"email": "a@example.com"}})
    first = await hark.send(KEY, to=None, recipient="alice")

    await hark.client.put(url, json={"addresses": {"sms": "+14155552671"}})
    changed = await hark.send(KEY, to=None, recipient="alice")
    await hark.client.delete(url)
    deleted = await hark.send(KEY, to=None, recipient="alice")

    assert is_replayed(changed)
    assert is_replayed(deleted)
    assert first.json() == changed.json() == deleted.json()


async def test_a_replay_shows_how_far_the_deliveries_are_and_publishes_only_the_queued(hark: Hark) -> None:
    to = {"email": "a@example.com", "sms": "+14155552671"}
    first = await hark.send(KEY, to=to)
    await hark.set(first.json()["id"], "email", DeliveryStatus.SENT)
    hark.calls.taken()

    again = await hark.send(KEY, to=to)

    assert is_replayed(again)
    assert [d["status"] for d in again.json()["deliveries"]] == ["sent", "queued"]
    assert hark.calls.taken()["Publish"] == 1
    assert len(await hark.published("sms", 2)) == 2


async def test_what_could_not_be_published_stays_on_record_and_the_same_request_continues_it(
    hark: Hark, broken: BrokenPublisher
) -> None:
    answer = await hark.send(KEY)

    details = problem(answer, 503)
    assert int(answer.headers["retry-after"]) > 0
    assert await hark.documents() == 2
    notification_id = (await hark.client.get("/v1/notifications")).json()["items"][0]["id"]
    assert notification_id in details["detail"]
    loaded = await hark.store.load(notification_id, "email")
    assert loaded is not None
    assert loaded[1].due_at is not None

    broken.broken = False
    again = await hark.send(KEY)

    assert is_replayed(again)
    assert again.json()["id"] == notification_id
    (message,) = await hark.published("email")
    assert message == Message(notification_id=notification_id, channel="email")
    assert await hark.documents() == 2


@pytest.mark.parametrize("headers", [None, KEY])
async def test_a_commit_whose_answer_is_lost_makes_one_notification_and_is_no_replay(
    hark: Hark, monkeypatch: pytest.MonkeyPatch, headers: dict[str, str] | None
) -> None:
    create = hark.store.create
    lost = [True]

    async def unheard(
        notification: Notification,
        deliveries: Sequence[Delivery],
        files: Mapping[str, Sequence[Attachment]],
        keys: Mapping[str, int | None],
    ) -> int:
        version = await create(notification, deliveries, files, keys)
        if lost and lost.pop():
            raise StoreUnavailable("a test")
        return version

    monkeypatch.setattr(hark.store, "create", unheard)
    answer = await hark.send(headers)
    assert not is_replayed(answer)
    assert not lost
    assert await hark.documents() == 2
    (message,) = await hark.published("email")
    assert message.notification_id == answer.json()["id"]


@pytest.mark.parametrize(
    "keys",
    [
        [b""],
        [b" "],
        [b"x" * 256],
        [b"x" * 10_000],
        [b"two words"],
        [b"tab\tbed"],
        [b"nul\x00"],
        [b"line\nfeed"],
        [b"\x7f"],
        ["ü".encode()],
        ["ü".encode("latin-1")],
        [b"a", b"b"],
        [b"a", b"a"],
    ],
)
async def test_a_bad_key_is_refused(hark: Hark, keys: list[bytes]) -> None:
    body = b'{"to": {"email": "a@example.com"}, "message": "Hi"}'
    headers = [(b"idempotency-key", key) for key in keys]
    async with nothing_done(hark):
        problem(await hark.client.post("/v1/notifications", content=body, headers=headers), 422, "Idempotency-Key")


async def test_the_same_request_after_a_replay_does_not_forget_the_attempts(hark: Hark) -> None:
    """Its message must not stand for the record: the record has attempts that no message knows of."""
    notification_id = (await hark.send(KEY)).json()["id"]
    await hark.set(notification_id, "email", DeliveryStatus.DEAD)
    await hark.published("email")
    assert (await hark.client.post(f"/v1/dead-letters/{notification_id}/email/replay")).status_code == 202
    assert is_replayed(await hark.send(KEY))
    for message in await hark.published("email", 2):
        assert message.content is None
