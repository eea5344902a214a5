"""Twilio's status callbacks: https://www.twilio.com/docs/messaging/guides/track-outbound-message-status

The gateway imports this module at its start, and a cold start must load no SDK: twilio is imported with the first
receipt.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from urllib.parse import parse_qs

from pydantic import SecretStr
from starlette.datastructures import Headers

from functions.sms.twilio_reasons import REASONS
from shared.delivery.errors import ForgedReceipt, MalformedReceipt
from shared.delivery.model import DeliveryStatus, Receipt
from shared.runtime.logs import get_logger
from shared.runtime.settings import BaseUrl, Settings, load
from shared.sending.receipts import NOTIFICATION_ID, ReceiptReader, ReceiptRequest

log = get_logger(__name__)

_BODY_LIMIT = 8 * 1024  # bytes; Twilio sends about 600, some channels 2,000
_MOST_FIELDS = 50  # Twilio sends about twenty
_TARGET_LIMIT = 1024  # characters; the path and query that our own callback's URL has are below 100
_SIGNATURE = re.compile(r"[A-Za-z0-9+/]{27}=")  # 20 bytes in base64: HMAC-SHA1
_MESSAGE_ID = re.compile(r"(SM|MM)[0-9a-fA-F]{32}")

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


class TwilioReceiptSettings(Settings):
    """public_url: the gateway's address as Twilio calls it, which is part of what Twilio signs."""

    twilio_auth_token: SecretStr | None = None
    public_url: BaseUrl | None = None


class _Form(dict[str, list[str]]):
    """A form's values by name, as the SDK asks for them: it signs all values of a name.

    Starlette's form looks through all fields for each name, which for a hundred is a millisecond.
    """

    def getall(self, name: str) -> list[str]:
        return self[name]


class TwilioReceipts:
    body_limit = _BODY_LIMIT

    def __init__(self, auth_token: str, public_url: str) -> None:
        self._auth_token = auth_token
        self._base_url = public_url.rstrip("/")

    def check_head(self, target: str, headers: Headers, at: datetime) -> None:
        signatures = headers.getlist("X-Twilio-Signature")
        if len(signatures) != 1 or not _SIGNATURE.fullmatch(signatures[0]):
            raise ForgedReceipt("X-Twilio-Signature must be there once, 20 bytes in base64")
        media_type = headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if media_type != "application/x-www-form-urlencoded":
            raise ForgedReceipt("Twilio sends forms")
        if not target.startswith("/") or len(target) > _TARGET_LIMIT:
            raise ForgedReceipt("the target is no path that Twilio was given")

    def read(self, request: ReceiptRequest) -> Sequence[Receipt]:
        form = self._verified(request)
        message_id = _one(form, "MessageSid", "SmsSid")
        if not _MESSAGE_ID.fullmatch(message_id):
            raise MalformedReceipt("MessageSid is no message's id")
        word = _one(form, "MessageStatus", "SmsStatus")
        status = _status(word)
        if status is None:
            return ()
        receipt = Receipt(
            channel="sms",
            provider="twilio",
            provider_message_id=message_id,
            status=status,
            notification_id=_notification_id(request.target),
            reason=_reason(word, form.get("ErrorCode", [""])[-1]) if status is DeliveryStatus.UNDELIVERED else None,
            overrules=status is DeliveryStatus.DELIVERED,  # Twilio never says both; if it did, a phone has answered
        )
        return (receipt,)

    def _verified(self, request: ReceiptRequest) -> _Form:
        """The form's fields. Raises ForgedReceipt."""
        from twilio.request_validator import RequestValidator  # noqa: PLC0415 - see the module's docstring

        self.check_head(request.target, request.headers, request.at)
        form = _form(request.body)
        signature = request.headers["X-Twilio-Signature"]
        try:
            genuine = RequestValidator(self._auth_token).validate(self._base_url + request.target, form, signature)
        except ValueError:  # what is no URL
            genuine = False
        if not genuine:
            raise ForgedReceipt("X-Twilio-Signature is not Twilio's for this URL and body")
        return form


def receipts() -> ReceiptReader | None:
    settings = load(TwilioReceiptSettings)
    if settings.twilio_auth_token is None or settings.public_url is None:
        return None
    return TwilioReceipts(settings.twilio_auth_token.get_secret_value(), settings.public_url)


def _form(body: bytes) -> _Form:
    """Raises ForgedReceipt."""
    if len(body) > _BODY_LIMIT:
        raise ForgedReceipt(f"the body has more than {_BODY_LIMIT} bytes")
    try:
        fields = parse_qs(
            body.decode(),
            keep_blank_values=True,  # they are part of what is signed
            errors="strict",
            max_num_fields=_MOST_FIELDS,
        )
    except ValueError:
        raise ForgedReceipt(f"the body is no form of at most {_MOST_FIELDS} fields in UTF-8") from None
    return _Form(fields)


def _one(form: _Form, *names: str) -> str:
    """The value of the first of these names that is there. Raises MalformedReceipt."""
    for name in names:
        values = form.get(name, [])
        if len(values) == 1:
            return values[0]
        if values:
            raise MalformedReceipt(f"{name} is there {len(values)} times")
    raise MalformedReceipt(f"{names[0]} is missing")


def _status(word: str) -> DeliveryStatus | None:
    if word not in STATUSES:
        known_shape = re.fullmatch(r"[a-z_]{1,40}", word)
        log.warning("unknown status in a receipt", provider="twilio", status=word if known_shape else None)
    return STATUSES.get(word)


def _reason(word: str, code: str) -> str:
    """In words and digits of ours: the callback repeats the number in its other fields."""
    if not re.fullmatch(r"[0-9]{1,6}", code):
        return f"Twilio reports {word}"
    words = REASONS.get(int(code))
    return f"Twilio reports {word}: {words} ({code})" if words else f"Twilio reports {word} ({code})"


def _notification_id(target: str) -> str | None:
    """Ours, which the provider file put into the callback's URL."""
    try:
        query = parse_qs(target.partition("?")[2], max_num_fields=_MOST_FIELDS)
    except ValueError:
        return None
    ids = query.get("notification_id", [])
    return ids[0] if len(ids) == 1 and NOTIFICATION_ID.fullmatch(ids[0]) else None
