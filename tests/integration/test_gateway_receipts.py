"""POST /v1/receipts/…: signed receipts change what is on record, and nothing else does."""

import asyncio
import base64
import json
import secrets
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from twilio.request_validator import RequestValidator

from functions.email.sendgrid_receipts import SendGridReceipts
from functions.relay.waiting_receipts import WaitingReceipts
from functions.sms.twilio_receipts import TwilioReceipts
from shared.delivery.errors import StoreUnavailable
from shared.delivery.model import Attempt, DeliveryStatus, Outcome
from shared.sending.receipts import ReceiptReader
from tests.fakes.clock import Clock
from tests.integration.gateway import Hark, client_of, nothing_done, problem

S = DeliveryStatus
TOKEN = "twilio-auth-token"
URL = "https://hark.example.com"
KEY = ec.generate_private_key(ec.SECP256R1())
PUBLIC_KEY = base64.b64encode(KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


@pytest.fixture
async def provider(hark: Hark) -> AsyncIterator[httpx.AsyncClient]:
    """A client without a key, of a gateway with both providers' receipts set up."""
    readers: dict[str, ReceiptReader] = {"twilio": TwilioReceipts(TOKEN, URL), "sendgrid": SendGridReceipts(PUBLIC_KEY)}
    async with client_of(replace(hark.gateway, readers=readers), None) as client:
        yield client


def an_sid() -> str:
    return "SM" + secrets.token_hex(16)


async def sent(hark: Hark, channel: str, message_id: str) -> str:
    """The id of a notification that the provider has accepted under this id."""
    to = {"email": "a@example.com", "sms": "+14155552671"}
    notification = await hark.sent(to={channel: to[channel]})
    await accepted(hark, notification["id"], channel, message_id)
    return notification["id"]


async def accepted(hark: Hark, notification_id: str, channel: str, message_id: str) -> None:
    attempt = Attempt(1, datetime.now(UTC), Outcome.ACCEPTED, None, 12)
    provider = {"email": "sendgrid", "sms": "twilio"}[channel]
    changes = {"attempts": (attempt,), "provider": provider, "provider_message_id": message_id}
    await hark.set(notification_id, channel, S.SENT, **changes)


async def status(hark: Hark, notification_id: str) -> tuple[DeliveryStatus, str | None]:
    answer = (await hark.client.get(f"/v1/notifications/{notification_id}")).json()
    [delivery] = answer["deliveries"]
    return DeliveryStatus(delivery["status"]), delivery["error"]


async def twilio(client: httpx.AsyncClient, sid: str, word: str, query: str = "", **form: str) -> httpx.Response:
    target = "/v1/receipts/twilio" + query
    fields = {"MessageSid": sid, "MessageStatus": word, "To": "+14155552671", **form}
    signature = RequestValidator(TOKEN).compute_signature(URL + target, fields)
    return await client.post(target, data=fields, headers={"X-Twilio-Signature": signature})


async def sendgrid(client: httpx.AsyncClient, *events: dict[str, Any], at: float | None = None) -> httpx.Response:
    body = json.dumps(list(events))
    timestamp = str(int(time.time() if at is None else at))
    signature = base64.b64encode(KEY.sign((timestamp + body).encode(), ec.ECDSA(hashes.SHA256()))).decode()
    headers = {
        "X-Twilio-Email-Event-Webhook-Signature": signature,
        "X-Twilio-Email-Event-Webhook-Timestamp": timestamp,
    }
    return await client.post("/v1/receipts/sendgrid", content=body, headers=headers)


def event(word: str, message_id: str, **more: Any) -> dict[str, Any]:
    fixed = {"email": "a@example.com", "timestamp": int(time.time()), "sg_event_id": secrets.token_hex(8)}
    return {**fixed, "event": word, "sg_message_id": f"{message_id}.recvd-1", **more}


async def test_a_signed_receipt_sets_delivered_or_undelivered(hark: Hark, provider: httpx.AsyncClient) -> None:
    one, two = an_sid(), an_sid()
    reached, unreached = await sent(hark, "sms", one), await sent(hark, "sms", two)
    assert (await twilio(provider, one, "delivered")).status_code == 204
    assert (await twilio(provider, two, "undelivered", ErrorCode="30003")).status_code == 204
    assert await status(hark, reached) == (S.DELIVERED, None)
    assert await status(hark, unreached) == (S.UNDELIVERED, "Twilio reports undelivered: unreachable handset (30003)")

    mailed, bounced = await sent(hark, "email", "m-1"), await sent(hark, "email", "m-2")
    events = [event("delivered", "m-1"), event("bounce", "m-2", status="5.1.1", reason="a@example.com is no more")]
    assert (await sendgrid(provider, *events)).status_code == 204
    assert await status(hark, mailed) == (S.DELIVERED, None)
    assert await status(hark, bounced) == (S.UNDELIVERED, "SendGrid reports bounce (5.1.1)")


async def test_a_state_never_goes_back(hark: Hark, provider: httpx.AsyncClient) -> None:
    sid = an_sid()
    notification_id = await sent(hark, "sms", sid)
    for word in ("queued", "sent", "delivered", "sent", "queued", "delivered", "undelivered", "failed", "teleported"):
        assert (await twilio(provider, sid, word)).status_code == 204
    assert await status(hark, notification_id) == (S.DELIVERED, None)


async def test_many_at_once_in_any_order_end_the_same(hark: Hark, provider: httpx.AsyncClient) -> None:
    ids = [await sent(hark, "email", f"m-{n}") for n in range(8)]
    events = [event(word, f"m-{n}") for n in range(8) for word in ("delivered", "bounce", "processed", "delivered")]
    secrets.SystemRandom().shuffle(events)
    for start in range(0, len(events), 8):
        assert (await sendgrid(provider, *events[start : start + 8])).status_code == 204
    assert {(await status(hark, i))[0] for i in ids} == {S.UNDELIVERED}


async def test_a_receipt_before_our_own_record_waits_for_it(hark: Hark, provider: httpx.AsyncClient) -> None:
    notification = await hark.sent(to={"sms": "+14155552671"})
    by_our_id, by_theirs = an_sid(), "m-early"
    query = f"?notification_id={notification['id']}"
    assert (await twilio(provider, by_our_id, "delivered", query)).status_code == 204
    assert (await sendgrid(provider, event("bounce", by_theirs))).status_code == 204
    assert (await status(hark, notification["id"]))[0] is S.QUEUED
    assert await hark.documents("receipts") == 2

    await accepted(hark, notification["id"], "sms", by_our_id)
    mailed = await sent(hark, "email", by_theirs)
    later = datetime.now(UTC) + timedelta(minutes=2)
    assert await WaitingReceipts(hark.store, hark.gateway.receipts, hark.gateway.people, lambda: later).sweep() == 2
    assert await status(hark, notification["id"]) == (S.DELIVERED, None)
    assert await status(hark, mailed) == (S.UNDELIVERED, "SendGrid reports bounce")
    assert await hark.documents("receipts") == 0


async def test_ids_that_nobody_knows_are_taken_and_kept(hark: Hark, provider: httpx.AsyncClient) -> None:
    for query in ("", f"?notification_id={uuid.uuid4()}", "?notification_id=../../recipients/alice", "?x=%00"):
        assert (await twilio(provider, an_sid(), "delivered", query)).status_code == 204
    foreign = {"sg_message_id": "x", "event": "delivered", "notification_id": "not-an-id"}
    assert (await sendgrid(provider, foreign, {"event": "delivered"}, event("open", "m-9"))).status_code == 204
    assert await hark.documents("receipts") == 5
    assert await hark.documents("deliveries") == 0


async def test_when_the_records_are_out_of_reach_the_provider_is_asked_to_come_again(
    hark: Hark, provider: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    sid = an_sid()
    notification_id = await sent(hark, "sms", sid)

    async def down(*_: Any) -> None:
        raise StoreUnavailable("down")

    with monkeypatch.context() as outage:
        outage.setattr(hark.gateway.store, "update", down)
        problem(await twilio(provider, sid, "delivered"), 503)
    assert (await twilio(provider, sid, "delivered")).status_code == 204
    assert (await status(hark, notification_id))[0] is S.DELIVERED


async def test_an_outage_ends_a_large_batch_at_once(
    hark: Hark, provider: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0

    async def down(*_: Any) -> None:
        nonlocal calls
        calls += 1
        await asyncio.sleep(0.01)
        raise StoreUnavailable("down")

    monkeypatch.setattr(hark.gateway.store, "sent_as", down)
    problem(await sendgrid(provider, *(event("delivered", f"m-{n}") for n in range(1000))), 503)
    assert calls <= 40, "those that had begun, and no others"


async def test_a_delivery_that_cannot_be_read_keeps_no_other_receipt_back(
    hark: Hark, provider: httpx.AsyncClient
) -> None:
    poisoned, good = await sent(hark, "email", "m-poison"), await sent(hark, "email", "m-good")
    path = f"notifications/{poisoned}/deliveries/email"
    url = f"http://{hark.firestore}/v1/projects/{hark.project}/databases/(default)/documents/{path}"
    newer = {"fields": {"status": {"stringValue": "of a newer version"}}}
    (await hark.emulators.patch(url, params={"updateMask.fieldPaths": "status"}, json=newer)).raise_for_status()
    events = [event("delivered", "m-poison", notification_id=poisoned), event("delivered", "m-good")]
    assert (await sendgrid(provider, *events)).status_code == 204
    assert (await status(hark, good))[0] is S.DELIVERED
    for minutes in (1, 5, 30):
        clock = Clock(datetime.now(UTC) + timedelta(minutes=minutes))
        assert await WaitingReceipts(hark.store, hark.gateway.receipts, hark.gateway.people, clock.now).sweep() == 0
    assert await hark.documents("receipts") == 1


async def test_a_provider_that_is_not_set_up_is_a_404_that_says_so(hark: Hark) -> None:
    answer = await hark.client.post("/v1/receipts/twilio")
    assert problem(answer, 404)["detail"] == "receipts of twilio are not set up"
    problem(await hark.client.post("/v1/receipts/pigeon"), 404)
    problem(await hark.client.get("/v1/receipts/twilio"), 405)


def forgeries(sid: str) -> Iterator[tuple[str, bytes, list[tuple[str, str]]]]:
    """Requests that only seem to be receipts: target, body, headers."""
    form = {"MessageSid": sid, "MessageStatus": "delivered"}
    good = RequestValidator(TOKEN).compute_signature(URL + "/v1/receipts/twilio", form)
    signatures = ["", "x", good[:-1], good.lower(), good[::-1], good + "=", "=" * 28, "é" * 28]
    signatures += [
        RequestValidator(t).compute_signature(URL + "/v1/receipts/twilio", form) for t in ("", "lab", TOKEN[:-1])
    ]
    signatures += [
        RequestValidator(TOKEN).compute_signature(url + "/v1/receipts/twilio", form)
        for url in ("http://hark.example.com", "https://hark.example.com.evil.example", "https://HARK.example.com")
    ]
    signatures += [base64.b64encode(secrets.token_bytes(n)).decode() for n in range(40)]
    bodies = [urlencode(form), urlencode({**form, "MessageStatus": "failed"}), urlencode(form) + "&x=1", "", "a" * 500]
    for signature in signatures:
        for body in bodies:
            yield "twilio", body.encode(), [("X-Twilio-Signature", signature)]
    for target in ("?x=1", "?notification_id=1"):
        yield "twilio" + target, bodies[0].encode(), [("X-Twilio-Signature", good)]
    yield "twilio", bodies[0].encode(), [("X-Twilio-Signature", good)] * 2
    yield "twilio", bodies[0].encode(), []

    batch = json.dumps([event("delivered", sid)])
    now = int(time.time())
    other = ec.generate_private_key(ec.SECP256R1())
    for key in (KEY, other):
        for age in (-86_400, -301, 900, 86_400) if key is KEY else (0, -10, -301):
            stamp = str(now + age)
            signature = base64.b64encode(key.sign((stamp + batch).encode(), ec.ECDSA(hashes.SHA256()))).decode()
            for said in {stamp, str(now), f" {now}", f"{now}.0", "", "x", "٣"}:
                for body in (batch, batch + " ", "[]", "{}", ""):
                    if key is other or said != stamp or body != batch or abs(age) > 300:
                        yield "sendgrid", body.encode(), _sendgrid_headers(signature, said)
    genuine = base64.b64encode(KEY.sign((str(now) + batch).encode(), ec.ECDSA(hashes.SHA256()))).decode()
    yield "sendgrid", batch.encode(), _sendgrid_headers(genuine, str(now)) * 2
    for n in range(700):
        yield (
            "sendgrid",
            batch.encode(),
            _sendgrid_headers(base64.b64encode(secrets.token_bytes(n % 80)).decode(), str(now)),
        )


def _sendgrid_headers(signature: str, timestamp: str) -> list[tuple[str, str]]:
    prefix = "X-Twilio-Email-Event-Webhook-"
    return [(prefix + "Signature", signature), (prefix + "Timestamp", timestamp)]


async def test_a_thousand_forgeries_are_refused_and_nothing_is_written(hark: Hark, provider: httpx.AsyncClient) -> None:
    sid = an_sid()
    notification_id = await sent(hark, "sms", sid)
    count = 0
    async with nothing_done(hark):
        for target, body, headers in forgeries(sid):
            count += 1
            encoded = [(name, value.encode()) for name, value in headers]
            form = [(b"Content-Type", b"application/x-www-form-urlencoded")] if target.startswith("twilio") else []
            answer = await provider.post(
                f"/v1/receipts/{target}", content=body, headers=[(n.encode(), v) for n, v in encoded] + form
            )
            assert answer.status_code == 403, (target, body, headers)
    assert count >= 1000
    assert (await status(hark, notification_id))[0] is S.SENT
    assert (await twilio(provider, sid, "delivered")).status_code == 204, "or this test could not fail"
    for _ in range(20):
        replayed = await twilio(provider, sid, "delivered")
        assert replayed.status_code == 204
    assert (await status(hark, notification_id))[0] is S.DELIVERED
