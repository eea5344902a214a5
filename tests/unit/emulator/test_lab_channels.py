"""What the fakes of the optional channels refuse, as the real ones do, and what they keep of what they take."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from emulator.lab.messages import Acceptable, Answer, Call
from emulator.lab.providers import discord, fcm, googlechat, telegram, twilio, twilio_calls, webpush, workflows

BEARER = {"Authorization": "Bearer owner"}
BASIC = {"Authorization": "Basic QUM6eA=="}  # AC:x
ACCOUNT = {"sid": "AC"}
CARD = "application/vnd.microsoft.card.adaptive"


def asked(fake: Any, body: bytes, headers: Mapping[str, str], path: Mapping[str, str], **query: str) -> Any:
    return fake.read(Call(datetime.now(UTC), path, headers, body, query))


def card(**card: Any) -> bytes:
    attached = {"contentType": CARD, "content": {"type": "AdaptiveCard", "body": [{"type": "TextBlock"}], **card}}
    return json.dumps({"type": "message", "attachments": [attached]}).encode()


REFUSED: list[tuple[str, Any, bytes, Mapping[str, str], Mapping[str, str], Mapping[str, str], int, str]] = [
    ("no bot", telegram, b"{}", {}, {"token": "x"}, {}, 404, "Not Found"),
    ("no chat", telegram, b'{"chat_id": "x", "text": "y"}', {}, {"token": "1:x"}, {}, 400, "chat not found"),
    ("no text", telegram, b'{"chat_id": "@ops1", "text": " "}', {}, {"token": "1:x"}, {}, 400, "text is empty"),
    ("no JSON", discord, b"x", {}, {"webhook": "a"}, {}, 400, "50109"),
    ("nothing", discord, b"{}", {}, {"webhook": "a"}, {}, 400, "50006"),
    ("too long", discord, b'{"content": "%s"}' % (b"x" * 2001), {}, {"webhook": "a"}, {}, 400, "50035"),
    ("no signature", workflows, card(), {}, {"flow": "a"}, {}, 401, "DirectApiAuthorizationRequired"),
    ("no card", workflows, b"{}", {}, {"flow": "a"}, {"sig": "x"}, 400, "TriggerInputSchemaMismatch"),
    ("no body", workflows, card(body=[]), {}, {"flow": "a"}, {"sig": "x"}, 400, "TriggerInputSchemaMismatch"),
    ("too large", workflows, card(x="x" * 28_672), {}, {"flow": "a"}, {"sig": "x"}, 413, "RequestEntityTooLarge"),
    ("no key", googlechat, b'{"text": "x"}', {}, {"space": "a"}, {"token": "x"}, 401, "UNAUTHENTICATED"),
    ("empty", googlechat, b"{}", {}, {"space": "a"}, {"key": "x", "token": "x"}, 400, "INVALID_ARGUMENT"),
    ("no token", fcm, b"{}", {}, {"project": "a"}, {}, 401, "UNAUTHENTICATED"),
    ("nobody", fcm, b'{"message": {}}', BEARER, {"project": "a"}, {}, 400, "INVALID_ARGUMENT"),
    ("both", fcm, b'{"message": {"token": "x", "topic": "y"}}', BEARER, {"project": "a"}, {}, 400, "INVALID_ARGUMENT"),
    ("data", fcm, b'{"message": {"token": "x", "data": {"a": 1}}}', BEARER, {"project": "a"}, {}, 400, "INVALID"),
    ("unsigned", webpush, b"x", {}, {"subscription": "a"}, {}, 401, "VAPID"),
    ("no caller", twilio_calls, b"To=%2B14155552671&Twiml=x", BASIC, ACCOUNT, {}, 400, "21212"),
    ("no number", twilio_calls, b"To=x", BASIC, ACCOUNT, {}, 400, "21211"),
    ("no TwiML", twilio_calls, b"To=%2B14155552671&From=%2B14155552672&Twiml=x", BASIC, ACCOUNT, {}, 400, "12100"),
    ("no account", twilio_calls, b"", {}, ACCOUNT, {}, 401, "20003"),
    ("of SMS", twilio, b"To=whatsapp%3A%2B14155552671&From=%2B14155552672&Body=x", BASIC, ACCOUNT, {}, 400, "63007"),
    (
        *("no template", twilio, b"To=whatsapp%3A%2B14155552671&From=whatsapp%3A%2B14155552672&ContentSid=x"),
        *(BASIC, ACCOUNT, {}, 400, "21655"),
    ),
]


@pytest.mark.parametrize(
    ("_", "fake", "body", "headers", "path", "query", "status", "said"),
    REFUSED,
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_the_real_one_refuses_the_fake_refuses(
    _: str,
    fake: Any,
    body: bytes,
    headers: Mapping[str, str],
    path: Mapping[str, str],
    query: Mapping[str, str],
    status: int,
    said: str,
) -> None:
    answer = asked(fake, body, headers, path, **query)
    assert isinstance(answer, Answer)
    assert answer.status == status
    assert said in answer.body.decode()


def test_a_card_of_the_users_own_is_shown_beside_the_text() -> None:
    taken = asked(workflows, card(fallbackText="Build 42"), {}, {"flow": "ops"}, sig="x")
    assert isinstance(taken, Acceptable)
    assert (taken.message.text, taken.message.to) == ("Build 42", "ops")
    assert taken.message.shown == {"card": [{"type": "TextBlock"}]}


def test_a_webhook_that_is_not_waited_for_names_no_message() -> None:
    taken = asked(discord, b'{"content": "x"}', {}, {"webhook": "ops"})
    assert isinstance(taken, Acceptable)
    assert taken.answer.status == 204
