"""Every provider, held to the contract in providers.py, and what only one of them has."""

import asyncio
import json
import re
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any, ClassVar, cast
from urllib.parse import quote_plus

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from pydantic import SecretStr

from functions.email.sendgrid_provider import SendGridProvider, SendGridSettings
from functions.email.sendgrid_refusals import FIELDS
from functions.email.smtp_provider import SmtpProvider, SmtpSettings
from functions.slack.message import ERRORS, LARGEST_ANSWER, Means
from functions.slack.web_api_provider import SlackProvider, SlackSettings
from functions.slack.webhook_provider import WebhookProvider, WebhookSettings
from functions.sms import vonage_codes
from functions.sms.twilio_provider import TwilioProvider, TwilioSettings
from functions.sms.vonage_provider import VonageProvider, VonageSettings
from shared.delivery.errors import Permanent, Refused, Retryable, SendError, Throttled, Unknown
from shared.delivery.model import Attachment, SuppressionReason
from shared.http.client import ANSWER_LIMIT, _BoundedResponse
from shared.providers.twilio.codes import CODES
from shared.sending.log_provider import LogProvider
from shared.sending.pipeline import call
from shared.sending.provider import Earlier, Outgoing, Provider, Sent
from tests.contract.providers import BODIES, TEXT, TOKEN, AnyProvider, Contract, HttpContract, Lab, Where
from tests.contract.scripted import Script, Smtp, Talk, answer, hang_up, http, pour, say, serving

SENDER = "hark@example.com"
SENDERS = {"billing": "Billing <billing@example.com>"}
HTML = '<p style="color: red">Größe ✓ &lt;b&gt;\n.\n</p>'
FILES = [
    Attachment("a.pdf", "application/pdf", b"%PDF-1.7\r\n.\r\n\0\xff" * 500),
    Attachment('Größe "✓" 🚀.txt', "text/plain", "eins\r\nzwei\n.\ndrei ü".encode()),
    Attachment("x" * 200 + ".csv", "text/csv", b"a;b\n"),
    Attachment("日" * 255, "application/octet-stream", bytes(range(256))),
]
SAID = Sent("1.2", "C012345678")
"""What comes of the answer that Slack's tests give."""
BLOCKS = [{"type": "section", "text": {"type": "mrkdwn", "text": "*Build 42* <https://a.test|is live>"}}]
PUBLISHED = json.loads((Path(__file__).parents[1] / "data" / "slack.json").read_text())


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

    async def test_all_parts_of_a_mail_arrive(self, lab: Lab) -> None:
        await self.sent(lab.where, self.mail(**{"from": "billing"}))
        [item] = await lab.inbox()
        assert (item["text"], item["html"]) == (TEXT, HTML)
        assert item["attachments"] == [{"name": f.name, "type": f.type, "size": len(f.data)} for f in FILES]
        assert item["headers"]["From"] == "Billing <billing@example.com>"
        assert item["headers"]["Reply-To"] == "help@xn--bcher-kva.example"
        assert item["headers"]["Message-ID"].endswith("@example.com>")

    async def test_a_part_alone_arrives(self, lab: Lab) -> None:
        await self.sent(lab.where, replace(self.outgoing(), parts={"html": HTML}))
        await self.sent(lab.where, replace(self.outgoing(), attachments=FILES[:1]))
        with_html, with_file = await lab.inbox()
        assert (with_html["text"], with_html["html"], "attachments" in with_html) == (TEXT, HTML, False)
        assert (with_file["text"], "html" in with_file, len(with_file["attachments"])) == (TEXT, False, 1)

    async def test_a_sender_that_is_gone_from_the_settings_is_an_operators_to_mend(self, lab: Lab) -> None:
        error = await self.refused(lab.where, self.mail(**{"from": "sales"}))
        assert type(error) is Refused
        assert "EMAIL_SENDERS" in str(error)
        assert await lab.inbox() == []

    def mail(self, **parts: str) -> Outgoing:
        """With all that a mail may have."""
        all_parts = {"html": HTML, "reply_to": "help@bücher.example", **parts}
        return replace(self.outgoing(), parts=all_parts, attachments=FILES)

    @pytest.mark.parametrize("subject", ["Größe ✓ 日本語", "x" * 500, 'a: b <c@d.e>, "f"', "=?utf-8?q?x?=", "x=?"])
    async def test_a_subject_arrives_as_it_was(self, lab: Lab, subject: str) -> None:
        await self.sent(lab.where, self.outgoing(subject=subject))
        [item] = await lab.inbox()
        assert item["subject"].strip() == subject.strip()


