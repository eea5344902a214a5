"""EMAIL_FROM: what is a sender, how its name goes out, and what stops the start."""

import asyncio
import re
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from functions.email.mime import as_bytes, mail_of
from functions.email.sender import Sender, parsed
from functions.email.sendgrid_provider import SendGridProvider, SendGridSettings
from functions.email.smtp_provider import SmtpSettings
from shared.channels.registry import load_channels
from shared.sending.provider import Outgoing

OUTGOING = Outgoing("5b3c9cde-0001-4000-8000-000000000001", "a@example.com", "Deploy", "Build 42 is live", 5)

GOOD = {
    "hark@example.com": Sender(None, "hark@example.com"),
    "Hark Alerts <hark@example.com>": Sender("Hark Alerts", "hark@example.com"),
    "Hark<hark@example.com>": Sender("Hark", "hark@example.com"),
    "<hark@example.com>": Sender(None, "hark@example.com"),
    "Hark, Inc. (alerts) <hark@example.com>": Sender("Hark, Inc. (alerts)", "hark@example.com"),
    '"Hark \\"A\\" <B>" <hark@example.com>': Sender('Hark "A" <B>', "hark@example.com"),
    "me@here <hark@example.com>": Sender("me@here", "hark@example.com"),
    "Größe ✓ <hark@example.com>": Sender("Größe ✓", "hark@example.com"),
    "株式会社ハーク <hark@bücher.example>": Sender("株式会社ハーク", "hark@xn--bcher-kva.example"),
    "hark@xn--bcher-kva.example": Sender(None, "hark@xn--bcher-kva.example"),
    f"{'日' * 200} <hark@example.com>": Sender("日" * 200, "hark@example.com"),
}
BAD = [
    "hark",
    "hark@",
    "hark@localhost",
    "hark@printer.local",
    "Hark Alerts",
    "Hark Alerts hark@example.com",
    "Hark <hark>",
    "Hark <>",
    "<>",
    "Hark <hark@example.com",
    "Hark hark@example.com>",
    "Hark <hark@example.com> now",
    '"Hark <hark@example.com>',
    'The "Hark" <hark@example.com>',
    "a@example.com, b@example.com",
    "Hark <a@example.com>, Hark <b@example.com>",
    "=?utf-8?q?Hark?= <hark@example.com>",
    "Hark\r\nBcc: eve@example.com <hark@example.com>",
    "Hark\x00 <hark@example.com>",
    f"{'x' * 201} <hark@example.com>",
]


@pytest.mark.parametrize(("value", "expected"), GOOD.items(), ids=lambda value: ascii(value)[:40])
def test_a_sender_has_an_address_and_may_have_a_name(value: str, expected: Sender) -> None:
    assert parsed(value, local_hosts=False) == expected


@pytest.mark.parametrize("value", BAD, ids=ascii)
def test_what_is_no_sender_stops_the_start_and_names_the_setting(value: str) -> None:
    for make in (
        lambda: SmtpSettings(smtp_url=SecretStr("smtp://127.0.0.1:1"), email_from=value),
        lambda: SendGridSettings(sendgrid_api_key=SecretStr("key"), email_from=value),
    ):
        with pytest.raises(ValidationError) as raised:
            make()
        [error] = raised.value.errors()
        assert "EMAIL_FROM" in error["msg"]
        assert value not in error["msg"]


def test_a_sender_on_a_local_host_is_the_operators_choice() -> None:
    assert parsed("Hark <hark@printer.local>", local_hosts=True) == Sender("Hark", "hark@printer.local")


def test_sendgrid_takes_no_sender_beyond_ascii() -> None:
    with pytest.raises(ValidationError, match="EMAIL_FROM"):
        SendGridSettings(sendgrid_api_key=SecretStr("key"), email_from="größe@example.com")


