"""Every provider, held to the contract in providers.py, and what only one of them has."""

from base64 import b64encode
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import replace
from email import message_from_bytes, policy
from typing import Any, ClassVar
from urllib.parse import quote_plus

import pytest
from pydantic import SecretStr

from functions.email.sendgrid_provider import SendGridProvider, SendGridSettings
from functions.email.smtp_provider import SmtpProvider, SmtpSettings
from functions.slack.message import ERRORS
from functions.slack.web_api_provider import SlackProvider, SlackSettings
from functions.slack.webhook_provider import WebhookProvider, WebhookSettings
from functions.sms.twilio_codes import CODES
from functions.sms.twilio_provider import TwilioProvider, TwilioSettings
from shared.errors import Permanent, Refused, Retryable, SendError, Throttled, Unknown
from shared.log_provider import LogProvider
from shared.provider import Outgoing, Provider
from tests.contract.providers import TEXT, TOKEN, AnyProvider, Contract, HttpContract, Lab, Where
from tests.contract.scripted import Script, Smtp, Talk, answer, hang_up, http, pour, say, serving

SENDER = "hark@example.com"


class TestLog(AnyProvider):
    address = "canary"
    gives_id = False

    def provider(self, where: Where) -> Provider:
        return LogProvider()

    async def test_it_prints_no_address_and_no_text(self, capsys: pytest.CaptureFixture[str]) -> None:
        await LogProvider().send(self.outgoing())
        printed = "".join(capsys.readouterr())
        assert "canary" not in printed


class Email(Contract):
    """What both e-mail providers make of a subject."""

    channel = "email"
    address = "canary@example.com"
    has_subject = True

    async def test_an_email_without_subject_gets_the_first_words(self, lab: Lab) -> None:
        await self.sent(lab.where, self.outgoing("Build 42\nis live. " + "And so on. " * 20, subject=None))
        [item] = await lab.inbox()
        assert item["subject"].startswith("Build 42 is live. And so on.")
        assert len(item["subject"]) <= 78

    @pytest.mark.parametrize("subject", ["Größe ✓ 日本語", "x" * 500, 'a: b <c@d.e>, "f"', "=?utf-8?q?x?=", "x=?"])
    async def test_a_subject_arrives_as_it_was(self, lab: Lab, subject: str) -> None:
        await self.sent(lab.where, self.outgoing(subject=subject))
        [item] = await lab.inbox()
        assert item["subject"].strip() == subject.strip()


class TestSendGrid(Email, HttpContract):
    name = "sendgrid"
    good_status = 202
    # Its success has no body; the id is in the headers, so an endless body after them changes nothing.
    accepted = b"HTTP/1.1 202 Accepted\r\nX-Message-Id: id-1\r\n"

    def provider(self, where: Where) -> Provider:
        return SendGridProvider(
            SendGridSettings(
                sendgrid_api_key=SecretStr(TOKEN),
                sendgrid_base_url=f"http://{where.host}:{where.port}",
                email_from=SENDER,
            )
        )

    async def test_a_truncated_answer_is_unknown(self, lab: Lab) -> None:
        """Nothing of a SendGrid success but its head is read, and the head is whole: it is accepted."""
        await lab.set_fault(self.channel, "truncated")
        message_id = await self.sent(lab.where, self.outgoing())
        [item] = await lab.inbox()
        assert message_id == item["message_id"]

    async def test_an_endless_body_does_not_undo_a_success(self) -> None:
        async with serving(self.script(pour(self.accepted + b"\r\n", b"x"))) as server:
            assert await self.sent(Where("127.0.0.1", server.port, 0), self.outgoing()) == "id-1"

    @pytest.mark.parametrize("status", [200, 201, 204])
    async def test_an_id_under_another_status_is_unknown(self, status: int) -> None:
        assert type(await self.refused_by(say(answer(status, headers={"X-Message-Id": "id-1"})))) is Unknown

    async def test_a_text_that_looks_like_an_api_key_is_refused_in_our_words(self, lab: Lab) -> None:
        assert type(await self.refused(lab.where, self.outgoing("SG.canary.canary"))) is Permanent


SERVICE = "MG" + "0" * 32
API_KEY = "SK" + "0" * 32  # pragma: allowlist secret


