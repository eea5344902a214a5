"""Twilio's status callbacks: https://www.twilio.com/docs/messaging/guides/track-outbound-message-status"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from urllib.parse import parse_qs

from starlette.datastructures import Headers

from functions.sms.twilio_reasons import REASONS, SUPPRESSES
from functions.sms.twilio_signature import Form, SignedForms, credentials
from shared.delivery.model import DeliveryStatus, Receipt
from shared.runtime.logs import get_logger
from shared.sending.receipts import NOTIFICATION_ID, ReceiptReader, ReceiptRequest

log = get_logger(__name__)

SETTINGS = ("TWILIO_AUTH_TOKEN", "PUBLIC_URL")
_BODY_LIMIT = 8 * 1024  # bytes; Twilio sends about 600, some channels 2,000
_MOST_FIELDS = 50  # Twilio sends about twenty

STATUSES: Mapping[str, DeliveryStatus | None] = {
    # https://www.twilio.com/docs/messaging/api/message-resource#message-status-values. None: not decided by this.
    "accepted": None,  # a messaging service will pick the sender
    "scheduled": None,
    "canceled": DeliveryStatus.UNDELIVERED,  # a scheduled one that somebody withdrew at Twilio: it never leaves
    "queued": None,
    "sending": None,
    "sent": None,  # the nearest carrier has it
    "delivered": DeliveryStatus.DELIVERED,
    "undelivered": DeliveryStatus.UNDELIVERED,  # the carrier, or the handset, says so
    "failed": DeliveryStatus.UNDELIVERED,  # Twilio could not send it
    "read": DeliveryStatus.DELIVERED,  # WhatsApp and RCS; it may come without a `delivered`
    "partially_delivered": None,  # to some people of a group: ours have one
    "receiving": None,  # of messages that come in
    "received": None,
}


class TwilioReceipts:
    body_limit = _BODY_LIMIT

    def __init__(self, auth_token: str, public_url: str) -> None:
        self._forms = SignedForms(auth_token, public_url, _BODY_LIMIT, _MOST_FIELDS)

    def check_head(self, target: str, headers: Headers, at: datetime) -> None:
        self._forms.check_head(target, headers)

    def read(self, request: ReceiptRequest) -> Sequence[Receipt]:
        form = self._forms.verified(request)
        message_id = form.message_id()
        word = form.one("MessageStatus", "SmsStatus")
        status = _status(word)
        if status is None:
            return ()
        code = _code(form) if status is DeliveryStatus.UNDELIVERED else None
        receipt = Receipt(
            channel="sms",
            provider="twilio",
            provider_message_id=message_id,
            status=status,
            notification_id=_notification_id(request.target),
            reason=_reason(word, code) if status is DeliveryStatus.UNDELIVERED else None,
            overrules=status is DeliveryStatus.DELIVERED,  # Twilio never says both; if it did, a phone has answered
            suppresses=None if code is None else SUPPRESSES.get(code),
        )
        return (receipt,)


def receipts() -> ReceiptReader | None:
    set_up = credentials()
    return None if set_up is None else TwilioReceipts(*set_up)


def _status(word: str) -> DeliveryStatus | None:
    if word not in STATUSES:
        known_shape = re.fullmatch(r"[a-z_]{1,40}", word)
        log.warning("unknown status in a receipt", provider="twilio", status=word if known_shape else None)
    return STATUSES.get(word)


def _code(form: Form) -> int | None:
    said = form.get("ErrorCode", [""])[-1]
    return int(said) if re.fullmatch(r"[0-9]{1,6}", said) else None


def _reason(word: str, code: int | None) -> str:
    """In words and digits of ours: the callback repeats the number in its other fields."""
    if code is None:
        return f"Twilio reports {word}"
    words = REASONS.get(code)
    return f"Twilio reports {word}: {words} ({code})" if words else f"Twilio reports {word} ({code})"


def _notification_id(target: str) -> str | None:
    """Ours, which the provider file put into the callback's URL."""
    try:
        query = parse_qs(target.partition("?")[2], max_num_fields=_MOST_FIELDS)
    except ValueError:
        return None
    ids = query.get("notification_id", [])
    return ids[0] if len(ids) == 1 and NOTIFICATION_ID.fullmatch(ids[0]) else None
