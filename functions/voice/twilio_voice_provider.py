"""Twilio, for calls that read a message out: https://www.twilio.com/docs/voice/api/call-resource"""

from collections.abc import Callable, Sequence
from datetime import datetime
from xml.sax.saxutils import escape

from pydantic import Field

from functions.voice.destinations import screen
from functions.voice.spoken_languages import DEFAULT, spoken
from functions.voice.voice_codes import MEANINGS
from shared.delivery.errors import Refused
from shared.providers.twilio.client import Account, AccountSettings, mark
from shared.runtime.settings import load
from shared.sending.provider import Found, Outgoing, Provider

_NEWEST = 50  # of the calls to a number, when one is looked for
_RINGS_SECONDS = 60  # Twilio's own default; some networks cut it shorter


class VoiceSettings(AccountSettings):
    voice_from: str = Field(pattern=r"^\+[1-9][0-9]{6,14}$")
    voice_language: str = DEFAULT


class VoiceProvider:
    """refusal: why a number is not called (`destinations.py`)"""

    name = "twilio_voice"

    def __init__(self, settings: VoiceSettings, refusal: Callable[[str], str | None] = lambda _: None) -> None:
        self._account = Account(settings, "VOICE_FROM", MEANINGS)
        self._from = settings.voice_from
        self._language = settings.voice_language
        self._refusal = refusal

    async def send(self, outgoing: Outgoing) -> str | None:
        refusal = self._refusal(outgoing.address)
        if refusal is not None:
            raise Refused(refusal)
        language = spoken(outgoing.parts.get("language"), outgoing.locale, self._language)
        callback = self._account.callback(self.name, outgoing.notification_id)
        made = self._account.client.calls.create_async(
            to=outgoing.address,
            from_=self._from,
            twiml=f'<Response><Say language="{language}">{escape(outgoing.text)}</Say></Response>',
            timeout=_RINGS_SECONDS,
            # By default its end alone is reported, with the status that it had then.
            **({} if callback is None else {"status_callback": callback, "status_callback_event": ["completed"]}),
        )
        return await self._account.made(made, outgoing.notification_id)

    async def find(self, outgoing: Outgoing, since: datetime) -> Sequence[Found] | None:
        """That there is no call to the number is known. Of one that is there nobody knows what it read: it may be
        another notification's, which would then be lost.
        """
        mark(outgoing.notification_id)
        calls = await self._account.client.calls.list_async(
            to=outgoing.address, from_=self._from, limit=_NEWEST, page_size=_NEWEST
        )
        perhaps = [call for call in calls if call.date_created is None or call.date_created >= since]
        return None if perhaps else []

    async def aclose(self) -> None:
        await self._account.aclose()


def provider() -> Callable[[], Provider]:
    settings, refusal = load(VoiceSettings), screen().refusal
    return lambda: VoiceProvider(settings, refusal)