class TestTwilio(HttpContract):
    name, channel = "twilio", "sms"
    address = "+15551230000"
    good_status = 201
    throttle_seconds = None
    refusal = Refused

    def settings(self, where: Where, **changes: Any) -> TwilioSettings:
        told = {
            "twilio_account_sid": "AC" + "0" * 32,
            "twilio_auth_token": SecretStr(TOKEN),
            "twilio_from": "+15550001111",
            "twilio_base_url": f"http://{where.host}:{where.port}",
        }
        return TwilioSettings.model_validate(told | changes)

    def provider(self, where: Where, **changes: Any) -> Provider:
        return TwilioProvider(self.settings(where, **changes))

    @pytest.mark.parametrize(
        ("sender", "parameter"), [(SERVICE, "MessagingServiceSid"), ("MGM Resorts", "From"), ("MG1", "From")]
    )
    async def test_a_messaging_service_is_known_by_its_form(self, lab: Lab, sender: str, parameter: str) -> None:
        async with aclosing(self.provider(lab.where, twilio_from=sender)) as provider:
            assert await provider.send(self.outgoing())
        assert f"{parameter}={quote_plus(sender)}" in await self.request(twilio_from=sender)

    async def test_an_api_key_can_be_the_credentials(self, lab: Lab) -> None:
        key = {"twilio_api_key_sid": API_KEY, "twilio_api_key_secret": SecretStr("secret")}
        for token in (None, SecretStr(TOKEN)):
            request = await self.request(twilio_auth_token=token, **key)
            assert b64encode(f"{API_KEY}:secret".encode()).decode() in request
            assert f"/Accounts/AC{'0' * 32}/Messages.json" in request
        async with aclosing(self.provider(lab.where, twilio_auth_token=None, **key)) as provider:
            assert await provider.send(self.outgoing())

    async def request(self, **settings: Any) -> str:
        """What goes over the wire."""
        heard: list[bytes] = []
        async with serving(http(say(answer(503)), heard)) as server:
            where = Where("127.0.0.1", server.port, 0)
            async with aclosing(self.provider(where, **settings)) as provider:
                with pytest.raises(Retryable):
                    await provider.send(self.outgoing())
        return heard[0].decode()

    async def test_what_the_settings_do_not_allow_is_refused_before_twilio_is_asked(self, lab: Lab) -> None:
        async with aclosing(TwilioProvider(self.settings(lab.where), lambda _: "SMS_KINDS does not")) as provider:
            with pytest.raises(Refused, match="SMS_KINDS does not"):
                await provider.send(self.outgoing())
        assert await lab.inbox() == []

    @pytest.mark.parametrize("code", CODES)
    async def test_a_code_means_what_the_table_says(self, code: int) -> None:
        for body in (error_of_twilio(code), problem_of_twilio(code)):
            assert_is(await self.refused_by(say(answer(400, body))), CODES[code][0])

    @pytest.mark.parametrize(
        ("status", "expected"), [(400, Refused), (404, Refused), (401, Retryable), (503, Retryable), (500, Unknown)]
    )
    async def test_an_unknown_code_goes_by_the_status(self, status: int, expected: type[SendError]) -> None:
        for body in (error_of_twilio(99999, status), problem_of_twilio(99999, status)):
            error = await self.refused_by(say(answer(status, body)))
            assert type(error) is expected
            assert "99999" in str(error)


def error_of_twilio(code: int, status: int = 400) -> bytes:
    return f'{{"code": {code}, "message": "{TEXT}", "more_info": "", "status": {status}}}'.encode()


def problem_of_twilio(code: int, status: int = 400) -> bytes:
    """As its newer services answer: RFC 9457."""
    return f'{{"type": "", "title": "{TEXT}", "status": {status}, "code": {code}, "detail": "{TEXT}"}}'.encode()


class TestSlack(HttpContract):
    name = channel = "slack"
    address = "#canary"

    def provider(self, where: Where) -> Provider:
        return SlackProvider(
            SlackSettings(slack_bot_token=SecretStr(TOKEN), slack_base_url=f"http://{where.host}:{where.port}/api")
        )

    @pytest.mark.parametrize(("code", "kind"), ERRORS.items())
    async def test_a_code_means_what_the_table_says(self, code: str, kind: type[SendError] | str) -> None:
        error = await self.refused_by(say(answer(200, f'{{"ok": false, "error": "{code}"}}'.encode())))
        assert_is(error, kind)
        assert code in str(error)

    @pytest.mark.parametrize(
        ("status", "expected"), [(200, Retryable), (400, Permanent), (403, Retryable), (500, Unknown), (503, Retryable)]
    )
    async def test_an_unknown_code_is_retried_unless_the_status_says_more(
        self, status: int, expected: type[SendError]
    ) -> None:
        error = await self.refused_by(say(answer(status, b'{"ok": false, "error": "a_new_code"}')))
        assert type(error) is expected

    async def test_a_throttle_by_code_says_when_to_come_back(self) -> None:
        body = b'{"ok": false, "error": "ratelimited"}'
        error = await self.refused_by(say(answer(200, body, headers={"Retry-After": "3"})))
        assert isinstance(error, Throttled)
        assert error.retry_after == 3