class TestSendGrid(Email, HttpContract):
    name = "sendgrid"
    good_status = 202
    statuses: ClassVar = {413: Permanent}
    # Its success has no body; the id is in the headers, so an endless body after them changes nothing.
    accepted = b"HTTP/1.1 202 Accepted\r\nX-Message-Id: id-1\r\n"

    def provider(self, where: Where) -> Provider:
        return SendGridProvider(
            SendGridSettings(
                sendgrid_api_key=SecretStr(TOKEN),
                sendgrid_base_url=f"http://{where.host}:{where.port}",
                email_from=SENDER,
                email_senders=SENDERS,
            )
        )

    def assert_pause(self, retry_after: float | None) -> None:
        """It names a Unix time in whole seconds, and the lab one of the next second."""
        assert retry_after is not None
        assert 0 <= retry_after <= 1

    async def test_a_truncated_answer_is_unknown(self, lab: Lab) -> None:
        """Nothing of a SendGrid success but its head is read, and the head is whole: it is accepted."""
        await lab.set_fault(self.channel, "truncated")
        message_id = await self.sent(lab.where, self.outgoing())
        [item] = await lab.inbox()
        assert message_id == item["message_id"]

    async def test_an_endless_body_does_not_undo_a_success(self) -> None:
        async with serving(self.script(pour(self.accepted + b"\r\n", b"x"))) as server:
            assert await self.sent(Where("127.0.0.1", server.port, 0), self.outgoing()) == "id-1"

    @pytest.mark.parametrize("status", [200, 201, 203, 204, 206, 226, 299])
    async def test_an_unexpected_success_is_unknown(self, status: int) -> None:
        await super().test_an_unexpected_success_is_unknown(status)

    @pytest.mark.parametrize("status", [200, 301, 400, 401, 403, 404, 429, 500, 503])
    async def test_an_answer_that_repeats_the_request_gives_nothing_away(self, status: int) -> None:
        await super().test_an_answer_that_repeats_the_request_gives_nothing_away(status)

    @pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
    async def test_a_malformed_success_is_unknown(self, body: bytes) -> None:
        """A 202 is a success whatever its body is."""
        for headers in ({}, {"X-Message-Id": ""}, {"X-Message-Id": "x" * 2000}):
            async with serving(self.script(say(answer(202, body, headers=headers)))) as server:
                assert await self.sent(Where("127.0.0.1", server.port, 0), self.outgoing()) is None

    @pytest.mark.parametrize("status", [200, 201, 204])
    async def test_an_id_under_another_status_is_unknown(self, status: int) -> None:
        assert type(await self.refused_by(say(answer(status, headers={"X-Message-Id": "id-1"})))) is Unknown

    async def test_a_text_that_looks_like_an_api_key_is_refused_in_our_words(self, lab: Lab) -> None:
        assert type(await self.refused(lab.where, self.outgoing("SG.canary.canary"))) is Permanent

    @pytest.mark.parametrize(
        ("headers", "expected"),
        [
            ({"X-RateLimit-Reset": "130"}, 30),
            ({"X-RateLimit-Reset": "130", "Retry-After": "7"}, 7),
            ({"X-RateLimit-Reset": "130", "Retry-After": "soon"}, 30),
            ({"x-ratelimit-reset": "100.5"}, 0.5),
            ({"X-RateLimit-Reset": "90"}, 0),
            ({"X-RateLimit-Reset": "99999999999999999999"}, 86_400),
            ({"X-RateLimit-Reset": "soon"}, None),
            ({"X-RateLimit-Reset": "inf"}, None),
            ({}, None),
        ],
    )
    async def test_a_throttle_says_when_to_come_back_as_a_time(
        self, headers: Mapping[str, str], expected: float | None
    ) -> None:
        async with serving(self.script(say(answer(429, b"{}", headers=headers)))) as server:
            settings = SendGridSettings(
                sendgrid_api_key=SecretStr(TOKEN),
                sendgrid_base_url=f"http://127.0.0.1:{server.port}",
                email_from=SENDER,
            )
            provider = SendGridProvider(settings, now=lambda: 100.0)
            with pytest.raises(Throttled) as raised:
                await provider.send(self.outgoing())
            await provider.aclose()
        assert raised.value.retry_after == expected

    @pytest.mark.parametrize(
        ("status", "field", "expected"),
        [
            (400, "personalizations.0.to.0.email", Permanent),
            (400, "personalizations.0.to", Permanent),
            (400, "subject", Permanent),
            (400, "content.0.value", Permanent),
            (400, "from.email", Refused),
            (400, "from", Refused),
            (400, "personalizations.0.headers", Refused),
            (400, "custom_args", Refused),
            (400, "a_new_field", Refused),
            (400, None, Refused),
            (403, "from", Refused),
        ],
    )
    async def test_a_field_says_whose_fault_it_is(
        self, status: int, field: str | None, expected: type[SendError]
    ) -> None:
        body = json.dumps({"errors": [{"message": TEXT, "field": field, "help": None}]}).encode()
        error = await self.refused_by(say(answer(status, body)))
        assert type(error) is expected

    async def test_a_refusal_of_every_field_that_there_is_is_read_to_its_end(self) -> None:
        errors = [{"message": "x" * 4000, "field": field, "help": "x" * 1000} for field in FIELDS if field != "from"]
        body = json.dumps({"errors": [*errors, {"message": "no", "field": "from.email", "help": None}]}).encode()
        error = await self.refused_by(say(answer(400, body)))
        assert type(error) is Refused

    async def test_used_up_credits_are_no_rejected_key(self) -> None:
        body = b'{"errors": [{"message": "Maximum credits exceeded", "field": null, "help": null}]}'
        assert type(await self.refused_by(say(answer(401, body)))) is Refused


