"""What Twilio reports back about WhatsApp messages."""

from shared.providers.twilio.status_callbacks import SETTINGS, About, callbacks
from shared.sending.receipts import ReceiptReader

__all__ = ["SETTINGS", "receipts"]

ABOUT = About.messages("whatsapp", "twilio_whatsapp")


def receipts() -> ReceiptReader | None:
    return callbacks(ABOUT)