class TestSlackWebhook(HttpContract):
    name, channel = "slack-webhook", "slack"
    address = "#canary"
    inbox_address = "webhook"
    gives_id = False

    def provider(self, where: Where) -> Provider:
        url = f"http://{where.host}:{where.port}/services/T1/B1/{TOKEN}"
        return WebhookProvider(WebhookSettings(slack_webhook_url=SecretStr(url)))

    @pytest.mark.parametrize(("code", "kind"), ERRORS.items())
    async def test_a_code_means_what_the_table_says(self, code: str, kind: type[SendError] | str) -> None:
        for status in (400, 403, 404, 410, 500):
            assert_is(await self.refused_by(say(answer(status, code.encode(), "text/html"))), kind)

    @pytest.mark.parametrize(
        ("status", "expected"), [(400, Permanent), (403, Retryable), (404, Permanent), (500, Unknown), (503, Retryable)]
    )
    async def test_an_unknown_code_goes_by_the_status(self, status: int, expected: type[SendError]) -> None:
        assert type(await self.refused_by(say(answer(status, b"a_new_code", "text/html")))) is expected


REPLIES: Mapping[str, type[SendError] | str] = {
    "421 4.3.2 closing": Retryable,
    "450 4.2.0 busy": Retryable,
    "450 4.7.1 too many": Throttled,
    "451 4.3.0 trouble": Retryable,
    "452 4.2.2 full": Retryable,
    "530 5.7.0 who are you": "credentials",
    "535 5.7.8 who are you": "credentials",
    "550 5.1.1 no such user": Permanent,
    "552 5.3.4 too big": Permanent,
    "554 5.7.1 no": Permanent,
    "299 what": Unknown,
    "hello there": Unknown,
    "<html>": Unknown,
    "\xff\xfe": Unknown,
}
PHASES = ["BANNER", "EHLO", "MAIL", "RCPT", "DATA", "END"]