SERVICE = "MG" + "0" * 32
API_KEY = "SK" + "0" * 32  # pragma: allowlist secret
APPLICATION = "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab"
RSA_KEY = generate_private_key(65537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


class TestTwilio(HttpContract):
    name, channel = "twilio", "sms"
    address = "+15551230000"
    good_status = 201
    throttle_seconds = None

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

    async def test_a_number_that_is_none_is_invalid_for_good_and_an_unreachable_one_is_not(self, lab: Lab) -> None:
        gone = await self.refused(lab.where, replace(self.outgoing(), address="+15005550001"))
        assert cast(Permanent, gone).suppresses is SuppressionReason.INVALID
        await lab.set_fault("sms", "400")
        unreachable = await self.refused(lab.where)
        assert (type(unreachable), cast(Permanent, unreachable).suppresses) == (Permanent, None)

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


class TestVonage(HttpContract):
    name, channel = "vonage", "sms"
    address = "+15551230000"
    good_status = 202
    throttle_seconds = None
    good = answer(202, b'{"message_uuid": "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab"}')

    def settings(self, where: Where, **changes: Any) -> VonageSettings:
        told = {
            "vonage_api_key": "lab00000",  # pragma: allowlist secret
            "vonage_api_secret": SecretStr(TOKEN),
            "vonage_from": "+15550001111",
            "vonage_base_url": f"http://{where.host}:{where.port}/",
        }
        return VonageSettings.model_validate(told | changes)

    def provider(self, where: Where, now: Callable[[], float] = time.time, **changes: Any) -> Provider:
        return VonageProvider(self.settings(where, **changes), now=now)

    async def requests(self, clock: Sequence[float] = (0.0,), **settings: Any) -> list[tuple[Mapping[str, str], Any]]:
        """The headers and the body of a send at each of these times, as they go over the wire."""
        heard: list[bytes] = []
        at = iter(clock)
        async with serving(http(say(self.good), heard)) as server:
            where = Where("127.0.0.1", server.port, 0)
            async with aclosing(self.provider(where, lambda: next(at), **settings)) as provider:
                for _ in clock:
                    await provider.send(self.outgoing())
        parts = [request.partition(b"\r\n\r\n") for request in heard]
        heads = [dict(line.split(": ", 1) for line in head.decode().splitlines()[1:]) for head, _, _ in parts]
        return list(zip(heads, [json.loads(body) for _, _, body in parts], strict=True))

    async def test_a_message_has_our_id_and_says_where_to_report(self) -> None:
        [(headers, body)] = await self.requests(public_url="https://hark.example.com/")
        assert headers["Authorization"] == "Basic " + b64encode(f"lab00000:{TOKEN}".encode()).decode()
        assert body == {
            "channel": "sms",
            "message_type": "text",
            "to": "15551230000",
            "from": "15550001111",
            "text": TEXT,
            "client_ref": self.outgoing().notification_id,
            "webhook_url": "https://hark.example.com/v1/receipts/vonage",
            "webhook_version": "v1",
        }
        [(_, body)] = await self.requests(vonage_from="Hark1")
        assert (body["from"], "webhook_url" in body) == ("Hark1", False)

    async def test_an_applications_token_serves_for_ten_minutes_and_goes_before_the_accounts_secret(
        self, lab: Lab
    ) -> None:
        application: dict[str, Any] = {"vonage_application_id": APPLICATION, "vonage_private_key": SecretStr(RSA_KEY)}
        sent = await self.requests([0.0, 599.0, 600.0, 10.0], **application)
        tokens = [headers["Authorization"].removeprefix("Bearer ") for headers, _ in sent]
        assert [tokens.index(token) for token in tokens] == [0, 0, 2, 3]  # the last: after the clock was set back
        public = load_pem_private_key(RSA_KEY.encode(), None).public_key()
        claims = jwt.decode(tokens[0], cast(RSAPublicKey, public), algorithms=["RS256"])
        assert claims["application_id"] == APPLICATION
        async with aclosing(self.provider(lab.where, **application)) as provider:
            assert await provider.send(self.outgoing())

    async def test_a_number_that_is_none_is_invalid_for_good_and_an_unreachable_one_is_not(self, lab: Lab) -> None:
        gone = await self.refused(lab.where, replace(self.outgoing(), address="+15005550001"))
        assert cast(Permanent, gone).suppresses is SuppressionReason.INVALID
        await lab.set_fault("sms", "400")
        unreachable = await self.refused(lab.where)
        assert (type(unreachable), cast(Permanent, unreachable).suppresses) == (Permanent, None)

    async def test_what_the_settings_do_not_allow_is_refused_before_vonage_is_asked(self, lab: Lab) -> None:
        async with aclosing(VonageProvider(self.settings(lab.where), lambda _: "SMS_KINDS does not")) as provider:
            with pytest.raises(Refused, match="SMS_KINDS does not"):
                await provider.send(self.outgoing())
        assert await lab.inbox() == []

    @pytest.mark.parametrize("code", vonage_codes.CODES)
    async def test_a_code_means_what_the_table_says(self, code: str) -> None:
        error = await self.refused_by(say(answer(422, problem_of_vonage(code))))
        assert_is(error, vonage_codes.CODES[code][0])
        assert str(error).endswith(f"({code})")

    @pytest.mark.parametrize(
        ("status", "expected"), [(400, Refused), (404, Refused), (401, Retryable), (503, Retryable), (500, Unknown)]
    )
    async def test_an_unknown_code_goes_by_the_status(self, status: int, expected: type[SendError]) -> None:
        error = await self.refused_by(say(answer(status, problem_of_vonage("9999"))))
        assert type(error) is expected
        assert "9999" in str(error)

    @pytest.mark.parametrize("status", [200, 201, 204])
    async def test_a_code_in_a_success_counts_for_nothing(self, status: int) -> None:
        assert type(await self.refused_by(say(answer(status, problem_of_vonage("1170"))))) is Unknown

    @pytest.mark.parametrize(
        ("seconds", "links", "reports", "found"),
        [
            (901, "{}", True, []),
            (899, "{}", True, None),  # it may still come
            (901, '{"next": {"href": "x"}}', True, None),  # it may be on that page
            (901, "{}", False, None),
        ],
    )
    async def test_what_is_not_in_the_reports_is_not_there_once_all_of_them_are(
        self, seconds: int, links: str, reports: bool, found: list[Any] | None
    ) -> None:
        heard: list[bytes] = []
        since = datetime(2026, 11, 5, 12, tzinfo=UTC)
        body = f'{{"records": [{{"client_ref": "n-2", "message_id": "x"}}], "_links": {links}}}'
        async with serving(http(say(answer(200, body.encode())), heard)) as server:
            where = Where("127.0.0.1", server.port, 0)
            async with aclosing(
                VonageProvider(self.settings(where, vonage_reports=reports), now=lambda: since.timestamp() + seconds)
            ) as provider:
                assert await provider.find(self.outgoing(), since) == found
        assert len(heard) == reports
        assert all(b"&to=15551230000&date_start=2026-11-05T12:00:00%2B00:00&" in request for request in heard)

    async def test_nothing_is_sent_a_second_time_when_the_connection_is_closed(self) -> None:
        """As Vonage's own client does, up to ten times."""
        heard: list[bytes] = []
        async with serving(http(hang_up, heard)) as server:
            await self.refused(Where("127.0.0.1", server.port, 0))
        assert len(heard) == 1

    @pytest.mark.parametrize("id_", ["1", "SM1", f"aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab\\n{'x' * 99}", ""])
    async def test_an_id_that_is_none_of_vonages_is_unknown(self, id_: str) -> None:
        assert type(await self.refused_by(say(answer(202, f'{{"message_uuid": "{id_}"}}'.encode())))) is Unknown


def problem_of_vonage(code: str) -> bytes:
    """As its APIs answer: RFC 9457."""
    type_ = f"https://developer.vonage.com/api-errors/messages#{code}"
    return json.dumps({"type": type_, "title": TEXT, "detail": TEXT, "instance": "bf0c"}).encode()


MEANS: Mapping[Means, type[SendError] | str] = {
    Means.ADDRESS: Permanent,
    Means.MESSAGE: Permanent,
    Means.OPERATOR: Refused,
    Means.CREDENTIALS: "credentials",
    Means.LATER: Retryable,
    Means.PACE: Throttled,
    Means.UNSURE: Unknown,
}


class Slack(HttpContract):
    """What both of Slack's providers ask for."""

    channel = "slack"
    address = "#canary"
    good: ClassVar[bytes]
    """The answer to what is accepted."""

    async def test_the_text_is_posted_as_it_is_and_its_links_are_not_followed(self) -> None:
        heard: list[bytes] = []
        async with serving(http(say(self.good), heard)) as server:
            await self.sent(Where("127.0.0.1", server.port, 0), self.outgoing("*no* <!here> & _no_ https://a.test"))
        posted = json.loads(heard[0].partition(b"\r\n\r\n")[2])
        assert set(posted) <= set(PUBLISHED["arguments"])
        assert posted["text"] == "*no* &lt;!here&gt; &amp; _no_ https://a.test"
        assert [posted[name] for name in ("mrkdwn", "unfurl_links", "unfurl_media")] == [False, False, False]
        assert "blocks" not in posted

    async def test_blocks_are_posted_with_the_text_for_where_they_are_not_shown(self, lab: Lab) -> None:
        await self.sent(lab.where, replace(self.outgoing(), parts={"blocks": BLOCKS}))
        [item] = await lab.inbox()
        assert (item["blocks"], item["text"]) == (BLOCKS, TEXT)

    async def test_previews_are_there_when_asked_for(self) -> None:
        heard: list[bytes] = []
        outgoing = replace(self.outgoing(), parts={"unfurl_links": True, "unfurl_media": False})
        async with serving(http(say(self.good), heard)) as server:
            await self.sent(Where("127.0.0.1", server.port, 0), outgoing)
        posted = json.loads(heard[0].partition(b"\r\n\r\n")[2])
        assert (posted["unfurl_links"], posted["unfurl_media"]) == (True, False)


class TestSlack(Slack):
    name = "slack"
    good = answer(200, b'{"ok": true, "channel": "C012345678", "ts": "1.2", "message": {}}')

    def provider(self, where: Where) -> Provider:
        return SlackProvider(
            SlackSettings(slack_bot_token=SecretStr(TOKEN), slack_base_url=f"http://{where.host}:{where.port}/api")
        )

    @pytest.mark.parametrize("code", ERRORS)
    async def test_a_code_means_what_the_table_says(self, code: str) -> None:
        error = await self.refused_by(say(answer(200, f'{{"ok": false, "error": "{code}"}}'.encode())))
        means, words = ERRORS[code]
        assert_is(error, MEANS[means])
        assert str(error) == f'Slack answered "{code}": {words}'

    @pytest.mark.parametrize(
        "blocks",
        [
            [],
            [{"type": "text", "text": "\U0001f680" * 40_000}],
            [{"type": "emoji", "name": "fast_forward_with_a_vertical_bar_and_more", "unicode": "1f680-fe0f"}] * 40_000,
        ],
        ids=["none", "as text", "as emojis"],
    )
    async def test_an_answer_that_repeats_the_longest_message_is_read(self, blocks: list[dict[str, str]]) -> None:
        posted = {"text": "\U0001f680" * 40_000, "type": "message", "ts": "1.2", "blocks": blocks}
        body = json.dumps({"ok": True, "channel": "C012345678", "ts": "1.2", "message": posted}).encode()
        assert len(body) > 400_000
        async with serving(self.script(say(answer(200, body)))) as server:
            assert await self.sent(Where("127.0.0.1", server.port, 0), self.outgoing()) == "1.2"

    async def test_of_many_large_answers_few_are_held_at_once_and_all_are_read(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        read_up_to, held, most = _BoundedResponse._read_up_to, 0, 0

        async def counted(self: _BoundedResponse, limit: int, body: bytearray) -> None:
            nonlocal held, most
            held += limit > ANSWER_LIMIT
            most = max(most, held)
            await read_up_to(self, limit, body)
            held -= limit > ANSWER_LIMIT

        monkeypatch.setattr(_BoundedResponse, "_read_up_to", counted)
        posted = {"text": "\U0001f680" * 40_000, "type": "message", "ts": "1.2"}
        body = json.dumps({"ok": True, "channel": "C012345678", "ts": "1.2", "message": posted}).encode()
        async with (
            serving(self.script(say(answer(200, body)))) as server,
            aclosing(self.provider(Where("127.0.0.1", server.port, 0))) as provider,
        ):
            assert await asyncio.gather(*(provider.send(self.outgoing()) for _ in range(20))) == [SAID] * 20
        assert 1 <= most <= 4

    async def posted(self, where: Where, earlier: Mapping[str, Earlier], **changes: Any) -> Sent:
        async with aclosing(self.provider(where)) as provider:
            return await call(provider, replace(self.outgoing(), earlier=earlier, **changes))

    async def test_a_reply_goes_into_the_thread_of_the_earlier_message(self, lab: Lab) -> None:
        first = await self.posted(lab.where, {}, address="U012345678")
        assert first.conversation is not None
        assert first.conversation != "U012345678"
        reply = await self.posted(lab.where, {"thread": Earlier(first)}, address="U012345678")
        assert reply.conversation == first.conversation
        [_, item] = await lab.inbox()
        assert (item["thread"], item["to"]) == (first.id, "U012345678")

    async def test_a_reply_to_what_was_not_sent_goes_alone(self, lab: Lab) -> None:
        await self.posted(lab.where, {"thread": Earlier(Sent(None), "it was not sent")})
        [item] = await lab.inbox()
        assert "thread" not in item
        assert item["to"] == self.address

    async def test_an_update_takes_the_earlier_messages_place(self, lab: Lab) -> None:
        first = await self.posted(lab.where, {}, parts={"blocks": BLOCKS})
        for parts in ({}, {"blocks": BLOCKS}):
            changed = await self.posted(lab.where, {"update": Earlier(first)}, text="a < b", parts=parts)
            assert changed == first
            item = (await lab.inbox())[-1]
            assert (item["message_id"], item["text"], item["update"]) == (first.id, "a < b", True)
            assert item.get("blocks") == parts.get("blocks")
            assert item["notification_id"] == self.outgoing().notification_id

    async def test_an_update_asks_for_what_slack_publishes(self) -> None:
        heard: list[bytes] = []
        async with serving(http(say(self.good), heard)) as server:
            await self.posted(Where("127.0.0.1", server.port, 0), {"update": Earlier(SAID)})
        assert heard[0].startswith(b"POST /api/chat.update ")
        posted = json.loads(heard[0].partition(b"\r\n\r\n")[2])
        assert {*posted} == {"channel", "ts", "text", "blocks", "metadata"}
        assert (posted["channel"], posted["ts"], posted["blocks"]) == (SAID.conversation, SAID.id, [])

    @pytest.mark.parametrize(
        ("earlier", "why"),
        [
            (Earlier(Sent(None), "n-1 was not sent (failed)"), "n-1 was not sent"),
            (Earlier(Sent("1.2")), "conversation"),
        ],
    )
    async def test_an_update_of_what_cannot_be_found_fails_for_good(self, lab: Lab, earlier: Earlier, why: str) -> None:
        error = await self.refused(lab.where, replace(self.outgoing(), earlier={"update": earlier}))
        assert type(error) is Permanent
        assert why in str(error)
        assert await lab.inbox() == []

    async def test_an_update_of_what_is_gone_fails_for_good(self, lab: Lab) -> None:
        gone = Earlier(Sent("1700000000.000001", "C012345678"))
        assert type(await self.refused(lab.where, replace(self.outgoing(), earlier={"update": gone}))) is Permanent

    @pytest.mark.parametrize("channel", [None, 5, "", "#ops", "C1 2", "x" * 2000])
    async def test_a_conversation_that_is_none_is_not_kept(self, channel: object) -> None:
        body = json.dumps({"ok": True, "channel": channel, "ts": "1.2"}).encode()
        async with serving(self.script(say(answer(200, body)))) as server:
            assert await self.posted(Where("127.0.0.1", server.port, 0), {}) == Sent("1.2", None)

    async def test_an_answer_larger_than_any_of_slacks_is_unknown(self) -> None:
        body = b'{"ok": true, "ts": "1.2", "message": "' + b"x" * LARGEST_ANSWER + b'"}'
        assert type(await self.refused_by(say(answer(200, body)))) is Unknown

    async def test_the_longest_message_of_emojis_is_accepted_at_once(self, lab: Lab) -> None:
        text = "\U0001f680" * 40_000
        assert await self.sent(lab.where, self.outgoing(text))
        [item] = await lab.inbox()
        assert item["text"] == text

    @pytest.mark.parametrize(
        ("status", "expected"), [(200, Retryable), (400, Refused), (403, Retryable), (500, Unknown), (503, Retryable)]
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


class TestSlackWebhook(Slack):
    name = "slack-webhook"
    good = answer(200, b"ok", "text/html")
    unknown_address = Refused
    inbox_address = "webhook"
    gives_id = False

    def provider(self, where: Where) -> Provider:
        url = f"http://{where.host}:{where.port}/services/T1/B1/{TOKEN}"
        return WebhookProvider(WebhookSettings(slack_webhook_url=SecretStr(url), slack_webhook_channel="#Canary"))

    async def test_an_earlier_message_is_an_operators_to_mend(self, lab: Lab) -> None:
        for part in ("thread", "update"):
            error = await self.refused(lab.where, replace(self.outgoing(), earlier={part: Earlier(Sent(None), "x")}))
            assert type(error) is Refused
            assert part in str(error)
            assert "SLACK_PROVIDER=slack" in str(error)
        assert await lab.inbox() == []

    @pytest.mark.parametrize("address", ["#other", "#canary2", "C0123ABCD"])
    async def test_what_is_for_another_channel_is_an_operators_to_mend_and_not_sent(
        self, lab: Lab, address: str
    ) -> None:
        error = await self.refused(lab.where, replace(self.outgoing(), address=address))
        assert type(error) is Refused
        assert "SLACK_WEBHOOK_CHANNEL" in str(error)
        assert await lab.inbox() == []

    @pytest.mark.parametrize("code", ERRORS)
    async def test_a_code_means_what_the_table_says(self, code: str) -> None:
        """But that of a channel that is not there: the operator has named it, by the webhook."""
        means, words = ERRORS[code]
        for status in (400, 403, 404, 410, 500):
            error = await self.refused_by(say(answer(status, code.encode(), "text/html")))
            assert_is(error, Refused if means is Means.ADDRESS else MEANS[means])
            assert str(error).startswith(f'Slack answered "{code}": {words}')

    @pytest.mark.parametrize(
        ("status", "expected"), [(400, Refused), (403, Retryable), (404, Refused), (500, Unknown), (503, Retryable)]
    )
    async def test_an_unknown_code_goes_by_the_status(self, status: int, expected: type[SendError]) -> None:
        assert type(await self.refused_by(say(answer(status, b"a_new_code", "text/html")))) is expected


REPLIES: Mapping[str, type[SendError] | str] = {
    # What each means at RCPT, DATA and after the mail.
    "421 4.3.2 closing": Retryable,
    "421 4.7.0 try again later": Throttled,
    "450 4.2.0 busy": Retryable,
    "450 4.7.1 too many": Throttled,
    "451 4.3.0 trouble": Retryable,
    "452 4.2.2 full": Retryable,
    "454 4.7.1 relay access denied": Retryable,
    "530 5.7.0 who are you": "credentials",
    "535 5.7.8 who are you": "credentials",
    "550 5.1.1 no such user": Permanent,
    "550 5.4.5 daily limit": Refused,
    "550 relay not permitted": Refused,
    "552 5.3.4 too big": Permanent,
    "554 5.7.1 relay access denied": Refused,
    "299 what": Unknown,
    "hello there": Unknown,
    "<html>": Unknown,
    "\xff\xfe": Unknown,
}
PHASES = ["BANNER", "EHLO", "MAIL", "RCPT", "DATA", "END"]


def meaning(reply: str, kind: type[SendError] | str, phase: str) -> type[SendError] | str:
    """Of a reply at a phase, from what it means once there is a recipient."""
    before = phase in {"BANNER", "EHLO", "MAIL", "RCPT"}
    if kind is Unknown and before:
        return Retryable  # nothing has left
    if kind is Throttled and phase == "EHLO":
        return Retryable  # it is about the name in our greeting, which no waiting changes
    if kind in {Permanent, Refused} and phase == "BANNER":
        return Retryable
    if kind in {Permanent, Refused} and phase == "EHLO":
        return Refused
    if kind is Permanent and phase == "MAIL" and " 5.3.4 " not in reply:
        return Refused  # the only address so far is ours
    return kind


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
        return SmtpProvider(SmtpSettings(smtp_url=SecretStr(url), email_from=SENDER, email_senders=SENDERS))

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
        assert_is(error, meaning(reply, kind, phase))

    @pytest.mark.parametrize("phase", ["BANNER", "EHLO", "MAIL", "RCPT"])
    async def test_a_connection_lost_before_the_mail_is_retryable(self, phase: str) -> None:
        async with serving(Smtp({phase: hang_up})) as server:
            assert type(await self.refused(Where("127.0.0.1", 0, server.port))) is Retryable

    async def test_a_mailbox_that_is_not_there_is_a_hard_bounce_and_a_full_one_is_none(self, lab: Lab) -> None:
        gone = await self.refused(lab.where, replace(self.outgoing(), address="permanent@fail.test"))
        assert cast(Permanent, gone).suppresses is SuppressionReason.HARD_BOUNCE
        await lab.set_fault("email", "400")
        full = await self.refused(lab.where)
        assert (type(full), cast(Permanent, full).suppresses) == (Permanent, None)

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

    async def test_a_reply_of_many_long_lines_is_read_to_its_end(self) -> None:
        """RFC 5321, 4.5.3.1.5: each has at most 512 bytes, and no limit is set to their number."""
        lines = b"".join(b"550-5.1.1 " + b"x" * 500 + b"\r\n" for _ in range(60)) + b"550 5.1.1 no\r\n"
        for phase in ("RCPT", "END"):
            assert type(await self.refused_at(phase, lines)) is Permanent

    async def test_it_greets_by_the_senders_domain_and_hangs_nothing_on_this_machines_name(self) -> None:
        smtp = await self.taken(self.outgoing())
        assert smtp.commands[0] == b"EHLO example.com"

    async def test_a_domain_beyond_ascii_goes_out_in_a_labels_and_needs_no_extension(self) -> None:
        outgoing = replace(self.outgoing(), address="canary@bücher.example")
        smtp = Smtp()
        async with serving(smtp) as server:
            url = SecretStr(f"smtp://127.0.0.1:{server.port}")
            for sender in ("hark@xn--bcher-kva.example", "Hark <hark@bücher.example>"):
                provider = SmtpProvider(SmtpSettings(smtp_url=url, email_from=sender))
                message_id = await provider.send(outgoing)
                assert message_id == f"<{outgoing.notification_id}@xn--bcher-kva.example>"
                mail = message_from_bytes(smtp.mail, policy=policy.default)
                assert mail["From"].addresses[0].addr_spec == "hark@xn--bcher-kva.example"
                assert mail["To"] == "canary@xn--bcher-kva.example"
        assert smtp.commands[1:3] == [
            b"MAIL FROM:<hark@xn--bcher-kva.example>",
            b"RCPT TO:<canary@xn--bcher-kva.example>",
        ]

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


async def test_both_email_providers_send_the_same_files() -> None:
    """Byte for byte, under the same names and types; and again at the next try."""
    outgoing = TestSmtp().mail()
    smtp = [await TestSmtp().taken(outgoing) for _ in range(2)]
    by_smtp = [message_from_bytes(each.mail.removesuffix(b".\r\n"), policy=policy.default) for each in smtp]
    files = [
        (part.get_filename(), part.get_content_type(), part.get_payload(decode=True))
        for part in by_smtp[0].walk()
        if part.get_content_disposition() == "attachment"
    ]
    heard: list[bytes] = []
    async with serving(http(say(answer(202, b"", headers={"X-Message-Id": "1"})), heard)) as server:
        await TestSendGrid().sent(Where("127.0.0.1", server.port, 0), outgoing)
    posted = json.loads(heard[0].partition(b"\r\n\r\n")[2])["attachments"]
    assert [(f["filename"], f["type"], b64decode(f["content"])) for f in posted] == files
    assert files == [(f.name, f.type, f.data) for f in FILES]
    assert all(len(line) <= 998 for line in smtp[0].mail.split(b"\r\n"))
    assert smtp[0].mail.isascii()
    dated = [re.sub(rb"\r\nDate: [^\r]*", b"", each.mail) for each in smtp]
    assert dated[0] == dated[1]


async def test_a_files_name_adds_no_header() -> None:
    for name in ('a"; x="b', "a\\", "=?utf-8?q?=0D=0ABcc=3A=20x?=", "a;b=c", "%0d%0aBcc: x", "'", "*"):
        sent = await TestSmtp().taken(replace(TestSmtp().outgoing(), attachments=[Attachment(name, "a/b", b"x")]))
        mail = message_from_bytes(sent.mail, policy=policy.default)
        [part] = [each for each in mail.walk() if each.get_content_disposition() == "attachment"]
        assert part.get_filename() == name
        assert part.keys() == ["Content-Type", "Content-Transfer-Encoding", "Content-Disposition"]


def assert_headers_are_ours(smtp: Smtp) -> None:
    ours = ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "X-Hark-Notification-Id"]
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
