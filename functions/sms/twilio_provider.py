"""Twilio, for text messages."""

from collections.abc import Callable

from functions.sms.destinations import screen
from functions.sms.senders import Sender, is_service
from shared.providers.twilio.client import Account, AccountSettings
from shared.providers.twilio.messages import Messages
from shared.runtime.settings import load
from shared.sending.provider import Provider


class TwilioSettings(AccountSettings):
    twilio_from: Sender


class TwilioProvider(Messages):
    """refusal: why nothing is sent to a number (`destinations.py`)"""

    def __init__(self, settings: TwilioSettings, refusal: Callable[[str], str | None] = lambda _: None) -> None:
        sender = "messaging_service_sid" if is_service(settings.twilio_from) else "from_"
        account = Account(settings, "TWILIO_FROM")
        super().__init__(account, "twilio", {sender: settings.twilio_from}, refusal=refusal)


def provider() -> Callable[[], Provider]:
    settings, refusal = load(TwilioSettings), screen().refusal
    return lambda: TwilioProvider(settings, refusal)
