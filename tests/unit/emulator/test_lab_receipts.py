"""The lab's receipts: what it sends, when, how it is signed, and what can be made to go wrong with it."""

import asyncio
import base64
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest
import vonage_jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import SecretStr
from sendgrid.helpers.eventwebhook import EventWebhook, EventWebhookHeader
from starlette.datastructures import Headers
from twilio.request_validator import RequestValidator

from emulator import stack, webhook_key
from emulator.config import function_environment, load, read_channels
from emulator.errors import ConfigError
from emulator.lab import receipts
from emulator.lab.__main__ import parse_arguments
from emulator.lab.callbacks import Callback, Lost
from emulator.lab.faults import InvalidFault
from emulator.lab.providers import sendgrid_receipts, twilio_receipts
from emulator.lab.providers.vonage_receipts import VonageReporter
from emulator.lab.receipt_faults import ReceiptFault, ReceiptMode, parse
from emulator.lab.running import Settings, running
from emulator.rundir import RunDir
from functions.email.sendgrid_provider import SendGridProvider, SendGridSettings
from functions.email.sendgrid_receipts import SendGridReceipts
from functions.sms.twilio_provider import TwilioProvider, TwilioSettings
from functions.sms.twilio_receipts import TwilioReceipts
from functions.sms.twilio_replies import TwilioReplies
from functions.sms.vonage_provider import VonageProvider, VonageSettings
from functions.sms.vonage_receipts import VonageReceipts
from shared.delivery.model import DeliveryStatus, SuppressionReason
from shared.sending.provider import Outgoing, Provider
from shared.sending.receipts import ReceiptReader, ReceiptRequest
from shared.sending.replies import Wish
from tests.e2e.stack import ROOT

NOTIFICATION_ID = "5b3c9cde-0001-4000-8000-000000000001"
TOKEN = "lab-token"
SECRET = "another-signature-secret-of-the-lab"  # pragma: allowlist secret
DELAY = 0.05
CHANNELS = ["email", "sms"]
ADDRESSES = {"email": "a@example.com", "sms": "+14155552671"}
UNDELIVERED = {"email": "undelivered@fail.test", "sms": "+15005550009"}
WORDS = {"email": ["processed", "delivered"], "sms": ["sent", "delivered"]}
NOT_ARRIVED = {"email": "bounce", "sms": "undelivered"}


@dataclass
class Gateway:
    """Takes receipts as the gateway does, and keeps what it got. `answers`: the statuses to begin with."""

    public_key: str
    url: str = ""
    got: list[ReceiptRequest] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        headers = Headers(raw=[(name.lower(), value) for name, value in request.raw_headers])
        received = ReceiptRequest(request.raw_path, headers, await request.read(), datetime.now(UTC))
        self.got.append(received)
        if not self.genuine(received):
            return web.Response(status=403)
        return web.Response(status=self.answers.pop(0) if self.answers else 204)

    def genuine(self, request: ReceiptRequest) -> bool:
        """As the SDKs see it."""
        body = request.body.decode()
        if "twilio" in request.target:
            form = dict(httpx.QueryParams(body))
            signature = request.headers["X-Twilio-Signature"]
            return bool(RequestValidator(TOKEN).validate(self.url + request.target, form, signature))
        if "vonage" in request.target:
            return bool(vonage_jwt.verify_signature(request.headers["Authorization"].removeprefix("Bearer "), SECRET))
        signed = (request.headers[name] for name in (EventWebhookHeader.SIGNATURE, EventWebhookHeader.TIMESTAMP))
        return bool(EventWebhook(self.public_key).verify_signature(body, *signed))

    def readers(self) -> dict[str, ReceiptReader]:
        return {"sms": TwilioReceipts(TOKEN, self.url), "email": SendGridReceipts(self.public_key)}


