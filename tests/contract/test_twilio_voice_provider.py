"""Calls by Twilio, held to the contract of all, and what is reported about them."""

from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from pydantic import SecretStr, ValidationError

from functions.voice.content import Content
from functions.voice.destinations import DestinationSettings, screen
from functions.voice.spoken_languages import LANGUAGES, spoken
from functions.voice.twilio_voice_provider import VoiceProvider, VoiceSettings
from functions.voice.twilio_voice_receipts import ABOUT, STATUSES
from functions.voice.voice_codes import MEANINGS
from shared.delivery.errors import MalformedReceipt, Refused
from shared.delivery.model import DeliveryStatus, Receipt
from shared.providers.twilio.status_callbacks import StatusCallbacks
from shared.sending.receipts import ReceiptRequest
from tests.contract.providers import TOKEN, Lab, SessionContract, Where
from tests.contract.receipts import CANARY, NOTIFICATION_ID, ReceiptContract
from tests.contract.scripted import answer, say
from tests.contract.test_providers import error_of_twilio
from tests.contract.twilio_signed import URL, TwilioSigned

CALL_ID = "CA" + "0a" * 16


class TestVoice(SessionContract):
    name, channel = "twilio_voice", "voice"
    address = "+15551230000"
    good_status = 201
    throttle_seconds = None

    def provider(self, where: Where, **changes: Any) -> VoiceProvider:
        told = {
            "twilio_account_sid": "AC" + "0" * 32,
            "twilio_auth_token": SecretStr(TOKEN),
            "voice_from": "+15550001111",
            "twilio_base_url": f"http://{where.host}:{where.port}",
        }
        return VoiceProvider(VoiceSettings.model_validate(told | changes))

    @pytest.mark.parametrize(
        ("part", "locale", "language"),
        [(None, None, "sv-SE"), (None, "de-AT", "de-DE"), ("pt-BR", "de", "pt-BR"), (None, "xx", "sv-SE")],
    )
    async def test_it_is_read_in_the_language_of_the_person(
        self, lab: Lab, part: str | None, locale: str | None, language: str
    ) -> None:
        outgoing = replace(self.outgoing_with({"language": part} if part else {}), locale=locale)
        async with aclosing(self.provider(lab.where, voice_language="sv-SE")) as provider:
            await provider.send(outgoing)
        [item] = await lab.inbox()
        assert item["shown"] == {"language": language}

    async def test_what_the_settings_do_not_allow_is_refused_before_twilio_is_asked(self, lab: Lab) -> None:
        settings = VoiceSettings.model_validate(
            {"twilio_account_sid": "AC" + "0" * 32, "twilio_auth_token": "x", "voice_from": "+15550001111"}
        )
        async with aclosing(VoiceProvider(settings, lambda _: "VOICE_KINDS does not")) as provider:
            with pytest.raises(Refused, match="VOICE_KINDS does not"):
                await provider.send(self.outgoing())
        assert await lab.inbox() == []

    async def test_it_can_be_asked_whether_there_is_no_call(self, lab: Lab) -> None:
        since = datetime.now(UTC) - timedelta(seconds=5)
        async with aclosing(self.provider(lab.where)) as provider:
            assert await provider.find(self.outgoing(), since) == []
            await provider.send(self.outgoing())
            assert await provider.find(self.outgoing(), since) is None
            assert await provider.find(self.outgoing(), datetime.now(UTC) + timedelta(seconds=5)) == []
            assert await provider.find(self.outgoing_to("+15551230001"), since) == []

    @pytest.mark.parametrize("code", MEANINGS)
    async def test_a_code_means_what_the_table_says(self, code: int) -> None:
        error = await self.refused_by(say(answer(400, error_of_twilio(code))))
        assert type(error) is MEANINGS[code][0]
        assert "{" not in str(error)


@pytest.mark.parametrize(
    ("locale", "language"), [("de", "de-DE"), ("en_GB", "en-GB"), ("EN-gb", "en-GB"), ("zh", "zh-CN"), ("tlh", "en-US")]
)
def test_a_locale_has_a_language(locale: str, language: str) -> None:
    assert spoken(locale) == language
    assert language in LANGUAGES


def test_a_language_that_nobody_reads_is_refused() -> None:
    assert Content(message="m", language="de-AT").parts()["language"] == "de-AT"
    with pytest.raises(ValidationError, match="that Twilio can read out"):
        Content(message="m", language="tlh")


def test_calls_go_to_the_callers_country_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICE_FROM", "+14155552671")
    refusal = screen().refusal
    assert refusal("+14155552672") is None
    assert "VOICE_COUNTRIES allows numbers of US" in (refusal("+436601234567") or "")
    assert "VOICE_KINDS does not name premium numbers" in (refusal("+19005551234") or "")
    monkeypatch.setenv("VOICE_COUNTRIES", "AT")
    assert screen().refusal("+436601234567") is None
    assert screen().most_per_hour == 10


def test_a_caller_without_a_country_needs_the_setting() -> None:
    with pytest.raises(ValidationError, match="VOICE_COUNTRIES must be set"):
        DestinationSettings.model_validate({"voice_from": "+88212345678"})


class TestCallbacks(TwilioSigned, ReceiptContract):
    target = f"/v1/receipts/twilio_voice?notification_id={NOTIFICATION_ID}"

    def reader(self) -> StatusCallbacks:
        return StatusCallbacks("token", URL + "/", ABOUT)

    def fields(self, **changes: str) -> bytes:
        fields = {"CallSid": CALL_ID, "CallStatus": "completed", "AccountSid": "AC" + "0" * 32, "To": f"+2{CANARY} ü"}
        return urlencode(fields | changes).encode()

    def genuine(self, status: DeliveryStatus = DeliveryStatus.DELIVERED) -> ReceiptRequest:
        return self.signed(self.fields(CallStatus="completed" if status is DeliveryStatus.DELIVERED else "busy"))

    def read_fields(self, **changes: str) -> list[Receipt]:
        return list(self.read(self.signed(self.fields(**changes))))

    @pytest.mark.parametrize(("word", "status"), STATUSES.items())
    def test_a_status_means_what_the_table_says(self, word: str, status: DeliveryStatus | None) -> None:
        receipts = self.read_fields(CallStatus=word)
        assert [receipt.status for receipt in receipts] == ([status] if status else [])
        if status is DeliveryStatus.UNDELIVERED:
            assert receipts[0].reason == f"Twilio reports {word}"

    def test_it_names_the_call_and_the_notification(self) -> None:
        (receipt,) = self.read_fields()
        about = (receipt.channel, receipt.provider, receipt.provider_message_id, receipt.notification_id)
        assert about == ("voice", "twilio_voice", CALL_ID, NOTIFICATION_ID)

    def test_what_is_no_call_is_no_receipt(self) -> None:
        with pytest.raises(MalformedReceipt, match="no call's id"):
            self.read_fields(CallSid="SM" + "0a" * 16)
