"""Where text messages may go, how many, and what they are cut into: as the gateway answers."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from functions.gateway.access.caller import CallerKind
from shared.channels.declaration import Screen
from shared.channels.phone_destinations import refusals
from tests.integration.gateway import Hark, client_of, nothing_done, problem

NUMBER = "+14155552671"
JAMAICA = "+18765551234"
PREMIUM = "+19005551234"
KEY = {"Idempotency-Key": "text-42"}


@pytest.fixture
async def screened(hark: Hark) -> AsyncIterator[Hark]:
    """A gateway as the settings make it by default, for a sender of the US."""
    screen = Screen(refusals("SMS", frozenset(["US"]), ()), 30, "SMS_PER_NUMBER_PER_HOUR")
    hark.gateway = replace(hark.gateway, screens={"sms": screen})
    async with client_of(hark.gateway, hark.key) as client:
        hark.client = client
        yield hark


@pytest.mark.parametrize(
    ("number", "setting"), [(JAMAICA, "SMS_COUNTRIES"), (PREMIUM, "SMS_KINDS"), ("+881612345678", "SMS_KINDS")]
)
async def test_a_number_that_is_not_allowed_is_refused_and_nothing_is_written(
    screened: Hark, number: str, setting: str
) -> None:
    async with nothing_done(screened):
        answer = await screened.send(to={"sms": number, "email": "a@example.com"})
    (error,) = problem(answer, 422, "to.sms")["errors"]
    assert setting in error["message"]
    assert number[2:] not in answer.text
    test_key = {"kind": CallerKind.TEST}
    _, client = await screened.caller(**test_key)
    async with client:
        refused = await client.post("/v1/notifications", json={"to": {"sms": number}, "message": "Hi"})
    problem(refused, 422, "to.sms")


async def test_what_a_recipients_record_holds_is_asked_too(screened: Hark) -> None:
    await screened.client.put(
        "/v1/recipients/alice", json={"addresses": {"sms": JAMAICA, "email": "alice@example.com"}}
    )
    async with nothing_done(screened):
        answer = await screened.send(to=None, recipient="alice")
    (error,) = problem(answer, 422, "recipient")["errors"]
    assert "SMS_COUNTRIES" in error["message"]
    assert "JM" not in error["message"]
    sent = await screened.sent(to=None, recipient="alice", channels=["email"])
    assert [delivery["channel"] for delivery in sent["deliveries"]] == ["email"]


async def test_a_number_gets_so_many_texts_an_hour_from_all_callers_together(screened: Hark) -> None:
    _, other = await screened.caller()
    body = {"to": {"sms": NUMBER}, "message": "Your code is 1234"}
    async with other:
        answers = await asyncio.gather(
            *((screened.client, other)[n % 2].post("/v1/notifications", json=body) for n in range(60))
        )
    statuses = [answer.status_code for answer in answers]
    assert statuses.count(202) == 30
    assert statuses.count(429) == 30
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert "SMS_PER_NUMBER_PER_HOUR" in problem(refused, 429)["detail"]
    assert 0 < int(refused.headers["Retry-After"]) <= 3600
    assert await screened.documents("notifications") == 30
    assert (await screened.send(to={"sms": "+14155552672"})).status_code == 202
    assert (await screened.send(to={"email": "a@example.com"})).status_code == 202


async def test_a_repeated_request_counts_once(screened: Hark) -> None:
    for n in range(40):
        answer = await screened.send(KEY, to={"sms": NUMBER})
        assert answer.status_code == 202
        assert answer.headers.get("idempotent-replayed") == ("true" if n else None)
    for _ in range(29):
        assert (await screened.send(to={"sms": NUMBER})).status_code == 202
    assert (await screened.send(to={"sms": NUMBER})).status_code == 429
    # The first answer holds, even when the limit is reached.
    assert (await screened.send(KEY, to={"sms": NUMBER})).status_code == 202


async def test_a_text_costs_no_more_rpcs_than_any_message(screened: Hark) -> None:
    await screened.sent(to={"sms": NUMBER})
    assert screened.calls.taken() == {"Commit": 1, "Publish": 1}


@pytest.mark.parametrize(
    ("message", "segments", "encoding"),
    [
        ("Build 42 is live", 1, "GSM-7"),
        ("\u20ac" * 81, 2, "GSM-7"),
        ("\U0001f389" * 800, 25, "UCS-2"),
    ],
)
async def test_a_text_says_what_it_is_cut_into_from_the_start(
    screened: Hark, message: str, segments: int, encoding: str
) -> None:
    def cut(notification: Any) -> list[tuple[Any, Any]]:
        return [(delivery.get("segments"), delivery.get("encoding")) for delivery in notification["deliveries"]]

    expected = [(None, None), (segments, encoding)]
    answer = await screened.send(KEY, to={"sms": NUMBER, "email": "a@example.com"}, message=message)
    assert cut(answer.json()) == expected
    again = await screened.send(KEY, to={"sms": NUMBER, "email": "a@example.com"}, message=message)
    assert cut(again.json()) == expected
    read = await screened.client.get(f"/v1/notifications/{answer.json()['id']}")
    assert cut(read.json()) == expected
    listed = (await screened.client.get("/v1/notifications")).json()["items"]
    assert cut(listed[0]) == expected


async def test_a_caller_has_so_many_segments_a_day_and_none_of_an_email_counts(hark: Hark) -> None:
    caller, client = await hark.caller(segments_per_day=25)
    texts = {"to": {"sms": NUMBER}, "message": "\U0001f389" * 800}
    async with client:
        first = await client.post("/v1/notifications", json=texts, headers=KEY)
        assert first.status_code == 202
        for _ in range(3):
            again = await client.post("/v1/notifications", json=texts, headers=KEY)
            assert again.headers["idempotent-replayed"] == "true"
        refused = await client.post("/v1/notifications", json=texts | {"message": "Hi"})
        assert "25 segments a day (segments_per_day)" in problem(refused, 429)["detail"]
        assert int(refused.headers["Retry-After"]) > 0
        mail = {"to": {"email": "a@example.com"}, "message": "Hi"}
        assert (await client.post("/v1/notifications", json=mail)).status_code == 202
    assert caller.segments_per_day == 25


async def test_a_caller_gets_a_limit_by_default_and_passes_on_no_more_than_its_own(hark: Hark) -> None:
    wanted = {"name": "texts", "kind": "live", "scopes": ["notifications:send"]}
    made = (await hark.client.post("/v1/callers", json=wanted)).json()
    assert made["segments_per_day"] == 100_000
    narrowed = await hark.client.put(
        f"/v1/callers/{made['id']}", json={"name": "texts", "scopes": wanted["scopes"], "segments_per_day": 40}
    )
    assert narrowed.json()["segments_per_day"] == 40
    _, manager = await hark.caller(segments_per_day=50)
    async with manager:
        assert (await manager.post("/v1/callers", json=wanted | {"segments_per_day": 50})).status_code == 201
        for most in (51, None):
            refused = await manager.post("/v1/callers", json=wanted | {"segments_per_day": most})
            assert "more segments a day than your own" in problem(refused, 403)["detail"]
    problem(await hark.client.post("/v1/callers", json=wanted | {"segments_per_day": 0}), 422, "segments_per_day")