@dataclass
class Bench:
    """A running lab, the gateway that it reports to, and senders."""

    gateway: Gateway
    lab: httpx.AsyncClient
    url: str

    async def send(self, channel: str, address: str | None = None) -> str | None:
        provider: Provider
        if channel == "sms":
            provider = TwilioProvider(
                TwilioSettings(
                    twilio_account_sid="AC" + "0" * 32,
                    twilio_auth_token=SecretStr("x"),
                    twilio_from="+15005550006",
                    twilio_base_url=self.url,
                    public_url=self.gateway.url,
                )
            )
        else:
            provider = SendGridProvider(
                SendGridSettings(
                    sendgrid_api_key=SecretStr("SG.x"), sendgrid_base_url=self.url, email_from="hark@example.com"
                )
            )
        try:
            return await provider.send(Outgoing(NOTIFICATION_ID, address or ADDRESSES[channel], None, "Hello", 5))
        finally:
            await provider.aclose()

    async def sent(self, least: int, **query: str) -> list[dict[str, Any]]:
        """The lab's record once it has so many receipts."""
        async with asyncio.timeout(5):
            while True:
                items: list[dict[str, Any]] = (await self.lab.get("/receipts/sent.json", params=query)).json()["items"]
                if len(items) >= least:
                    return items
                await asyncio.sleep(0.01)

    async def set(self, channel: str, mode: str, **more: Any) -> None:
        assert (await self.lab.put("/receipts", json={"channel": channel, "mode": mode, **more})).status_code == 200


