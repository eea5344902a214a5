"""What Twilio reports back about calls: https://www.twilio.com/docs/voice/api/call-resource#call-status-values"""

import re

from shared.delivery.errors import MalformedReceipt
from shared.delivery.model import DeliveryStatus
from shared.providers.twilio.signature import Form
from shared.providers.twilio.status_callbacks import SETTINGS, About, Statuses, callbacks
from shared.sending.receipts import ReceiptReader

__all__ = ["SETTINGS", "receipts"]

STATUSES: Statuses = {
    "queued": None,
    "initiated": None,
    "ringing": None,
    "in-progress": None,
    "completed": DeliveryStatus.DELIVERED,  # it was answered, by somebody or by a machine, and has ended
    "busy": DeliveryStatus.UNDELIVERED,
    "no-answer": DeliveryStatus.UNDELIVERED,
    "failed": DeliveryStatus.UNDELIVERED,  # the number cannot be reached
    "canceled": DeliveryStatus.UNDELIVERED,  # somebody ended it at Twilio while it rang
}
_CALL_ID = re.compile(r"CA[0-9a-fA-F]{32}")


def _call_id(form: Form) -> str:
    call_id = form.one("CallSid")
    if not _CALL_ID.fullmatch(call_id):
        raise MalformedReceipt("CallSid is no call's id")
    return call_id


ABOUT = About("voice", "twilio_voice", STATUSES, ("CallStatus",), _call_id)


def receipts() -> ReceiptReader | None:
    return callbacks(ABOUT)
