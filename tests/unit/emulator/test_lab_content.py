"""What a message has besides its text, as the lab's inbox shows it."""

import base64
from collections.abc import AsyncIterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import aiosmtplib
import httpx
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.webhook.async_client import AsyncWebhookClient

from emulator.lab.running import Addresses, Settings, running

FILES = [("a.pdf", "application/pdf", b"%PDF-1.7\r\n\0\xff"), ("Größe ✓.txt", "text/plain", b"one\ntwo\r\nthree")]
SHOWN = [{"name": name, "type": kind, "size": len(data)} for name, kind, data in FILES]
HTML = "<p>Build <b>42</b> is live</p>"
BLOCKS: list[dict[str, Any]] = [
    {"type": "section", "text": {"type": "mrkdwn", "text": "*Build 42*"}},
    {"type": "divider"},
]


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Addresses]:
    async with running(Settings(port=0, smtp_port=0, witness=tmp_path / "witness.jsonl")) as addresses:
        yield addresses


@pytest.fixture
async def http(lab: Addresses) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=lab.url, timeout=5, headers={"Authorization": "Bearer x"}) as client:
        yield client


@pytest.fixture
def slack(lab: Addresses) -> AsyncWebClient:
    return AsyncWebClient("xoxb-1", base_url=f"{lab.url}/api/", timeout=5, retry_handlers=[])


async def inbox(http: httpx.AsyncClient) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await http.get("/inbox.json")).json()["items"]
    return items


def for_sendgrid(**changes: Any) -> dict[str, Any]:
    files = [{"filename": n, "type": t, "content": base64.b64encode(d).decode()} for n, t, d in FILES]
    return {
        "personalizations": [{"to": [{"email": "a@example.com"}]}],
        "from": {"email": "hark@example.com"},
        "subject": "Deploy",
        "content": [{"type": "text/plain", "value": "Build 42"}, {"type": "text/html", "value": HTML}],
        "reply_to": {"email": "help@example.com"},
        "attachments": files,
        **changes,
    }


def for_smtp() -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "hark@example.com", "a@example.com", "Deploy"
    mail["Reply-To"] = "help@example.com"
    mail.set_content("Build 42")
    mail.add_alternative(HTML, subtype="html")
    for name, kind, data in FILES:
        major, minor = kind.split("/")
        mail.add_attachment(data, maintype=major, subtype=minor, filename=name)
    return mail


@pytest.mark.parametrize("provider", ["sendgrid", "smtp"])
async def test_a_mail_has_its_html_and_its_attachments(lab: Addresses, http: httpx.AsyncClient, provider: str) -> None:
    if provider == "smtp":
        await aiosmtplib.send(for_smtp(), hostname=lab.smtp_host, port=lab.smtp_port, timeout=5)
    else:
        assert (await http.post("/v3/mail/send", json=for_sendgrid())).status_code == 202
    (item,) = await inbox(http)
    assert (item["text"], item["html"], item["attachments"]) == ("Build 42", HTML, SHOWN)
    assert item["headers"]["Reply-To"] == "help@example.com"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"attachments": [{"content": "aGk="}]}, "attachments.0.filename"),
        ({"attachments": [{"content": "a", "filename": "a"}]}, "attachments.0.content"),
        ({"attachments": [{"content": "", "filename": "a"}]}, "attachments.0.content"),
        ({"attachments": [{"content": "aGk=", "filename": "a", "type": "a/b; c=d"}]}, "attachments.0.type"),
        ({"reply_to": {"email": "nobody"}}, "reply_to.email"),
        ({"content": [{"type": "text/html", "value": "x"}, {"type": "text/plain", "value": "x"}]}, "content"),
    ],
)
async def test_sendgrid_names_the_part_that_is_wrong(
    http: httpx.AsyncClient, change: dict[str, Any], field: str
) -> None:
    answer = await http.post("/v3/mail/send", json=for_sendgrid(**change))
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, field)
    assert await inbox(http) == []


async def test_slack_shows_blocks_and_threads(slack: AsyncWebClient, http: httpx.AsyncClient) -> None:
    first = await slack.chat_postMessage(channel="#ops", text="Build 42", blocks=BLOCKS)
    assert first["message"]["blocks"] == BLOCKS
    await slack.chat_postMessage(channel=first["channel"], text="done", thread_ts=first["ts"])
    posted, reply = await inbox(http)
    assert (posted["blocks"], posted["to"]) == (BLOCKS, "#ops")
    assert "thread" not in posted
    assert (reply["thread"], reply["to"]) == (first["ts"], "#ops")


async def test_a_webhook_shows_blocks(lab: Addresses, http: httpx.AsyncClient) -> None:
    client = AsyncWebhookClient(f"{lab.url}/services/T0/B0/token", timeout=5, retry_handlers=[])
    assert (await client.send(text="Build 42", blocks=BLOCKS)).body == "ok"
    assert (await client.send(text="Build 42", blocks=[{"text": "no type"}])).body == "invalid_blocks"
    (item,) = await inbox(http)
    assert item["blocks"] == BLOCKS


@pytest.mark.parametrize("emptied", [False, True])
async def test_slack_changes_a_message_and_both_texts_stay_on_record(
    slack: AsyncWebClient, http: httpx.AsyncClient, emptied: bool
) -> None:
    first = await slack.chat_postMessage(channel="#ops", text="Building", blocks=BLOCKS)
    if emptied:
        await http.delete("/inbox.json")
    changed = await slack.chat_update(channel=first["channel"], ts=first["ts"], text="Built")
    assert (changed["ts"], changed["text"]) == (first["ts"], "Built")
    items = await inbox(http)
    assert [item["text"] for item in items] == (["Built"] if emptied else ["Building", "Built"])
    assert {item["message_id"] for item in items} == {first["ts"]}
    assert (items[-1]["update"], items[-1]["to"]) == (True, "#ops")
    assert "blocks" not in items[-1]  # a text without blocks takes the place of these


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"channel": "#ops"}, "channel_not_found"),
        ({"channel": "C000000000"}, "message_not_found"),
        ({"ts": "1700000000.000001"}, "message_not_found"),
        ({"text": ""}, "no_text"),
        ({"blocks": [{"type": "divider"}] * 51}, "invalid_blocks"),
    ],
)
async def test_slack_says_why_it_changes_nothing(
    slack: AsyncWebClient, http: httpx.AsyncClient, change: dict[str, Any], code: str
) -> None:
    first = await slack.chat_postMessage(channel="#ops", text="Building")
    with pytest.raises(SlackApiError) as refused:
        await slack.api_call(
            "chat.update", json={"channel": first["channel"], "ts": first["ts"], "text": "Built", **change}
        )
    assert refused.value.response["error"] == code
    assert len(await inbox(http)) == 1