@asynccontextmanager
async def serving(gateway: Gateway) -> AsyncIterator[None]:
    app = web.Application()
    app.router.add_post("/v1/receipts/{provider}", gateway.take)
    app.router.add_post("/v1/inbound/{provider}", gateway.take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    gateway.url = f"http://127.0.0.1:{site.port}"
    yield
    await runner.cleanup()


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    gateway = Gateway(webhook_key.make(tmp_path / "key.pem"))
    async with serving(gateway):
        settings = Settings(
            port=0,
            smtp_port=0,
            witness=tmp_path / "witness.jsonl",
            receipts_url=gateway.url,
            receipt_delay=DELAY,
            sendgrid_key=tmp_path / "key.pem",
            twilio_auth_token=TOKEN,
            vonage_signature_secret=SECRET,
        )
        async with running(settings) as at, httpx.AsyncClient(base_url=at.url, trust_env=False, timeout=30) as client:
            yield Bench(gateway, client, at.url)


def statuses(items: list[dict[str, Any]]) -> list[str]:
    return [item["status"] for item in items]


@pytest.mark.parametrize("channel", CHANNELS)
async def test_what_was_accepted_is_reported_and_both_sdks_and_readers_believe_it(bench: Bench, channel: str) -> None:
    message_id = await bench.send(channel)
    items = await bench.sent(2)
    assert statuses(items) == WORDS[channel]
    for item in items:
        assert item.pop("at").endswith("Z")
        assert item.pop("status")
        assert item.pop("provider") in {"twilio", "sendgrid"}
        expected = {"channel": channel, "message_id": message_id, "notification_id": NOTIFICATION_ID}
        assert item == {**expected, "mode": None, "answer": 204}
    assert all(map(bench.gateway.genuine, bench.gateway.got))
    [receipt] = [each for request in bench.gateway.got for each in bench.gateway.readers()[channel].read(request)]
    assert receipt.status is DeliveryStatus.DELIVERED
    assert (receipt.notification_id, receipt.provider_message_id) == (NOTIFICATION_ID, message_id)


@pytest.mark.parametrize("channel", CHANNELS)
async def test_some_addresses_are_reported_undelivered_whatever_the_faults(bench: Bench, channel: str) -> None:
    await bench.lab.put("/faults", json={"channel": channel, "mode": "400"})
    await bench.send(channel, UNDELIVERED[channel])
    assert statuses(await bench.sent(2)) == [WORDS[channel][0], NOT_ARRIVED[channel]]
    [receipt] = [each for request in bench.gateway.got for each in bench.gateway.readers()[channel].read(request)]
    assert receipt.status is DeliveryStatus.UNDELIVERED
    assert receipt.reason in {
        "Twilio reports undelivered: unreachable handset (30003)",
        "SendGrid reports bounce (5.1.1, Invalid Address)",
    }


async def test_a_callbacks_url_is_the_messages_own_without_its_fragment(bench: Bench) -> None:
    await bench.send("sms")
    await bench.sent(2)
    assert {request.target for request in bench.gateway.got} == {
        f"/v1/receipts/twilio?notification_id={NOTIFICATION_ID}"
    }


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize(("mode", "reported"), [("503", 0), ("reset", 0), ("accept-then-reset", 2), ("truncated", 2)])
async def test_only_what_was_accepted_is_reported(bench: Bench, channel: str, mode: str, reported: int) -> None:
    await bench.lab.put("/faults", json={"channel": channel, "mode": mode, "count": 1})
    await asyncio.gather(bench.send(channel), return_exceptions=True)
    await asyncio.sleep(DELAY * 2)
    assert len(await bench.sent(reported)) == reported


async def test_nobody_is_told_who_did_not_ask(bench: Bench) -> None:
    form = {"To": ADDRESSES["sms"], "From": "+15005550006", "Body": "Hello"}
    path = f"/2010-04-01/Accounts/AC{'0' * 32}/Messages.json"
    assert (await bench.lab.post(path, data=form, auth=("AC" + "0" * 32, "x"))).status_code == 201
    refused = await bench.lab.post(path, data=form | {"StatusCallback": "nowhere"}, auth=("AC" + "0" * 32, "x"))
    assert refused.json()["code"] == 21609
    await asyncio.sleep(DELAY * 3)
    assert await bench.sent(0) == []


@pytest.mark.parametrize(
    ("sender", "told"),
    [
        ({"From": "+15551230000"}, {"From": "+15551230000"}),
        # The service has picked a number by then.
        (
            {"MessagingServiceSid": "MG" + "0" * 32},
            {"From": "+15005550006", "MessagingServiceSid": "MG" + "0" * 32},
        ),
    ],
)
async def test_a_callback_names_the_number_that_it_was_sent_from(
    bench: Bench, sender: dict[str, str], told: dict[str, str]
) -> None:
    form = {"To": ADDRESSES["sms"], "Body": "Hello", "StatusCallback": f"{bench.gateway.url}/v1/receipts/twilio"}
    path = f"/2010-04-01/Accounts/AC{'0' * 32}/Messages.json"
    assert (await bench.lab.post(path, data=form | sender, auth=("AC" + "0" * 32, "x"))).status_code == 201
    await bench.sent(2)
    for request in bench.gateway.got:
        fields = dict(parse_qsl(request.body.decode()))
        assert {name: fields[name] for name in ("From", "MessagingServiceSid") if name in fields} == told


@pytest.mark.parametrize("channel", CHANNELS)
async def test_off_sends_none_and_a_count_ends_it(bench: Bench, channel: str) -> None:
    await bench.set(channel, "off", count=1)
    await bench.send(channel)
    await asyncio.sleep(DELAY * 3)
    assert await bench.sent(0) == []
    await bench.send(channel)
    assert len(await bench.sent(2)) == 2


@pytest.mark.parametrize("channel", CHANNELS)
async def test_double_sends_each_request_twice(bench: Bench, channel: str) -> None:
    await bench.set(channel, "double")
    await bench.send(channel)
    items = await bench.sent(4)
    assert sorted(statuses(items)) == sorted(WORDS[channel] * 2)
    assert {(item["mode"], item["answer"]) for item in items} == {("double", 204)}
    bodies = [request.body for request in bench.gateway.got]
    assert bodies[0::2] == bodies[1::2]


@pytest.mark.parametrize("channel", CHANNELS)
async def test_reorder_sends_the_last_state_first(bench: Bench, channel: str) -> None:
    await bench.set(channel, "reorder")
    await bench.send(channel)
    assert statuses(await bench.sent(2)) == WORDS[channel][::-1]
    assert len(bench.gateway.got) == 2


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("undelivered", [False, True])
async def test_forge_says_the_opposite_and_is_refused(bench: Bench, channel: str, undelivered: bool) -> None:
    await bench.set(channel, "forge")
    await bench.send(channel, UNDELIVERED[channel] if undelivered else None)
    forged, *true = await bench.sent(3)
    ends = [WORDS[channel][1], NOT_ARRIVED[channel]]
    assert (forged["status"], forged["mode"], forged["answer"]) == (ends[not undelivered], "forge", 403)
    assert statuses(true) == [WORDS[channel][0], ends[undelivered]]
    assert {(item["mode"], item["answer"]) for item in true} == {(None, 204)}


@pytest.mark.parametrize(
    ("channel", "mode", "words", "suppresses"),
    [
        ("email", "bounce", ["processed", "bounce"], SuppressionReason.HARD_BOUNCE),
        ("email", "complaint", ["processed", "delivered", "spamreport"], SuppressionReason.COMPLAINT),
        ("email", "unsubscribe", ["processed", "delivered", "unsubscribe"], SuppressionReason.UNSUBSCRIBED),
        ("sms", "bounce", ["sent", "undelivered"], SuppressionReason.INVALID),
        ("sms", "complaint", ["sent", "delivered"], None),  # Twilio has no such receipt
        ("sms", "unsubscribe", ["sent", "delivered"], None),
    ],
)
async def test_what_a_person_or_a_mailbox_says_for_the_future(
    bench: Bench, channel: str, mode: str, words: list[str], suppresses: SuppressionReason | None
) -> None:
    await bench.set(channel, mode)
    await bench.send(channel)
    items = await bench.sent(len(words))
    assert statuses(items) == words
    assert {(item["mode"], item["answer"]) for item in items} == {(mode, 204)}
    read = [each for request in bench.gateway.got for each in bench.gateway.readers()[channel].read(request)]
    assert read[-1].suppresses is suppresses


async def test_a_person_answers_and_twilio_hands_it_over(bench: Bench) -> None:
    asked = [
        {"from": "+14155552671", "text": "Stop."},
        {"from": "+14155552671", "text": "START", "to": "+15005550001"},
        {"from": "+14155552671", "text": "BAJA", "opt_out_type": "STOP"},
        {"from": "whatsapp:+14155552671", "text": "STOP"},
        {"from": "+14155552671", "text": "thank you ü"},
    ]
    for each in asked:
        answer = await bench.lab.post("/inbound", json=each)
        assert (answer.status_code, answer.json()["answer"]) == (200, 204)
        assert answer.json()["message_id"].startswith("SM")
    assert all(map(bench.gateway.genuine, bench.gateway.got))
    reader = TwilioReplies(TOKEN, bench.gateway.url)
    wishes = [None if reply is None else reply.wish for reply in map(reader.read, bench.gateway.got)]
    assert wishes == [Wish.STOP, Wish.START, Wish.STOP, None, None]


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b"", ["body"]),
        (b"[]", ["body"]),
        (b"{}", ["from", "text"]),
        (b'{"from": "+14155552671", "text": 5, "at": 1}', ["at", "text"]),
        (b'{"from": "", "to": null, "text": "STOP", "opt_out_type": "stop"}', ["from", "to", "opt_out_type"]),
    ],
)
async def test_a_wrong_field_of_an_answer_is_named(bench: Bench, body: bytes, fields: list[str]) -> None:
    answer = await bench.lab.post("/inbound", content=body)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == fields
    assert bench.gateway.got == []


