"""The lab through the real SDKs: what each provider accepts, and how each fault looks on the wire."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import aiosmtplib
import httpx
import jwt
import pytest
import sendgrid
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from python_http_client.exceptions import HTTPError
from sendgrid.helpers.mail import CustomArg, Mail
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.webhook.async_client import AsyncWebhookClient
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from emulator.lab.running import Addresses, Settings, running

ACCOUNT = "AC" + "0" * 32
KEY = generate_private_key(65537, 2048)
CHANNELS = {
    "sendgrid": "email",
    "smtp": "email",
    "twilio": "sms",
    "vonage": "sms",
    "slack": "slack",
    "slack-webhook": "slack",
}
HTTP_PROVIDERS = [provider for provider in CHANNELS if provider != "smtp"]
SLOW_SECONDS = 0.4


@pytest.fixture
def witness(tmp_path: Path) -> Path:
    return tmp_path / "run" / "witness.jsonl"


@pytest.fixture
async def lab(witness: Path) -> AsyncIterator[Addresses]:
    async with running(Settings(port=0, smtp_port=0, witness=witness, slow_seconds=SLOW_SECONDS)) as addresses:
        yield addresses


@pytest.fixture
async def http(lab: Addresses) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=lab.url, timeout=5) as client:
        yield client


# Each sends one message with the real SDK and answers the message's id.


async def send_sendgrid(lab: Addresses, to: str = "a@example.com") -> str:
    mail = Mail("hark@example.com", to, "Deploy", plain_text_content="Build 42 is live")
    mail.add_custom_arg(CustomArg("notification_id", "n-1"))
    client = sendgrid.SendGridAPIClient("SG.key", host=lab.url)
    answer = await asyncio.to_thread(client.client.mail.send.post, request_body=mail.get(), timeout=5)
    assert (answer.status_code, answer.body) == (202, b"")
    return str(answer.headers["X-Message-Id"])


async def send_smtp(lab: Addresses, to: str = "a@example.com") -> str:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "hark@example.com", to, "Deploy"
    mail["Message-ID"], mail["X-Hark-Notification-Id"] = "<1@hark.test>", "n-1"
    mail.set_content("Build 42 is live")
    await aiosmtplib.send(mail, hostname=lab.smtp_host, port=lab.smtp_port, username="u", password="p", timeout=5)
    return str(mail["Message-ID"])


async def send_twilio(lab: Addresses, to: str = "+491701234567", text: str = "Build 42 is live") -> str:
    client = Client(ACCOUNT, "token", http_client=TwilioHttpClient(timeout=5))
    client.api.base_url = lab.url
    client.http_client.session.headers["X-Hark-Notification-Id"] = "n-1"
    message = await asyncio.to_thread(client.messages.create, to=to, from_="+15005550006", body=text)
    assert (message.status, message.error_code, message.account_sid) == ("queued", None, ACCOUNT)
    assert message.date_created.tzinfo is not None
    return str(message.sid)


VONAGE = {
    "channel": "sms",
    "message_type": "text",
    "to": "491701234567",
    "from": "15005550006",
    "text": "Build 42 is live",
    "client_ref": "n-1",
}


async def send_vonage(lab: Addresses, to: str = "+491701234567") -> str:
    async with httpx.AsyncClient(base_url=lab.url, trust_env=False) as http:
        request = raw_request("vonage")
        answer = await http.post(**request | {"json": request["json"] | {"to": to.removeprefix("+")}})
    assert (answer.status_code, set(answer.json())) == (202, {"message_uuid"})
    return str(answer.json()["message_uuid"])


METADATA = {"event_type": "notification", "event_payload": {"notification_id": "n-1"}}


async def send_slack(lab: Addresses, to: str = "#general") -> str:
    client = AsyncWebClient("xoxb-1", base_url=f"{lab.url}/api/", timeout=5, retry_handlers=[])
    answer = await client.chat_postMessage(channel=to, text="Build 42 is live", metadata=METADATA)
    assert answer["channel"].startswith("C")
    assert answer["message"]["ts"] == answer["ts"]
    return str(answer["ts"])


async def send_webhook(lab: Addresses) -> None:
    client = AsyncWebhookClient(f"{lab.url}/services/T0/B0/token", timeout=5, retry_handlers=[])
    answer = await client.send(text="Build 42 is live", metadata=METADATA)
    assert (answer.status_code, answer.body) == (200, "ok")


Send = Callable[[Addresses], Awaitable[str | None]]
SENDERS: dict[str, Send] = {
    "sendgrid": send_sendgrid,
    "smtp": send_smtp,
    "twilio": send_twilio,
    "vonage": send_vonage,
    "slack": send_slack,
    "slack-webhook": send_webhook,
}


def raw_request(provider: str) -> dict[str, Any]:
    """The same message as plain HTTP, for faults that an SDK would hide."""
    match provider:
        case "sendgrid":
            mail = Mail("hark@example.com", "a@example.com", "Deploy", plain_text_content="Build 42 is live")
            headers = {"Authorization": "Bearer SG.key"}
            return {"url": "/v3/mail/send", "json": mail.get(), "headers": headers}
        case "twilio":
            form = {"To": "+491701234567", "From": "+15005550006", "Body": "Build 42 is live"}
            url = f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
            return {"url": url, "data": form, "auth": (ACCOUNT, "token")}
        case "vonage":
            return {"url": "/v1/messages", "json": VONAGE, "auth": ("lab00000", "secret")}
        case "slack":
            form = {"channel": "#general", "text": "Build 42 is live", "metadata": json.dumps(METADATA)}
            headers = {"Authorization": "Bearer xoxb-1"}
            return {"url": "/api/chat.postMessage", "data": form, "headers": headers}
        case _:
            return {"url": "/services/T0/B0/token", "json": {"text": "Build 42 is live"}}


def lines_of(witness: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in witness.read_text().splitlines()]


async def inbox(http: httpx.AsyncClient, **query: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await http.get("/inbox.json", params=query)).json()["items"]
    return items


async def set_fault(http: httpx.AsyncClient, channel: str, mode: str, **more: Any) -> None:
    assert (await http.put("/faults", json={"channel": channel, "mode": mode, **more})).status_code == 200


@pytest.mark.parametrize("provider", SENDERS)
async def test_an_accepted_message_is_in_the_inbox_and_on_disk_before_the_sdk_returns(
    lab: Addresses, http: httpx.AsyncClient, witness: Path, provider: str
) -> None:
    message_id = await SENDERS[provider](lab)
    on_disk = lines_of(witness)

    assert await inbox(http) == on_disk
    (item,) = on_disk
    assert item.pop("at").endswith("Z")
    assert item.pop("to") in {"a@example.com", "+491701234567", "#general", "webhook"}
    assert item.pop("text") == "Build 42 is live"
    assert message_id in {item.pop("message_id"), None}
    headers = item.pop("headers", None)
    assert (headers is not None) == (CHANNELS[provider] == "email")
    if headers is not None:
        assert (headers["From"], headers["To"]) == ("hark@example.com", "a@example.com")
        assert headers["Subject"] == "Deploy"
    assert item == {
        "channel": CHANNELS[provider],
        "provider": provider,
        "subject": "Deploy" if CHANNELS[provider] == "email" else None,
        "notification_id": "n-1",
        **({"segments": 1} if CHANNELS[provider] == "sms" else {}),
    }


@pytest.mark.parametrize(
    ("provider", "mode", "status", "expected"),
    [
        ("sendgrid", "503", 503, "Service Unavailable"),
        ("sendgrid", "429", 429, "too many requests"),
        ("sendgrid", "400", 400, "Does not contain a valid address."),
        ("sendgrid", "401", 401, "The provided authorization grant is invalid, expired, or revoked"),
        ("twilio", "503", 503, 20503),
        ("twilio", "429", 429, 20429),
        ("twilio", "400", 400, 21612),
        ("twilio", "401", 401, 20003),
        ("vonage", "503", 503, "#unavailable"),
        ("vonage", "429", 429, "messages#1000"),
        ("vonage", "400", 422, "messages#1260"),
        ("vonage", "401", 401, "#unauthorized"),
        ("slack", "503", 503, "service_unavailable"),
        ("slack", "429", 429, "ratelimited"),
        ("slack", "400", 200, "channel_not_found"),
        ("slack", "401", 200, "invalid_auth"),
        ("slack-webhook", "503", 503, "service_unavailable"),
        ("slack-webhook", "429", 429, "ratelimited"),
        ("slack-webhook", "400", 404, "channel_not_found"),
        ("slack-webhook", "401", 403, "invalid_token"),
    ],
)
async def test_a_refusal_has_the_shape_of_the_provider(
    http: httpx.AsyncClient, provider: str, mode: str, status: int, expected: object
) -> None:
    await set_fault(http, CHANNELS[provider], mode)
    answer = await http.post(**raw_request(provider))

    assert answer.status_code == status
    # Twilio names no time, and SendGrid in a header of its own.
    assert answer.headers.get("Retry-After") == ("1" if mode == "429" and provider.startswith("slack") else None)
    match provider:
        case "sendgrid":
            (error,) = answer.json()["errors"]
            assert error["message"] == expected
            assert set(error) == {"message", "field", "help"}
            assert ("X-RateLimit-Reset" in answer.headers) == (mode == "429")
        case "twilio":
            document = answer.json()
            assert (document["code"], document["status"]) == (expected, status)
            assert document["more_info"] == f"https://www.twilio.com/docs/errors/{expected}"
            assert re.fullmatch("RQ[0-9a-f]{32}", answer.headers["Twilio-Request-Id"])
        case "vonage":
            document = answer.json()
            assert set(document) == {"type", "title", "detail", "instance"}
            assert document["type"].endswith(str(expected))
            assert re.fullmatch(r"https://developer\.vonage\.com/api-errors(/messages)?#[a-z0-9]+", document["type"])
        case "slack":
            assert answer.json() == {"ok": False, "error": expected}
        case "slack-webhook":
            assert answer.text == expected
    assert await inbox(http) == []


@pytest.mark.parametrize("provider", HTTP_PROVIDERS)
@pytest.mark.parametrize(
    ("mode", "error", "accepted"),
    [
        ("timeout", httpx.ReadTimeout, 0),
        ("reset", httpx.ReadError, 0),
        ("accept-then-timeout", httpx.ReadTimeout, 1),
        ("accept-then-reset", httpx.ReadError, 1),
        ("truncated", httpx.RemoteProtocolError, 1),
    ],
)
async def test_a_broken_connection_tells_the_client_nothing_and_the_witness_everything(
    http: httpx.AsyncClient, provider: str, mode: str, error: type[Exception], accepted: int
) -> None:
    await set_fault(http, CHANNELS[provider], mode)
    with pytest.raises(error) as caught:
        await http.post(**raw_request(provider), timeout=0.3)
    if "reset" in mode:
        # A RST is an error of the socket; a FIN without an answer would be a RemoteProtocolError.
        assert not isinstance(caught.value, httpx.RemoteProtocolError)
    assert len(await inbox(http)) == accepted


@pytest.mark.parametrize("provider", HTTP_PROVIDERS)
async def test_a_proxy_answers_200_with_a_page_and_nothing_is_accepted(http: httpx.AsyncClient, provider: str) -> None:
    await set_fault(http, CHANNELS[provider], "html")
    answer = await http.post(**raw_request(provider))
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert await inbox(http) == []


@pytest.mark.parametrize("provider", SENDERS)
async def test_a_slow_answer_is_the_right_answer_late(lab: Addresses, http: httpx.AsyncClient, provider: str) -> None:
    await set_fault(http, CHANNELS[provider], "slow")
    start = asyncio.get_running_loop().time()
    await SENDERS[provider](lab)
    assert asyncio.get_running_loop().time() - start >= SLOW_SECONDS
    assert len(await inbox(http)) == 1


async def test_the_sdks_raise_their_own_errors_for_a_refusal(lab: Addresses, http: httpx.AsyncClient) -> None:
    for channel in ("email", "sms", "slack"):
        await set_fault(http, channel, "400")
    with pytest.raises(HTTPError) as refused_mail:
        await send_sendgrid(lab)
    with pytest.raises(TwilioRestException) as refused_sms:
        await send_twilio(lab)
    with pytest.raises(SlackApiError) as refused_post:
        await send_slack(lab)
    with pytest.raises(aiosmtplib.SMTPRecipientsRefused):
        await send_smtp(lab)
    assert refused_mail.value.status_code == 400
    assert (refused_sms.value.code, refused_sms.value.status) == (21612, 400)
    assert refused_post.value.response["error"] == "channel_not_found"


@pytest.mark.parametrize(
    ("send", "address"),
    [
        (send_sendgrid, "{}@fail.test"),
        (send_smtp, "{}@fail.test"),
        (send_slack, "#fail-{}"),
        (send_slack, "fail-{}"),
        (send_twilio, "+1500555000{}"),
    ],
)
async def test_a_fixed_address_behaves_one_way_whatever_the_faults(
    lab: Addresses, http: httpx.AsyncClient, send: Callable[..., Awaitable[str]], address: str
) -> None:
    for channel in ("email", "sms", "slack"):
        await set_fault(http, channel, "429", rate=0.5)
        await set_fault(http, channel, "reset", rate=0.5)
    names = {"permanent": 1, "retry": 2, "once": 3} if send is send_twilio else {}

    async def outcome(name: str) -> str:
        try:
            await send(lab, address.format(names.get(name, name)))
        except HTTPError as error:
            return str(error.status_code)
        except TwilioRestException as error:
            return str(error.status)
        except SlackApiError as error:
            return {"channel_not_found": "400", "service_unavailable": "503"}[error.response["error"]]
        except aiosmtplib.SMTPRecipientsRefused as error:
            return {550: "400"}[error.recipients[0].code]
        except aiosmtplib.SMTPDataError as error:
            return {451: "503"}[error.code]
        return "accepted"

    assert [await outcome("permanent") for _ in range(2)] == ["400", "400"]
    if "@" in address:
        assert await outcome("permanent+2") == "400"
    assert [await outcome("retry") for _ in range(3)] == ["503", "503", "503"]
    assert [await outcome("once") for _ in range(3)] == ["503", "accepted", "accepted"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"To": "12345"}, 21211),
        ({"To": ""}, 21604),
        ({"Body": ""}, 21602),
        ({"Body": "x" * 1601}, 21617),
        ({"Body": "\U0001f389" * 801}, 21617),
        ({"From": ""}, 21603),
        ({"From": "the MGM Resorts"}, 21212),
        ({"From": "", "MessagingServiceSid": "MGM Resorts"}, 21705),
    ],
)
async def test_twilio_names_what_is_wrong_with_a_request(
    http: httpx.AsyncClient, change: dict[str, str], code: int
) -> None:
    request = raw_request("twilio")
    request["data"] = {**request["data"], **change}
    answer = await http.post(**request)
    assert (answer.status_code, answer.json()["code"]) == (400, code)


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        ("x" * 160, 1),
        ("x" * 161, 2),
        ("\u20ac" * 81, 2),
        ("\u00ff" * 71, 2),
        ("\U0001f389" * 36, 2),
        ("\U0001f389" * 800, 25),
    ],
)
async def test_twilio_counts_segments(http: httpx.AsyncClient, text: str, segments: int) -> None:
    request = raw_request("twilio")
    answer = await http.post(**request | {"data": request["data"] | {"Body": text}})
    assert (answer.status_code, answer.json()["num_segments"]) == (201, str(segments))
    assert re.fullmatch("RQ[0-9a-f]{32}", answer.headers["Twilio-Request-Id"])
    [item] = await inbox(http)
    assert item["segments"] == segments


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"to": ""}, 1010),
        ({"text": None}, 1010),
        ({"to": "+491701234567"}, 1170),
        ({"channel": "pigeon"}, 1400),
        ({"message_type": "image"}, 1440),
        ({"from": "+15005550006"}, 1420),
        ({"from": "Hark & Co"}, 1420),
        ({"text": "x" * 3201}, 1020),
        ({"webhook_url": "hark.example.com"}, 1020),
        ({"webhook_url": 5}, 1020),
        ({"client_ref": "x" * 101}, 1450),
    ],
)
async def test_vonage_names_what_is_wrong_with_a_request(
    http: httpx.AsyncClient, change: dict[str, object], code: int
) -> None:
    request = raw_request("vonage")
    answer = await http.post(**request | {"json": request["json"] | change})
    assert (answer.status_code, answer.json()["type"].partition("#")[2]) == (422, str(code))
    assert await inbox(http) == []


@pytest.mark.parametrize(
    ("token", "status"),
    [
        ("x", 401),
        (jwt.encode({"application_id": "a", "iat": 1, "jti": "x"}, "k" * 32, algorithm="HS256"), 401),
        (jwt.encode({"iat": 1, "jti": "x"}, KEY, algorithm="RS256"), 401),
        (jwt.encode({"application_id": "a", "iat": 1, "jti": "x"}, KEY, algorithm="RS256"), 202),
    ],
    ids=["no token", "not by RS256", "of no application", "of an application"],
)
async def test_vonage_takes_a_token_of_an_application(http: httpx.AsyncClient, token: str, status: int) -> None:
    answer = await http.post("/v1/messages", json=VONAGE, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == status


async def test_twilio_takes_an_api_key_of_the_account(http: httpx.AsyncClient) -> None:
    request = raw_request("twilio")
    assert (await http.post(**request | {"auth": ("SK" + "a" * 32, "secret")})).status_code == 201
    for stranger in ("SK1", "AC" + "f" * 32):
        assert (await http.post(**request | {"auth": (stranger, "secret")})).status_code == 401


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"personalizations": []}, "personalizations"),
        ({"personalizations": [{"to": []}]}, "personalizations.0.to"),
        ({"personalizations": [{"to": [{"email": "nobody"}]}]}, "personalizations.0.to.0.email"),
        ({"from": {}}, "from.email"),
        ({"subject": ""}, "subject"),
        ({"content": []}, "content"),
        ({"content": [{"type": "text/plain", "value": ""}]}, "content.0.value"),
        ({"personalizations": [{"to": [{"email": "a@example.com"}] * 1001}]}, "personalizations"),
        ({"custom_args": {"x": "y" * 10_000}}, "custom_args"),
        ({"headers": {"Reply-To": "a@example.com"}}, "headers"),
        ({"from": {"email": "größe@example.com"}}, "from.email"),
    ],
)
async def test_sendgrid_names_the_field_that_is_wrong(
    http: httpx.AsyncClient, change: dict[str, Any], field: str
) -> None:
    request = raw_request("sendgrid")
    request["json"] = {**request["json"], **change}
    answer = await http.post(**request)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, field)


async def test_sendgrid_shows_the_headers_of_the_mail_and_its_pace(http: httpx.AsyncClient) -> None:
    request = raw_request("sendgrid")
    sender = {"email": "hark@example.com", "name": "Hark Alerts"}
    answer = await http.post(
        **request | {"json": request["json"] | {"from": sender, "headers": {"Message-ID": "<1@x>"}}}
    )
    [item] = await inbox(http)
    assert (item["headers"]["From"], item["headers"]["Message-ID"]) == ("Hark Alerts <hark@example.com>", "<1@x>")
    assert int(answer.headers["X-RateLimit-Remaining"]) < int(answer.headers["X-RateLimit-Limit"])
    assert "Retry-After" not in answer.headers


async def test_credentials_have_to_be_there(http: httpx.AsyncClient) -> None:
    answers = {}
    for provider in ("sendgrid", "twilio", "vonage", "slack"):
        request = {**raw_request(provider), "headers": {}, "auth": None}
        answers[provider] = await http.post(**request)
    assert [answer.status_code for answer in answers.values()] == [401, 401, 401, 200]
    assert answers["sendgrid"].json()["errors"][0]["message"] == "authorization required"
    assert answers["twilio"].json()["code"] == 20003
    assert answers["slack"].json()["error"] == "not_authed"


@pytest.mark.parametrize("name", ["#fail-refused", "fail-refused"])
async def test_slacks_app_is_not_in_one_channel(lab: Addresses, http: httpx.AsyncClient, name: str) -> None:
    with pytest.raises(SlackApiError) as refused:
        await send_slack(lab, name)
    assert refused.value.response["error"] == "not_in_channel"
    assert await inbox(http) == []


async def test_slack_ids_are_unique_even_at_the_same_moment(lab: Addresses, http: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(http.post(**raw_request("slack")) for _ in range(30)))
    ids = [answer.json()["ts"] for answer in answers]
    assert len(set(ids)) == 30
    assert [item["message_id"] for item in await inbox(http, notification_id="n-1")] == sorted(ids)


@pytest.mark.parametrize(("end", "left"), [("&lt;", "&"), ("\U0001f680!", "\U0001f680")], ids=["<", "emoji"])
async def test_slack_cuts_off_what_is_beyond_its_longest_text_as_it_was_posted(
    lab: Addresses, http: httpx.AsyncClient, end: str, left: str
) -> None:
    posted = "&amp;" * 7_999 + "abcd" + end
    answer = (await http.post(**raw_request("slack") | {"data": {"channel": "#general", "text": posted}})).json()
    await http.post(**raw_request("slack-webhook") | {"json": {"text": posted}})
    assert answer["ok"]
    assert answer["message"]["text"] == posted[:40_000]
    assert [item["text"] for item in await inbox(http)] == ["&" * 7_999 + "abcd" + left] * 2
