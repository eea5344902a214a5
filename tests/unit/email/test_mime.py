"""From a request to the bytes of an e-mail: nothing of a subject or message becomes a header, and all of it arrives."""

import asyncio
import json
import re
from contextlib import aclosing
from email import message_from_bytes, policy
from email.message import EmailMessage
from types import SimpleNamespace
from typing import Any

import aiosmtplib
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from functions.email.addresses import in_ascii
from functions.email.channel import CHANNEL
from functions.email.sendgrid_provider import SendGridProvider, SendGridSettings
from functions.email.smtp_provider import SmtpProvider, SmtpSettings
from functions.gateway.notifications.schemas import NotificationRequest
from functions.gateway.recipients.schemas import RecipientRequest
from shared.channels.registry import load_channels
from shared.sending.provider import Outgoing

SENDER = "hark@example.com"
ID = "5b3c9cde-0001-4000-8000-000000000001"
OURS = ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "X-Hark-Notification-Id"]
MIME = ["Content-Type", "Content-Transfer-Encoding", "MIME-Version"]
LINE_ENDS = ["\r", "\n", "\r\n", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"]
REFUSED = [*LINE_ENDS, "\0", "\x1b", "\x7f", "\x9b", "\ud800", "\udfff", "\udcff"]

TRICKS = [
    "=?utf-8?q?=0d=0aBcc:_x@y?=",
    "=?utf-8?Q?Deploy=0D=0ABcc=3A=20eve@example.com?=",
    "=?utf-8?b?DQpCY2M6IGV2ZUBleGFtcGxlLmNvbQ==?=",
    "=?iso-8859-1?q?=0aBcc:_x?= =?iso-8859-1?q?more?=",
    "=?utf-7?q?+AA0ACg-Bcc:_x?=",
    "=?utf-8?q?=00?=",
    "=?utf-8?q?=C3=28?=",
    "=?utf-8?q??=",
    "=?nonsense?q?x?=",
    "=?utf-8*en?q?x?=",
    "=?utf-8?x?x?=",
    "=?utf-8?q?" + "x" * 200 + "?=",
    "=?utf-8?q?unended",
    "?=",
    "=?",
    "=?=?utf-8?q?nested?=?=",
    "a =?utf-8?q?b?=c",
    "Bcc: eve@example.com",
    "Deploy\t\tdone",
    "  Deploy  ",
    "\tDeploy",
    " ",
    "\t",
    "x" * 255,
    "x y " * 60,
    " " * 255,
    "ü" * 255,
    "🚀" * 255,
    "👩‍👩‍👧‍👦" * 30,
    "e\u0301" * 120,
    "\u202eevil\u202c \u200f\u061c",
    "\ufeffDeploy\u200b\xa0\xad",
    "日本語 " * 60,
    '"Deploy", <eve@example.com>; (done)',
    "\\r\\nBcc: eve@example.com",
    "%0d%0aBcc: eve@example.com",
    "Z\u0335\u0321\u0328a\u0336" * 40,
    "\U0010ffff\uffff\ufffd",
]


def request(**fields: Any) -> NotificationRequest:
    return NotificationRequest(**{"to": {"email": "a@example.com"}, "message": "Build 42 is live", **fields})


def is_taken(**fields: Any) -> bool:
    try:
        request(**fields)
    except ValidationError:
        return False
    return True


class Mailbox:
    """Stands where aiosmtplib's client does, and keeps what it is given."""

    def __init__(self, **_: Any) -> None:
        Mailbox.last = self
        self.recipients: list[str] = []
        self.data_sent = b""

    last: "Mailbox"

    async def connect(self) -> None: ...

    async def ehlo(self) -> None: ...

    async def starttls(self, **_: Any) -> None: ...

    def supports_extension(self, _: str) -> bool:
        return True

    async def mail(self, sender: str, **_: Any) -> None: ...

    async def rcpt(self, recipient: str, **_: Any) -> None:
        self.recipients.append(recipient)

    async def data(self, mail: bytes) -> None:
        self.data_sent = mail

    def close(self) -> None: ...


@pytest.fixture(autouse=True)
def _mailbox(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aiosmtplib, "SMTP", Mailbox)


def smtp_mail(address: str, subject: str | None, text: str) -> tuple[Mailbox, EmailMessage]:
    """The mail as it leaves, and as it is read."""
    provider = SmtpProvider(SmtpSettings(smtp_url=SecretStr("smtp://127.0.0.1:1"), email_from=SENDER))
    asyncio.run(provider.send(Outgoing(ID, address, subject, text, 5)))
    sent = Mailbox.last
    mail = message_from_bytes(sent.data_sent, policy=policy.default)
    assert isinstance(mail, EmailMessage)
    return sent, mail


def unfolded(text: str) -> list[str]:
    """A text's lines, whatever ends them: SMTP knows only CRLF."""
    return re.split("\r\n|\r|\n", text)


def assert_arrives(address: str, subject: str | None, text: str) -> None:
    sent, mail = smtp_mail(address, subject, text)
    raw = message_from_bytes(sent.data_sent, policy=policy.compat32)
    assert raw.keys() == mail.keys() == OURS + MIME
    assert sent.recipients == [address]
    assert mail["Subject"] == subject
    assert not mail["Subject"].defects
    assert [one.addr_spec for one in mail["To"].addresses] == [address]
    assert unfolded(mail.get_content()) == [*unfolded(text), ""] or unfolded(mail.get_content()) == unfolded(text)
    head, _, _ = sent.data_sent.partition(b"\r\n\r\n")
    assert all(len(line) <= 998 for line in sent.data_sent.split(b"\r\n"))  # RFC 5322, 2.1.1
    assert b"\r" not in head.replace(b"\r\n", b"")
    assert b"\n" not in head.replace(b"\r\n", b"")


texts = st.text(st.characters(exclude_categories=["Cs"])) | st.text(
    st.sampled_from("=?utf-8qb_0DA:\t .a\r\nü\u2028\x85")
)


@pytest.mark.parametrize("character", REFUSED, ids=ascii)
@pytest.mark.parametrize("where", ["{}x", "x{}", "a{}Bcc: eve@example.com", "{}"])
def test_what_ends_a_line_is_refused_in_subject_names_and_addresses(character: str, where: str) -> None:
    text = where.format(character)
    assert not is_taken(subject=text)
    assert not is_taken(tags={text: "x"})
    assert not is_taken(to=None, recipient=text)
    with pytest.raises(ValidationError):
        RecipientRequest(name=text, addresses={"email": "a@example.com"})
    for channel in load_channels().values():
        for address in (text, f"a@example.com{text}", f"{text}a@example.com", f"+1415555{text}2671", f"#ops{text}"):
            with pytest.raises(ValueError, match="must"):
                channel.normalise(address)


@pytest.mark.parametrize("subject", TRICKS, ids=ascii)
def test_a_trick_in_a_subject_is_a_subject(subject: str) -> None:
    assert is_taken(subject=subject)
    assert_arrives("a@example.com", subject, "Build 42 is live")


@pytest.mark.parametrize("text", TRICKS, ids=ascii)
def test_a_trick_in_a_message_is_a_message(text: str) -> None:
    for message in (text, f"Subject: x\r\n\r\n{text}", f"{text}\n.\n{text}", f"\n\n--boundary\n{text}", f"From {text}"):
        assert is_taken(message=message) == bool(message.strip())  # a blank one is refused
        assert_arrives("a@example.com", "Deploy", message)


@given(st.text(st.characters(), max_size=255) | texts)
def test_whatever_subject_is_taken_arrives(subject: str) -> None:
    assume(is_taken(subject=subject) and subject)
    assert_arrives("a@example.com", subject, "Build 42 is live")


@given(texts)
@example("x" * 5000)
@example("ü" * 5000)
@example("a\rb\r\nc\nd\x85e\u2028f")
def test_whatever_message_is_taken_arrives(text: str) -> None:
    assume(is_taken(message=text))
    assert_arrives("a@example.com", "Deploy", text)


local_parts = st.text(st.sampled_from("ab1.!#$%&'*+/=?^_`{|}~-"), min_size=1, max_size=30) | st.text(
    min_size=1, max_size=20
)
ADDRESSES = [
    "=?utf-8?q?=0d=0aBcc?=@example.com",
    "=?utf-8?b?DQpCY2M6IHg=?=@example.com",
    "=?utf-8?q?x?==?utf-8?q?y?=@example.com",
    "a+b=c?d@example.com",
    "größe@example.com",
    "a@bücher.example.com",
    "\u202eb@example.com",
    "%0d%0abcc@example.com",
    "o'neill@example.com",
    "{a}|b`c~@example.com",
    "x" * 64 + "@example.com",
]


def taken_address(address: str) -> str | None:
    try:
        return CHANNEL.normalise(address)
    except ValueError:
        return None


@given(st.builds("{}@example.com".format, local_parts) | st.text(max_size=30) | st.sampled_from(ADDRESSES))
def test_whatever_address_is_taken_is_the_one_recipient(address: str) -> None:
    recipient = taken_address(address)
    assume(recipient is not None)
    assert recipient is not None  # for mypy
    sent, mail = smtp_mail(recipient, "Deploy", "Build 42 is live")
    written = in_ascii(recipient)
    assert sent.recipients == [written]
    assert mail.keys() == OURS + MIME
    [to] = [value for name, value in mail.raw_items() if name == "To"]
    assert str(to).encode("ascii", "surrogateescape").decode() == written
    assert [one.addr_spec for one in mail["To"].addresses] == [written] or not written.isascii()
    assert_sendgrid_gets(recipient, "Deploy", "Build 42 is live")


@pytest.mark.parametrize("word", [trick for trick in TRICKS if trick.startswith("=?")], ids=ascii)
def test_an_address_that_another_could_be_decoded_from_is_refused(word: str) -> None:
    for address in (f"{word}@example.com", f"a{word}b@example.com"):
        assert taken_address(address) is None


def assert_sendgrid_gets(address: str, subject: str, text: str) -> None:
    provider = SendGridProvider(SendGridSettings(sendgrid_api_key=SecretStr("key"), email_from=SENDER))
    sent: list[dict[str, Any]] = []

    def send(mail: Any) -> SimpleNamespace:
        sent.append(json.loads(json.dumps(mail.get())))
        return SimpleNamespace(status_code=202, headers={"X-Message-Id": "id-1"}, body=b"")

    provider._api.send = send

    async def call() -> None:
        async with aclosing(provider):
            await provider.send(Outgoing(ID, address, subject, text, 5))

    asyncio.run(call())
    assert sent == [
        {
            "from": {"email": SENDER},
            "subject": subject,
            "personalizations": [{"to": [{"email": in_ascii(address)}]}],
            "content": [{"type": "text/plain", "value": text}],
            "headers": {"Message-ID": f"<{ID}@example.com>", "Auto-Submitted": "auto-generated"},
            "custom_args": {"notification_id": ID},
            "tracking_settings": {
                "click_tracking": {"enable": False, "enable_text": False},
                "open_tracking": {"enable": False},
                "subscription_tracking": {"enable": False},
                "ganalytics": {"enable": False},
            },
        }
    ]


lines = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1) | st.text(
    st.sampled_from("=?utf-8qb_0DA:\t .aü"), min_size=1
)


@given(lines, lines | st.lists(lines, min_size=1, max_size=4).map("\r\n".join))
def test_sendgrid_gets_the_subject_and_the_message_as_they_are(subject: str, text: str) -> None:
    assume(is_taken(subject=subject, message=text))
    assert_sendgrid_gets("a@example.com", subject, text)


@pytest.mark.parametrize("trick", TRICKS, ids=ascii)
def test_sendgrid_gets_a_trick_as_it_is(trick: str) -> None:
    assert_sendgrid_gets("a@example.com", trick, trick)