async def test_without_a_gateway_nobody_answers(tmp_path: Path) -> None:
    settings = Settings(port=0, smtp_port=0, witness=tmp_path / "witness.jsonl")
    async with running(settings) as at, httpx.AsyncClient(base_url=at.url, trust_env=False) as client:
        answer = await client.post("/inbound", json={"from": "+14155552671", "text": "STOP"})
    assert (answer.status_code, "--receipts-url" in answer.json()["detail"]) == (422, True)


@pytest.mark.parametrize("channel", CHANNELS)
async def test_early_is_before_the_send_returns(bench: Bench, channel: str) -> None:
    await bench.set(channel, "early")
    await bench.send(channel)
    items = (await bench.lab.get("/receipts/sent.json")).json()["items"]
    assert statuses(items) == WORDS[channel]
    assert len(bench.gateway.got) == len({item["status"] for item in items}) - (channel == "email")


@pytest.mark.parametrize("channel", CHANNELS)
async def test_delay_is_so_much_later(bench: Bench, channel: str) -> None:
    await bench.set(channel, "delay", seconds=0.4)
    await bench.send(channel)
    began = asyncio.get_running_loop().time()
    await bench.sent(2)
    assert asyncio.get_running_loop().time() - began >= 0.4
    assert all(map(bench.gateway.genuine, bench.gateway.got))


