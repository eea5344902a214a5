"""Twilio's status callbacks: https://www.twilio.com/docs/messaging/guides/track-outbound-message-status

The gateway imports this module at its start, and a cold start must load no SDK: twilio is imported with the first
receipt.
"""

import re
from collections.abc import Mapping, Sequence
from urllib.parse import parse_qs, parse_qsl

from pydantic import SecretStr
from starlette.datastructures import ImmutableMultiDict

from shared.errors import ForgedReceipt, MalformedReceipt
from shared.logs import get_logger
from shared.model import DeliveryStatus, Receipt
from shared.receipts import NOTIFICATION_ID, ReceiptReader, ReceiptRequest
from shared.settings import BaseUrl, Settings, load

log = get_logger(__name__)

_MOST_FIELDS = 100  # Twilio sends about twenty
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

REASONS: Mapping[int, str] = {
    # https://www.twilio.com/docs/api/errors
    21610: "the person has unsubscribed",
    30001: "queue overflow",
    30002: "account suspended",
    30003: "unreachable handset",
    30004: "message blocked",
    30005: "unknown handset",
    30006: "landline or unreachable carrier",
    30007: "filtered as spam",
    30008: "unknown error",
    30009: "a segment is missing",
    30010: "dearer than the maximum price",
    30017: "carrier congested",
    30018: "sender not registered with the carrier",
    30019: "too large for the carrier",
    30022: "carrier's rate limit",
    30023: "carrier's daily limit",
    30024: "numeric sender not allowed by the carrier",
    30032: "toll-free number not verified",
    30034: "number not registered for US A2P 10DLC",
    30036: "validity period over",
    30410: "carrier did not answer in time",
    30450: "delivery blocked",
    30500: "internal error at Twilio",
    63003: "no such recipient in the channel",
    63014: "blocked by the person",
    63016: "outside the channel's messaging window",
    63018: "channel's rate limit",
    63024: "invalid recipient",
}


class TwilioReceiptSettings(Settings):
    """public_url: the gateway's address as Twilio calls it, which is part of what Twilio signs."""

    twilio_auth_token: SecretStr | None = None
    public_url: BaseUrl | None = None


class TwilioReceipts:
    def __init__(self, auth_token: str, public_url: str) -> None:
        self._auth_token = auth_token
        self._base_url = public_url.rstrip("/")

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
            reason=_reason(word, form.get("ErrorCode", "")) if status is DeliveryStatus.UNDELIVERED else None,
            overrules=status is DeliveryStatus.DELIVERED,  # Twilio never says both; if it did, a phone has answered
        )
        return (receipt,)

    def _verified(self, request: ReceiptRequest) -> ImmutableMultiDict[str, str]:
        """The form's fields. Raises ForgedReceipt."""
        from twilio.request_validator import RequestValidator  # noqa: PLC0415 - see the module's docstring

        signatures = request.headers.getlist("X-Twilio-Signature")
        if len(signatures) != 1:
            raise ForgedReceipt("X-Twilio-Signature must be there once")
        if not request.target.startswith("/"):
            raise ForgedReceipt("the target is no path")
        form = _form(request)
        try:
            genuine = RequestValidator(self._auth_token).validate(self._base_url + request.target, form, signatures[0])
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


def _form(request: ReceiptRequest) -> ImmutableMultiDict[str, str]:
    """The fields as the SDK wants them, which signs all values of a name. Raises ForgedReceipt."""
    media_type = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if media_type != "application/x-www-form-urlencoded":
        raise ForgedReceipt("Twilio sends forms")
    try:
        fields = parse_qsl(
            request.body.decode(),
            keep_blank_values=True,  # they are part of what is signed
            errors="strict",
            max_num_fields=_MOST_FIELDS,
        )
    except ValueError:
        raise ForgedReceipt(f"the body is no form of at most {_MOST_FIELDS} fields in UTF-8") from None
    return ImmutableMultiDict(fields)


def _one(form: ImmutableMultiDict[str, str], *names: str) -> str:
    """The value of the first of these names that is there. Raises MalformedReceipt."""
    for name in names:
        values = form.getlist(name)
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
    return f"Twilio reports {word} ({code}, {words})" if words else f"Twilio reports {word} ({code})"


def _notification_id(target: str) -> str | None:
    """Ours, which the provider file put into the callback's URL."""
    try:
        query = parse_qs(target.partition("?")[2], max_num_fields=_MOST_FIELDS)
    except ValueError:
        return None
    ids = query.get("notification_id", [])
    return ids[0] if len(ids) == 1 and NOTIFICATION_ID.fullmatch(ids[0]) else None
