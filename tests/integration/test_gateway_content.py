"""What a request says for one channel alone."""

import base64
from typing import Any

import pytest

from shared.delivery.model import Attachment
from tests.integration.gateway import Hark

FILE = {"name": "a.pdf", "type": "application/pdf", "data": "JVBERg=="}
TO = {"email": "a@example.com", "sms": "+14155552671"}


async def sent(hark: Hark, **request: Any) -> dict[str, Any]:
    answer = await hark.client.post("/v1/notifications", json={"to": TO, "message": "for all", **request})
    assert answer.status_code == 202, answer.text
    made: dict[str, Any] = answer.json()
    return {delivery["channel"]: delivery for delivery in made["deliveries"]}


async def test_a_channels_own_parts_go_over_the_common_ones(hark: Hark) -> None:
    own = {"email": {"subject": "Yours"}, "sms": {"message": "short"}}
    deliveries = await sent(hark, subject="Ours", content=own)
    assert deliveries["email"]["content"] == {"subject": "Yours", "message": "for all"}
    assert deliveries["sms"]["content"] == {"message": "short"}
    (message,) = await hark.published("sms")
    assert message.content is not None
    assert message.content.everything() == {"message": "short"}


async def test_a_mails_parts_are_frozen_and_its_files_lie_beside_it(hark: Hark) -> None:
    html = "<style>p{color:red}</style><p>Hello</p>"
    deliveries = await sent(hark, content={"email": {"html": html, "attachments": [FILE, FILE]}})
    shown = deliveries["email"]["content"]
    assert shown["message"] == "Hello"
    assert '<p style="color: red;">Hello</p>' in shown["html"]
    assert shown["attachments"] == [{"name": "a.pdf", "type": "application/pdf", "size": 4}] * 2
    (message,) = await hark.published("email")
    assert message.content is not None
    assert message.content.attachments == 2
    files = await hark.store.attachments(message.notification_id, "email", 2)
    assert files == [Attachment("a.pdf", "application/pdf", b"%PDF")] * 2


async def test_the_largest_attachments_are_taken(hark: Hark) -> None:
    whole = base64.b64encode(bytes(700 * 1024)).decode()
    deliveries = await sent(hark, message="x" * 1_600, content={"email": {"attachments": [{**FILE, "data": whole}]}})
    assert deliveries["email"]["content"]["attachments"][0]["size"] == 700 * 1024


async def test_segments_are_of_what_goes_out(hark: Hark) -> None:
    deliveries = await sent(hark, message="x" * 1000, content={"sms": {"message": "short"}})
    assert deliveries["sms"]["segments"] == 1


async def test_a_plain_one_has_no_content_on_record(hark: Hark) -> None:
    deliveries = await sent(hark, subject="Ours")
    assert deliveries["sms"]["content"] == {"message": "for all"}
    (message,) = await hark.published("sms")
    assert message.content is not None
    assert message.content.parts is None


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ({"fax": {"message": "x"}}, "content.fax"),
        ({"sms": {"message": ""}}, "content.sms.message"),
        ({"sms": {"message": 7}}, "content.sms.message"),
        ({"sms": {"subject": "x"}}, "content.sms.subject"),
        ({"email": {"subject": "a\nb"}}, "content.email.subject"),
        ({"email": {"html": " "}}, "content.email.html"),
        ({"email": {"html": "<img src=x>"}}, "content.email.html"),
        ({"email": {"from": "nobody"}}, "content.email.from"),
        ({"email": {"reply_to": "nobody"}}, "content.email.reply_to"),
        ({"email": {"attachments": [FILE, {**FILE, "name": "../a"}]}}, "content.email.attachments.1.name"),
        ({"email": {"attachments": [{**FILE, "name": "a\r\nb"}]}}, "content.email.attachments.0.name"),
        ({"email": {"attachments": [{**FILE, "type": "pdf"}]}}, "content.email.attachments.0.type"),
        ({"email": {"attachments": [{**FILE, "data": "%"}]}}, "content.email.attachments.0.data"),
        ({"email": {"attachments": [{**FILE, "data": "A" * 956_000}]}}, "content.email.attachments.0.data"),
        ({"email": {"attachments": [{**FILE, "data": "A" * 480_000}] * 2}}, "content.email.attachments"),
        ({"email": {"attachments": [FILE] * 6}}, "content.email.attachments"),
        ({"sms": {"html": "<p>x</p>"}}, "content.sms.html"),
        ({"sms": {"message": "x" * 1601}}, "content.sms.message"),
        ({"sms": "x"}, "content.sms"),
        ({}, "content"),
    ],
)
async def test_what_is_wrong_in_it_is_named_and_nothing_is_written(hark: Hark, content: Any, field: str) -> None:
    answer = await hark.client.post("/v1/notifications", json={"to": TO, "message": "x", "content": content})
    assert answer.status_code == 422
    assert field in {error["field"] for error in answer.json()["errors"]}
    assert await hark.documents() == 0


async def test_a_body_is_bounded_without_its_attachments(hark: Hark) -> None:
    answer = await hark.client.post("/v1/notifications", json={"to": TO, "message": "x" * 262_144})
    assert answer.status_code == 413
