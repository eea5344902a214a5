"""POST /v1/inbound/twilio on fakes: what people answer becomes a suppression, and nothing else does."""

import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from twilio.request_validator import RequestValidator

from functions.gateway.inbound.reply_readers import load_reply_readers
from functions.sms.twilio_replies import TwilioReplies
from shared.channels.registry import load_channels
from shared.delivery.model import SuppressionReason
from shared.people.suppression import CLASS_BY_REASON, Entry, SuppressionClass
from shared.runtime import logs
from shared.sending.suppressing import suppress
from tests.fakes.api import Api, api_on_fakes
from tests.fakes.clock import START
from tests.integration.gateway import client_of, problem

TOKEN, URL, PATH = "twilio-auth-token", "https://hark.example.com", "/v1/inbound/twilio"
NUMBER = "+14155552671"
MESSAGE_ID = "SM" + "0a" * 16
R = SuppressionReason


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with api_on_fakes() as made:
        made.gateway = replace(made.gateway, reply_readers={"twilio": TwilioReplies(TOKEN, URL)}, now=lambda: START)
        yield made


@pytest.fixture
async def twilio(api: Api) -> AsyncIterator[httpx.AsyncClient]:
    """A client without a key."""
    async with client_of(api.gateway, None) as client:
        yield client


def form(text: str, **changes: str) -> dict[str, str]:
    return {"MessageSid": MESSAGE_ID, "From": NUMBER, "To": "+15005550006", "Body": text, **changes}


async def answer(client: httpx.AsyncClient, text: str, token: str = TOKEN, **changes: str) -> httpx.Response:
    fields = form(text, **changes)
    signature = RequestValidator(token).compute_signature(URL + PATH, fields)
    return await client.post(PATH, data=fields, headers={"X-Twilio-Signature": signature})


def entries(api: Api, number: str = NUMBER) -> dict[SuppressionReason, Entry]:
    record = api.people.suppressed.get(api.people.suppression_id("sms", number))
    return {} if record is None else dict(record.entries)


async def test_stop_is_a_suppression_and_start_takes_it_back(api: Api, twilio: httpx.AsyncClient) -> None:
    stopped = await answer(twilio, "Stop")
    assert (stopped.status_code, stopped.content) == (204, b"")
    assert entries(api) == {R.STOP: Entry(R.STOP, SuppressionClass.MARKETING, START, f"message {MESSAGE_ID}")}
    assert (await answer(twilio, "START")).status_code == 204
    assert api.people.suppressed == {}


async def test_the_same_again_is_once(api: Api, twilio: httpx.AsyncClient) -> None:
    for text in ("STOP", "STOP", "unsubscribe", "STOP"):
        assert (await answer(twilio, text)).status_code == 204
    assert (api.people.calls["put_suppression"], set(entries(api))) == (1, {R.STOP})


async def test_a_stop_stops_that_number_alone(api: Api, twilio: httpx.AsyncClient) -> None:
    await answer(twilio, "STOP", From="+1 (415) 555-2671")
    assert entries(api).keys() == {R.STOP}
    assert not entries(api, "+14155552672")
    assert [record.channel for record in api.people.suppressed.values()] == ["sms"]


@pytest.mark.parametrize("reason", [R.HARD_BOUNCE, R.INVALID, R.UNSUBSCRIBED, R.COMPLAINT, R.MANUAL])
async def test_start_takes_back_nothing_that_was_not_said_by_stop(
    api: Api, twilio: httpx.AsyncClient, reason: SuppressionReason
) -> None:
    entry = Entry(reason, CLASS_BY_REASON[reason], START, "a test")
    await suppress(api.people, "sms", api.people.suppression_id("sms", NUMBER), entry)
    for text in ("START", "STOP", "START"):
        assert (await answer(twilio, text)).status_code == 204
    assert entries(api) == {reason: entry}


@pytest.mark.parametrize("text", ["HELP", "INFO", "thank you", "", "stop it"])
async def test_whatever_else_is_said_is_taken_and_nothing_is_asked(
    api: Api, twilio: httpx.AsyncClient, text: str
) -> None:
    assert (await answer(twilio, text)).status_code == 204
    assert not api.people.calls


async def test_twilios_own_word_for_it_goes_first(api: Api, twilio: httpx.AsyncClient) -> None:
    await answer(twilio, "BAJA", OptOutType="STOP")
    assert entries(api).keys() == {R.STOP}
    await answer(twilio, "STOP", OptOutType="HELP", From="+14155552672")
    assert not entries(api, "+14155552672")