async def test_sendgrid_tries_again_until_it_is_taken(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sendgrid_receipts, "PAUSE_SECONDS", 0.02)
    bench.gateway.answers = [503, 404, 302]
    await bench.send("email")
    assert [item["answer"] for item in await bench.sent(8)] == [503, 503, 404, 404, 302, 302, 204, 204]
    assert len({request.body for request in bench.gateway.got}) == 1


async def test_twilio_tries_again_as_the_url_asks(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(twilio_receipts, "FIRST_PAUSE", 0.001)
    bench.gateway.answers = [503] * 12
    await bench.send("sms")
    items = await bench.sent(12)
    assert sorted(statuses(items)) == ["delivered"] * 6 + ["sent"] * 6
    await asyncio.sleep(0.1)
    assert len(await bench.sent(12)) == 12


async def test_an_answer_that_never_came_is_on_record_as_none(bench: Bench) -> None:
    bench.gateway.url = "http://127.0.0.1:9"
    await bench.send("sms")
    assert {item["answer"] for item in await bench.sent(2)} == {None}


@pytest.mark.parametrize(
    ("fragment", "outcome", "pauses"),
    [
        ("#rc=5&rp=all", 503, 5),
        ("#rc=2&rp=all", 403, 2),
        ("#rc=3&rp=5xx,ct", 503, 3),
        ("#rc=3&rp=5xx,ct", 403, 0),
        ("#rc=3&rp=5xx,ct", Lost.CONNECT, 3),
        ("#rc=3&rp=4xx,rt", Lost.READ, 3),
        ("#rc=3", 503, 0),
        ("#rc=9&rp=all", 503, 1),
        ("#rc=0&rp=all", 503, 0),
        ("", 503, 0),
        ("", Lost.READ, 0),
        ("", Lost.CONNECT, 1),
        ("#rc=5&rp=all", 204, 0),
    ],
)
def test_twilios_retries_grow_and_end(fragment: str, outcome: int | Lost, pauses: int) -> None:
    callback = Callback(f"https://hark.example.com/x{fragment}", "", b"", ())
    reporter = twilio_receipts.TwilioReporter(TOKEN)
    waits = [reporter.pause(callback, tries, outcome) for tries in range(1, pauses + 2)]
    assert waits[-1] is None
    assert waits[:-1] == [0.25 * 2**number for number in range(pauses)]


@pytest.mark.parametrize(("mode", "words"), [("bounce", ["submitted", "rejected"]), ("off", [])])
async def test_vonage_reports_where_a_message_asks_signed_as_the_sdk_verifies_it(
    bench: Bench, mode: str, words: list[str]
) -> None:
    await bench.set("sms", mode)
    settings = VonageSettings(
        vonage_api_key="lab00000",  # pragma: allowlist secret
        vonage_api_secret=SecretStr("x"),
        vonage_from="+15005550006",
        vonage_base_url=bench.url,
        public_url=bench.gateway.url,
    )
    async with aclosing(VonageProvider(settings)) as provider:
        message_id = await provider.send(Outgoing(NOTIFICATION_ID, ADDRESSES["sms"], None, "Hello", 5))
        items = await bench.sent(len(words))
    assert statuses(items) == words
    for request in bench.gateway.got:
        assert request.target == "/v1/receipts/vonage"
        assert vonage_jwt.verify_signature(request.headers["Authorization"].removeprefix("Bearer "), SECRET)
    receipts = [receipt for request in bench.gateway.got for receipt in VonageReceipts(SECRET).read(request)]
    assert [(r.status, r.notification_id, r.provider_message_id, r.suppresses) for r in receipts] == [
        (DeliveryStatus.UNDELIVERED, NOTIFICATION_ID, message_id, SuppressionReason.INVALID) for _ in words[1:]
    ]


def test_vonage_tries_for_a_day_but_not_what_is_refused() -> None:
    reporter, callback = VonageReporter(SECRET), Callback("https://hark.example.com/x", "", b"", ())
    for outcome in (503, 429, Lost.CONNECT, Lost.READ):
        waits = [reporter.pause(callback, tries, outcome) for tries in range(1, 104)]
        assert waits[:3] == [5, 10, 20]
        assert waits[-1] is None
        assert 23 * 3600 < sum(wait for wait in waits if wait is not None) < 25 * 3600
    assert [reporter.pause(callback, 1, outcome) for outcome in (204, 403, 404)] == [None, None, None]


def test_sendgrid_gives_up_after_a_minute() -> None:
    reporter = sendgrid_receipts.SendGridReporter("", ec.generate_private_key(ec.SECP256R1()))
    waits = [reporter.pause(Callback("", "", b"", ()), tries, 503) for tries in range(1, 61)]
    assert (waits[:-1], waits[-1]) == ([1.0] * 59, None)


async def test_the_record_is_of_one_notification_if_asked(bench: Bench) -> None:
    await asyncio.gather(*map(bench.send, CHANNELS))
    assert len(await bench.sent(4, notification_id=NOTIFICATION_ID)) == 4
    assert await bench.sent(0, notification_id="another") == []


async def test_early_receipts_do_not_hold_an_answer_for_ever(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receipts, "EARLY_SECONDS", 0.1)
    async with silent() as url:
        bench.gateway.url = url
        await bench.set("sms", "early")
        assert await bench.send("sms")


async def test_a_lab_stops_at_once_whatever_it_has_still_to_report(tmp_path: Path) -> None:
    gateway = Gateway(webhook_key.make(tmp_path / "key.pem"))
    async with silent() as gateway.url:
        settings = Settings(port=0, smtp_port=0, witness=tmp_path / "witness.jsonl", receipt_delay=0)
        async with running(settings) as at, httpx.AsyncClient(base_url=at.url, trust_env=False, timeout=30) as client:
            bench = Bench(gateway, client, at.url)
            await bench.send("sms")
            await bench.set("sms", "delay", seconds=60)
            await bench.send("sms")
            await asyncio.sleep(0.05)
            began = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - began < 1


@asynccontextmanager
async def silent() -> AsyncIterator[str]:
    """Somebody who takes connections and says nothing."""
    ended = asyncio.Event()

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await ended.wait()
        writer.close()

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    ended.set()
    server.close()


async def test_receipts_are_set_listed_and_cleared_over_http(bench: Bench) -> None:
    answer = await bench.lab.put("/receipts", json={"channel": "sms", "mode": "delay", "rate": 0.25, "count": 3})
    expected = {"items": [{"channel": "sms", "mode": "delay", "rate": 0.25, "count": 3, "seconds": 5}]}
    assert (answer.status_code, answer.json()) == (200, expected)
    assert (await bench.lab.get("/receipts")).json() == expected
    assert (await bench.lab.get("/faults")).json() == {"items": []}
    for wrong in (b"", b"[]", b'{"channel": "sms", "mode": "503"}', b'{"channel": "sms", "mode": "off"}'):
        refused = await bench.lab.put("/receipts", content=wrong)
        assert (refused.status_code, refused.headers["Content-Type"][:24]) == (422, "application/problem+json")
    assert (await bench.lab.delete("/receipts")).status_code == 204
    assert (await bench.lab.get("/receipts")).json() == {"items": []}


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"channel": None}, ["channel"]),
        ({"mode": "503"}, ["mode"]),
        ({"mode": None}, ["mode"]),
        ({"rate": 2}, ["rate"]),
        ({"count": 0}, ["count"]),
        ({"seconds": -1}, ["seconds"]),
        ({"seconds": "5"}, ["seconds"]),
        ({"seconds": True}, ["seconds"]),
        ({"seconds": float("nan")}, ["seconds"]),
        ({"seconds": 10**400}, ["seconds"]),
        ({"mode": "double", "seconds": 5}, ["seconds"]),
        ({"seed": 1, "rate": None, "mode": "late"}, ["seed", "mode", "rate"]),
    ],
)
def test_a_wrong_field_is_named(change: dict[str, Any], fields: list[str]) -> None:
    with pytest.raises(InvalidFault) as refused:
        parse({"channel": "sms", "mode": "delay", **change})
    assert [error.field for error in refused.value.errors] == fields


