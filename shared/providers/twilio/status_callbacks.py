"""Twilio's status callbacks, whatever they are about:
https://www.twilio.com/docs/messaging/guides/track-outbound-message-status
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qs

from starlette.datastructures import Headers

from shared.delivery.model import DeliveryStatus, Receipt
from shared.providers.twilio.reasons import REASONS, SUPPRESSES
from shared.providers.twilio.signature import Form, SignedForms, credentials
from shared.runtime.logs import get_logger
from shared.sending.receipts import NOTIFICATION_ID, ReceiptRequest

log = get_logger(__name__)

SETTINGS = ("TWILIO_AUTH_TOKEN", "PUBLIC_URL")
_BODY_LIMIT = 8 * 1024  # bytes; Twilio sends about 600, some channels 2,000
_MOST_FIELDS = 50  # Twilio sends about twenty

Statuses = Mapping[str, DeliveryStatus | None]
"""None: not decided by this."""

OF_MESSAGES: Statuses = {
    # https://www.twilio.com/docs/messaging/api/message-resource#message-status-values
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


@dataclass(frozen=True, slots=True)
class About:
    """What the callbacks of one channel are about.

    words: the names of the field with the status; made_id: reads the id of what was made, or raises MalformedReceipt
    """

    channel: str
    provider: str
    statuses: Statuses
    words: Sequence[str]
    made_id: Callable[[Form], str]

    @classmethod
    def messages(cls, channel: str, provider: str) -> "About":
        return cls(channel, provider, OF_MESSAGES, ("MessageStatus", "SmsStatus"), Form.message_id)


class StatusCallbacks:
    body_limit = _BODY_LIMIT

    def __init__(self, auth_token: str, public_url: str, about: About) -> None:
        self._forms = SignedForms(auth_token, public_url, _BODY_LIMIT, _MOST_FIELDS)
        self._about = about

    def check_head(self, target: str, headers: Headers, at: datetime) -> None:
        self._forms.check_head(target, headers)

    def read(self, request: ReceiptRequest) -> Sequence[Receipt]:
        form, about = self._forms.verified(request), self._about
        made_id = about.made_id(form)
        word = form.one(*about.words)
        status = self._status(word)
        if status is None:
            return ()
        code = _code(form) if status is DeliveryStatus.UNDELIVERED else None
        receipt = Receipt(
            channel=about.channel,
            provider=about.provider,
            provider_message_id=made_id,
            status=status,
            notification_id=_notification_id(request.target),
            reason=_reason(word, code) if status is DeliveryStatus.UNDELIVERED else None,
            overrules=status is DeliveryStatus.DELIVERED,  # Twilio never says both; if it did, a phone has answered
            suppresses=None if code is None else SUPPRESSES.get(code),
        )
        return (receipt,)

    def _status(self, word: str) -> DeliveryStatus | None:
        if word not in self._about.statuses:
            known_shape = re.fullmatch(r"[a-z_-]{1,40}", word)
            status = word if known_shape else None
            log.warning("unknown status in a receipt", provider=self._about.provider, status=status)
        return self._about.statuses.get(word)


def callbacks(about: About) -> StatusCallbacks | None:
    """Reads the settings; None when one is not set."""
    set_up = credentials()
    return None if set_up is None else StatusCallbacks(*set_up, about)


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