async def test_who_writes_by_another_app_stops_no_text_messages(api: Api, twilio: httpx.AsyncClient) -> None:
    assert (await answer(twilio, "STOP", From=f"whatsapp:{NUMBER}")).status_code == 204
    assert not api.people.calls


@pytest.mark.parametrize("token", ["", "another", TOKEN[:-1]])
async def test_a_forged_stop_is_refused_and_nothing_is_written(api: Api, twilio: httpx.AsyncClient, token: str) -> None:
    refused = await answer(twilio, "STOP", token=token)
    assert problem(refused, 403)["detail"] == "this is not signed by twilio, or too old"
    assert not api.people.calls


async def test_a_signature_is_of_its_form_and_its_url(api: Api, twilio: httpx.AsyncClient) -> None:
    fields = form("STOP")
    good = RequestValidator(TOKEN).compute_signature(URL + PATH, fields)
    form_type = {"Content-Type": "application/x-www-form-urlencoded"}
    attempts: list[tuple[str, dict[str, str], dict[str, str]]] = [
        (PATH, form("START"), {"X-Twilio-Signature": good}),
        (PATH, form("STOP", From="+14155552672"), {"X-Twilio-Signature": good}),
        (f"{PATH}?a=b", fields, {"X-Twilio-Signature": good}),
        (PATH, fields, {}),
        (PATH, fields, {"X-Twilio-Signature": good.lower()}),
        (PATH, fields, {"X-Twilio-Signature": good, "Content-Type": "application/json"}),
    ]
    # What was signed for a receipt is none of an answer, though the token is the same.
    receipts = RequestValidator(TOKEN).compute_signature(f"{URL}/v1/receipts/twilio", fields)
    attempts.append((PATH, fields, {"X-Twilio-Signature": receipts}))
    for path, body, headers in attempts:
        problem(await twilio.post(path, content=urlencode(body), headers={**form_type, **headers}), 403)
    assert not api.people.calls
    assert (await answer(twilio, "STOP")).status_code == 204, "or this test could not fail"


async def test_a_signed_form_that_cannot_be_read_is_a_400(api: Api, twilio: httpx.AsyncClient) -> None:
    refused = await answer(twilio, "STOP", MessageSid="x")
    assert problem(refused, 400)["detail"] == "this is no inbound message of twilio"
    assert not api.people.calls


async def test_too_large_a_body_is_a_413(api: Api, twilio: httpx.AsyncClient) -> None:
    problem(await answer(twilio, "x" * (TwilioReplies.body_limit + 1)), 413)


async def test_it_is_there_for_who_has_set_it_up(api: Api) -> None:
    async with client_of(replace(api.gateway, reply_readers={}), None) as client:
        refused = await answer(client, "STOP")
        assert problem(refused, 404)["detail"] == "inbound messages of twilio are not set up"
        problem(await client.post("/v1/inbound/pigeon"), 404)
        problem(await client.get(PATH), 405)


@pytest.mark.parametrize("operation", ["suppression", "put_suppression"])
async def test_records_out_of_reach_are_a_503_and_the_same_again_is_taken(
    api: Api, twilio: httpx.AsyncClient, operation: str
) -> None:
    api.people.down(operation)
    problem(await answer(twilio, "STOP"), 503)
    assert not entries(api)
    api.people.down()
    assert (await answer(twilio, "STOP")).status_code == 204
    assert entries(api).keys() == {R.STOP}


async def test_no_number_and_no_text_is_logged(
    api: Api, twilio: httpx.AsyncClient, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    logs.configure()
    caplog.set_level(logging.DEBUG)
    for text, changes in (
        ("STOP", {}),
        ("START", {}),
        ("canary", {}),
        ("STOP", {"From": f"whatsapp:{NUMBER}"}),
        ("STOP", {"MessageSid": "canary"}),
    ):
        await answer(twilio, text, **changes)
    await answer(twilio, "canary", token="another")
    api.people.down("suppression")
    await answer(twilio, "STOP")
    said: Any = "".join(capsys.readouterr()) + caplog.text
    assert "a reply" in said
    assert not [word for word in (NUMBER, NUMBER[2:], "canary") if word in said]


def test_a_reader_is_loaded_where_its_settings_are(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_reply_readers(load_channels()) == {}
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", TOKEN)
    monkeypatch.setenv("PUBLIC_URL", URL)
    assert load_reply_readers(load_channels()).keys() == {"twilio"}