def test_seconds_are_of_delay_alone() -> None:
    assert parse({"channel": "sms", "mode": "delay"}) == ReceiptFault("sms", ReceiptMode.DELAY, seconds=5)
    assert parse({"channel": "sms", "mode": "delay", "seconds": 0.5}).seconds == 0.5
    assert parse({"channel": "sms", "mode": "off", "seconds": None}) == ReceiptFault("sms", ReceiptMode.OFF)


@pytest.mark.parametrize("content", [None, "", "not a key"])
async def test_without_the_key_that_signs_a_lab_does_not_start(tmp_path: Path, content: str | None) -> None:
    key = tmp_path / "key.pem"
    if content is not None:
        key.write_text(content)
    settings = Settings(port=0, smtp_port=0, witness=tmp_path / "w", receipts_url="http://127.0.0.1:9")
    for wrong in (settings, replace(settings, sendgrid_key=key)):
        with pytest.raises(SystemExit, match="LAB_SENDGRID_KEY_FILE"):
            async with running(wrong):
                pass


def test_the_arguments_and_the_environment_say_how_it_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    argv = ["lab", "--receipts-url", "http://127.0.0.1:8080", "--receipt-delay", "1.5"]
    monkeypatch.setattr(sys, "argv", argv)
    for name in (
        "LAB_TWILIO_AUTH_TOKEN",
        "TWILIO_AUTH_TOKEN",
        "LAB_VONAGE_SIGNATURE_SECRET",
        "VONAGE_SIGNATURE_SECRET",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LAB_SENDGRID_KEY_FILE", "/key.pem")
    settings = parse_arguments()
    assert (settings.receipts_url, settings.receipt_delay) == ("http://127.0.0.1:8080", 1.5)
    assert (settings.sendgrid_key, settings.twilio_auth_token) == (Path("/key.pem"), "lab")
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "real")
    assert parse_arguments().twilio_auth_token == "real"
    monkeypatch.setenv("LAB_TWILIO_AUTH_TOKEN", "its own")
    assert parse_arguments().twilio_auth_token == "its own"
    assert settings.vonage_signature_secret == Settings.vonage_signature_secret
    monkeypatch.setenv("VONAGE_SIGNATURE_SECRET", "real")
    assert parse_arguments().vonage_signature_secret == "real"  # pragma: allowlist secret
    monkeypatch.setenv("LAB_VONAGE_SIGNATURE_SECRET", "its own")
    assert parse_arguments().vonage_signature_secret == "its own"  # pragma: allowlist secret