class TestSmtp(Email):
    name = "smtp"
    throttle_seconds = None
    beginnings: ClassVar = {"the last reply": b"250-", "a number": b"2"}
    floods: ClassVar = {
        "line": (b"250 ", b"x"),
        "lines": (b"", b"250-more\r\n"),
        "garbage": (b"", b"\n"),
    }

    def provider(self, where: Where, user: str = "") -> Provider:
        url = f"smtp://{user}{where.host}:{where.smtp_port}"
        return SmtpProvider(SmtpSettings(smtp_url=SecretStr(url), email_from=SENDER))

    def script(self, talk: Talk) -> Script:
        return Smtp({"END": talk})

    async def refused_at(self, phase: str, data: bytes) -> SendError:
        async with serving(Smtp({phase: say(data)})) as server:
            return await self.refused(Where("127.0.0.1", 0, server.port))

    async def taken(self, outgoing: Outgoing, user: str = "", replies: Mapping[str, Talk] | None = None) -> Smtp:
        """The dialogue of one good send."""
        smtp = Smtp(replies or {})
        async with serving(smtp) as server:
            provider = self.provider(Where("127.0.0.1", 0, server.port), user)
            assert await provider.send(outgoing)
        return smtp

    @pytest.mark.parametrize("phase", PHASES)
    @pytest.mark.parametrize(("reply", "kind"), REPLIES.items())
    async def test_a_reply_means_what_its_code_says(self, phase: str, reply: str, kind: type[SendError] | str) -> None:
        error = await self.refused_at(phase, reply.encode("latin-1") + b" canary@example.com\r\n")
        about_us = kind is Unknown or (kind is Permanent and phase != "RCPT")
        assert_is(error, "credentials" if about_us and phase in {"BANNER", "EHLO", "MAIL", "RCPT"} else kind)

    @pytest.mark.parametrize("phase", ["BANNER", "EHLO", "MAIL", "RCPT"])
    async def test_a_connection_lost_before_the_mail_is_retryable(self, phase: str) -> None:
        async with serving(Smtp({phase: hang_up})) as server:
            assert type(await self.refused(Where("127.0.0.1", 0, server.port))) is Retryable

    async def test_without_a_user_nobody_logs_in(self) -> None:
        smtp = await self.taken(self.outgoing(), replies={"EHLO": say(b"250-s\r\n250 AUTH PLAIN\r\n")})
        assert [line.split()[0] for line in smtp.commands][:4] == [b"EHLO", b"MAIL", b"RCPT", b"DATA"]

    async def test_the_urls_user_and_password_log_in(self) -> None:
        smtp = await self.taken(self.outgoing(), "us%40er:p%2Fw@", {"EHLO": say(b"250-s\r\n250 AUTH PLAIN\r\n")})
        assert b"AUTH PLAIN AHVzQGVyAHAvdw==" in smtp.commands  # \0us@er\0p/w

    async def test_a_refused_login_is_about_our_credentials(self) -> None:
        replies = {"EHLO": say(b"250-s\r\n250 AUTH PLAIN\r\n"), "AUTH": say(b"535 5.7.8 no\r\n")}
        async with serving(Smtp(replies)) as server:
            provider = self.provider(Where("127.0.0.1", 0, server.port), "user:pass@")
            with pytest.raises(Retryable) as raised:
                await provider.send(self.outgoing())
        assert raised.value.credentials

    async def test_an_address_beyond_ascii_needs_the_servers_consent(self, lab: Lab) -> None:
        outgoing = Outgoing("n-1", "größe@example.com", "Deploy", TEXT, 5)
        async with serving(Smtp()) as server:
            assert type(await self.refused(Where("127.0.0.1", 0, server.port), outgoing)) is Permanent
        await self.sent(lab.where, outgoing)
        [item] = await lab.inbox()
        assert item["to"] == outgoing.address

    async def test_a_server_that_takes_only_ascii_gets_only_ascii(self) -> None:
        smtp = await self.taken(self.outgoing("Größe ✓", "Größe"), replies={"EHLO": say(b"250 s\r\n")})
        assert smtp.mail.isascii()

    @pytest.mark.parametrize("end", ["\r\n", "\n", "\r", "\n\n", "\r\n\r\n"])
    async def test_a_subject_adds_no_header(self, end: str) -> None:
        for subject in (f"Deploy{end}Bcc: eve@example.com", f"Deploy{end}", f"{end}Bcc: eve@example.com"):
            assert_headers_are_ours(await self.taken(self.outgoing(subject=subject)))

    @pytest.mark.parametrize("word", ["=?utf-8?q?Deploy=0D=0ABcc=3A=20eve?=", "=?utf-8?b?DQpCY2M6IGV2ZQ==?="])
    async def test_an_encoded_line_break_adds_no_header(self, word: str) -> None:
        assert_headers_are_ours(await self.taken(self.outgoing(subject=word)))
        outgoing = replace(self.outgoing(), address=f"{word}@example.com")
        assert_headers_are_ours(await self.taken(outgoing))

    @pytest.mark.parametrize(
        "address",
        [
            "a@b.c\r\nBcc: eve@example.com",
            "a@b.c\n",
            "a@b.c>\r\nRCPT TO:<eve@e.f",
            "a b@c.d",
            "a@",
            "@",
            "",
            "<a@b.c>",
            "a@b.c, eve@e.f",
            "a@[",
            "(",
            "a\x00@b.c",
        ],
    )
    async def test_what_is_no_address_is_refused_for_good(self, address: str) -> None:
        smtp = Smtp()
        async with serving(smtp) as server:
            provider = self.provider(Where("127.0.0.1", 0, server.port))
            with pytest.raises(Permanent):
                await provider.send(Outgoing("n-1", address, "Deploy", TEXT, 5))
        assert not [line for line in smtp.commands if line.startswith(b"RCPT")]


def assert_headers_are_ours(smtp: Smtp) -> None:
    ours = ["From", "To", "Subject", "Date", "Message-ID", "X-Hark-Notification-Id"]
    mime = ["Content-Type", "Content-Transfer-Encoding", "MIME-Version"]
    mail = message_from_bytes(smtp.mail, policy=policy.compat32)
    assert mail.keys() == ours + mime
    assert mail.get_payload() == TEXT + "\r\n.\r\n"


def assert_is(error: SendError, kind: type[SendError] | str) -> None:
    """A table's entry is a class, or the word for a refusal of our own credentials."""
    if isinstance(kind, str):
        assert isinstance(error, Retryable)
        assert error.credentials
    else:
        assert type(error) is kind
        assert not getattr(error, "credentials", False)