@pytest.mark.parametrize("sender", GOOD.values(), ids=ascii)
def test_the_name_arrives_by_smtp(sender: Sender) -> None:
    raw = as_bytes(mail_of(OUTGOING, sender, OUTGOING.address), utf8=False)
    assert raw.isascii()
    mail = message_from_bytes(raw, policy=policy.default)
    assert [mailbox.addr_spec for mailbox in mail["From"].addresses] == [sender.address]
    assert not mail["From"].defects
    # Not its display_name: the package puts blanks between encoded words, which RFC 2047, 6.2 does not.
    written = message_from_bytes(raw, policy=policy.compat32)["From"].rpartition("<")[0]
    name = str(make_header(decode_header(written))).strip()
    assert re.sub(r"\\(.)", r"\1", name.removeprefix('"').removesuffix('"')) == (sender.name or "")
    assert all(len(line) <= 998 for line in raw.split(b"\r\n"))


@pytest.mark.parametrize(("value", "sender"), GOOD.items(), ids=lambda value: ascii(value)[:40])
def test_the_name_arrives_by_sendgrid(value: str, sender: Sender) -> None:
    expected = {"email": sender.address} | ({"name": sender.name} if sender.name else {})
    assert sent_to_sendgrid(email_from=value)["from"] == expected


def test_sendgrid_tracks_only_what_is_set() -> None:
    tracked = sent_to_sendgrid(sendgrid_click_tracking=True, sendgrid_open_tracking=True)["tracking_settings"]
    assert tracked == {
        "click_tracking": {"enable": True, "enable_text": True},
        "open_tracking": {"enable": True},
        "subscription_tracking": {"enable": False},
        "ganalytics": {"enable": False},
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        (" ; ", {}),
        ("help=help@example.com", {"help": Sender(None, "help@example.com")}),
        (
            " billing = Billing, Inc. <billing@example.com> ;help=help@example.com; ",
            {"billing": Sender("Billing, Inc.", "billing@example.com"), "help": Sender(None, "help@example.com")},
        ),
        ('a="Help; \\"Desk\\"" <a@b.example>', {"a": Sender('Help; "Desk"', "a@b.example")}),
        ("help", None),
        ("=help@example.com", None),
        ("Help=help@example.com", None),
        ("he lp=help@example.com", None),
        ("help=", None),
        ("help=;a=a@example.com", None),
        ("a=a@example.com;a=b@example.com", None),
        ('a="x <a@example.com>', None),
        ("a=nobody", None),
        ("a=a@example.com, b@example.com", None),
    ],
)
def test_further_senders_have_names(text: str, expected: dict[str, Sender] | None) -> None:
    def settings() -> SmtpSettings:
        return SmtpSettings.model_validate(
            {"smtp_url": SecretStr("smtp://127.0.0.1:1"), "email_from": "hark@example.com", "email_senders": text}
        )

    if expected is not None:
        assert settings().named() == expected
        return
    with pytest.raises(ValidationError) as raised:
        settings()
    [error] = raised.value.errors()
    assert "EMAIL_SENDERS" in error["msg"] or error["loc"] == ("email_senders",)
    assert "example.com" not in error["msg"].replace("<billing@example.com>; help=help@example.com", "")


def test_sendgrid_takes_no_further_sender_beyond_ascii() -> None:
    senders = {"a": "größe@example.com"}
    with pytest.raises(ValidationError, match="EMAIL_SENDERS: a"):
        SendGridSettings(sendgrid_api_key=SecretStr("k"), email_from="hark@example.com", email_senders=senders)


def test_the_gateway_knows_the_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMAIL_SENDERS", "billing=Billing <billing@example.com>; help=help@example.com")
    assert set(load_channels()["email"].content_context.senders) == {"billing", "help"}
    monkeypatch.setenv("EMAIL_SENDERS", "billing")
    with pytest.raises(SystemExit, match="EMAIL_SENDERS"):
        load_channels()


def sent_to_sendgrid(**settings: Any) -> dict[str, Any]:
    """The body that the SDK is given."""
    all_settings = {"sendgrid_api_key": SecretStr("key"), "email_from": "hark@example.com", **settings}
    provider = SendGridProvider(SendGridSettings(**all_settings))
    body: dict[str, Any] = provider._mail(OUTGOING).get()
    asyncio.run(provider.aclose())
    return body