def test_a_key_is_its_owners_alone_and_new_each_time(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_text("an older one")
    path.chmod(0o644)
    first, second = webhook_key.make(path), webhook_key.make(path)
    assert first != second
    assert path.stat().st_mode & 0o777 == 0o600
    public = sendgrid_receipts.load_key(path).public_key()
    assert second == base64.b64encode(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


CHANNELS_FILE = """
pigeon:
  local: {PIGEON_RECEIPTS: "{gateway}/v1"}
  receipts: {PIGEON_KEY: "{webhook_key}", PIGEON_URL: "{gateway}", PIGEON_RING: 3}
drum:
  receipts: {DRUM_KEY: x}
"""


def test_the_gateway_gets_what_each_channels_receipts_need(tmp_path: Path) -> None:
    (tmp_path / "infra").mkdir()
    (tmp_path / "infra/channels.yaml").write_text(CHANNELS_FILE)
    config = load(tmp_path, {"PIGEON_RING": ""})
    env = {name: function_environment(config, name, "", "", "MFkw") for name in config.functions}
    ours = {name: {key: each[key] for key in each if key.startswith(("PIGEON", "DRUM"))} for name, each in env.items()}
    url = "http://127.0.0.1:8080"
    receipts = {"PIGEON_KEY": "MFkw", "PIGEON_URL": url, "PIGEON_RING": "", "DRUM_KEY": "x"}
    assert ours.pop("gateway") == ours.pop("operations") == receipts  # which opens what the gateway opens
    assert ours.pop("pigeon") == {"PIGEON_RECEIPTS": f"{url}/v1", "PIGEON_RING": ""}
    assert all(each == {"PIGEON_RING": ""} for each in ours.values())


@pytest.mark.parametrize("value", ["1", "[b]", "{B: [c]}", "{B: true}"])
def test_a_bad_receipts_entry_is_refused_with_its_path(tmp_path: Path, value: str) -> None:
    file = tmp_path / "channels.yaml"
    file.write_text(f"a: {{receipts: {value}}}")
    with pytest.raises(ConfigError, match=r"channels\.yaml: a\.receipts"):
        read_channels(file)


async def test_make_run_gives_the_lab_and_the_gateway_two_halves_of_one_key(tmp_path: Path) -> None:
    config = load(ROOT, {"HARK_RUN_DIR": str(tmp_path), "HARK_PORT_OFFSET": "7", "PUBLIC_URL": "https://x.example"})
    run_dir = RunDir(config)
    lab = stack.lab(config, run_dir)
    programs = {each.name: each.env for each in stack.functions(config, "", "", run_dir.webhook_public_key)}
    assert lab.env["LAB_SENDGRID_KEY_FILE"] == str(tmp_path / "7" / "sendgrid-webhook.pem")
    assert lab.argv[-2:] == ("--receipts-url", "http://127.0.0.1:8087")
    assert programs["gateway"]["SENDGRID_WEBHOOK_PUBLIC_KEY"] == run_dir.webhook_public_key
    assert programs["gateway"]["TWILIO_AUTH_TOKEN"] == programs["sms"]["TWILIO_AUTH_TOKEN"] == "lab"
    assert programs["gateway"]["VONAGE_SIGNATURE_SECRET"] == Settings.vonage_signature_secret
    assert programs["gateway"]["PUBLIC_URL"] == programs["sms"]["PUBLIC_URL"] == "https://x.example"
    assert "SENDGRID_WEBHOOK_PUBLIC_KEY" not in programs["email"]
