"""What Twilio reports back about text messages."""

from shared.providers.twilio.status_callbacks import SETTINGS, About, StatusCallbacks, callbacks
from shared.sending.receipts import ReceiptReader

__all__ = ["SETTINGS", "receipts"]

ABOUT = About.messages("sms", "twilio")


class TwilioReceipts(StatusCallbacks):
    def __init__(self, auth_token: str, public_url: str) -> None:
        super().__init__(auth_token, public_url, ABOUT)


def receipts() -> ReceiptReader | None:
    return callbacks(ABOUT)
